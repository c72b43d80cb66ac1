"""Where a model lives. What needs a GPU skips itself without one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError
from tests.compiler.networks import BUILDERS, Net, built, compiled
from tests.compiler.test_refusals import X, linear, says

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def stays(model: nn.Module) -> list[tuple[int, Any, Tensor]]:
    """Memory, device and a copy of each parameter."""
    return [(p.data_ptr(), p.device, p.detach().clone()) for p in model.parameters()]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "", 3.5, torch.device("cuda", 99)])
def test_devices_that_are_not_there(device: Any, tmp_path: Path) -> None:
    path = cm.compile(linear(), X).save(tmp_path / "model.scm")
    for act in (lambda: cm.compile(linear(), X, device=device), lambda: cm.load(path, device)):
        with pytest.raises(InputError, match=r"device=.* cannot be used: .* expected 'cpu', or"):
            act()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_no_gpu() -> None:
    with pytest.raises(InputError, match="device='cuda' cannot be used"):
        cm.compile(linear(), X, device="cuda")


def test_the_meta_device_holds_no_values(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device='meta' holds no values; give 'cpu'"):
        cm.compile(linear(), X, device="meta")
    with pytest.raises(InputError, match="device='meta' holds no values"):
        cm.load(cm.compile(linear(), X).save(tmp_path / "model.scm"), device="meta")
    for device in (None, "cpu"):
        with pytest.raises(InputError) as error:
            cm.compile(linear().to("meta"), X, device=device)
        says(error, "'weight' is on the meta device", "give a model that holds its weights")
        with pytest.raises(InputError, match="input is on the meta device, which holds no values"):
            cm.compile(linear(), X.to("meta"), device=device)


def test_parameters_on_several_devices() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2).to("meta")).eval()
    with pytest.raises(InputError) as error:
        cm.compile(net, X)
    says(error, "'1.weight' is on the meta device", "'0.weight' is on cpu")


def test_a_model_that_cannot_be_copied() -> None:
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo: Any) -> Any:
            raise RuntimeError("only one of me")

    model: Any = Stubborn(3, 2).eval()
    on_cpu = cm.compile(model, X, device="cpu")  # there already: nothing to copy
    assert on_cpu.device == torch.device("cpu")
    from causalmod.compiler.devices import on_device

    with pytest.raises(InputError) as error:
        on_device(model, torch.device("cuda"))
    says(error, "cannot be copied to device='cuda': RuntimeError: only one of me", "move it there")


def test_a_tensor_that_does_not_come_along() -> None:
    """The mistake is imitated: forward meets a tensor of another device."""
    net = Net(lambda net, x: net.fc(x) + torch.ones(2, device="meta"), fc=nn.Linear(3, 2)).eval()
    with pytest.raises(InputError, match=r"hold it by self\.register_buffer"):
        cm.compile(net, X)


# --- the same device -----------------------------------------------------------------------------


def test_the_users_model_and_data_stay_as_they_are() -> None:
    model, data = linear(), X.clone()
    before = stays(model)
    scm = cm.compile(model, data, device="cpu")
    assert scm.device == torch.device("cpu")
    assert torch.equal(scm.observe()["output"], model(X))
    data.zero_()
    assert torch.equal(scm.observe()["input"], X)
    for (place, device, value), (now, where, held) in zip(before, stays(model), strict=True):
        assert (place, device) == (now, where)
        assert torch.equal(value, held)


def exported(tmp_path: Path, model: nn.Module) -> Path:
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    torch.export.save(torch.export.export(model, (X,), dynamic_shapes=shapes), tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


def ramp() -> nn.Module:
    """A network that makes a tensor of its own, on the device of its input."""
    run: Callable[..., Tensor] = lambda net, x: net.fc(x) + torch.arange(2.0, device=x.device)  # noqa: E731
    return Net(run, fc=nn.Linear(3, 2)).eval()


def test_networks_from_files_are_copied_whole(tmp_path: Path) -> None:
    model = ramp()
    network = cm.load(exported(tmp_path, model))
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(twin(X), model(X))
    assert torch.equal(cm.compile(twin.to("cpu"), X, device="cpu").observe()["output"], model(X))


def test_row_numbers_may_be_on_any_device() -> None:
    scm = cm.compile(linear(), X)
    rows = torch.tensor([2, 0], device="cpu")
    assert torch.equal(scm.counterfactual({"input[0]": 1.0}, rows)["input"][:, 1:], X[rows, 1:])


# --- a GPU ---------------------------------------------------------------------------------------


@needs_gpu
def test_data_on_the_cpu_and_the_model_on_a_gpu() -> None:
    with pytest.raises(InputError, match="input is on device cpu, the model on cuda:0: move one"):
        cm.compile(linear().cuda(), X)
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2).cuda()).eval()
    with pytest.raises(InputError, match=r"on several devices .* give device="):
        cm.compile(net, X)
    assert cm.compile(net, X, device="cuda").device.type == "cuda"


@needs_gpu
@pytest.mark.parametrize("name", BUILDERS)
def test_a_gpu_gives_the_figures_of_the_cpu(name: str) -> None:
    model, inputs = built(name)
    before = stays(model)
    scm, expected = cm.compile(model, inputs, device="cuda"), compiled(name)
    for (place, device, _), (now, where, _) in zip(before, stays(model), strict=True):
        assert (place, device) == (now, where), "the user's own model stays"
    assert set(scm.sites) == set(expected.sites)

    def alike(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
        for site, value in wanted.items():
            assert found[site].device.type == "cuda"
            half = value.dtype in {torch.float16, torch.bfloat16}
            loose = 0.05 if half else 1e-3
            torch.testing.assert_close(found[site].cpu(), value, rtol=loose, atol=loose)

    alike(scm.observe(), expected.observe())
    for site in list(scm.sites)[:3]:
        set_to: Any = {site: cm.resample(1)}
        alike(scm.do(set_to).observe(), expected.do(set_to).observe())
        alike(
            scm.sweep(site, cm.resample(1), progress=False).values,
            expected.sweep(site, cm.resample(1), progress=False).values,
        )
        for receiver in scm.receivers(site)[:1]:
            on_edge: Any = {(site, receiver): cm.resample(1)}
            alike(scm.do(on_edge).observe(), expected.do(on_edge).observe())


@pytest.fixture(scope="module")
def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh()).eval()


@needs_gpu
def test_measures_on_a_gpu(net: nn.Module) -> None:
    data = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    cpu, gpu = cm.compile(net, data), cm.compile(net, data, device="cuda")
    names = cpu.units.names
    assert gpu.units.names == names
    for kind in ("observational", "interventional", "conditional"):
        for source, target in (("1[0]", "3[1]"), ("1", "3")):
            found = cm.information(gpu, source, target, kind=kind)
            expected = cm.information(cpu, source, target, kind=kind)
            assert found.bits == pytest.approx(expected.bits, abs=1e-3)
        table = cm.flow(gpu, "1", "3", kind=kind).to_frame()
        torch.testing.assert_close(
            torch.tensor(table.to_numpy(float)),
            torch.tensor(cm.flow(cpu, "1", "3", kind=kind).to_frame().to_numpy(float)),
            atol=1e-3, rtol=1e-3, equal_nan=True,
        )  # fmt: skip
    halves = cm.Partition({"left": names[::2], "right": names[1::2]})
    assert cm.exchange(gpu, halves).bits == pytest.approx(cm.exchange(cpu, halves).bits, abs=1e-2)
    query = "P(output[0] | do(`1`[2]=0.5))"
    assert cm.query(gpu, query).mean() == pytest.approx(cm.query(cpu, query).mean(), abs=1e-3)


@needs_gpu
def test_values_and_rows_given_later_are_moved(net: nn.Module) -> None:
    data = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    cpu, gpu = cm.compile(net, data), cm.compile(net, data, device="cuda")
    value, rows = torch.linspace(0, 1, 20), torch.tensor([3, 1])
    for given in (value, value.cuda()):
        assert torch.equal(gpu.do({"1[0]": given}).observe()["1"][:, 0].cpu(), value)
        assert torch.equal(cpu.do({"1[0]": given}).observe()["1"][:, 0], value)
    for given in (rows, rows.cuda()):
        assert torch.equal(gpu.counterfactual({"1[0]": 2.0}, given)["input"].cpu(), data[rows])
        assert torch.equal(cpu.counterfactual({"1[0]": 2.0}, given)["input"], data[rows])
    assert gpu.do({"1[0]": lambda natural: natural.cpu() * 0}).observe()["1"][:, 0].sum() == 0


@needs_gpu
def test_files_on_a_gpu(tmp_path: Path) -> None:
    model = ramp()
    path = exported(tmp_path, model)
    for given in (path, cm.load(path), cm.load(path, device="cuda"), cm.load(path).to("cuda")):
        scm = cm.compile(given, X, device="cuda")
        torch.testing.assert_close(scm.observe()["output"].cpu(), model(X), atol=1e-3, rtol=1e-3)
        saved = scm.save(tmp_path / "model.scm")
        assert torch.equal(cm.load(saved, "cuda").observe()["output"], scm.observe()["output"])
        torch.testing.assert_close(
            cm.load(saved).observe()["output"], model(X), atol=1e-3, rtol=1e-3
        )
