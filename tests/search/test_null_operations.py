"""Null networks of every weighted operation, against trying all permutations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.search import null_network
from tests.search.null_oracle import drawn, heard, pair, permutation_of, random, weights


def traded(before: Tensor, after: Tensor, spread: Tensor) -> list[tuple[int, ...]]:
    """Permutation of each receiver ``[receiver, sender, ...]``; all must have one."""
    found = [permutation_of(b, a, spread) for b, a in zip(before, after, strict=True)]
    assert None not in found
    return found  # type: ignore[return-value]


# --- products -------------------------------------------------------------------------------------


class Product(nn.Module):
    """Three ways to write a layer whose weights stand the other way round, or on the left."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.first = how, nn.Linear(5, 5)
        turned = how in {"left", "einsum_left"}
        self.weight = nn.Parameter(torch.zeros(3, 5) if turned else torch.zeros(5, 3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        if self.how == "addmm":
            return torch.addmm(self.bias, hidden, self.weight)
        if self.how == "matmul":
            return hidden @ self.weight
        if self.how == "left":
            return (self.weight @ hidden[..., None])[..., 0]
        if self.how == "einsum_left":
            return torch.einsum("oi,bi->bo", self.weight, hidden)
        return torch.einsum("...i,io->...o", hidden, self.weight)


@pytest.mark.parametrize("how", ["addmm", "matmul", "left", "einsum", "einsum_left"])
def test_products_permute_senders_for_each_receiver(how: str) -> None:
    model, data = drawn(Product(how)), random(60, 5)
    scm, null = pair(model, data)
    spread = scm.observe()["relu"].double().std(0, unbiased=False)
    before, after = weights(scm, "p_weight"), weights(null, "p_weight")
    if how not in {"left", "einsum_left"}:
        before, after = before.T, after.T
    orders = traded(before, after, spread)
    assert len(set(orders)) > 1
    traded(weights(scm, "first_weight"), weights(null, "first_weight"), data.double().std(0))


def test_products_side_by_side_stay_apart() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 4, 3))
            self.bias = nn.Parameter(torch.zeros(2, 1, 3))

        def forward(self, x: Tensor) -> Tensor:
            parts = torch.tanh(x).reshape(-1, 2, 4).transpose(0, 1)
            return torch.baddbmm(self.bias, parts, self.weight).transpose(0, 1).flatten(1)

    model, data = drawn(Several()), random(50, 8)
    scm, null = pair(model, data)
    spread = scm.observe()["tanh"].double().std(0, unbiased=False).reshape(2, 4)
    for group in range(2):
        before, after = (weights(each, "p_weight")[group].T for each in (scm, null))
        assert len(set(traded(before, after, spread[group]))) > 1


# --- convolutions -----------------------------------------------------------------------------


class Image(nn.Module):
    def __init__(self, groups: int = 1, turned: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        kind = nn.ConvTranspose2d if turned else nn.Conv2d
        self.second = kind(4, 6, 3, padding=1, groups=groups)
        self.pool = nn.MaxPool2d(2)
        self.readout = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.norm(self.first(x)))
        hidden = self.pool(torch.relu(self.second(hidden)))
        return self.readout(hidden.flatten(1))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("turned", [False, True])
def test_convolutions_permute_slices_within_groups(groups: int, turned: bool) -> None:
    model, data = drawn(Image(groups, turned), 2), random(30, 3, 4, 4)
    assert isinstance(model, Image)
    scm, null = pair(model, data)
    read = heard(model, model.second, data)
    spread = read.std((0, 2, 3), unbiased=False).reshape(groups, -1)
    for group in range(groups):
        before, after = (weights(each, "second_weight") for each in (scm, null))
        if turned:
            before, after = (w.unflatten(0, (groups, -1))[group].transpose(0, 1)
                             for w in (before, after))  # fmt: skip
        else:
            before, after = (w.unflatten(0, (groups, -1))[group] for w in (before, after))
        traded(before, after, spread[group])
    # the readout reads whole channels: four places of each move together
    flat = heard(model, model.readout, data)
    spread = flat.var(0, unbiased=False).reshape(6, 4).mean(1).sqrt()
    before, after = (weights(each, "readout_weight").reshape(3, 6, 4) for each in (scm, null))
    assert len(set(traded(before, after, spread))) > 1


def test_channels_that_are_dead_move_no_null() -> None:
    narrow, data = drawn(Image(), 2), random(30, 3, 4, 4)
    wide = drawn(Image(), 5)
    assert isinstance(narrow, Image)
    assert isinstance(wide, Image)
    wide.first, wide.norm = nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5).eval()
    wide.second = nn.Conv2d(5, 6, 3, padding=1)
    with torch.no_grad():
        keep = [0, 1, 3, 4]  # a dead channel stands among the others
        wide.first.weight.zero_()
        wide.norm.bias.fill_(-1.0)
        wide.first.bias.zero_()  # type: ignore[union-attr]
        wide.second.weight.fill_(9.0)
        wide.first.weight[keep] = narrow.first.weight
        wide.first.bias[keep] = narrow.first.bias  # type: ignore[index]
        wide.norm.weight[keep], wide.norm.bias[keep] = narrow.norm.weight, narrow.norm.bias
        wide.second.weight[:, keep] = narrow.second.weight
        wide.second.bias.copy_(narrow.second.bias)  # type: ignore[union-attr]
        wide.pool, wide.readout = narrow.pool, narrow.readout
    first, second = pair(narrow, data)[1], pair(wide, data)[1]
    torch.testing.assert_close(second.observe()["output"], first.observe()["output"])


def test_rescaled_channels_move_no_null() -> None:
    model, data = drawn(Image(), 2), random(30, 3, 4, 4)
    assert isinstance(model, Image)
    before = pair(model, data)[1].observe()["output"]
    scale = torch.logspace(-1, 1, 4)
    with torch.no_grad():
        model.norm.weight.mul_(scale)
        model.norm.bias.mul_(scale)
        model.second.weight.div_(scale[None, :, None, None])
    after = pair(model, data)[1].observe()["output"]
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


# --- recurrent layers -------------------------------------------------------------------------

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Recurrent(nn.Module):
    def __init__(self, kind: str, **how: bool | int) -> None:
        super().__init__()
        self.layer = KINDS[kind](3, 4, batch_first=True, **how)
        width = 8 if how.get("bidirectional") else 4
        self.readout = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.layer(x)[0][:, -1])


class Unrolled(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell = CELLS[kind](3, 4)
        self.readout = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 4)
        memory = state
        for step in range(x.shape[1]):
            if isinstance(self.cell, nn.LSTMCell):
                state, memory = self.cell(x[:, step], (state, memory))
            else:
                state = self.cell(x[:, step], state)
        return self.readout(state)


def by_unit(matrix: Tensor, gates: int) -> Tensor:
    """``[gate × unit, sender]`` as ``[unit, sender, gate]``: a unit's gates move as one."""
    return matrix.unflatten(0, (gates, -1)).permute(1, 2, 0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_recurrent_layers(kind: str) -> None:
    model, data = drawn(Recurrent(kind, num_layers=2)), random(40, 5, 3)
    assert isinstance(model, Recurrent)
    scm, null = pair(model, data)
    first = KINDS[kind](3, 4, batch_first=True)
    first.load_state_dict({name: value for name, value in model.layer.state_dict().items()
                           if name.endswith("l0")})  # fmt: skip
    with torch.no_grad():
        inner, outer = first(data)[0].double(), model.layer(data)[0].double()
    for name, read in (("ih_l0", data), ("hh_l0", inner), ("ih_l1", inner), ("hh_l1", outer)):
        spread = read.double().std((0, 1), unbiased=False)
        before, after = (
            by_unit(weights(each, f"weight_{name}"), GATES[kind]) for each in (scm, null)
        )
        assert len(set(traded(before, after, spread))) > 1
    traded(weights(scm, "readout_weight"), weights(null, "readout_weight"),
           outer[:, -1].std(0, unbiased=False))  # fmt: skip
    for name, value in scm.parameters.items():
        if "bias" in name:
            assert torch.equal(value, null.parameters[name])


def test_both_directions() -> None:
    model, data = drawn(Recurrent("gru", bidirectional=True)), random(40, 4, 3)
    assert isinstance(model, Recurrent)
    scm, null = pair(model, data)
    with torch.no_grad():
        spread = model.layer(data)[0].double().std((0, 1), unbiased=False)
    for name, part in (("hh_l0", slice(0, 4)), ("hh_l0_reverse", slice(4, 8))):
        before, after = (by_unit(weights(each, f"weight_{name}"), 3) for each in (scm, null))
        assert len(set(traded(before, after, spread[part]))) > 1


@pytest.mark.parametrize("kind", list(CELLS))
def test_a_cell_is_permuted_once_by_what_varies_over_all_steps(kind: str) -> None:
    model, data = drawn(Unrolled(kind)), random(40, 3, 3)
    assert isinstance(model, Unrolled)
    scm, null = pair(model, data)
    spread = data.double().std((0, 1), unbiased=False)
    before, after = (by_unit(weights(each, "weight_ih"), GATES[kind]) for each in (scm, null))
    traded(before, after, spread)
    states: list[Tensor] = []
    hook = model.cell.register_forward_hook(
        lambda module, given, made: states.append(made[0] if kind == "lstm" else made)
    )
    with torch.no_grad():
        model(data)
    hook.remove()
    spread = torch.cat(states[:-1]).double().std(0, unbiased=False)
    before, after = (by_unit(weights(each, "weight_hh"), GATES[kind]) for each in (scm, null))
    assert len(set(traded(before, after, spread))) > 1


def test_rescaled_recurrent_units_move_no_null() -> None:
    model, data = drawn(Recurrent("rnn", nonlinearity="relu"), scale=0.4), random(40, 5, 3)  # type: ignore[arg-type]
    assert isinstance(model, Recurrent)
    before = pair(model, data)[1].observe()["output"]
    scale = torch.tensor([0.1, 1.0, 3.0, 10.0])
    with torch.no_grad():
        held = dict(model.layer.named_parameters())
        held["weight_ih_l0"].mul_(scale[:, None])
        held["weight_hh_l0"].mul_(scale[:, None] / scale[None])
        held["bias_ih_l0"].mul_(scale)
        held["bias_hh_l0"].mul_(scale)
        model.readout.weight.div_(scale)
    after = pair(model, data)[1].observe()["output"]
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


# --- attention ------------------------------------------------------------------------------------


class Attending(nn.Module):
    """Two heads of width 3 on a stream of 4 features; one fused matrix, as in GPT-2."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.fused = nn.Parameter(torch.zeros(4, 18))
        self.fused_bias = nn.Parameter(torch.zeros(18))
        self.project = nn.Linear(6, 4)
        self.readout = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        read = self.norm(x)
        flat = torch.addmm(self.fused_bias, read.reshape(-1, 4), self.fused)
        flat = flat.reshape(x.shape[0], x.shape[1], 18)
        q, k, v = (part.unflatten(-1, (2, 3)).transpose(1, 2) for part in flat.split(6, dim=-1))
        given = nn.functional.scaled_dot_product_attention(q, k, v)
        stream = x + self.project(given.transpose(1, 2).flatten(2))
        return self.readout(stream.mean(1))


@pytest.mark.parametrize("sites", [None, ["*heads", "output"]])
def test_attention_trades_what_heads_read_and_whole_heads(sites: list[str] | None) -> None:
    model, data = drawn(Attending()), random(50, 3, 4)
    assert isinstance(model, Attending)
    scm, null = pair(model, data, sites=sites)
    with torch.no_grad():
        read = model.norm(data).double()
    spread = read.std((0, 1), unbiased=False)
    # [sender, q k v × head × width] → each head's queries, keys and values: [6, sender, width]
    before, after = (
        weights(each, "p_fused").reshape(4, 6, 3).transpose(0, 1) for each in (scm, null)
    )
    assert len(set(traded(before, after, spread))) > 2
    given = heard(model, model.project, data).flatten(0, 1)
    spread = given.var(0, unbiased=False).reshape(2, 3).mean(1).sqrt()
    before, after = (weights(each, "project_weight").reshape(4, 2, 3) for each in (scm, null))
    traded(before, after, spread)


def test_the_encoder_of_torch() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 5, 0.0, batch_first=True)
            self.readout = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.layer(x).mean(1))

    model, data = drawn(Encoder()), random(40, 3, 4)
    scm, null = pair(model, data)
    spread = data.double().std((0, 1), unbiased=False)
    before, after = (
        weights(each, "in_proj_weight").reshape(6, 2, 4).transpose(1, 2) for each in (scm, null)
    )
    assert len(set(traded(before, after, spread))) > 2
    moved = [name for name, value in scm.parameters.items()
             if not torch.equal(value, null.parameters[name])]  # fmt: skip
    assert sorted(name.rpartition("layer_")[2] for name in moved) == [
        "linear1_weight", "linear2_weight", "p_readout_weight",
        "self_attn_in_proj_weight", "self_attn_out_proj_weight",
    ]  # fmt: skip


# --- zeros of the architecture, and other uses of weights ---------------------------------------


def test_separate_submodules_stay_separate() -> None:
    class Tracks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 4)
            self.left_out, self.right_out = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            left, right = torch.relu(self.left(x[:, :3])), torch.relu(self.right(x[:, 3:]))
            return self.left_out(left), self.right_out(right)

    data = random(150, 6)
    scm = cm.compile(drawn(Tracks()), data)
    sides = {"left": ["relu", "output.0"], "right": ["relu@2", "output.1"]}
    for seed in range(3):
        null = null_network(scm, seed)
        assert null is not None
        assert not torch.equal(null.observe()["output.0"], scm.observe()["output.0"])
        assert cm.exchange(null, cm.Partition(sides)).bits == 0.0


def test_an_embedding_that_is_also_the_readout_stays() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(6, 4)
            self.middle = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.middle(self.table(x)[:, 0])) @ self.table.weight.T

    data = torch.arange(6)[:, None]
    scm, null = pair(drawn(Tied()), data)
    assert torch.equal(weights(scm, "table_weight"), weights(null, "table_weight"))
    assert not torch.equal(weights(scm, "middle_weight"), weights(null, "middle_weight"))
