"""A network from its file is the network: the same sites, the same bits, the same refusals."""

from __future__ import annotations

import collections
import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import causalmod as cm
from causalmod.compiler import FileNetwork
from tests.compiler.networks import BUILDERS, built, compiled
from tests.compiler.pt2.files import (
    CONSTANTS,
    DATA,
    MODEL,
    ROWS,
    File,
    Small,
    export,
    saved,
)


def from_file(model: nn.Module, inputs: Any, folder: Path, shapes: Any = None) -> FileNetwork:
    """Read a network from the file that torch writes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the exporter thinks of the network
        content = saved(export(model.eval(), inputs, shapes))
    (folder / "net.pt2").write_bytes(content)
    network = cm.load(folder / "net.pt2")
    assert isinstance(network, FileNetwork)
    return network


#: Modules of these return several tensors: a file does not know in which order, and names the last.
SEVERAL = {"multihead_attention", "gpt2_eager", "bert_eager"}


@pytest.mark.parametrize("name", BUILDERS)
def test_sites_and_bits_are_those_of_the_network(name: str, tmp_path: Path) -> None:
    model, inputs = built(name)
    live = compiled(name)
    try:
        network = from_file(model, inputs, tmp_path)
    except RuntimeError as error:
        if "not a known type" not in str(error):
            raise
        pytest.skip("torch exports no result of a type that it does not know")
    scm = cm.compile(network, inputs)
    expected, found = live.observe(), scm.observe()
    if name == "hook_points":  # an Identity computes nothing, so a file has no trace of it
        assert torch.equal(found["output"], expected["output"])
        assert not {"in_line", "branch", "last"} & set(scm.sites)
        return
    names = {f"input.more_{place}": f"input.{place + 1}" for place in range(3)}  # forward(x, *more)
    found = {names.get(key, key): value for key, value in found.items()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    if name in SEVERAL:
        expected_sites = {key: dataclasses.replace(s, aliases=()) for key, s in live.sites.items()}
        assert {
            k: dataclasses.replace(s, aliases=()) for k, s in scm.sites.items()
        } == expected_sites
    elif not set(names) & set(scm.sites):
        assert scm.sites == live.sites
        assert scm.available == live.available


def test_interventions_are_those_of_the_network(tmp_path: Path) -> None:
    model, inputs = built("residual")
    live, scm = compiled("residual"), cm.compile(from_file(model, inputs, tmp_path), inputs)
    change = {f"{list(live.sites)[2]}[0]": 3.0}
    expected, found = live.do(change).observe(), scm.do(change).observe()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("rows", [2, 5, 33])
def test_other_numbers_of_rows(rows: int, tmp_path: Path) -> None:
    network = from_file(Small(), DATA, tmp_path)
    data = torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows))
    assert torch.equal(cm.compile(network, data).observe()["output"], Small().eval()(data))


def test_paths_texts_and_exported_programs_are_taken(tmp_path: Path) -> None:
    program = export(Small().eval(), DATA)
    torch.export.save(program, tmp_path / "net.pt2")
    expected = cm.compile(Small().eval(), DATA).observe()["output"]
    for given in (tmp_path / "net.pt2", str(tmp_path / "net.pt2"), program):
        assert torch.equal(cm.compile(given, DATA).observe()["output"], expected)


def test_a_file_is_a_network_of_its_own(tmp_path: Path) -> None:
    network = from_file(Small(), DATA, tmp_path)
    assert torch.equal(network(DATA), Small().eval()(DATA))
    assert {n for n, _ in network.named_parameters()} == {"fc.weight", "fc.bias"}
    assert "scale" in dict(network.named_buffers())
    assert not network.training
    assert repr(network).startswith("FileNetwork(\n  x")


# --- inputs and outputs ---------------------------------------------------------------------------

Pair = collections.namedtuple("Pair", ["first", "second"])


@dataclasses.dataclass
class Result:
    """A result of a type of the author's own."""

    score: Tensor
    extra: Tensor | None = None


def register() -> None:
    if "tests.Result" not in pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
        torch.export.register_dataclass(Result, serialized_type_name="tests.Result")
        pytree._register_namedtuple(Pair, serialized_type_name="tests.Pair")


class Shaped(nn.Module):
    def __init__(self, shape: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Any:
        return self.shape(torch.relu(x))


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        (lambda y: {"a": y + 1, "b": [y + 2, y + 3]}, ["output.a", "output.b.0", "output.b.1"]),
        (lambda y: (y + 1, None, 3, y + 2), ["output.0", "output.3"]),
        (lambda y: collections.OrderedDict(z=y + 1, a=y + 2), ["output.z", "output.a"]),
        (lambda y: Result(y + 1, y + 2), ["output.score", "output.extra"]),
        (lambda y: Result(y + 1), ["output"]),
        (lambda y: Pair(y + 1, y + 2), ["output.first", "output.second"]),
    ],
)
def test_results_of_any_type_have_the_same_names(
    shape: Callable[[Tensor], Any], names: list[str], tmp_path: Path
) -> None:
    register()
    live = cm.compile(Shaped(shape).eval(), DATA)
    scm = cm.compile(from_file(Shaped(shape), DATA, tmp_path), DATA)
    assert list(live.outputs) == names
    assert list(scm.outputs) == names


class Arguments(nn.Module):
    def forward(self, x: Tensor, flag: Any = None, *, scale: Tensor, power: int = 1) -> Tensor:
        return (x * scale) ** power if flag is None else x


def test_inputs_by_name_and_constants_among_them(tmp_path: Path) -> None:
    given = {"x": DATA, "flag": None, "scale": DATA + 1, "power": 2}
    network = from_file(Arguments(), given, tmp_path)
    data = {"x": DATA, "scale": DATA + 1}
    scm = cm.compile(network, data)
    assert torch.equal(scm.observe()["output"], (DATA * (DATA + 1)) ** 2)
    assert list(scm.inputs) == ["input.x", "input.scale"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (DATA.double(), r"dtype torch.float64; the network in the file takes \['any', 3\] of"),
        (DATA[:, :2], r"shape \[6, 2\]"),
        (DATA[:, :, None], r"shape \[6, 3, 1\]"),
        ((DATA, DATA), r"takes \['x'\]; given 2 tensors"),
        ({"y": DATA}, r"takes \['x'\]; given 1 tensors"),
    ],
)
def test_data_of_another_shape_or_dtype(data: Any, says: str, tmp_path: Path) -> None:
    network = from_file(Small(), DATA, tmp_path)
    with pytest.raises(cm.InputError, match=says):
        cm.compile(network, data)


class Pooled(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return (x * mask[..., None]).sum(1).tanh()


def test_other_dynamic_sizes_take_those_of_the_data(tmp_path: Path) -> None:
    sequence = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    given = (torch.randn(4, 5, 3), torch.ones(4, 5))
    network = from_file(Pooled(), given, tmp_path, {"x": sequence, "mask": sequence})
    data = (torch.randn(6, 8, 3), torch.ones(6, 8))
    assert torch.equal(cm.compile(network, data).observe()["output"], Pooled()(*data))
    with pytest.raises(cm.InputError, match="input 'mask' has shape"):
        cm.compile(network, (data[0], torch.ones(6, 7)))


# --- networks that cannot be replayed -------------------------------------------------------------


class Outer(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_a_fixed_number_of_rows_says_how_to_export_any(tmp_path: Path) -> None:
    line = "torch.export.export(model, (x, y,), dynamic_shapes={'x': {0: torch.export.Dim.DYNAMIC}"
    with pytest.raises(cm.CompileError, match="exported for exactly 6 rows") as caught:
        from_file(Outer(), (DATA, DATA), tmp_path, {"x": None, "y": None})
    assert line in str(caught.value)
    shown = str(caught.value).split("first dimension: ")[1]
    program = eval(shown, {"torch": torch, "model": Outer().eval(), "x": DATA, "y": DATA + 1})
    assert isinstance(cm.compile(program, (DATA, DATA)), cm.StructuralCausalModel)


def test_bounds_on_the_rows(tmp_path: Path) -> None:
    few = {0: torch.export.Dim("few", max=64)}
    with pytest.raises(cm.CompileError, match="exported for no more than 64 rows"):
        from_file(Small(), DATA, tmp_path, {"x": few})
    many = {0: torch.export.Dim("many", min=4)}
    with pytest.raises(cm.CompileError, match="exported for no less than 4 rows"):
        from_file(Small(), DATA, tmp_path, {"x": many})


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[0] % 2 == 0 else -x


class Squares(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.shape[0] != 1000 else x


@pytest.mark.parametrize(("model", "rows"), [(Branches(), 3), (Squares(), 1000)])
def test_branches_on_the_number_of_rows(model: nn.Module, rows: int, tmp_path: Path) -> None:
    network = from_file(model, DATA, tmp_path)
    with pytest.raises(cm.CompileError, match=rf"which {rows} rows break"):
        cm.compile(network, DATA)


class Noisy(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x)


@pytest.mark.parametrize("part", [nn.Dropout(0.5), nn.BatchNorm1d(3), nn.RReLU()])
def test_networks_exported_in_training_mode(part: nn.Module, tmp_path: Path) -> None:
    program = torch.export.export(Noisy(part).train(), (DATA,), dynamic_shapes=(ROWS,))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(cm.CompileError, match=r"call model.eval\(\) before torch.export.export"):
        cm.load(tmp_path / "net.pt2")


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.get_buffer("count").add_(1)
        return x + 1


def test_networks_with_state(tmp_path: Path) -> None:
    with pytest.raises(cm.CompileError, match=r"writes to (one of its own|'count')"):
        cm.compile(from_file(Counting(), DATA, tmp_path), DATA)


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def test_networks_that_mix_rows(tmp_path: Path) -> None:
    with pytest.raises(cm.CompileError, match="treats rows one by one"):
        cm.compile(from_file(Mixing(), DATA, tmp_path), DATA)


class Choosing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


class Lists(nn.Module):
    def forward(self, xs: list[Tensor]) -> Tensor:
        return xs[0] + xs[1]


def test_regions_and_nested_inputs(tmp_path: Path) -> None:
    with pytest.raises(cm.CompileError, match=r"a region with settings of its own \(cond\)"):
        from_file(Choosing(), DATA, tmp_path)
    with pytest.raises(cm.CompileError, match="takes lists or dicts of tensors"):
        from_file(Lists(), {"xs": [DATA, DATA]}, tmp_path)


class Switched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.inner(x) * 2
        with torch.autocast("cpu", enabled=False):
            return torch.relu(y).chunk(3, dim=1)[1]


class Cast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return x @ x.new_ones(3, 3)


def test_regions_that_switch_something_off_are_written_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Switched().eval()
    network = from_file(model, DATA, tmp_path)
    scm = cm.compile(network, DATA, sites=["inner", "relu"])
    assert torch.equal(scm.observe()["output"], model(DATA).detach())
    assert torch.equal(scm.observe()["inner"], model.inner(DATA).detach())
    with pytest.raises(cm.CompileError, match=r"under torch\.autocast"):
        from_file(Cast(), DATA, tmp_path)


# --- tensors --------------------------------------------------------------------------------------


class Holder(nn.Module):
    def __init__(self, held: Tensor) -> None:
        super().__init__()
        self.register_buffer("held", held)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.get_buffer("held").to(x.dtype).abs().sum()


@pytest.mark.parametrize(
    "held",
    [
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        torch.arange(24.0)[4:16:2],
        torch.arange(24.0).reshape(4, 6)[1:3, 2:5],
        torch.zeros(0, 3),
        torch.tensor(3.0),
        torch.arange(4, dtype=torch.int8),
        torch.tensor([True, False]),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.complex64) * 1j,
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_tensors_of_every_layout_and_dtype(held: Tensor, tmp_path: Path) -> None:
    network = from_file(Holder(held), DATA, tmp_path)
    read = dict(network.named_buffers())["held"]
    assert torch.equal(read, held)
    assert read.dtype == held.dtype
    assert read.stride() == held.stride()


def test_tied_parameters_stay_one(tmp_path: Path) -> None:
    model, inputs = built("tied_weights")
    count = len(list(model.parameters()))
    assert len(list(from_file(model, inputs, tmp_path).parameters())) == count


def test_devices_in_the_file_are_not_looked_at(tmp_path: Path) -> None:
    file = File()
    for entry in file.texts[CONSTANTS]["config"].values():
        entry["tensor_meta"]["device"] = {"type": "cuda", "index": 7}
    assert torch.equal(cm.load(file.write(tmp_path / "net.pt2"))(DATA), Small().eval()(DATA))


def test_another_version_of_the_schema(tmp_path: Path) -> None:
    file = File()
    file.texts[MODEL]["schema_version"]["major"] = 9
    with pytest.raises(cm.CompileError, match="schema version 9, expected 8"):
        cm.load(file.write(tmp_path / "net.pt2"))


def test_reading_leaves_the_global_generators_alone(tmp_path: Path) -> None:
    network = from_file(Small(), DATA, tmp_path)
    before = torch.get_rng_state()
    cm.compile(network, DATA)
    assert torch.equal(torch.get_rng_state(), before)
