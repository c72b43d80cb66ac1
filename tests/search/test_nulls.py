"""Null networks: what they keep, what they permute, and what must not move them."""

from __future__ import annotations

import torch
from torch import nn

import causalmod as cm
from causalmod.search import null_network
from tests.search.networks import linear, planted


def _null(model: nn.Module, data: torch.Tensor, seed: int = 5) -> cm.StructuralCausalModel:
    null = null_network(cm.compile(model, data), seed)
    assert null is not None
    return null


def test_incoming_weights_are_permuted_in_units_of_the_senders() -> None:
    model, data, _ = planted()
    scm = cm.compile(model, data)
    null = _null(model, data)
    hidden = scm.observe()["act1"].double()
    live = hidden.std(0) > 0
    spread = hidden.std(0, unbiased=False)[live]
    before = scm.parameters["p_linear2_weight"].double()[:, live] * spread
    after = null.parameters["p_linear2_weight"].double()[:, live] * spread
    torch.testing.assert_close(after.sort(1)[0], before.sort(1)[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(after, before)
    order = [(row_after[:, None] - row_before[None]).abs().argmin(1).tolist()
             for row_after, row_before in zip(after, before, strict=True)]  # fmt: skip
    assert len({tuple(row) for row in order}) > 6, "each receiver draws its own permutation"


def test_biases_and_the_model_itself_stay() -> None:
    model, data, _ = planted()
    scm = cm.compile(model, data)
    kept = {name: tensor.clone() for name, tensor in scm.parameters.items()}
    null = _null(model, data)
    assert all(torch.equal(scm.parameters[name], tensor) for name, tensor in kept.items())
    biases = {name: tensor for name, tensor in kept.items() if name.endswith("bias")}
    assert len(biases) == 3
    assert all(torch.equal(null.parameters[name], tensor) for name, tensor in biases.items())


def test_planted_zeros_do_not_survive() -> None:
    model, data, _ = planted()
    weight = _null(model, data).parameters["p_linear2_weight"]
    planted_zero = cm.compile(model, data).parameters["p_linear2_weight"] == 0
    assert (weight[planted_zero] != 0).any()


def test_rescaling_relu_units_leaves_the_null_function() -> None:
    """w_in · c, w_out / c keeps the function; raw weights would give another null."""
    model, data, _ = planted()
    before = _null(model, data).observe()["output"]
    scale = torch.logspace(-2, 2, 12)
    with torch.no_grad():
        linear(model, "linear1").weight.mul_(scale[:, None])
        linear(model, "linear1").bias.mul_(scale)
        linear(model, "linear2").weight.div_(scale)
    after = _null(model, data).observe()["output"]
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_appended_inert_units_leave_the_null_function() -> None:
    model, data, _ = planted()
    before = _null(model, data).observe()["output"]
    wider1, wider2 = nn.Linear(8, 15), nn.Linear(15, 12)
    with torch.no_grad():
        wider1.weight.zero_()
        wider1.bias.fill_(-1.0)  # dead
        wider1.weight[:12] = linear(model, "linear1").weight
        wider1.bias[:12] = linear(model, "linear1").bias
        wider2.weight.fill_(7.0)
        wider2.weight[:, :12] = linear(model, "linear2").weight
        wider2.bias[:] = linear(model, "linear2").bias
    wide = nn.Sequential()
    for name, module in model.named_children():
        wide.add_module(name, {"linear1": wider1, "linear2": wider2}.get(name, module))
    scm = cm.compile(wide.eval(), data)
    assert {"act1[12]", "act1[13]", "act1[14]"} <= set(scm.units.inert)
    null = null_network(scm, 5)
    assert null is not None
    torch.testing.assert_close(null.observe()["output"], before, rtol=1e-4, atol=1e-5)


def test_same_seed_same_null() -> None:
    model, data, _ = planted()
    first, second, other = (_null(model, data, seed).observe()["output"] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_network_without_weights_has_no_null() -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([torch.tanh(x[:, 0] * x[:, 1]), torch.sigmoid(x[:, 2])], dim=1)

    data = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    assert null_network(cm.compile(Sum().eval(), data), 0) is None


def test_masked_weights_are_permuted_where_they_take_effect() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 8)
            self.mask = nn.Buffer((torch.arange(48).reshape(8, 6) % 2).float())
            self.out = nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = nn.functional.linear(x, self.linear.weight * self.mask, self.linear.bias)
            return self.out(torch.relu(hidden))

    data = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    scm = cm.compile(Masked().eval(), data)
    null = null_network(scm, 0)
    assert null is not None
    assert not torch.allclose(null.observe()["relu"], scm.observe()["relu"])


def test_a_unit_that_fires_on_one_row_keeps_its_weights() -> None:
    """Its weights over its standard deviation would swamp the row on which it fires."""
    model, data, _ = planted(widths=(8, 12, 4))
    data[:, 0] = 0.0
    data[7, 0] = 3.0
    with torch.no_grad():
        linear(model, "linear1").weight[2] = torch.tensor([9.0] + 7 * [0.0])
        linear(model, "linear1").bias[2] = -1.0
    scm, null = cm.compile(model, data), _null(model, data)
    assert "act1[2]" in scm.units.names
    before, after = (each.parameters["p_readout_weight"] for each in (scm, null))
    assert torch.equal(after[:, 2], before[:, 2])
    assert not torch.equal(after, before)
    assert null.observe()["output"][7].abs().max() < 3 * scm.observe()["output"].abs().max()
