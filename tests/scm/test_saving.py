"""A saved model comes back the same, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from scipy import stats
from torch import nn

import causalmod as cm
from causalmod.scm import saving
from tests.compiler.networks import BUILDERS, built, compiled

DAMAGE = (cm.InputError, cm.CompileError)


def small() -> cm.StructuralCausalModel:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return cm.compile(net.eval(), torch.randn(6, 3, generator=torch.Generator().manual_seed(1)))


def same(first: cm.StructuralCausalModel, second: cm.StructuralCausalModel) -> None:
    expected, found = first.observe(), second.observe()
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype
    assert second.sites == first.sites
    assert second.outputs == first.outputs
    assert second.digests == first.digests


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_comes_back_the_same(name: str, tmp_path: Path) -> None:
    scm = compiled(name)
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    same(scm, loaded)
    assert loaded.available == scm.available
    assert loaded.representative == scm.representative
    assert {n: p.stride() for n, p in loaded.parameters.items()} == {
        n: p.stride() for n, p in scm.parameters.items()
    }
    site = next(iter(scm.sites))
    change: dict[str, Any] = {site: cm.resample(3)}
    same(scm.do(change), loaded.do(change))
    again = cm.load(loaded.save(tmp_path / "again.scm"))
    same(scm, again)


def test_chosen_sites_grains_and_interventions_are_kept(tmp_path: Path) -> None:
    model, inputs = built("transformer")
    scm = cm.compile(model, inputs, sites=["*.heads", "output"], variables={"output": "element"})
    scm = scm.do({f"{list(scm.sites)[-1]}[0]": 2.0}).do({list(scm.sites)[1]: cm.resample(1)})
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    same(scm, loaded)
    assert repr(loaded) == repr(scm)
    with pytest.raises(cm.InputError, match="unmutilated"):
        loaded.with_rows(torch.tensor([0, 1]))


def test_interventions_on_edges_are_kept(tmp_path: Path) -> None:
    scm = small().do({("1[2]", "output[0]"): 5.0, "1[0]": torch.arange(6.0)})
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    same(scm, loaded)
    assert not torch.equal(loaded.observe()["output"], small().observe()["output"])


def test_changed_parameters_are_kept(tmp_path: Path) -> None:
    scm = small()
    name = next(iter(scm.parameters))
    changed = scm.with_parameters({name: scm.parameters[name] * 2})
    loaded = cm.load(changed.save(tmp_path / "model.scm"))
    same(changed, loaded)
    assert loaded.digests[0] != scm.digests[0]


def test_what_is_known_of_a_model_is_kept(tmp_path: Path) -> None:
    parts = {"left": {"a": "0[0:2]", "b": "1[0]"}, "right": ["output[1]"]}
    scm = small().with_partition(parts).do({"left.b": 1.0})
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    assert loaded.modules == scm.modules
    assert loaded.resolve("left") == scm.resolve("left")
    first, second = (cm.query(each, "I(left.a ; right | do(left.a))") for each in (scm, loaded))
    assert first.bits == second.bits


def test_a_textbook_model_keeps_its_law(tmp_path: Path) -> None:
    scm = cm.from_functions(
        {"e": stats.norm(), "d": stats.norm(), "x": lambda e: 2 * e, "y": lambda x, d: x + d},
        rows=50,
    )
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    same(scm, loaded)
    assert scm.note
    assert (loaded.note, loaded.sampled, loaded.independent) == (scm.note, True, {"e", "d"})
    first, second = (cm.query(each, "E[y | do(x=1)]") for each in (scm, loaded))
    assert not second.exact
    assert (first.mean(), first.low, first.high) == (second.mean(), second.low, second.high)


def test_measures_on_a_loaded_model_are_the_same(tmp_path: Path) -> None:
    scm = small()
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    first, second = (cm.information(each, "0[0]", "output[1]", seed=2) for each in (scm, loaded))
    assert (first.bits, first.low, first.high) == (second.bits, second.low, second.high)
    assert loaded.graph.edges == scm.graph.edges


def test_the_file_is_one_of_safetensors_with_the_digests(tmp_path: Path) -> None:
    scm = small()
    path = scm.save(str(tmp_path / "model.scm"))
    assert path == tmp_path / "model.scm"
    with safetensors.safe_open(path, "pt") as opened:
        held = json.loads(opened.metadata()["causalmod"])
    assert (held["model_digest"], held["data_digest"]) == scm.digests
    assert held["versions"]["torch"] == torch.__version__
    assert b"pickle" not in path.read_bytes()
    assert scm.save(tmp_path / "second.scm").read_bytes() == path.read_bytes()


def test_functions_cannot_be_saved(tmp_path: Path) -> None:
    for scm in (small().do({"1": torch.neg}), small().do({("1[2]", "output[0]"): torch.neg})):
        with pytest.raises(cm.InputError, match="is a function, which no file can hold; give its"):
            scm.save(tmp_path / "model.scm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_operators_that_are_not_on_the_list_cannot_be_saved(tmp_path: Path) -> None:
    class Strided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x) + 1

    scm = cm.compile(Strided().eval(), torch.rand(4, 2))
    with pytest.raises(cm.CompileError, match=r"cannot save.*bessel_j0.*not on the list"):
        scm.save(tmp_path / "model.scm")


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    for place in (tmp_path / "none" / "model.scm", tmp_path):
        with pytest.raises(cm.OutputError, match="cannot write"):
            small().save(place)


# --- interruptions --------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


STAGES: list[tuple[Any, str]] = [
    (saving, "_describe"),
    (saving.tempfile, "mkstemp"),
    (safetensors.torch, "save_file"),
    (saving, "_digest"),
    (saving.hashlib, "sha256"),
    (saving.os, "fsync"),
    (saving.Path, "chmod"),
    (saving.os, "replace"),
]


@pytest.mark.parametrize(("place", "name"), STAGES, ids=[name for _, name in STAGES])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_anywhere_leaves_the_earlier_file(
    place: Any, name: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = small(), small().do({"1[0]": 1.0})
    path = first.save(tmp_path / "model.scm")
    before = path.read_bytes()
    second.observe()
    with monkeypatch.context() as patched:
        patched.setattr(place, name, raising(error))
        with pytest.raises((KeyboardInterrupt, OSError)):
            second.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.scm"]
    same(first, cm.load(path))
    second.save(path)
    same(second, cm.load(path))


def test_a_write_that_ends_halfway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small().save(tmp_path / "model.scm")
    before = path.read_bytes()
    whole = safetensors.torch.save_file

    def half(tensors: Any, path: str, metadata: Any) -> None:
        whole(tensors, path, metadata)
        os.truncate(path, Path(path).stat().st_size // 2)
        raise KeyboardInterrupt

    second = small().do({"1[0]": 1.0})
    with monkeypatch.context() as patched:
        patched.setattr(safetensors.torch, "save_file", half)
        with pytest.raises(KeyboardInterrupt):
            second.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.scm"]


# --- damage ---------------------------------------------------------------------------------------


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    path = small().save(tmp_path / "model.scm")
    content = path.read_bytes()
    for length in [*range(0, len(content), 499), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(cm.InputError, match="cannot load"):
            cm.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(cm.InputError, match="cut short or altered"):
        cm.load(path)


def test_a_changed_byte_anywhere_is_refused(tmp_path: Path) -> None:
    path = small().save(tmp_path / "model.scm")
    content = path.read_bytes()
    draw = random.Random(0)
    for place in [*range(16), *(draw.randrange(len(content)) for _ in range(300))]:
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(cm.InputError):
            cm.load(path)


def forged(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change a saved model and give it the digest of its new content."""
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as opened:
        held = json.loads(opened.metadata()["causalmod"])
    change(held)
    held["sha256"] = "0" * 64
    content = bytearray(safetensors.torch.save(tensors, {"causalmod": json.dumps(held)}))
    place = content.index(b"0" * 64)
    content[place : place + 64] = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content)
    return path


def call(held: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(node for node in held["trace"]["graph"] if kind in node["target"])


def test_a_forgery_without_a_change_loads(tmp_path: Path) -> None:
    same(small(), cm.load(forged(small().save(tmp_path / "model.scm"), lambda held: None)))


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.rand.default",
        "torch.os.system",
        "builtins.exec",
        "torch.ops.higher_order.cond",
        "torch.ops.aten._assert_async.default",
    ],
)
def test_forged_operators_leave_no_mark(target: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def change(held: dict[str, Any]) -> None:
        node = call(held, "relu")
        node["target"] = target
        node["args"] = {"tuple": [str(mark), True, 4]}

    with pytest.raises(DAMAGE, match=r"not on the list|computes nothing"):
        cm.load(forged(small().save(tmp_path / "model.scm"), change))
    assert not mark.exists()


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another version": lambda held: held.update(version=2),
    "a graph that is no list": lambda held: held["trace"].update(graph={}),
    "an unknown record": lambda held: held.update(sites={"record": ["Popen", {"args": "true"}]}),
    "a record of another kind": lambda held: held.update(sites={"record": ["Site", {}]}),
    "an unknown tag": lambda held: held.update(data={"import": "os"}),
    "a tensor that is not there": lambda held: held.update(data={"dict": [["x", {"tensor": []}]]}),
    "no inputs": lambda held: held["trace"].update(inputs={"dict": []}),
    "a kind of node that runs modules": lambda held: call(held, "relu").update(op="call_module"),
    "a name that is no name": lambda held: call(held, "relu").update(name="x y"),
    "two nodes of a name": lambda held: call(held, "relu").update(name="linear"),
    "a node that is not there": lambda held: call(held, "relu").update(
        args={"tuple": [{"node": "none"}]}
    ),
    "arguments that do not fit": lambda held: call(held, "relu").update(args={"tuple": []}),
    "modules of another kind": lambda held: call(held, "relu").update(modules=[[1, 2]]),
    "a graph that is another": lambda held: call(held, "relu").update(
        target="torch.ops.aten.tanh.default"
    ),
    "a module of what is not there": lambda held: held.update(
        modules={"dict": [["m", {"tuple": [{"record": ["Variable", {"site": "0", "index": 4}]}]}]]}
    ),
    "a module of text": lambda held: held.update(modules={"dict": [["m", {"tuple": ["0[1]"]}]]}),
    "a note that is no text": lambda held: held.update(note={"tuple": [1]}),
    "an input that is not there": lambda held: held.update(independent={"set": ["0"]}),
    "facts left out": lambda held: held.pop("sampled"),
    "other digests": lambda held: held.update(data_digest="0" * 64),
}


@pytest.mark.parametrize("name", CHANGES)
def test_forged_contents_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DAMAGE, match="cannot load"):
        cm.load(forged(small().save(tmp_path / "model.scm"), CHANGES[name]))


def test_forged_sizes_are_refused_before_they_are_filled(tmp_path: Path) -> None:
    def change(held: dict[str, Any]) -> None:
        call(held, "relu").update(
            target="torch.ops.aten.full.default", args={"tuple": [[10**7, 10**7], 1.0]}
        )

    with pytest.raises(cm.CompileError, match="more than this machine's memory"):
        cm.load(forged(small().save(tmp_path / "model.scm"), change))


def test_other_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.scm"
    with pytest.raises(cm.InputError, match="there is no file"):
        cm.load(path)
    safetensors.torch.save_file({"x": torch.ones(2)}, path)
    with pytest.raises(cm.InputError, match=r"no file of scm\.save"):
        cm.load(path)
    torch.save({"x": torch.ones(2)}, path)
    with pytest.raises(cm.CompileError, match="is unknown"):
        cm.load(path)
    for content in (b"", b"\x80\x02}.", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(cm.InputError, match=r"neither a file of scm\.save"):
            cm.load(path)
