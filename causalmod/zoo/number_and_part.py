"""A number, a part of it, and their sum: to subtract what all three share takes away too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log2

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import entropy
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import given_known, published, sends, unbounded


class _Part(nn.Module):
    def __init__(self, divisor: int, rounded: bool) -> None:
        super().__init__()
        self.divisor, self.rounded = divisor, rounded

    def forward(self, number: Tensor) -> Tensor:
        part = number / self.divisor
        return torch.floor(part) if self.rounded else part


class _Sum(nn.Module):
    def __init__(self, divisor: int, rounded: bool) -> None:
        super().__init__()
        self.part = _Part(divisor, rounded)

    def forward(self, number: Tensor) -> Tensor:
        return number + self.part(number)


@register("sum_of_parts_exact", rounded=False)
@register("sum_of_parts")
def sum_of_parts(rounded: bool = True, *, values: int = 30, divisor: int = 3) -> Case:
    """``C = A + B`` with ``A`` uniform on 0 to 29, and ``B = A // 3`` or ``B = A / 3``.

    B sends C something, whatever A is: given A, C repeats B's donor, so the conditional form and
    the strength of the arrow are ``H(B)``: ``log2 10 = 3.3219`` bits, or ``log2 30 = 4.9069``.
    Averaged over A, C is the sum of independent draws, ``H(A' + B) - H(A')``: 0.2362 or 1.8212
    bits. The data hold few of these sums, so against the data's ``P(C)`` the interventional form is
    infinite.

    Watched, C tells B, and ``I(B;C) = H(B)``. All of that is shared with A, which determines both:
    ``I(A:B:C) = I(B;C) - I(B;C|A) = I(B;C)``. To subtract the triple information, so that what has
    a common cause does not count, leaves ``I(B;C|A) = 0`` bits of a signal that is sent.

    Args:
        rounded: ``B = A // divisor``, else ``A / divisor``.
        values: number of values of A.
        divisor: what A is divided by.

    Raises:
        InputError: ``divisor`` below 2, or not below ``values``.

    Source: enumeration; the strength of an arrow after Janzing et al., Annals of Statistics
    41(5):2324 (2013), definition 2.

    Example:
        >>> [round(fact.expected, 4) for fact in sum_of_parts().facts[:3]]
        [3.3219, 0.2362, 3.3219]
        >>> [round(fact.expected, 4) for fact in sum_of_parts(rounded=False).facts[:3]]
        [4.9069, 1.8212, 4.9069]
    """
    if not 2 <= divisor < values:
        raise InputError(
            f"divisor must be from 2 to values - 1; given divisor={divisor}, values={values}"
        )
    numbers = range(values)
    # in units of 1 / divisor, where every value is a whole number
    parts = [number // divisor * divisor if rounded else number for number in numbers]
    sent = _entropy_of(parts)
    averaged = _entropy_of(a * divisor + b for a in numbers for b in parts) - log2(values)
    given = "given A, C repeats B's donor: H(B)"
    return Case(
        name="sum_of_parts" if rounded else "sum_of_parts_exact",
        model=_Sum(divisor, rounded).eval(),
        inputs=torch.arange(float(values))[:, None],
        modules=None,
        facts=(
            sends("observational", "part[0]", "output[0]", sent, "C determines A, and A B: H(B)"),
            sends("interventional", "part[0]", "output[0]", averaged, "H(A' + B) - H(A')"),
            sends("conditional", "part[0]", "output[0]", sent, given),
            published(sent, given, "part[0]", "output[0]", kind="strength"),
            unbounded("part[0]", "output[0]", "the data hold few of the sums"),
            given_known("part[0]", "output[0]", "input[0]", 0.0, "A determines B and C"),
        ),
        sites=("part", "output"),
        doc=f"A number from 0 to {values - 1}, a part of it, and their sum.",
    )


def _entropy_of(values: Iterable[int]) -> float:
    counts = Counter(values)
    return entropy(*(count / counts.total() for count in counts.values()))
