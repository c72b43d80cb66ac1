"""The smallest networks that the compiler takes: one idea each, and what all networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Inputs = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
BUILDERS: dict[str, Callable[[], tuple[nn.Module, Inputs]]] = {}


class Net(nn.Module):
    """A network whose forward is a function of its parts and its inputs."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor, *more: Tensor) -> Any:
        return self.run(self, x, *more)


class Keyword(nn.Module):
    """Two inputs with names, three outputs with names; one of them is an input, one is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, first: Tensor, second: Tensor) -> dict[str, Any]:
        hidden = F.relu(self.a(first) - self.b(second))
        return {"hidden": hidden, "pair": (self.out(hidden), hidden.sum(1)), "same": second}


class Masked(nn.Module):
    """Half of the weights are held at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.register_buffer("mask", (torch.arange(12).reshape(4, 3) % 2).float())
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(F.linear(x, self.weight * self.get_buffer("mask"))))


class Cells(nn.Module):
    """An LSTM cell, called once for each step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(2, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        h, c = x.new_zeros(x.shape[0], 3), torch.zeros(x.shape[0], 3)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
        return self.out(h)


class Attention(nn.Module):
    """Two heads, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        rows, steps, width = x.shape
        q, k, v = (f(x).view(rows, steps, 2, 2).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(-1, -2), dim=-1)
        return self.o((weights @ v).transpose(1, 2).reshape(rows, steps, width)) + x


def network(build: Callable[[], tuple[nn.Module, Inputs]]) -> Callable[..., Any]:
    BUILDERS[build.__name__] = build
    return build


def rows(*shape: int, count: int = 6) -> Tensor:
    return torch.randn(count, *shape)


def batch_norm(kind: type[nn.BatchNorm1d | nn.BatchNorm2d], width: int) -> nn.Module:
    norm = kind(width)
    for buffer in (norm.running_mean, norm.running_var):
        assert buffer is not None
        buffer.copy_(torch.rand(width) + 0.5)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(width))
        norm.bias.copy_(torch.randn(width))
    return norm


@network
def mlp() -> tuple[nn.Module, Inputs]:
    act = nn.Tanh()
    return nn.Sequential(
        nn.Sequential(nn.Linear(3, 5), act), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)
    ), rows(3)


@network
def in_place() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.fc1(x)
        hidden += 1
        hidden = net.act(hidden)
        hidden[:, 0] = 0.5
        return net.fc2(hidden.mul_(2.0))

    parts = {"fc1": nn.Linear(3, 4), "act": nn.ReLU(inplace=True), "fc2": nn.Linear(4, 2)}
    return Net(run, **parts), rows(3)


@network
def first_in_place() -> tuple[nn.Module, Inputs]:
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)), rows(3)


@network
def writes_to_its_input() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        before = net.fc1(x)
        x[:, 0] = 0.5
        x.relu_()
        return net.fc2(torch.tanh(before + net.fc1(x)))

    return Net(run, fc1=nn.Linear(3, 4), fc2=nn.Linear(4, 2)), rows(3)


@network
def regions() -> tuple[nn.Module, Inputs]:
    """Contexts that change no value."""

    def run(net: Any, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            hidden = net.act(net.fc1(x))
            with torch.enable_grad():
                hidden = net.fc2(hidden) * 2
            both = hidden, hidden + 1
        return net.act(both[0]) * both[1]

    return Net(run, fc1=nn.Linear(3, 4), act=nn.Tanh(), fc2=nn.Linear(4, 2)), rows(3)


@network
def residual() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.embed(x)
        hidden = hidden + net.down(F.relu(net.up(hidden)))
        hidden = hidden + net.skip(torch.tanh(hidden))
        return net.out(hidden)

    parts = {"embed": (3, 4), "up": (4, 5), "down": (5, 4), "skip": (4, 4), "out": (4, 2)}
    return Net(run, **{name: nn.Linear(*size) for name, size in parts.items()}), rows(3)


@network
def normalised() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.fc2(net.norm(net.drop(F.relu(net.bn(net.fc1(x))))))

    return Net(
        run, fc1=nn.Linear(3, 4), bn=batch_norm(nn.BatchNorm1d, 4), drop=nn.Dropout(0.5),
        norm=nn.LayerNorm(4), fc2=nn.Linear(4, 2),
    ), rows(3)  # fmt: skip


@network
def called_twice() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(net.act(net.fc(net.act(net.fc(x)))))

    return Net(run, fc=nn.Linear(3, 3), act=nn.ReLU(), out=nn.Linear(3, 1)), rows(3)


@network
def tied_weights() -> tuple[nn.Module, Inputs]:
    encoder, decoder = nn.Linear(3, 3), nn.Linear(3, 3)
    decoder.weight = encoder.weight
    return nn.Sequential(encoder, nn.ReLU(), decoder), rows(3)


@network
def hook_points() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.in_line(F.relu(net.fc1(x)))
        return net.fc2(hidden + net.branch(hidden)) + net.last(hidden)[:, :2]

    names = ("in_line", "branch", "last")
    hooks = {name: nn.Identity() for name in names}
    return Net(run, fc1=nn.Linear(3, 4), fc2=nn.Linear(4, 2), **hooks), rows(3)


@network
def keywords() -> tuple[nn.Module, Inputs]:
    return Keyword(), {"second": rows(3), "first": rows(3)}


@network
def towers() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(net.left(x)), net.right(torch.tanh(net.left(y)))

    return Net(run, left=nn.Linear(3, 2), right=nn.Linear(2, 2)), (rows(3), rows(3))


@network
def masked() -> tuple[nn.Module, Inputs]:
    return Masked(), rows(3)


@network
def double() -> tuple[nn.Module, Inputs]:
    return nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).double(), rows(3).double()


@network
def brain_float() -> tuple[nn.Module, Inputs]:
    net = nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 2)).bfloat16()
    return net, rows(3).bfloat16()


@network
def by_hand() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        first, second = net.fc1(x), net.fc2(x)
        gelu = 0.5 * second * (1 + torch.erf(second / 2**0.5))
        return net.out(first * torch.sigmoid(first) + gelu)

    return Net(run, fc1=nn.Linear(3, 4), fc2=nn.Linear(3, 4), out=nn.Linear(4, 2)), rows(3)


@network
def gates() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        both = torch.cat([F.relu(net.fc(x)), F.relu(-net.fc(x))], dim=1)
        fired = (both > 0.3).float()
        return net.out(F.glu(fired + both) * net.gate(x).sigmoid())

    return Net(run, fc=nn.Linear(3, 4), gate=nn.Linear(3, 4), out=nn.Linear(4, 2)), rows(3)


@network
def without_parameters() -> tuple[nn.Module, Inputs]:
    return Net(lambda _, x: (x.abs() @ torch.ones(3, 2), x.amax(1))), rows(3)


@network
def whole_numbers() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(F.relu(net.embed(x)).mean(1))

    numbers = torch.arange(18).reshape(6, 3) % 7
    return Net(run, embed=nn.Embedding(7, 4), out=nn.Linear(4, 2)), numbers


@network
def convolutions() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.pool(net.act(net.bn(net.c1(x))))
        return net.out(F.relu(net.c2(hidden)).flatten(1))

    return Net(
        run, c1=nn.Conv2d(1, 3, 3), bn=batch_norm(nn.BatchNorm2d, 3), act=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(2), c2=nn.Conv2d(3, 4, 2, groups=1), out=nn.Linear(4, 2),
    ), rows(1, 6, 6)  # fmt: skip


@network
def one_dimensional() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(net.pool(F.gelu(net.conv(x))).squeeze(-1))

    return Net(
        run, conv=nn.Conv1d(2, 4, 3, groups=2), pool=nn.AdaptiveAvgPool1d(1), out=nn.Linear(4, 2)
    ), rows(2, 7)  # fmt: skip


@network
def cells() -> tuple[nn.Module, Inputs]:
    return Cells(), rows(3, 2)


@network
def recurrent() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(net.gru(net.lstm(x)[0])[0][:, -1])

    lstm, gru = nn.LSTM(2, 3, batch_first=True), nn.GRU(3, 4, batch_first=True)
    return Net(run, lstm=lstm, gru=gru, out=nn.Linear(4, 2)), rows(3, 2)


@network
def time_first() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = F.relu(net.fc(x.transpose(0, 1).contiguous()))
        return net.out(hidden.reshape(-1, 4).view(3, -1, 4).transpose(0, 1).mean(1))

    return Net(run, fc=nn.Linear(2, 4), out=nn.Linear(4, 2)), rows(3, 2)


@network
def attention() -> tuple[nn.Module, Inputs]:
    return Attention(), rows(3, 4)


@network
def transformer() -> tuple[nn.Module, Inputs]:
    layer = nn.TransformerEncoderLayer(4, 2, 5, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    return Net(lambda net, x: net.out(net.encoder(x).mean(1)), encoder=encoder,
               out=nn.Linear(4, 2)), rows(3, 4)  # fmt: skip
