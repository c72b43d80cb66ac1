"""The demonstration: two networks that name two digits, one of them wired as two halves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from causalmod.cli.baselines import NEWMAN, SHARED, title
from causalmod.cli.terminal import progress_bars
from causalmod.plotting import number
from causalmod.report import Baseline, ReportSection

if TYPE_CHECKING:
    from torch import Tensor, nn

    from causalmod.cli.job import Job
    from causalmod.partition import Partition
    from causalmod.scm import StructuralCausalModel
    from causalmod.zoo import Case

_NETWORKS = ((True, "Wired apart"), (False, "Fully connected"))
_RESCALED = "Newman's Q, units rescaled"
_NOTABLE = 0.05
_FACTOR = 16.0  # a power of two: nothing is rounded


def study_two_digits(job: Job) -> None:
    """Train both networks, find their modules, and show what the usual measures make of them."""
    import causalmod as cm

    changes: dict[str, Rescaled | None] = {}
    for apart, name in _NETWORKS:
        with progress_bars(name) as tell:
            tell("training", 0, 1)
            case = cm.zoo.two_digits(wired_apart=apart, seed=job.settings.seed)
            scm = case.compile()
        truth = "two modules, no exchange" if apart else ""
        section = job.study(name, case.doc, scm, truth=truth, planted=case.partition)
        if section.result is not None:
            changes[name] = rescaled(case, scm, section.result.partition, job.settings.seed)
            job.sections[-1] = _with_rescaled(section, changes[name])
    job.sections[:] = [
        replace(section, comments=tuple(comments(section, changes.get(section.name))))
        for section in job.sections
    ]


class Rescaled(NamedTuple):
    """What a change of units that leaves the function alone does to two figures.

    Attributes:
        newman_q: Newman's Q, before and after.
        exchange: bits between the modules, before and after.
        difference: largest change of any output on any row.
    """

    newman_q: tuple[float, float]
    exchange: tuple[float, float]
    difference: float


def rescaled(
    case: Case, scm: StructuralCausalModel, partition: Partition, seed: int
) -> Rescaled | None:
    """Rescale the first hidden layer's units of one module and measure the same partition again.

    Incoming weights and bias are divided by 16, outgoing weights multiplied by 16: with ReLU units
    the network computes the same function. None when the module has no unit there.
    """
    import torch

    import causalmod as cm
    from causalmod.measures import MEASURES

    measure = MEASURES.get(NEWMAN)
    first = next(iter(partition.modules.values()))
    units = [scm.resolve(name)[0].index for name in first if name.startswith("hidden1[")]
    if not units:
        return None
    model = copy.deepcopy(case.model)
    _scale(model, torch.tensor(units))
    other = cm.compile(model, case.inputs, sites=case.sites)
    output = next(iter(scm.outputs))
    return Rescaled(
        newman_q=(measure(scm, partition), measure(other, partition)),
        exchange=(_exchanged(scm, partition, seed), _exchanged(other, partition, seed)),
        difference=float((scm.observe()[output] - other.observe()[output]).abs().max()),
    )


def _exchanged(scm: StructuralCausalModel, partition: Partition, seed: int) -> float:
    """Bits between the modules, as the search ranks them: quick, and never saturated."""
    import causalmod as cm

    return cm.exchange(scm, partition, estimator="gaussian", contexts=64, draws=64, seed=seed).bits


def _scale(model: nn.Module, units: Tensor) -> None:
    import torch

    with torch.no_grad():
        before, after = model.get_submodule("linear1"), model.get_submodule("linear2")
        assert isinstance(before, torch.nn.Linear)
        assert isinstance(after, torch.nn.Linear)
        before.weight[units] /= _FACTOR
        before.bias[units] /= _FACTOR
        after.weight[:, units] *= _FACTOR


def _with_rescaled(section: ReportSection, change: Rescaled | None) -> ReportSection:
    if change is None:
        return section
    row = Baseline(
        name=_RESCALED,
        value=change.newman_q[1],
        meaning="Newman's Q after the units of one module in the first hidden layer were rescaled "
        f"(incoming weights ÷ {_FACTOR:g}, outgoing × {_FACTOR:g}). Largest change of any output: "
        f"{number(change.difference)}; of the exchange: "
        f"{number(abs(change.exchange[0] - change.exchange[1]))} bits.",
    )
    names = [baseline.name for baseline in section.baselines]
    place = names.index(title(NEWMAN)) + 1 if title(NEWMAN) in names else len(names)
    return replace(section, baselines=(*section.baselines[:place], row, *section.baselines[place:]))


def comments(section: ReportSection, change: Rescaled | None) -> Iterator[str]:
    """Say where the usual measures misjudge this network, as far as its figures show it."""
    if section.result is None:
        return
    figures = {baseline.name: baseline.value for baseline in section.baselines}
    exchange = section.result.exchange.estimate
    shared = figures.get(title(SHARED), 0.0)
    if exchange.bits == 0 and not exchange.upper and shared > _NOTABLE:
        yield (
            "Nothing passes between the modules, yet their activity shares "
            f"{number(shared)} bits, since both see related digits. Mutual information takes a "
            "common cause for communication."
        )
    if change is None:
        return
    before, after = change.newman_q
    same = abs(change.exchange[0] - change.exchange[1]) <= 1e-6 * max(1.0, *change.exchange)
    if abs(before - after) > _NOTABLE and change.difference == 0 and same:
        yield (
            f"Newman's Q goes from {number(before)} to {number(after)} when units "
            "of one module are rescaled, though every output stays the same to the last bit and "
            "the exchange does not move. It measures weights, not what they do."
        )
