"""Results written by hand, so that figures and pages are tested without a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from causalmod.exchange import Exchange
from causalmod.information import Estimate
from causalmod.modularity import Modularity
from causalmod.partition import Partition
from causalmod.provenance import Provenance
from causalmod.scm import StructuralCausalModel, compile

HOSTILE = (
    "<script>alert(1)</script>",
    'quote " and \\ back',
    "\x1b[31mred\x1b[0m",
    "$\\frac{1}{$",
    "\u202ereversed \u6f22",
    "&lt;b&gt; {{ 7 * 7 }}",
)


class Blocks(nn.Module):
    """Two layers of ReLU units; the first half of each layer reads and feeds the first half
    only."""

    def __init__(self, width: int = 6, leak: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Linear(4, width)
        self.second = nn.Linear(width, width)
        with torch.no_grad():
            for layer in (self.first, self.second):
                weight = torch.rand(layer.weight.shape, generator=generator) + 0.1
                rows, columns = weight.shape
                mask = torch.full_like(weight, leak)
                mask[: rows // 2, : columns // 2] = 1.0
                mask[rows // 2 :, columns // 2 :] = 1.0
                layer.weight.copy_(weight * mask)
                layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


def compiled(width: int = 6, leak: float = 0.0) -> StructuralCausalModel:
    rows = torch.rand(40, 4, generator=torch.Generator().manual_seed(1))
    return compile(Blocks(width, leak).eval(), rows)


def split(scm: StructuralCausalModel, names: Sequence[str]) -> Partition:
    """Deal the live units out to modules, by their place in their layer."""
    modules: dict[str, list[str]] = {name: [] for name in names}
    for unit, site, index in zip(
        scm.units.names, scm.units.site.tolist(), scm.units.index.tolist(), strict=True
    ):
        count = scm.sites[scm.units.sites[int(site)]].count
        modules[names[int(index) * len(names) // count]].append(unit)
    return Partition(modules)


def estimate(bits: float, upper: float | None = None, **more: Any) -> Estimate:
    wide = 0.1 * bits
    settings: dict[str, Any] = {
        "bits": bits, "low": bits - wide, "high": bits + wide, "upper": upper,
        "upper_low": upper, "upper_high": upper, "kind": "conditional", "estimator": "pairwise",
        "resolution": 1.0, "contexts": 64, "donors": 32,
    }  # fmt: skip
    return Estimate(**(settings | more))


def exchanged(partition: Partition, bits: float = 0.4, upper: float | None = 0.9) -> Exchange:
    names = list(partition.modules)
    pairs = [(s, r) for s in names for r in names if s != r]
    return Exchange(
        estimate=estimate(bits * len(names), None if upper is None else upper * len(names)),
        into={name: estimate(bits, upper) for name in names},
        matrix={pair: estimate(bits / (1 + place), upper) for place, pair in enumerate(pairs)},
        out={name: estimate(bits, upper) for name in names},
        partition=partition,
    )


def found(
    scm: StructuralCausalModel, names: Sequence[str] = ("left", "right"), **more: Any
) -> Modularity:
    partition = split(scm, names)
    exchange = exchanged(partition, more.pop("bits", 0.4), more.pop("upper", 0.9))
    settings: dict[str, Any] = {
        "partition": partition, "score": 0.61, "low": 0.5, "high": 0.72, "raw": 0.7, "ratio": 3.2,
        "p": 0.05, "null": "permuted weights", "null_scores": (0.7, 0.72, 0.81, 0.95),
        "k": len(names), "curve": {len(names): 0.61}, "exchange": exchange,
        "resolution_curve": {0.3: exchange, 1.0: exchange, 3.0: exchange},
        "random_exchange": (2.1, 2.3, 2.2, 2.9, 2.4), "compared_exchange": 0.7, "held_out": True,
        "inert": dict(scm.units.inert), "estimator": "gaussian", "evaluations": 12,
        "forward_rows": 3456,
        "provenance": Provenance(7, "a" * 64, "b" * 64, 1.5, {"python": "3.11.9"}),
    }  # fmt: skip
    return Modularity(**(settings | more))
