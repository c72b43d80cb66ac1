"""Single-unit moves against runs from the start."""

from __future__ import annotations

import pytest
import torch

import causalmod as cm
from causalmod.exchange import RESPOND, HybridRuns, Sample, draw_sample
from causalmod.exchange.moves import Moves
from causalmod.information import ESTIMATORS
from tests.exchange.test_staged_runs import multilayer


def from_the_start(
    scm: cm.StructuralCausalModel, labels: torch.Tensor, sample: Sample, name: str
) -> torch.Tensor:
    runs = HybridRuns(scm, sample)
    fitted = ESTIMATORS.get(name).fit(None, runs.coordinates.observed(), 0.5)
    found = []
    for module in range(int(labels.max()) + 1):
        own = labels == module
        streams = torch.where(labels < module, labels, labels - 1)
        states = torch.where(own, RESPOND, streams)[None]
        found.append(runs.joint(fitted, states, own[None]).bits[0])
    return torch.stack(found).double()


@pytest.mark.parametrize("modules", [2, 3])
@pytest.mark.parametrize("name", ["gaussian", "pairwise"])
def test_moves_give_what_a_new_start_gives(name: str, modules: int) -> None:
    scm = multilayer()
    generator = torch.Generator().manual_seed(modules)
    labels = torch.randint(modules, (len(scm.units),), generator=generator)
    sample = draw_sample(torch.arange(scm.rows), 6, 8, modules - 1, seed=0)
    moves = Moves(scm, labels, sample, estimator=name, resolution=0.5)
    assert torch.allclose(moves.received, from_the_start(scm, labels, sample, name), atol=1e-5)
    for unit in range(len(scm.units)):
        for module in range(modules):
            moved = labels.clone()
            moved[unit] = module
            if int(moved.unique().numel()) < modules:
                continue
            expected = from_the_start(scm, moved, sample, name)
            assert torch.allclose(moves.after(unit, module), expected, atol=2e-5)
    for unit in (0, 12, 20, 5):
        module = (int(moves.labels[unit]) + 1) % modules
        moves.take(unit, module)
    expected = from_the_start(scm, moves.labels, sample, name)
    assert torch.allclose(moves.received, expected, atol=2e-5)


def test_what_cannot_be_moved() -> None:
    scm = multilayer()
    labels = torch.zeros(len(scm.units), dtype=torch.long)
    labels[3] = 1
    sample = draw_sample(torch.arange(scm.rows), 4, 4, 1, seed=0)
    with pytest.raises(cm.InputError, match="would leave it empty"):
        Moves(scm, labels, sample).after(3, 0)
    with pytest.raises(cm.EstimatorError, match="reads no distances"):
        Moves(scm, labels, sample, estimator="exact")
    with pytest.raises(cm.InputError, match="before do"):
        Moves(scm.do({"3[0]": lambda value: value + 1}), labels, sample)
