"""The list of operators: no more than pure ones, by the schemas of this version of torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from causalmod.compiler.pt2 import operators
from causalmod.compiler.pt2.operators import ATEN, OFF, PRIMS, SIZES, find_operator
from causalmod.errors import CompileError


def allowed() -> list[Any]:
    """Every operator that a file can name."""
    found = []
    for space, names in (("aten", ATEN), ("prims", PRIMS)):
        for name in sorted({*names, *(f"{name}_" for name in names)}):
            packet = getattr(getattr(torch.ops, space), name, None)
            for overload in packet.overloads() if packet is not None else ():
                try:
                    found.append(find_operator(f"torch.ops.{space}.{name}.{overload}"))
                except CompileError:
                    continue
    return found


def test_the_list_names_operators_that_there_are() -> None:
    names = {(each.namespace, each._schema.name.split("::")[1]) for each in allowed()}
    assert {("aten", name) for name in ATEN} <= names
    assert {("prims", name) for name in PRIMS} <= names


def test_no_operator_writes_to_another_argument_or_takes_a_place_to_write() -> None:
    for each in allowed():
        for place, argument in enumerate(each._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                assert place == 0
                assert each._schema.name.endswith("_")
            assert not argument.is_out


def test_no_operator_takes_a_text_but_to_choose_how_it_computes() -> None:
    """``from_file`` is the one that takes the name of a file."""
    for each in allowed():
        texts = {a.name for a in each._schema.arguments if "str" in str(a.type)}
        assert texts <= operators.CHOICES, each
        assert not any("Dict" in str(a.type) for a in each._schema.arguments), each


def test_random_operators_have_a_switch_that_must_be_off() -> None:
    for each in allowed():
        if torch.Tag.nondeterministic_seeded in each.tags:
            names = {argument.name for argument in each._schema.arguments}
            assert names & set(OFF), each
        for argument in each._schema.arguments:
            if argument.name in OFF and argument.has_default_value():
                assert argument.default_value in (False, 0.0), each


def test_every_operator_gives_a_tensor_or_a_size() -> None:
    for each in allowed():
        assert each._schema.returns, each


@pytest.mark.parametrize(
    "name",
    """
    from_file save load set_ resize_ rand randn randint bernoulli normal uniform_ multinomial
    randperm poisson empty empty_like new_empty empty_strided as_strided record_stream item
    _local_scalar_dense data is_pinned pin_memory _copy_from storage_offset requires_grad_
    retain_grad native_dropout _embedding_bag _fft_c2r native_batch_norm _fused_adam_
    quantize_per_tensor _print warn _nested_tensor_from_mask
    """.split(),
)
def test_what_must_not_be_on_the_list(name: str) -> None:
    packet = getattr(torch.ops.aten, name, None)
    for overload in packet.overloads() if packet is not None else ["default"]:
        with pytest.raises(CompileError, match="not on the list"):
            find_operator(f"torch.ops.aten.{name}.{overload}")


def test_arithmetic_on_sizes_is_that_of_python() -> None:
    assert {name.split(".")[0] for name in SIZES} == {"_operator", "torch", "math"}
    assert SIZES["_operator.floordiv"](7, 2) == 3
    assert not {"_operator.pow", "_operator.lshift", "_operator.call"} & set(SIZES)


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(CompileError, match="did you mean 'softplus'"):
        find_operator("torch.ops.aten.softplos.default")
    with pytest.raises(CompileError, match="compile the network itself"):
        find_operator("torch.ops.mine.op.default")
