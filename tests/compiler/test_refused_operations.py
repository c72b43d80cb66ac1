"""Operations and results that cannot be taken, and close ones that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import CompileError
from tests.compiler.networks import Net, built, compiled, laid_open
from tests.compiler.test_refusals import X, says


@torch.library.custom_op("causalmod_tests::without_rule", mutates_args=())
def without_rule(x: Tensor) -> Tensor:
    return x * 2


@torch.library.custom_op("causalmod_tests::with_rule", mutates_args=())
def with_rule(x: Tensor) -> Tensor:
    return torch.from_numpy(x.numpy() * 2)


with_rule.register_fake(torch.empty_like)


def compile_net(function: Callable[..., Any]) -> cm.StructuralCausalModel:
    return cm.compile(Net(function, fc=nn.Linear(3, 2)).eval(), X)


def test_operations_that_torch_cannot_trace_are_named() -> None:
    with pytest.raises(CompileError) as error:
        compile_net(lambda net, x: without_rule(net.fc(x)))
    says(error, "operation causalmod_tests::without_rule", "test_refused_operations.py:")
    says(error, "register_fake")
    with pytest.raises(CompileError) as error:
        compile_net(lambda net, x: net.fc(x).to_sparse().to_dense())
    says(error, "aten._to_sparse", "test_refused_operations.py:", "replace it")


def test_the_module_of_a_refused_operation_is_named() -> None:
    class Sparse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.to_sparse().to_dense()

    model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU(), Sparse()))
    with pytest.raises(CompileError) as error:
        cm.compile(model.eval(), X)
    says(error, "Sequential uses the operation aten._to_sparse", "in module '1.1'", "x.to_sparse()")


def test_a_users_own_operation_with_a_rule_is_taken() -> None:
    scm = compile_net(lambda net, x: with_rule(net.fc(x)))
    assert scm.rows == 6


def test_conditions_inside_the_graph() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda a: a + 1, lambda a: a - 1, (net.fc(x),))

    with pytest.raises(CompileError) as error:
        compile_net(run)
    says(error, "region with settings of its own (cond at", "take it out")


def test_derivatives_in_the_forward() -> None:
    with pytest.raises(CompileError, match=r"without values while it is traced.*torch.func.grad"):
        compile_net(lambda net, x: torch.func.grad(lambda a: net.fc(a).sum())(x))


def test_results_without_values_or_of_unknown_classes() -> None:
    class Cache:
        pass

    with pytest.raises(CompileError, match="an output of the model is on the meta device"):
        compile_net(lambda net, x: net.fc(x).to("meta"))
    with pytest.raises(CompileError) as error:
        compile_net(lambda net, x: (net.fc(x), Cache()))
    says(error, "Net returns a", "Cache, in which tensors cannot be found", "use_cache = False")


def test_what_is_no_tensor_is_left_out_of_the_outputs() -> None:
    scm = compile_net(lambda net, x: {"logits": net.fc(x), "loss": None, "name": "x", "size": 3})
    assert scm.outputs == ("output",)


@pytest.mark.parametrize("normalise", [nn.BatchNorm1d, nn.InstanceNorm1d])
def test_statistics_of_the_batch_in_eval_mode(normalise: Callable[..., nn.Module]) -> None:
    norm = normalise(2, track_running_stats=False)
    net = Net(lambda net, x: net.norm(net.fc(x)[:, :, None].repeat(1, 1, 3) * X[0]), norm=norm,
              fc=nn.Linear(3, 2)).eval()  # fmt: skip
    if normalise is nn.InstanceNorm1d:  # its statistics are those of each row
        assert cm.compile(net, X).rows == 6
        return
    with pytest.raises(CompileError, match="one row changes when other rows are replaced"):
        cm.compile(net, X)


def test_masks_of_minus_infinity_are_no_sites_unless_they_are_asked_for() -> None:
    masked = "attn:masked_fill"
    assert masked not in laid_open("causal_attention").sites
    assert "attn.c_attn" in laid_open("causal_attention").sites
    assert masked not in compiled("causal_attention").sites
    with pytest.raises(CompileError, match=f"site {masked!r} are NaN or infinite"):
        cm.compile(*built("causal_attention"), sites=["attn.*", masked])


def test_rows_that_are_not_the_first_dimension_of_an_output() -> None:
    scm = compiled("bare_gru")
    model, x = built("bare_gru")
    assert isinstance(x, Tensor)
    with torch.no_grad():
        _, state = model(x)
    assert torch.equal(scm.observe()["output.1"], state.transpose(0, 1))


def test_the_library_of_transformers_needs_no_settings() -> None:
    """The cache is off in the model, and on again in the user's own configuration."""
    model, _ = built("gpt2_sdpa")
    config: Any = model.config
    assert config.use_cache is True
    assert compiled("gpt2_sdpa").outputs == ("output",)
