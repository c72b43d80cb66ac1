"""Operators that would read beyond their arguments are not called."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from causalmod.compiler.pt2.bounds import check_call
from causalmod.errors import CompileError

ATEN = torch.ops.aten
ONE = torch.ones(1)
X = torch.randn(3, 2, 4)
Q = torch.randn(2, 3, 5, 4)
STATE = torch.zeros(1, 2, 3)
SMALL = [torch.ones(1, 1), torch.ones(1, 1), ONE, ONE]
RULE = (True, 1, 0.0, False, False, False)


@pytest.mark.parametrize(
    ("target", "args"),
    [
        (ATEN._native_batch_norm_legit_no_training.default, (X, ONE, ONE, ONE, ONE, 0.1, 1e-5)),
        (ATEN.lstm.input, (X, [STATE, STATE], SMALL, *RULE)),
        (ATEN.lstm.input, (X, [STATE], SMALL, *RULE)),
        (ATEN.lstm.input, (X, [STATE, STATE], [], *RULE)),
        (ATEN.gru.input, (X, STATE, SMALL, *RULE)),
        (ATEN.rnn_tanh.input, (X, STATE, SMALL, *RULE)),
        (ATEN.native_group_norm.default, (torch.ones(2, 6, 5), ONE, ONE, 2, 6, 5, 3, 1e-5)),
        (ATEN.native_group_norm.default, (torch.ones(2, 6, 5), None, None, 2, 60, 5, 3, 1e-5)),
        (ATEN._fused_rms_norm.default, (X, [4], ONE, 1e-5)),
        (ATEN._weight_norm_interface.default, (torch.ones(4, 5), ONE)),
        (ATEN._scaled_dot_product_flash_attention_for_cpu.default, (Q, Q[:, :1], Q)),
        (ATEN._scaled_dot_product_flash_attention_for_cpu.default, (Q, Q, Q[:, :, :1])),
        (ATEN.lstm.data, (X, ONE, [STATE, STATE], SMALL, *RULE[:5])),
        (ATEN.upsample_nearest2d.default, (torch.ones(1, 1, 2, 2), [4, 4], 1e-30, 1e-30)),
        (ATEN.upsample_bilinear2d.default, (torch.ones(1, 1, 2, 2), [4, 4], False, 9.0, 2.0)),
        (ATEN.upsample_nearest2d.vec, (torch.ones(1, 1, 2, 2), None, [1e-30, 1e-30])),
    ],
)
def test_arguments_that_do_not_fit_are_refused(target: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises(CompileError, match="arguments that do not fit together"):
        check_call(target, args, {})


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh", "projected"])
def test_layers_of_torch_fit(kind: str, bias: bool, both: bool, layers: int) -> None:
    options: dict[str, Any] = {"num_layers": layers, "bias": bias, "bidirectional": both}
    if kind == "projected":
        layer: Any = nn.LSTM(4, 3, proj_size=2, **options)
    else:
        layer = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN}[kind](4, 3, **options)
    count = layers * (1 + both)
    state: Any = torch.zeros(count, 2, 3)
    if kind in {"lstm", "projected"}:
        state = [torch.zeros(count, 2, 2 if kind == "projected" else 3), state]
    target = getattr(ATEN, "lstm" if kind == "projected" else kind).input
    args = (X, state, layer._flat_weights, bias, layers, 0.0, False, both, False)
    check_call(target, args, {})


def test_others_that_fit() -> None:
    channels = torch.ones(2)
    norm = ATEN._native_batch_norm_legit_no_training.default
    check_call(norm, (X, channels, None, channels, channels, 0.1, 1e-5), {})
    check_call(ATEN.upsample_nearest2d.vec, (torch.ones(1, 1, 3, 2), None, [2.0, 1.5]), {})
    check_call(ATEN.upsample_nearest2d.vec, (torch.ones(1, 1, 3, 2), [5, 5], None), {})
    six = torch.ones(6)
    groups = (torch.ones(2, 6, 5), six, six, 2, 6, 5, 3, 1e-5)
    check_call(ATEN.native_group_norm.default, groups, {})
    check_call(ATEN._fused_rms_norm.default, (X, [4], torch.ones(4), 1e-5), {})
    check_call(ATEN._weight_norm_interface.default, (torch.ones(4, 5), torch.ones(4, 1)), {})
    attend = ATEN._scaled_dot_product_flash_attention_for_cpu.default
    check_call(attend, (Q, Q, Q), {"attn_mask": torch.ones(5, 5)})
    check_call(ATEN.relu.default, (X,), {})
