"""A network in which no unit is special: no split of it stands out."""

from __future__ import annotations

from math import comb

from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.exchange import exchange
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import all_bits, entropy, fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, scores, splits_in_two


class _Fire(nn.Module):
    """Elementwise, so that units have no incoming weights that a null network could permute."""

    def forward(self, bits: Tensor) -> Tensor:
        return (bits > 0).float()


@register("mean_field")
def mean_field(width: int = 3) -> Case:
    """Senders with independent fair bits, and receivers that each read the sum of all senders.

    Exchanging two units of a layer changes nothing, so the exchange of a bipartition depends on its
    sizes alone. With ``p`` senders and ``q`` receivers in one module, of ``n`` each,

        ``in(m) = H(Binomial(n - p, 1/2))`` where ``q > 0``, and ``in(rest) = H(Binomial(p, 1/2))``
        where ``q < n``.

    No split beats another of its sizes, here or in a network with permuted weights (they are all
    equal): modularity 0.

    Args:
        width: number of senders, and of receivers; at least 2.

    Raises:
        InputError: ``width`` below 2.

    Example:
        >>> mean_field().facts[0].name, mean_field().facts[0].expected
        ('exchange 1 + 1 | 2 + 2 (exact)', 2.5)
    """
    if width < 2:
        raise InputError(f"width must be at least 2; given {width}")
    model = nn.Sequential()
    model.add_module("senders", _Fire())
    model.add_module("receivers", fixed_linear([[1.0] * width] * width))
    by_sizes = tuple(
        exchanges(
            _split(width, range(p), range(q)),
            (_binomial(width - p) if q else 0.0) + (_binomial(p) if q < width else 0.0),
            "sums of fair bits are binomial",
        )
        for p, q in ((1, 1), (1, 0), (0, 1), (width, 0), (1, width - 1))
    )
    return Case(
        name="mean_field",
        model=model.eval(),
        inputs=all_bits(width),
        modules=None,
        facts=(
            *by_sizes,
            Fact("spread of exchange in a size class", 0.0, _spread, "exchangeable units"),
            scores(0.0, "all members of a size class are equal, in the null networks too"),
        ),
        doc=f"{width} senders and {width} receivers, all connected with equal weights.",
    )


def _split(width: int, senders: range, receivers: range) -> dict[str, list[str]]:
    """The first few senders and receivers against the rest."""
    inside = [f"senders[{i}]" for i in senders] + [f"output[{i}]" for i in receivers]
    names = [f"{site}[{i}]" for site in ("senders", "output") for i in range(width)]
    rest = f"{width - len(senders)} + {width - len(receivers)}"
    return {
        f"{len(senders)} + {len(receivers)}": inside,
        rest if rest != f"{len(senders)} + {len(receivers)}" else "rest": [
            name for name in names if name not in inside
        ],
    }


def _binomial(tosses: int) -> float:
    return entropy(*(comb(tosses, heads) / 2**tosses for heads in range(tosses + 1)))


def _spread(scm: StructuralCausalModel) -> float:
    """Largest difference between the exchanges of two splits with the same sizes per layer."""
    classes: dict[frozenset[tuple[int, ...]], list[float]] = {}
    for split in splits_in_two(scm.units.names):
        sizes = frozenset(
            tuple(sum(unit.startswith(site) for unit in members) for site in scm.units.sites)
            for members in split.blocks
        )
        bits = exchange(scm, split, estimator="exact").bits
        classes.setdefault(sizes, []).append(bits)
    return max(max(found) - min(found) for found in classes.values())
