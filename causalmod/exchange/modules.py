"""exchange: the bits that the modules of a partition send each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError, PartitionError
from causalmod.exchange.choice import Choice, check_resolution, choose, distinct_rows, parse_memory
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.hybrid import RESPOND, HybridRuns, Sample, draw_sample
from causalmod.information import ESTIMATORS, Bounds, Estimate, Estimator
from causalmod.information.estimators.exact import value_codes
from causalmod.information.intervals import is_saturated, t_interval, without_donor_bias
from causalmod.partition import Partition
from causalmod.provenance import Stopwatch
from causalmod.scm import StructuralCausalModel

CONTEXTS, DONORS = 256, 64


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What the modules of a partition send each other.

    Attributes:
        estimate: the total, with interval, null floor and settings.
        into: module name → bits that it receives from all others.
        matrix: (sender, receiver) → bits, everything else held at its context value (direct).
        partition: what was measured, in unit names of the model.
    """

    estimate: Estimate
    into: dict[str, Estimate]
    matrix: dict[tuple[str, str], Estimate]
    partition: Partition = field(repr=False)

    @property
    def bits(self) -> float:
        """Total bits: the sum over modules of what each receives."""
        return self.estimate.bits

    def __repr__(self) -> str:
        return (
            f"Exchange({self.estimate.describe()} bits over {len(self.into)} modules, conditional)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "total": self.estimate.to_dict(),
            "into": {name: estimate.to_dict() for name, estimate in self.into.items()},
            "matrix": [
                {"sender": sender, "receiver": receiver, **estimate.to_dict()}
                for (sender, receiver), estimate in self.matrix.items()
            ],
            "partition": self.partition.to_dict(),
        }


def partition_of(scm: StructuralCausalModel, partition: Partition) -> Partition:
    """Express a partition in the live units of a model, once each.

    Whole sites are expanded; a tied name (a pre-activation, say) counts as its unit; inert units
    are dropped.

    Raises:
        SelectorError: an unknown name.
        PartitionError: live units are missing or tied sites are torn apart, inputs are listed, or a
            module has no live unit.
    """
    if not isinstance(partition, Partition):
        raise PartitionError(f"expected a causalmod.Partition; given {type(partition).__name__}")
    owner: dict[str, str] = {}
    for module, members in partition.modules.items():
        for variable in scm.resolve(members):
            if variable.site in scm.inputs:
                raise PartitionError(
                    f"{variable} is an input; inputs are the environment, which all modules see: "
                    "leave them out of the partition"
                )
            unit = f"{scm.representative[variable.site]}[{variable.index}]"
            if owner.setdefault(unit, module) != module:
                raise PartitionError(
                    f"{variable} is tied to {unit} (one is an elementwise function of the other), "
                    f"but they stand in modules {owner[unit]!r} and {module!r}; put both in one"
                )
    live = scm.units.position
    missing = [unit for unit in live if unit not in owner]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise PartitionError(
            f"{len(missing)} live units are in no module: {shown}; add them (scm.units.names lists all)"
        )
    modules: dict[str, list[str]] = {module: [] for module in partition.modules}
    for unit, module in owner.items():
        if unit in live:
            modules[module].append(unit)
    empty = [module for module, units in modules.items() if not units]
    if empty:
        raise PartitionError(f"module {empty[0]!r} has only inert units (see scm.units.inert)")
    return Partition(modules)


def unit_labels(scm: StructuralCausalModel, partition: Partition) -> tuple[Tensor, tuple[str, ...]]:
    """Return ``[unit]`` module numbers, and the module names, of a partition over live units."""
    names = tuple(partition.modules)
    number = {name: place for place, name in enumerate(names)}
    return torch.tensor([number[partition.labels[unit]] for unit in scm.units.names]), names


def exchange(
    scm: StructuralCausalModel,
    partition: Partition,
    *,
    estimator: str = "auto",
    resolution: float = 1.0,
    contexts: int = CONTEXTS,
    donors: int = DONORS,
    rows: Tensor | None = None,
    seed: int = 0,
    memory: str | int = "2GB",
    held_out: bool = False,
) -> Exchange:
    """Measure the bits that the modules of a partition send each other.

    For each module ``m``, the network runs on a context row while every other module is set to what
    it was on a donor row, one independent donor per module; ``in(m) = E_x H(R_m(x, X'))`` is what
    ``m`` takes in from them, knowing all else that it sees, and the exchange is the sum over modules.
    Inputs are the environment: all modules see the true input.

    Args:
        scm: the model.
        partition: a split of all its live units.
        estimator: ``"exact"``, ``"pairwise"``, ``"gaussian"`` or ``"auto"``.
        resolution: noise scale in standard deviations; smaller sees finer signals.
        contexts: number of context rows (all rows when exact).
        donors: draws for each context (all distinct values when exact).
        rows: row numbers to use; all by default.
        seed: seed of the draws.
        memory: bytes that the work may hold.
        held_out: recorded in the result.

    Returns:
        Exchange: with a 95% t-interval over contexts. Pairwise figures are a lower bound with its
        upper bound.

    Raises:
        PartitionError: see :func:`partition_of`.
        EstimatorError: the estimator is for single units, or cannot enumerate this model.
        InputError: a resolution or a count that is not positive.

    Example:
        >>> from causalmod import Partition, zoo, compile
        >>> case = zoo.isolated()
        >>> scm = compile(case.model, case.inputs)
        >>> exchange(scm, Partition(case.modules)).bits
        0.0
    """
    watch = Stopwatch()
    resolution = check_resolution(resolution)
    if contexts < 1 or donors < 2:
        raise InputError(f"contexts must be >= 1 and donors >= 2; given {contexts} and {donors}")
    split = partition_of(scm, partition)
    labels, names = unit_labels(scm, split)
    rows = torch.arange(scm.rows) if rows is None else rows
    budget = parse_memory(memory)
    streams = len(names) - 1
    observed = Coordinates(scm).observed()
    draws = len(rows) * len(rows) * observed.values.shape[1] * 4
    choice = choose(estimator, [observed.values[rows]], draws, budget, single=False)
    if not ESTIMATORS.get(choice.name).groups:
        raise EstimatorError(
            f"estimator={choice.name!r} is for single units; a module's response is joint: use "
            "'pairwise', 'gaussian' or 'exact'"
        )
    measure = _Measure(scm, labels, rows, choice, resolution, budget)
    if not measure.exact:
        measure.sample = draw_sample(rows, min(contexts, len(rows)), donors, streams, seed)
    settings = {
        "kind": "conditional", "estimator": choice.name, "seed": seed, "note": choice.reason,
        "resolution": resolution if ESTIMATORS.get(choice.name).uses_resolution else None,
        "held_out": held_out,
    }  # fmt: skip
    received = [measure.into(m) for m in range(len(names))]
    floor = measure.floor()
    total = Bounds(
        torch.stack([r.bits for r in received]).sum(0),
        None if received[0].upper is None else torch.stack([r.upper for r in received]).sum(0),  # type: ignore[arg-type]
    )
    pairs = {
        (names[s], names[r]): measure.between(s, r)
        for s in range(len(names)) for r in range(len(names)) if s != r
    } if streams > 1 else {(names[1], names[0]): received[0], (names[0], names[1]): received[1]}  # fmt: skip
    made = scm.provenance(seed, watch.seconds)

    def report(bounds: Bounds, parts: int = 1) -> Estimate:
        return _estimate(bounds, measure, settings, floor, parts, made)

    return Exchange(
        estimate=report(total, len(names)),
        into={name: report(bounds) for name, bounds in zip(names, received, strict=True)},
        matrix={pair: report(bounds) for pair, bounds in pairs.items()},
        partition=split,
    )


class _Measure:
    """Exact or sampled measurement of one partition."""

    def __init__(
        self,
        scm: StructuralCausalModel,
        labels: Tensor,
        rows: Tensor,
        choice: Choice,
        resolution: float,
        memory: int,
    ) -> None:
        self.scm, self.labels, self.rows, self.memory = scm, labels, rows, memory
        self.exact = ESTIMATORS.get(choice.name).exact
        self.sample: Sample | None = None
        self._name, self._resolution = choice.name, resolution
        self._codes: Tensor | None = None

    def into(self, module: int) -> Bounds:
        """Bits that a module receives from all others, in each context."""
        own = self.labels == module
        states = torch.where(self.labels < module, self.labels, self.labels - 1)
        senders = [m for m in range(int(self.labels.max()) + 1) if m != module]
        return self._run(torch.where(own, RESPOND, states), own, senders)

    def between(self, sender: int, receiver: int) -> Bounds:
        """Bits that one module sends another, the rest held at the context."""
        states = torch.full_like(self.labels, -1)
        states[self.labels == receiver] = RESPOND
        states[self.labels == sender] = 0
        return self._run(states, self.labels == receiver, [sender])

    def floor(self) -> float:
        """What the estimator reads when every donor is the context itself: numerical noise."""
        own = self.labels == 0
        states = torch.where(own, RESPOND, 0)
        contexts = (self.rows if self.sample is None else self.sample.contexts)[:64]
        same = Sample(contexts, contexts[None, :, None].expand(1, -1, 4))
        return float(
            self._estimate(HybridRuns(self.scm, same, memory=self.memory), states, own).bits.mean()
        )

    def _run(self, states: Tensor, members: Tensor, senders: list[int]) -> Bounds:
        sample = self._enumerate(senders) if self.sample is None else self.sample
        runs = HybridRuns(self.scm, sample, memory=self.memory)
        return self._estimate(runs, states, members)

    def _estimate(self, runs: HybridRuns, states: Tensor, members: Tensor) -> Bounds:
        estimator = ESTIMATORS.get(self._name).fit(
            None, runs.coordinates.observed(), self._resolution
        )
        bounds = runs.joint(_reader(estimator, runs.sample), states[None], members[None])
        return Bounds(bounds.bits[0], None if bounds.upper is None else bounds.upper[0])

    def _enumerate(self, senders: list[int]) -> Sample:
        """All combinations of the distinct values of the sending modules, with their counts."""
        if self._codes is None:
            used = Coordinates(self.scm).observed().values[self.rows].double()
            self._codes = value_codes(used, used.abs().amax(0).clamp_min(1e-30))
        picks: list[Tensor] = []
        counts: list[Tensor] = []
        unit_of = Coordinates(self.scm).unit_of
        for sender in senders:
            first, count = distinct_rows(self._codes[:, (self.labels == sender)[unit_of]])
            picks.append(first)
            counts.append(count)
        total = 1
        for count in counts:
            total *= len(count)
        size = total * len(self.rows) * (len(unit_of) + total) * 8
        if size > self.memory:
            raise EstimatorError(
                f"exact enumeration needs {len(self.rows)} contexts × {total} donor combinations, about "
                f"{size / 1e9:.1f} GB; use estimator='pairwise', fewer rows, or more memory"
            )
        grid = torch.cartesian_prod(*[torch.arange(len(c)) for c in counts]).reshape(total, -1)
        weights = torch.stack([c[grid[:, i]] for i, c in enumerate(counts)]).prod(0)
        rows = torch.stack([self.rows[p[grid[:, i]]] for i, p in enumerate(picks)])
        return Sample(self.rows, rows[:, None, :].expand(-1, len(self.rows), -1), weights)


def _reader(estimator: Estimator, sample: Sample):  # noqa: ANN202
    if sample.weights is not None or estimator.exact:
        return lambda responses: estimator.response(responses, sample.weights)
    return lambda responses: without_donor_bias(estimator, responses)


def _estimate(
    bounds: Bounds, measure: _Measure, settings: dict[str, Any], floor: float, parts: int, made: Any
) -> Estimate:
    contexts = len(bounds.bits)
    donors = 0 if measure.sample is None else measure.sample.shape[1]
    mean, low, high = t_interval(bounds.bits)
    if measure.exact:
        low = high = mean
    if bounds.upper is None:
        return Estimate(
            bits=max(0.0, mean), low=low, high=high, null=floor, contexts=contexts, donors=donors,
            provenance=made, **settings,
        )  # fmt: skip
    upper, upper_low, upper_high = t_interval(bounds.upper)
    saturated = is_saturated(upper / parts, donors)
    return Estimate(
        bits=max(0.0, mean), low=None if saturated else low, high=None if saturated else high,
        upper=max(0.0, upper), upper_low=None if saturated else upper_low,
        upper_high=None if saturated else upper_high, null=floor, contexts=contexts, donors=donors,
        saturated=saturated, provenance=made, **settings,
    )  # fmt: skip
