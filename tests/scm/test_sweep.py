"""Sweeps agree with do(), one intervention at a time, whatever the chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import CausalmodWarning, InputError, Interrupted, SelectorError
from causalmod.scm.sweep.engine import Engine
from tests.compiler.networks import BUILDERS, compiled

NETWORKS = pytest.mark.parametrize("name", BUILDERS)


def close(found: Tensor, expected: Tensor) -> None:
    if not expected.is_floating_point():
        assert torch.equal(found, expected)
        return
    loose = 0.05 if expected.dtype in {torch.bfloat16, torch.float16} else 2e-5
    torch.testing.assert_close(found, expected, rtol=loose, atol=loose)


@NETWORKS
def test_every_variable_of_every_network(name: str) -> None:
    scm = compiled(name)
    everything = [*scm.sites, *(o for o in scm.outputs if o not in scm.sites)]
    found = scm.sweep(list(scm.sites), cm.resample(4), record=everything, progress=False)
    assert found.names == scm.variables
    for place in range(0, len(found.names), 3):
        expected = scm.do({found.names[place]: cm.resample(4)}).observe()
        for label in everything:
            close(found.values[label][place], expected[label])


@NETWORKS
def test_every_edge_of_every_network(name: str) -> None:
    scm = compiled(name)
    for site in scm.sites:
        for receiver in scm.receivers(site)[:2]:
            found = scm.sweep((site, receiver), lambda value: value.roll(1, 0), progress=False)
            assert found.names == tuple(f"{v} -> {receiver}" for v in scm.sites[site].variables)
            last = (scm.sites[site].variables[-1], receiver)
            try:
                expected = scm.do({last: lambda value: value.roll(1, 0)}).observe()
            except SelectorError:  # no edge between these very variables, so nothing moves
                expected = scm.observe()
            for label in scm.outputs:
                close(found.values[label][-1], expected[label])


@pytest.fixture(scope="module")
def scm() -> cm.StructuralCausalModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 3)
        )
        return cm.compile(net.eval(), torch.randn(40, 6))


@pytest.mark.parametrize(
    "value",
    [0.0, 1.5, cm.mean(), cm.resample(2), cm.resample(2, joint=False), torch.linspace(0, 1, 40),
     lambda natural: natural.flip(0)],
)  # fmt: skip
def test_values(scm: cm.StructuralCausalModel, value: Any) -> None:
    found = scm.sweep(["1", "3[2:4]"], value, record=["3", "output"], progress=False)
    for name, values in found:
        expected = scm.do({name: value}).observe()
        close(values["3"], expected["3"])
        close(values["output"], expected["output"])


def test_mean_is_the_mean_of_the_data(scm: cm.StructuralCausalModel) -> None:
    held = scm.do({"1[0]": cm.mean()}).observe()["1"][:, 0]
    torch.testing.assert_close(held, scm.observe()["1"][:, 0].mean().expand(40))


def test_groups_and_lists(scm: cm.StructuralCausalModel) -> None:
    asked: list[Any] = [{"1[0]": 0.0, "3[1]": 1.0}, {"1[0:4]": cm.resample(0)}, "input[0]"]
    found = scm.sweep(asked, 0.5, progress=False)
    assert found.names[0] == "1[0]=0.0, 3[1]=1.0"
    expected = [scm.do(asked[0]), scm.do(asked[1]), scm.do({"input[0]": 0.5})]
    for place, model in enumerate(expected):
        close(found.values["output"][place], model.observe()["output"])


def test_after_other_interventions(scm: cm.StructuralCausalModel) -> None:
    for before in ({"3[0]": 2.0}, {"2": lambda natural: natural * 2}, {("1[1]", "2"): 3.0}):
        held = scm.do(before)
        found = held.sweep("1[0:3]", progress=False)
        for name, values in found:
            expected = held.do({name: cm.resample(0)}).observe()["output"]
            close(values["output"], expected)


@pytest.mark.parametrize("memory", ["2GB", 20_000, 2_500])
@pytest.mark.parametrize("cache", [2**20, 700, 1])
def test_chunks_do_not_matter(
    scm: cm.StructuralCausalModel, memory: Any, cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scm.sweep("1", record=["3", "output"], progress=False)
    monkeypatch.setattr("causalmod.scm.sweep.work._CACHE", cache)
    names: list[str] = []
    for chunk in scm.stream("1", record="output", memory=memory, progress=False):
        for place, name in enumerate(chunk.names):
            close(chunk.values["output"][place], whole[name]["output"])
        names += chunk.names
    assert tuple(names) == whole.names


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_unchanged_rows_are_left_out(scm: cm.StructuralCausalModel, share: float) -> None:
    natural = scm.observe()["1"]
    value = natural[:, 3].clone()
    value[: int(share * 40)] += 1
    found = scm.sweep({"1[3]": value}, record=["3", "output"], progress=False)
    expected = scm.do({"1[3]": value}).observe()
    close(found.values["output"][0], expected["output"])
    rest = found.values["3"][0][int(share * 40) :]
    assert torch.equal(rest, scm.observe()["3"][int(share * 40) :]), "as recorded, bit for bit"


def test_reduced_on_the_fly(scm: cm.StructuralCausalModel) -> None:
    def effect(after: Any, before: Any) -> dict[str, Tensor]:
        moved = (after["output"] - before["output"]).abs()
        return {"mean": moved.mean((1, 2)), "each": moved.mean(1)}

    found = scm.sweep("1", reduce=effect, progress=False)
    whole = scm.sweep("1", progress=False).values["output"]
    moved = (whole - scm.observe()["output"]).abs()
    torch.testing.assert_close(found.values["mean"], moved.mean((1, 2)))
    frame = found.to_frame()
    assert list(frame.columns) == ["mean", "each[0]", "each[1]", "each[2]"]
    assert list(frame.index) == list(found.names)
    assert "12 interventions" in repr(found)
    assert found.to_dict()["names"][0] == "1[0]"


def test_results_are_plain_tensors(scm: cm.StructuralCausalModel) -> None:
    found = scm.sweep("1[0]", progress=False).values["output"]
    found += 1
    assert not found.is_inference()
    assert not found.requires_grad


def test_recorded_values_are_left_alone(scm: cm.StructuralCausalModel) -> None:
    before = scm.observe()
    scm.sweep(["1", "3", "0"], 0.0, record=list(scm.sites), progress=False)
    after = scm.observe()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_globs_select_sites(scm: cm.StructuralCausalModel) -> None:
    assert len(scm.sweep("?nput", progress=False)) == 6


def test_interruption_keeps_what_was_done(scm: cm.StructuralCausalModel) -> None:
    calls = []

    def effect(after: Any, before: Any) -> Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return after["output"].mean((1, 2))

    asked: list[Any] = [{f"1[{i}]": 0.0, "3[0]": 0.0} for i in range(8)]
    with pytest.raises(Interrupted) as stopped:
        scm.sweep(asked, reduce=effect, progress=False)
    part = stopped.value.partial
    assert not part.complete
    assert len(part) == 2 == len(part.values["value"])
    assert "interrupted" in repr(part)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_memory_that_gives_out_in_the_work(
    scm: cm.StructuralCausalModel, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is memory for 9 rows at a time; the whole would be 40."""
    whole = scm.sweep("1", progress=False).values["output"]
    run, sizes = scm.program.run, []

    def failing(*args: Any, rows: int, **keywords: Any) -> Any:
        sizes.append(rows)
        if rows > 9:
            raise error
        return run(*args, rows=rows, **keywords)

    monkeypatch.setattr(scm.program, "run", failing)
    monkeypatch.setattr("causalmod.scm.sweep.on_site.SiteEngine._worth_skipping", lambda _: 0.0)
    with pytest.warns(CausalmodWarning, match="blocks of half the size") as said:
        found = scm.sweep({"1[0]": cm.resample(0)}, progress=False)
    close(found.values["output"][0], whole[0])
    assert sizes[-11:] == [40, 20, 10, *[5] * 8]
    assert len(said) == 3


def test_memory_that_gives_out_in_the_results(
    scm: cm.StructuralCausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scm.sweep("1", progress=False).values["output"]

    def short(shape: Any, *args: Any, **keywords: Any) -> Any:
        if shape[0] > 3:
            raise MemoryError
        return empty(shape, *args, **keywords)

    empty = np.empty
    monkeypatch.setattr("numpy.empty", short)
    with pytest.warns(CausalmodWarning, match="blocks of half the size"):
        found = list(scm.stream("1", progress=False))
    assert max(len(chunk.names) for chunk in found) == 3
    close(torch.cat([chunk.values["output"] for chunk in found]), whole)
    with pytest.raises(InputError, match="no memory for what 12 interventions lead to"):
        scm.sweep("1", progress=False)


def test_memory_that_gives_out_altogether(
    scm: cm.StructuralCausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: Any, **keywords: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(scm.program, "run", failing)
    with (
        pytest.warns(CausalmodWarning, match="half the size"),
        pytest.raises(InputError, match="in the smallest blocks"),
    ):
        scm.sweep("1", progress=False)


def test_other_errors_are_not_taken_for_it(
    scm: cm.StructuralCausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: Any, **keywords: Any) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(Engine, "run", failing)
    with pytest.raises(RuntimeError, match="something else"):
        scm.sweep("1", progress=False)


@pytest.mark.parametrize(
    ("asked", "options", "error", "match"),
    [
        ("nine", {}, SelectorError, "unknown site 'nine'"),
        ("nine*", {}, SelectorError, "no site is like 'nine"),
        ([], {}, InputError, "at least one intervention"),
        ([3], {}, SelectorError, "expected selectors"),
        (("output", "1"), {}, SelectorError, "no edge from 'output'"),
        ("1", {"value": torch.ones(7)}, InputError, "the value has shape"),
        ("1", {"record": "outptu"}, SelectorError, "did you mean 'output'"),
        ("1", {"record": []}, InputError, "at least one site"),
        ("1", {"memory": "lots"}, InputError, "memory is a positive number"),
        ("1", {"memory": 100}, InputError, "give at least"),
        ("1", {"memory": 2000}, InputError, "give reduce="),
        ("1", {"reduce": lambda after, before: 3.0}, InputError, "expected a tensor"),
        ("1", {"reduce": lambda after, before: torch.zeros(1)}, InputError, r"'value' is \[1\]"),
    ],
)
def test_bad_input(
    scm: cm.StructuralCausalModel, asked: Any, options: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        scm.sweep(asked, progress=False, **options)


def test_unknown_results(scm: cm.StructuralCausalModel) -> None:
    found = scm.sweep("1", progress=False)
    with pytest.raises(SelectorError, match=r"did you mean '1\[0\]'"):
        found["1[0"]
    wide = scm.sweep("1", record="1", progress=False)
    with pytest.raises(SelectorError, match="too many"):
        wide.to_frame()
