"""Networks that read sequences: recurrent ones, and transformers made of torch's own modules."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compiler.networks_basic import Inputs, Net, network, rows

Pair = namedtuple("Pair", ["first", "last"])


@dataclass
class Answer:
    """What a network returns, by name."""

    logits: Tensor
    state: Pair


@network
def lstm() -> tuple[nn.Module, Inputs]:
    """Two layers, both directions; the last states are an output too."""

    def run(net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        steps, (_, cell) = net.lstm(x)
        return net.out(steps), cell.transpose(0, 1)

    parts = nn.LSTM(2, 3, 2, batch_first=True, bidirectional=True), nn.Linear(6, 2)
    return Net(run, lstm=parts[0], out=parts[1]), rows(4, 2)


@network
def gru() -> tuple[nn.Module, Inputs]:
    """Two layers, steps before rows."""

    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(net.gru(x.transpose(0, 1))[0][-1])

    return Net(run, gru=nn.GRU(2, 3, 2), out=nn.Linear(3, 2)), rows(4, 2)


@network
def bare_gru() -> tuple[nn.Module, Inputs]:
    """The module alone: in its second output, rows are dimension 1."""
    return nn.GRU(2, 3, 2, batch_first=True), rows(3, 2)


@network
def gru_cells() -> tuple[nn.Module, Inputs]:
    """Two cells in a loop, the second reads the first; every step is an output."""

    def run(net: Any, x: Tensor) -> Tensor:
        low = high = None
        steps = []
        for step in range(x.shape[1]):
            low = net.low(x[:, step], low)
            high = net.high(low, high)
            steps.append(net.out(high))
        return torch.stack(steps, dim=1)

    return Net(run, low=nn.GRUCell(2, 3), high=nn.RNNCell(3, 3), out=nn.Linear(3, 1)), rows(3, 2)


class CausalAttention(nn.Module):
    """Attention written out, where what lies ahead is set to minus infinity, as in minGPT."""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(4, 12), nn.Linear(4, 4)
        self.register_buffer("ahead", torch.ones(5, 5).triu(1).bool())

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        parts = self.c_attn(x).split(width, dim=2)
        q, k, v = (each.view(batch, steps, 2, 2).transpose(1, 2) for each in parts)
        scores = (q @ k.transpose(-2, -1)) / 2**0.5
        scores = scores.masked_fill(self.get_buffer("ahead")[:steps, :steps], float("-inf"))
        heads = F.softmax(scores, dim=-1) @ v
        return self.c_proj(heads.transpose(1, 2).reshape(batch, steps, width))


@network
def causal_attention() -> tuple[nn.Module, Inputs]:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.wte(x) + net.wpe(torch.arange(x.shape[1]))
        hidden = hidden + net.attn(net.ln(hidden))
        return net.head(hidden)

    return Net(
        run, wte=nn.Embedding(7, 4), wpe=nn.Embedding(5, 4), ln=nn.LayerNorm(4),
        attn=CausalAttention(), head=nn.Linear(4, 7),
    ), torch.arange(24).reshape(6, 4) * 5 % 7  # fmt: skip


def encoder(norm_first: bool, batch_first: bool, activation: str = "relu") -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        4, 2, 5, norm_first=norm_first, batch_first=batch_first, activation=activation
    )
    norm = nn.LayerNorm(4) if norm_first else None
    return nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)


@network
def pre_norm_transformer() -> tuple[nn.Module, Inputs]:
    """A language model: whole numbers in, causal mask, tied embedding and output weights."""

    def run(net: Any, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        hidden = net.encoder(net.embed(x), mask=mask, is_causal=True)
        return F.linear(hidden, net.embed.weight)

    numbers = torch.arange(24).reshape(6, 4) * 5 % 7
    return Net(run, embed=nn.Embedding(7, 4), encoder=encoder(True, True, "gelu")), numbers


@network
def steps_first_transformer() -> tuple[nn.Module, Inputs]:
    """``batch_first=False``: rows stand in dimension 1 inside."""

    def run(net: Any, x: Tensor) -> Tensor:
        return net.out(net.encoder(x.transpose(0, 1)).transpose(0, 1))

    return Net(run, encoder=encoder(False, False), out=nn.Linear(4, 2)), rows(3, 4)


@network
def padded_transformer() -> tuple[nn.Module, Inputs]:
    """A mask of what is padding is a second input."""

    def run(net: Any, x: Tensor, padding: Tensor) -> Tensor:
        return net.out(net.encoder(x, src_key_padding_mask=padding))

    padding = torch.arange(3)[None] >= torch.tensor([3, 3, 2, 1, 2, 3])[:, None]
    return Net(run, encoder=encoder(False, True), out=nn.Linear(4, 2)), (rows(3, 4), padding)


@network
def multihead_attention() -> tuple[nn.Module, Inputs]:
    """The module itself, with weights averaged over heads, per head, and not asked for."""

    def run(net: Any, x: Tensor) -> dict[str, Tensor]:
        first, mean = net.first(x, x, x)
        second, each = net.second(first, x, x, average_attn_weights=False)
        third, _ = net.third(second, first, x, need_weights=False)
        return {"result": x + third, "mean": mean, "each": each}

    names = ("first", "second", "third")
    return Net(run, **{name: nn.MultiheadAttention(4, 2, batch_first=True) for name in names}), (
        rows(3, 4)
    )


@network
def steps_first_attention() -> tuple[nn.Module, Inputs]:
    """Attention of one sequence to another of other width, steps before rows."""

    def run(net: Any, x: Tensor, memory: Tensor) -> Tensor:
        other = memory.transpose(0, 1)
        return net.attention(x.transpose(0, 1), other, other)[0].transpose(0, 1)

    attention = nn.MultiheadAttention(4, 2, kdim=3, vdim=3)
    return Net(run, attention=attention), (rows(3, 4), rows(2, 3))


@network
def decoder() -> tuple[nn.Module, Inputs]:
    layer = nn.TransformerDecoderLayer(4, 2, 5, batch_first=True)
    return Net(lambda net, x, memory: net.layer(x, memory), layer=layer), (rows(2, 4), rows(3, 4))


@network
def half_transformer() -> tuple[nn.Module, Inputs]:
    return encoder(True, True).half(), rows(3, 4).half()


@network
def structured_result() -> tuple[nn.Module, Inputs]:
    """A dataclass that holds a namedtuple."""

    def run(net: Any, x: Tensor) -> Answer:
        hidden = torch.tanh(net.fc(x))
        return Answer(net.out(hidden), Pair(hidden[:, 0], hidden[:, -1]))

    return Net(run, fc=nn.Linear(3, 4), out=nn.Linear(4, 2)), rows(3)
