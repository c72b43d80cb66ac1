"""Two linear tracks on correlated normal inputs."""

from __future__ import annotations

from math import log2, sqrt

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.exchange import information
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges

_GAINS = (2.0, -0.5)


@register("linear_tracks")
def linear_tracks(rho: float = 0.9, *, rows: int = 2000, seed: int = 0) -> Case:
    """Ducks and shadows with normal numbers: two linear tracks that no connection joins.

    Each track scales its own input, and scales that again for its output. The inputs are normal
    numbers, drawn and then made to have exactly mean 0, variance 1 and correlation ``rho``. So
    anything of the one track shares ``-log2(1 - rho ** 2) / 2`` bits with anything of the other:
    0, 0.2075 and 1.1980 at ``rho`` of 0, 0.5 and 0.9. Nothing is sent.

    Args:
        rho: correlation of the inputs, between -1 and 1.
        rows: number of rows; at least 100.
        seed: seed of the rows.

    Raises:
        InputError: ``rho`` or ``rows`` out of range.

    Source: mutual information of jointly normal variables, Cover and Thomas, *Elements of
    Information Theory* (2006), section 8.5.

    Example:
        >>> [round(linear_tracks(rho).facts[0].expected, 4) for rho in (0.0, 0.5, 0.9)]
        [0.0, 0.2075, 1.198]
    """
    if not -1 < rho < 1 or rows < 100:
        raise InputError(
            f"rho must be between -1 and 1, and rows at least 100; given rho={rho}, rows={rows}"
        )
    model = nn.Sequential()
    model.add_module("hidden", fixed_linear(torch.diag(torch.tensor(_GAINS))))
    model.add_module("report", fixed_linear(torch.diag(torch.tensor(_GAINS).flip(0))))
    modules = {"duck": ["hidden[0]", "output[0]"], "shadow": ["hidden[1]", "output[1]"]}
    apart = "no connection leads from one track to the other"
    return Case(
        name="linear_tracks",
        model=model.eval(),
        inputs=_correlated(rho, rows, torch.Generator().manual_seed(seed)),
        modules=modules,
        facts=(
            _shares(-log2(1 - rho**2) / 2 + 0.0, 0.02 * sqrt(2000 / rows)),
            _sends_nothing("interventional", apart),
            _sends_nothing("conditional", apart),
            exchanges(modules, 0.0, apart, estimator="auto", tolerance=0.0),
        ),
        sites=("hidden", "output"),
        doc=f"Two linear tracks without a connection; their inputs have correlation {rho}.",
    )


def _correlated(rho: float, rows: int, generator: torch.Generator) -> Tensor:
    """Normal numbers with exactly the correlation that is asked for, ``[row, 2]``."""
    drawn = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
    centred = drawn - drawn.mean(0)
    factor = torch.linalg.cholesky(centred.T @ centred / rows)
    white = torch.linalg.solve_triangular(factor, centred.T, upper=False).T
    second = rho * white[:, 0] + sqrt(1 - rho**2) * white[:, 1]
    return torch.stack([white[:, 0], second], dim=1).float()


def _shares(expected: float, tolerance: float) -> Fact:
    def compute(scm: StructuralCausalModel) -> float:
        return information(scm, "hidden[0]", "output[1]", "observational", estimator="copula").bits

    source = "jointly normal variables; read off the ranks of a sample"
    return Fact(
        "observational hidden[0] -> output[1] (copula)", expected, compute, source, tolerance
    )


def _sends_nothing(kind: str, source: str) -> Fact:
    def compute(scm: StructuralCausalModel) -> float:
        return information(scm, "hidden[0]", "output[1]", kind).bits

    return Fact(f"{kind} hidden[0] -> output[1]", 0.0, compute, source, 0.0)
