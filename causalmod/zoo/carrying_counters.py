"""Counters that carry into their neighbour: two modules, and in each of them two more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.exchange import exchange
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import entropy, fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, splits_in_two


class _Counters(nn.Module):
    """``b_i = (a_i + [a_j = base - 1]) mod base`` with ``j`` the partner of ``i``."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base
        self.a = fixed_linear(torch.eye(4))

    def forward(self, numbers: Tensor) -> Tensor:
        a = self.a(numbers)
        carries = (a[:, [1, 0, 3, 2]] == self.base - 1).to(a.dtype)
        return torch.remainder(a + carries, self.base)


@register("nested_counters")
def nested_counters(base: int = 4) -> Case:
    """Four counters on 0 to 3 in two pairs; each steps on when its partner stands at 3.

    ``a_i = x_i`` and ``b_i = (a_i + [a_j = 3]) mod 4``, where i and j are partners: 0 and 1, 2 and
    3. The rows hold every combination of the x, so all donors are independent.

    - The pairs exchange nothing, and no other split of the eight units in two does: it would part
      some ``b_i`` from ``a_i`` or from ``a_j``, and these move it.
    - All four counters apart: given its own ``a_i``, each takes in whether the partner's donor is
      3, a coin with p = 1/4: ``4 H(1/4) = 3.2451`` bits.
    - Inside a pair, the other pair being held: ``2 H(1/4) = 1.6226`` bits between the two counters.
      Any other split of the four units parts some ``b_i`` from its ``a_i``, and whoever gets a
      donor's ``a_i`` takes in all of its ``log2 4 = 2`` bits; cutting off one ``b_i`` alone costs
      exactly that. So the counters are the best split inside a pair, too.

    Args:
        base: number of values of a counter, at least 4 (for 2 and 3 the carry costs more than it
            does to cut off a ``b_i``).

    Raises:
        InputError: ``base`` below 4.

    Source: enumeration.

    Example:
        >>> [round(fact.expected, 4) for fact in nested_counters().facts]
        [0.0, 3.2451, 1.0, 1.6226, 2.0]
    """
    if base < 4:
        raise InputError(f"base must be at least 4; given {base}")
    counters = [[f"a[{place}]", f"output[{place}]"] for place in range(4)]
    modules = {"left": counters[0] + counters[1], "right": counters[2] + counters[3]}
    apart = {f"counter {place}": members for place, members in enumerate(counters)}
    coin = entropy(1 / base, 1 - 1 / base)
    why = f"a counter reads whether its partner is {base - 1}, a coin with p = 1/{base}"
    pair = Partition({"0": counters[0], "1": counters[1]})

    def inside(scm: StructuralCausalModel) -> float:
        return exchange(scm.submodel(modules["left"]), pair, estimator="exact").bits

    def others(scm: StructuralCausalModel) -> float:
        within = scm.submodel(modules["left"])
        return min(
            exchange(within, split, estimator="exact").bits
            for split in splits_in_two(modules["left"])
            if split.blocks != pair.blocks
        )

    def silent(scm: StructuralCausalModel) -> float:
        splits = splits_in_two(scm.units.names)
        return float(sum(exchange(scm, split, estimator="exact").bits == 0 for split in splits))

    return Case(
        name="nested_counters",
        model=_Counters(base).eval(),
        inputs=torch.cartesian_prod(*[torch.arange(float(base))] * 4),
        modules=modules,
        facts=(
            exchanges(modules, 0.0, "no counter reads one of the other pair"),
            exchanges(apart, 4 * coin, why),
            Fact(
                "splits of the units in two without exchange",
                1.0,
                silent,
                "every other split parts a unit from something that moves it",
            ),
            Fact("exchange of the two counters inside a pair", 2 * coin, inside, why),
            Fact(
                "least exchange of any other split inside a pair",
                entropy(*[1 / base] * base),
                others,
                "a unit that gets a donor's a_i takes in all of it",
            ),
        ),
        sites=("a", "output"),
        doc=f"Four counters on 0 to {base - 1} in two pairs that step on with their partner.",
    )
