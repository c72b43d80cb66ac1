"""Networks and data that cannot be compiled: what was given, what was expected, what to change."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import CausalmodError, CompileError, InputError
from tests.compiler.networks import Net

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def linear() -> nn.Module:
    return nn.Linear(3, 2).eval()


def says(error: pytest.ExceptionInfo[CausalmodError], *parts: str) -> None:
    """Check that a message of one line holds every part."""
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


# --- the network --------------------------------------------------------------------------------


def test_training_mode() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout()).eval()
    net[1].train()
    with pytest.raises(InputError) as error:
        cm.compile(net, X)
    says(error, "training mode (1)", "call model.eval() first")
    with pytest.raises(InputError, match="Sequential"):
        cm.compile(net.train(), X)


@pytest.mark.parametrize("model", [nn.Linear, lambda x: x, None])
def test_no_module(model: Any) -> None:
    with pytest.raises(InputError) as error:
        cm.compile(model, X)
    says(error, "model must be a torch.nn.Module, or the path of a .pt2 file; given")
    if model is nn.Linear:
        says(error, "Linear", "make an instance")


def test_wrapped_modules() -> None:
    with pytest.raises(InputError) as error:
        cm.compile(torch.compile(linear(), backend="eager"), X)  # type: ignore[arg-type]
    says(error, "torch.compile", "plain torch.nn.Module")


USERS_FILE = """
import torch

class Inner(torch.nn.Module):
    def forward(self, x):
        return x if x.amax() > 0 else -x

class Branching(torch.nn.Module):
    def __init__(self, way):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.way = way
        self.inner = Inner()

    def forward(self, x):
        hidden = self.fc(x)
        if self.way == "if" and hidden.sum() > 0:
            return hidden
        if self.way == "int":
            return hidden[:, : int(x.abs().sum())]
        if self.way == "module":
            return self.inner(hidden)
        if self.way == "loop":
            while hidden.norm() > 1e-3:
                hidden = hidden / 2
        return hidden.relu()
"""


@pytest.mark.parametrize(
    ("way", "line"),
    [
        ("if", 'if self.way == "if" and hidden.sum() > 0:'),
        ("int", "return hidden[:, : int(x.abs().sum())]"),
        ("loop", "while hidden.norm() > 1e-3:"),
        ("module", "return x if x.amax() > 0 else -x"),
    ],
)
def test_branches_on_data_are_found_in_the_users_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    line: str,
) -> None:
    file = tmp_path / "users_network.py"
    file.write_text(USERS_FILE)
    spec = importlib.util.spec_from_file_location("users_network", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    logged: list[logging.LogRecord] = []
    for name in ("torch.export._trace", "torch.fx.experimental.symbolic_shapes"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "filters", [lambda record: logged.append(record) or False])
    number = next(i for i, each in enumerate(USERS_FILE.splitlines(), 1) if line in each)
    with pytest.raises(CompileError) as error:
        cm.compile(module.Branching(way).eval(), X)
    says(error, "Branching branches on the values of a tensor", f"{file}:{number}", line)
    says(error, "torch.where", "in module 'inner'" if way == "module" else "")
    assert logged == []
    printed = capsys.readouterr()
    assert printed.out == printed.err == "", "the exporter's own talk is kept away"


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda net, x: net.nowhere(x), "net.nowhere(x)"),
        (lambda net, x: json.loads("{"), 'json.loads("{")'),  # raises in the standard library
        (lambda net, x: x @ x, "x @ x"),  # and in torch
    ],
)
def test_forward_that_fails_names_the_users_line(function: Any, code: str) -> None:
    with pytest.raises(InputError) as error:
        cm.compile(Net(function).eval(), X)
    says(error, "Net does not run on these inputs", "test_refusals.py:", code)


def mixing() -> dict[str, Callable[[Any, Tensor], Tensor]]:
    return {
        "softmax over rows": lambda net, x: torch.softmax(net.fc(x), 0),
        "centred": lambda net, x: net.fc(x) - net.fc(x).mean(0),
        "largest": lambda net, x: net.fc(x) - net.fc(x).amax(0),
        "batch statistics": lambda net, x: F.batch_norm(net.fc(x), None, None, training=True),
        "next row": lambda net, x: net.fc(x).roll(1, 0),
        "sorted": lambda net, x: net.fc(x).sort(0).values,
        "item": lambda net, x: net.fc(x) * x.sum().item(),
        "attention": lambda net, x: torch.softmax(x @ x.T, -1) @ net.fc(x),
    }


CULPRITS = {
    "softmax over rows": "softmax", "centred": "sub", "largest": "sub",
    "batch statistics": "batch_norm", "next row": "roll", "sorted": "getitem", "item": "mul",
    "attention": "matmul",
}  # fmt: skip


@pytest.mark.parametrize("name", mixing())
def test_rows_that_see_each_other(name: str) -> None:
    net = Net(mixing()[name], fc=nn.Linear(3, 2))
    with pytest.raises(CompileError) as error:
        cm.compile(net.eval(), X)
    says(error, "site 'output'", "changes when other rows are replaced", "rows one by one")
    says(error, f"({CULPRITS[name]} ", "networks_basic.py")


def test_the_first_site_that_mixes_rows_is_named() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.fc2(torch.tanh(net.fc(x) - net.fc(x).mean(0)))

    net = Net(run, fc=nn.Linear(3, 3), fc2=nn.Linear(3, 1))
    with pytest.raises(CompileError, match="site 'tanh' holds"):
        cm.compile(net.eval(), X)


def test_close_calls_are_not_refused() -> None:
    """Thresholds at the very value, and thousands of rows: rounding is no mixing."""
    net = Net(lambda net, x: (net.fc(x) > 0).float(), fc=nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        net.fc.weight.copy_(torch.tensor([[0.1, 0.2, -0.3]]))  # type: ignore[union-attr]
    assert cm.compile(net.eval(), torch.ones(4000, 3)).rows == 4000


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: net.fc(x).mean(0),
        lambda net, x: net.fc(x).sum(),
        lambda net, x: (net.fc(x), net.fc.weight),
        lambda net, x: net.fc(x).repeat(2, 1),
    ],
)
def test_outputs_without_rows(function: Callable[..., Any]) -> None:
    with pytest.raises(CompileError) as error:
        cm.compile(Net(function, fc=nn.Linear(3, 2)).eval(), X)
    says(error, "an output of the model has shape", "6 rows", "first dimension")


def test_outputs_with_rows_in_two_dimensions() -> None:
    with pytest.raises(CompileError, match=r"'output' does not have the rows .* as a dimension"):
        cm.compile(Net(lambda _, x: x @ x.T).eval(), X)


def test_no_tensor_comes_out() -> None:
    class Parcel:
        def __init__(self, content: Tensor) -> None:
            self.content = content

    for function, kind in ((lambda _, x: x.shape[1], "int"), (lambda _, x: Parcel(x), "Parcel")):
        with pytest.raises(CompileError) as error:
            cm.compile(Net(function).eval(), X)
        says(error, "returns no tensor", f"({kind})", "tuple, list, dict or dataclass")


def test_complex_outputs() -> None:
    with pytest.raises(CompileError, match=r"complex; return torch.view_as_real"):
        cm.compile(Net(lambda _, x: torch.fft.fft(x)).eval(), X)
    inside = cm.compile(Net(lambda _, x: torch.fft.fft(x).abs()).eval(), X, sites="*")
    assert list(inside.sites) == ["input", "output"], "complex numbers are no variables"


def test_regions_of_their_own() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = net.fc(x)
        return hidden.float().relu()

    with pytest.raises(CompileError) as error:
        cm.compile(Net(run, fc=nn.Linear(3, 2)).eval(), X)
    says(error, "region with settings of its own", "torch.autocast", "take it out")


def test_inputs_without_names() -> None:
    class Loose(nn.Module):
        def forward(self, x: Tensor, **more: Tensor) -> Tensor:
            return x + more["y"]

    with pytest.raises(CompileError, match=r"takes y through \*\*more only.*named parameters"):
        cm.compile(Loose().eval(), {"x": X, "y": X})


def test_a_number_of_rows_written_into_the_forward() -> None:
    with pytest.raises(CompileError) as error:
        cm.compile(Net(lambda _, x: x.reshape(6, 1, 3).relu().flatten(1)).eval(), X)
    says(error, "Net fixes the number of rows", "x.shape[0] or -1")


def test_another_graph_for_few_rows() -> None:
    net = Net(lambda net, x: net.fc(x) if x.shape[0] > 5 else -net.fc(x), fc=nn.Linear(3, 2))
    with pytest.raises(CompileError, match="something else on less than 6 rows"):
        cm.compile(net.eval(), X)


def test_state() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.get_buffer("calls").add_(1)
            return x.relu()

    with pytest.raises(CompileError, match=r"writes to 'calls' while it runs.*copy before writing"):
        cm.compile(Counter().eval(), X)

    counter = torch.zeros(1)

    def count(_: Any, x: Tensor) -> Tensor:
        counter.add_(1)
        return x.relu()

    with pytest.raises(CompileError, match="writes to one of its own tensors"):
        cm.compile(Net(count).eval(), X)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda net, x: net.fc(x) + torch.randn(2), "randn"),
        (lambda net, x: net.fc(x) * torch.rand_like(x[:, :2]), "rand_like"),
        (lambda net, x: F.dropout(net.fc(x), 0.5, training=True), "dropout"),
        (lambda net, x: torch.bernoulli(net.fc(x).sigmoid()), "bernoulli"),
        (lambda net, x: F.rrelu(net.fc(x), training=True), "rrelu"),
        (lambda net, x: F.scaled_dot_product_attention(*[net.fc(x)[:, None]] * 3, dropout_p=0.1),
         "scaled_dot_product_attention"),
        (lambda net, x: net.fc(x).add_(1).multinomial(2), "multinomial"),
    ],
)  # fmt: skip
def test_randomness(function: Callable[..., Tensor], operation: str) -> None:
    net = Net(function, fc=nn.Linear(3, 2))
    nn.init.ones_(net.fc.bias)  # type: ignore[arg-type]
    nn.init.zeros_(net.fc.weight)  # type: ignore[arg-type]
    with pytest.raises(CompileError) as error:
        cm.compile(net.eval(), X)
    says(error, f"draws random numbers ({operation} at", "networks_basic.py", "model.eval()")


def test_what_draws_no_random_numbers_is_taken() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = F.dropout(net.fc(x), 0.0, training=True)[:, None]
        return F.rrelu(F.scaled_dot_product_attention(hidden, hidden, hidden))

    assert cm.compile(Net(run, fc=nn.Linear(3, 2)).eval(), X).rows == 6


def test_what_cannot_be_traced() -> None:
    net = Net(lambda net, x: net.fc(torch.from_numpy(x.numpy())), fc=nn.Linear(3, 2))
    with pytest.raises(CompileError) as error:
        cm.compile(net.eval(), X)
    says(error, "Net cannot be traced at", "test_refusals.py", ".numpy()")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_activations_that_are_not_finite(value: float) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        net[2].weight[0, 0] = value  # type: ignore[index]
        net[2].bias[0] = -1e30  # type: ignore[index]
    x = X.abs()
    with torch.no_grad():
        net[0].weight.abs_()  # type: ignore[operator]
    with pytest.raises(CompileError) as error:
        cm.compile(net.eval(), x)
    says(error, "site '2'", "NaN or infinite on 6 of 6 rows", "first on row 0")


def test_activations_that_are_not_finite_on_one_row() -> None:
    x = X.abs() + 1
    x[4, 1] = 0
    with pytest.raises(CompileError, match=r"site 'log' are NaN or infinite on 1 of 6 .* row 4"):
        cm.compile(Net(lambda net, x: net.fc(x.log()), fc=nn.Linear(3, 1)).eval(), x)
