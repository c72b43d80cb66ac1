"""A function that is hard to compute and easy to pass on."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import entropy, fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, given_known, published, sends_alike


class _Table(nn.Module):
    """The entry of a whole-numbered input, counted from ``first``."""

    entries: Tensor

    def __init__(self, entries: list[int], first: int) -> None:
        super().__init__()
        self.register_buffer("entries", torch.tensor(entries, dtype=torch.float32))
        self.first = first

    def forward(self, number: Tensor) -> Tensor:
        return self.entries[number.long() - self.first]


@register("lookup")
def lookup(largest: int = 33) -> Case:
    """``B`` is the smallest prime factor of ``A``, looked up in a table; ``C`` copies B.

    A is uniform on 2 to 33, so B is 2 on 16 of 32 numbers, 3 on 6, 5 on 2, and each of the primes
    from 7 to 31 on one. All of ``H(B) = 2.4528`` bits arrive, watched or intervened on, by each
    reference. Given A, nothing is left: ``I(B;C|A) = 0``, for A determines everything. A measure
    that asks how much B tells *beyond the input* reads 0 for every unit of every deterministic
    network, however hard it would be for C to work B out by itself.

    Args:
        largest: the largest value of A; at least 3.

    Raises:
        InputError: ``largest`` below 3 (B would be constant).

    Source: enumeration.

    Example:
        >>> case = lookup()
        >>> round(case.facts[0].expected, 4), case.facts[-1].expected
        (2.4528, 0.0)
    """
    if largest < 3:
        raise InputError(f"largest must be at least 3; given {largest}")
    factors = [
        next(factor for factor in range(2, number + 1) if number % factor == 0)
        for number in range(2, largest + 1)
    ]
    model = nn.Sequential()
    model.add_module("b", _Table(factors, 2))
    model.add_module("copy", fixed_linear([[1.0]]))
    bits = entropy(*(count / len(factors) for count in Counter(factors).values()))
    modules = {"b": ["b[0]"], "c": ["output[0]"]}
    why = "C copies B: H(B)"
    return Case(
        name="lookup",
        model=model.eval(),
        inputs=torch.arange(2.0, largest + 1)[:, None],
        modules=modules,
        facts=(
            *sends_alike("b[0]", "output[0]", bits, why),
            published(bits, why, "b[0]", "output[0]", reference="observational"),
            exchanges(modules, bits, why),
            given_known("b[0]", "output[0]", "input[0]", 0.0, "A determines B and C"),
        ),
        sites=("b", "output"),
        doc=f"The smallest prime factor of a number from 2 to {largest}, looked up and copied.",
    )
