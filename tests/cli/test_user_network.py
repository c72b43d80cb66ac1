"""A user's own network is built by their code; weights are read, and must fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from causalmod.cli.user_network import build, load_weights, read_exported
from causalmod.errors import InputError


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["mine:halves", "mine:Halves", "mine:ready"])
def test_functions_classes_and_networks_are_taken(name: str) -> None:
    assert isinstance(build(name), nn.Module)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine", "names no factory; expected package.module:function"),
        (":halves", "names no factory"),
        ("mine:", "names no factory"),
        ("./mine.py:halves", "names no factory"),
        ("nowhere:halves", "cannot import 'nowhere'.*in the folder that holds it"),
        ("bad:halves", "missing_package_of_mine"),
        ("worse:halves", r"ZeroDivisionError: division by zero \(.*worse.py, line 2\)"),
        ("mine:halvs", "has no 'halvs': did you mean 'halves'"),
        ("mine:broken", r"RuntimeError: no such thing.*mine.py, line \d+\); it is called without"),
        ("mine:number", "returned a int; expected a torch.nn.Module"),
        ("mine:value", "is a int; expected a function or a class"),
    ],
)
def test_what_makes_no_network(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        build(name)


def test_weights_are_loaded(folder: Path) -> None:
    model, other = build("mine:halves"), build("mine:halves")
    with torch.no_grad():
        other.get_parameter("first.weight").mul_(3)
    save_file(other.state_dict(), folder / "w.safetensors")
    load_weights(model, folder / "w.safetensors")
    assert torch.equal(model.get_parameter("first.weight"), other.get_parameter("first.weight"))


def test_shared_tensors_need_to_be_there_once(folder: Path) -> None:
    model = build("mine:Tied")
    state = {n: t for n, t in model.state_dict().items() if n != "b.weight"}
    state["a.weight"] = torch.full((4, 4), 2.0)
    save_file(state, folder / "w.safetensors")
    load_weights(model, folder / "w.safetensors")
    assert float(model.get_parameter("b.weight")[0, 0].detach()) == 2.0


def test_every_misfit_is_listed_at_once(folder: Path) -> None:
    state = {
        "first.weight": torch.ones(4, 5),
        "first.bias": torch.ones(4, dtype=torch.float64),
        "second.weight": torch.ones(2, 4),
        "extra\x1b[31m": torch.ones(2),
    }
    save_file(state, folder / "w.safetensors")
    model = build("mine:halves")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(model, folder / "w.safetensors")
    text = str(caught.value)
    assert "missing: second.bias" in text
    assert "not in the network: extra" in text
    assert "first.weight: (4, 5) in the file, (4, 4) in the network" in text
    assert "first.bias: torch.float64 in the file, torch.float32 in the network" in text
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


def test_a_network_in_a_file_is_read(folder: Path) -> None:
    program = torch.export.export(
        build("mine:halves").eval(),
        (torch.ones(5, 4),),
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
    )
    torch.export.save(program, folder / "net.pt2")
    network = read_exported(Path("net.pt2"), None)
    assert torch.equal(network(torch.ones(3, 4)), build("mine:halves")(torch.ones(3, 4)))
    with pytest.raises(InputError, match=r"holds its own weights; leave --weights w\.safe.* out"):
        read_exported(Path("net.pt2"), Path("w.safetensors"))


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.pkl"])
def test_other_kinds_of_weights(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.safetensors files only, since others can run code"):
        load_weights(build("mine:halves"), folder / name)
