"""Trials of measures: good ones, poor ones and broken ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import causalmod as cm
from causalmod import InputError, Interrupted, Partition, StructuralCausalModel
from causalmod.conformance import AXIOMS, Conformance, check_measure, conformance
from causalmod.conformance.networks import reference


class Correlation:
    """Mean absolute correlation of units of different modules."""

    lower_is_modular = True

    def __call__(self, scm: StructuralCausalModel, partition: Partition) -> float:
        found = scm.observe()
        columns, labels = [], []
        for unit in scm.units.names:
            site, _, index = unit.partition("[")
            columns.append(found[site].flatten(1)[:, int(index[:-1])])
            labels.append(partition.labels[unit])
        sizes = torch.corrcoef(torch.stack(columns)).abs()
        across = torch.tensor([[one != other for one in labels] for other in labels])
        return float(sizes[across].mean())


def checked(measure: Any, *axioms: str) -> Conformance:
    return check_measure(measure, axioms=axioms, quick=True, progress=False)


def test_a_measure_needs_no_more_than_one_method() -> None:
    found = checked(Correlation, "conduct", "perfect_modularity", "leak", "confounding")
    assert found.measures == ("Correlation",)
    assert [found.status("Correlation", axiom) for axiom in found.axioms] == [
        "holds", "holds", "holds", "fails",
    ]  # fmt: skip


def test_a_function_will_do() -> None:
    def size(scm: StructuralCausalModel, partition: Partition) -> float:
        return -max(len(members) for members in partition.modules.values())

    found = checked(size, "conduct")
    assert found.measures == ("size",)
    assert "ignores its partition" in str(found)  # all of these splits have equal sizes


class _Raises:
    def __call__(self, scm: Any, partition: Any) -> float:
        raise RuntimeError("no idea")


class _NotANumber:
    def __call__(self, scm: Any, partition: Any) -> float:
        return float("nan")


class _Text:
    def __call__(self, scm: Any, partition: Any) -> str:
        return "very modular"


class _Random:
    def __call__(self, scm: Any, partition: Any) -> float:
        return float(torch.rand(()))


class _Constant:
    def __call__(self, scm: Any, partition: Any) -> float:
        return 1.0


class _Writes:
    def __call__(self, scm: StructuralCausalModel, partition: Any) -> float:
        weight = next(iter(scm.parameters.values()))
        weight.add_(1.0)
        return float(weight.sum())


class _Infinite:
    def __call__(self, scm: Any, partition: Partition) -> float:
        return float("inf")


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (_Raises, "raised RuntimeError on planted: no idea"),
        (_NotANumber, "returned NaN"),
        (_Text, "returned str in place of a number"),
        (_Random, "not deterministic"),
        (_Constant, "ignores its partition"),
        (_Writes, "changed p_linear1_weight of the model"),
        (_Infinite, "ignores its partition"),
    ],
)
def test_misconduct_is_reported_and_the_trial_goes_on(measure: type, says: str) -> None:
    before = torch.get_rng_state()
    found = checked(measure, "conduct", "bias")
    assert torch.equal(torch.get_rng_state(), before)
    assert found.status(measure.__name__, "conduct") == "error"
    assert found.axioms == ("conduct", "bias")
    assert says in str(found)
    assert not found.ok


def test_a_model_that_was_written_to_is_put_back() -> None:
    planted, _ = reference()
    before = {name: tensor.clone() for name, tensor in planted.scm.parameters.items()}
    found = checked(_Writes, "conduct")
    assert "changed p_linear1_weight" in str(found)
    for name, tensor in planted.scm.parameters.items():
        assert torch.equal(tensor, before[name])


def test_a_measure_that_refuses_a_network_is_not_blamed() -> None:
    found = checked("newman_q", "synergy")  # functions have no weights
    assert found.status("newman_q", "synergy") == "not applicable"
    (finding,) = found.verdict("newman_q", "synergy").findings
    assert "linear layer" in finding.why
    assert found.ok


def test_a_failure_comes_with_its_counterexample() -> None:
    found = checked("newman_q", "architecture")
    (failure,) = [
        f for f in found.verdict("newman_q", "architecture").failures if "rescaled" in f.claim
    ]
    first, second = failure.counterexample
    torch.testing.assert_close(
        first.scm.observe()["output"], second.scm.observe()["output"], atol=1e-4, rtol=1e-4
    )
    assert failure.values[first.name] != failure.values[second.name]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (object(), "cannot be called"),
        (lambda scm: 1.0, "must take a model and a partition"),
        (lambda scm, partition, threshold: 1.0, "must take a model and a partition"),
        ("newman", "did you mean 'newman_q'"),
    ],
)
def test_what_is_no_measure(given: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_measure(given, progress=False)


class _NeedsMore:
    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def __call__(self, scm: Any, partition: Any) -> float:
        return self.threshold


def test_a_class_that_needs_arguments() -> None:
    with pytest.raises(InputError, match="give an instance"):
        check_measure(_NeedsMore, progress=False)


def test_unknown_axioms_and_equal_names() -> None:
    with pytest.raises(InputError, match="did you mean 'synergy'"):
        check_measure(Correlation, axioms=["synergi"], progress=False)
    with pytest.raises(InputError, match="different names"):
        conformance([Correlation, Correlation], progress=False)


def test_the_table() -> None:
    found = conformance(
        ["newman_q", Correlation], axioms=["conduct", "leak"], quick=True, progress=False
    )
    frame = found.to_frame()
    assert list(frame.index) == ["newman_q", "Correlation"]
    assert list(frame.columns) == ["conduct", "leak"]
    assert set(found.findings()["status"]) <= {"holds", "fails", "not applicable", "error"}
    assert json.loads(json.dumps(found.to_dict()))["verdicts"][0]["measure"] == "newman_q"
    assert "<th>leak</th>" in found._repr_html_()
    assert repr(found) == "Conformance(quick, 2 measures × 2 axioms, 0 failed)"
    with pytest.raises(InputError, match="did you mean 'leak'"):
        found.status("newman_q", "leek")
    assert found.plot().axes


def test_an_interruption_keeps_what_was_found() -> None:
    calls: list[int] = []

    def stop(stage: str, done: int, total: int) -> None:
        calls.append(done)
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        check_measure(Correlation, axioms=["conduct", "leak"], quick=True, progress=stop)
    partial = stopped.value.partial
    assert partial.axioms == ("conduct",)
    assert not partial.complete


def test_public_names() -> None:
    assert cm.check_measure is check_measure
    assert cm.conformance is conformance
    assert len(AXIOMS.names()) >= 16
