"""Files that would leave a mark if they ran: torch's loader runs them, ours refuses them."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import causalmod as cm
from tests.compiler.pt2.files import (
    CONSTANTS,
    DATA,
    MODEL,
    SAMPLES,
    WEIGHTS,
    File,
    load_with_torch,
    plain_pickle,
    torch_pickle,
)

Make = Callable[[File, Path], None]
MAKERS: dict[str, tuple[Make, str]] = {}


def attack(says: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        MAKERS[make.__name__] = (make, says)
        return make

    return register


def code(mark: Path) -> str:
    """Python that creates a file and is a number."""
    return f"len([__import__('pathlib').Path({str(mark)!r}).touch()])"


@attack("is a pickle")
def pickled_weight(file: File, mark: Path) -> None:
    entry = file.texts[WEIGHTS]["config"]["fc.weight"]
    entry["use_pickle"] = True
    file.members[f"data/weights/{entry['path_name']}"] = torch_pickle(mark)


@attack("is a pickle")
def pickled_constant(file: File, mark: Path) -> None:
    entry = file.texts[CONSTANTS]["config"]["lifted_tensor_0"]
    entry["use_pickle"] = True
    file.members[f"data/constants/{entry['path_name']}"] = torch_pickle(mark)


@attack("object of a class of its own, which is a pickle")
def opaque_object(file: File, mark: Path) -> None:
    entry = file.texts[CONSTANTS]["config"]["lifted_tensor_0"]
    entry.update(path_name="opaque_obj_0", use_pickle=True)
    file.members["data/constants/opaque_obj_0"] = plain_pickle(mark)


@attack("sample inputs name 'posix mkdir'|sample inputs name 'nt mkdir'")
def sample_inputs(file: File, mark: Path) -> None:
    file.members[SAMPLES] = torch_pickle(mark)


@attack("sample inputs are damaged, or a pickle")
def plain_sample_inputs(file: File, mark: Path) -> None:
    file.members[SAMPLES] = plain_pickle(mark)


@attack("is a pickle; save it again")
def legacy_weights(file: File, mark: Path) -> None:
    file.members["data/weights/model.pt"] = torch_pickle(mark)


@attack("a size in the file is no size")
def expression_of_a_tensor(file: File, mark: Path) -> None:
    sizes = file.graph["tensor_values"]["x"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = code(mark)


@attack("a size in the file is no size")
def expression_of_a_size(file: File, mark: Path) -> None:
    size = next(iter(file.graph["sym_int_values"].values()))
    size["as_expr"]["expr_str"] = code(mark)


@attack("a size in the file is no size")
def condition(file: File, mark: Path) -> None:
    file.texts[MODEL]["guards_code"] = [f"{code(mark)} == 1"]


@attack("'torch.ops.aten.from_file.default', which is not on the list")
def operator_that_makes_a_file(file: File, mark: Path) -> None:
    file.graph["nodes"].insert(0, from_file(mark))
    file.graph["tensor_values"]["made"] = file.graph["tensor_values"]["p_fc_bias"]


@attack("'torch.ops.aten.from_file.default', which is not on the list")
def operator_in_an_inner_graph(file: File, mark: Path) -> None:
    values = {"made": file.graph["tensor_values"]["p_fc_bias"]}
    inner = {
        "inputs": [],
        "outputs": [{"as_tensor": {"name": "made"}}],
        "nodes": [from_file(mark)],
        "tensor_values": values,
        "sym_int_values": {},
        "sym_bool_values": {},
    }
    given = [{"as_bool": False}, {"as_graph": {"name": "inner", "graph": inner}}]
    node = {
        "target": "torch.ops.higher_order.wrap_with_set_grad_enabled",
        "inputs": [{"name": "", "arg": arg, "kind": 1} for arg in given],
        "outputs": [{"as_tensor": {"name": "outer"}}],
        "metadata": {},
        "is_hop_single_tensor_return": False,
    }
    file.graph["nodes"].insert(0, node)
    file.graph["tensor_values"]["outer"] = values["made"]


def from_file(mark: Path) -> dict[str, object]:
    given = {"filename": {"as_string": str(mark)}, "shared": {"as_bool": True}}
    given["size"] = {"as_int": 4}
    return {
        "target": "torch.ops.aten.from_file.default",
        "inputs": [{"name": name, "arg": arg, "kind": 1} for name, arg in given.items()],
        "outputs": [{"as_tensor": {"name": "made"}}],
        "metadata": {},
    }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", MAKERS)
def test_the_mark_is_left_by_torch_and_not_by_us(name: str, tmp_path: Path) -> None:
    make, says = MAKERS[name]
    mark = tmp_path / "mark"
    file = File()
    make(file, mark)
    path = file.write(tmp_path / "net.pt2")
    for use in (cm.load, lambda path: cm.compile(path, DATA)):
        with pytest.raises(cm.CompileError, match=says):
            use(path)
        assert not mark.exists()
    with quiet():
        load_with_torch(path)
    assert mark.exists(), "the file is harmless, so the test shows nothing"


def test_types_named_by_the_file_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch imports the class of an enum in the description of the inputs."""
    mark = tmp_path / "mark"
    (tmp_path / "stranger.py").write_text(f"open({str(mark)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = File()
    signature = file.texts[MODEL]["graph_module"]["module_call_graph"][0]["signature"]
    spec = json.loads(signature["out_spec"])
    enum = {"__enum__": True, "fqn": "stranger:Thing", "name": "ONE"}
    leaf = spec[1]
    spec[1] = {"type": "builtins.dict", "context": json.dumps([enum]), "children_spec": [leaf]}
    signature["out_spec"] = json.dumps(spec)
    path = file.write(tmp_path / "net.pt2")
    cm.compile(path, DATA)
    assert not mark.exists()
    assert "stranger" not in sys.modules
    with quiet():
        load_with_torch(path)
    assert mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.rand.default",
        "torch.ops.aten.bernoulli.default",
        "torch.ops.aten.normal_.default",
        "torch.ops.aten.add.out",
        "torch.ops.aten.set_.source_Tensor",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.record_stream.default",
        "torch.ops.aten._print.default",
        "torch.ops.aten.empty.memory_format",
        "torch.ops.aten.item.default",
        "torch.ops.aten.__class__.default",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu",
        "torch.ops.load_library",
        "torch.ops.prims.inductor_seeds.default",
        "torch.ops.profiler._record_function_enter.default",
        "torch.ops.causalmod.site.default",
        "torch.ops.higher_order.cond",
        "torch.ops.higher_order.triton_kernel_wrapper_functional",
        "torch.load",
        "torch.os.system",
        "torch.hub.load",
        "_operator.methodcaller",
        "_operator.pow",
        "_operator.lshift",
        "math.factorial",
        "builtins.eval",
        "#torch.something",
        "",
    ],
)
def test_other_operators_are_refused_wherever_they_stand(target: str, tmp_path: Path) -> None:
    file = File()
    file.node("relu")["target"] = target
    with pytest.raises(cm.CompileError, match=r"not on the list|a region with settings"):
        cm.load(file.write(tmp_path / "net.pt2"))
    hidden = File()
    hidden.texts[MODEL]["elsewhere"] = [{"deep": {"target": target, "inputs": []}}]
    with pytest.raises(cm.CompileError, match=r"not on the list|a region with settings"):
        cm.load(hidden.write(tmp_path / "hidden.pt2"))


@pytest.mark.parametrize("kind", ["as_custom_obj", "as_operator"])
def test_objects_and_operators_as_arguments(kind: str, tmp_path: Path) -> None:
    file = File()
    file.node("relu")["inputs"].append({"name": "more", "arg": {kind: "x"}, "kind": 1})
    with pytest.raises(cm.CompileError, match="only tensor operations can be used"):
        cm.load(file.write(tmp_path / "net.pt2"))


@pytest.mark.parametrize("kind", ["custom_obj", "token"])
def test_inputs_that_are_no_tensors(kind: str, tmp_path: Path) -> None:
    file = File()
    specs = file.texts[MODEL]["graph_module"]["signature"]["input_specs"]
    specs[0] = {kind: {"arg": {"name": "p_fc_weight", "class_fqn": "__torch__.X"}}}
    with pytest.raises(cm.CompileError, match="only tensor operations can be used"):
        cm.load(file.write(tmp_path / "net.pt2"))


@pytest.mark.parametrize("name", ["x=open('mark','w')", "x): pass #", "class", "x y", "é", ""])
def test_names_that_the_exporter_would_write_into_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = File()
    call = file.texts[MODEL]["graph_module"]["module_call_graph"][0]
    call["signature"]["forward_arg_names"] = [name]
    with pytest.raises(cm.CompileError, match="an input of the network is called"):
        cm.load(file.write(tmp_path / "net.pt2"))
    assert not Path("mark").exists()


def test_odd_names_of_tensors_become_plain_ones(tmp_path: Path) -> None:
    file = File()
    odd = "a'b;import os.forward.x-1"
    config = file.texts[WEIGHTS]["config"]
    config[odd] = config.pop("fc.weight")
    for spec in file.texts[MODEL]["graph_module"]["signature"]["input_specs"]:
        if spec.get("parameter", {}).get("parameter_name") == "fc.weight":
            spec["parameter"]["parameter_name"] = odd
    scm = cm.compile(file.write(tmp_path / "net.pt2"), DATA)
    expected = cm.compile(File().write(tmp_path / "plain.pt2"), DATA)
    assert torch.equal(scm.observe()["output"], expected.observe()["output"])
