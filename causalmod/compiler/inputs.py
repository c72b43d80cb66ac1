"""Check the network and its data before any work is done on them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from causalmod.errors import CompileError, InputError

Inputs = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]


def check_model(model: object) -> nn.Module:
    """Return the model, or say why it cannot be compiled.

    Raises:
        InputError: not a ``torch.nn.Module``, or in training mode.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module; given {type(model).__name__}")
    training = [path or type(model).__name__ for path, m in model.named_modules() if m.training]
    if training:
        shown = ", ".join(training[:3]) + (", ..." if len(training) > 3 else "")
        raise InputError(
            f"the model is in training mode ({shown}), where dropout and batch normalisation make "
            "its output random or dependent on the batch; call model.eval() first"
        )
    return model


def read_inputs(
    model: nn.Module, inputs: Inputs
) -> tuple[tuple[Tensor, ...], dict[str, Tensor], list[str]]:
    """Split ``inputs`` into positional and keyword tensors, with a site label for each.

    Raises:
        InputError: no tensors, NaN or infinite values, fewer than two rows, or row counts that
            differ.
    """
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        args, kwargs = (), dict(inputs)
        names = [str(name) for name in kwargs]
    else:
        args = inputs if isinstance(inputs, tuple) else (inputs,)
        parameters = list(inspect.signature(model.forward).parameters)
        names = [parameters[i] if i < len(parameters) else str(i) for i in range(len(args))]
    values = [*args, *kwargs.values()]
    if not values:
        raise InputError(
            "inputs is empty: give the tensor (or tensors) that the model is called on"
        )
    labels = ["input"] if len(values) == 1 and not kwargs else [f"input.{name}" for name in names]
    if len(values) == 1:
        labels = ["input"]
    for label, value in zip(labels, values, strict=True):
        _check_tensor(label, value)
    rows = {label: value.shape[0] for label, value in zip(labels, values, strict=True)}
    if len(set(rows.values())) > 1:
        raise InputError(f"all inputs need the same number of rows (dimension 0); given {rows}")
    return args, kwargs, labels


def _check_tensor(label: str, value: object) -> None:
    if not isinstance(value, Tensor):
        hint = "; use torch.from_numpy(...)" if type(value).__module__ == "numpy" else ""
        raise InputError(f"{label} must be a torch tensor; given {type(value).__name__}{hint}")
    if value.ndim == 0 or value.shape[0] < 2:
        raise InputError(
            f"{label} needs at least 2 rows of data (dimension 0); given shape {tuple(value.shape)}"
        )
    if (value.is_floating_point() or value.is_complex()) and not torch.isfinite(value).all():
        bad = (~torch.isfinite(value)).reshape(value.shape[0], -1).any(-1).nonzero().flatten()
        raise InputError(
            f"{label} holds NaN or infinite values in {len(bad)} of {value.shape[0]} rows, first in "
            f"row {int(bad[0])}; remove or replace them"
        )


def first_run(model: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> Any:
    """Run the model once and turn a mismatch of shape or dtype into a readable error.

    Raises:
        InputError: the model does not accept the inputs.
    """
    parameter = next((p for p in model.parameters() if p.is_floating_point()), None)
    given = {f"argument {i}": a for i, a in enumerate(args)} | kwargs
    if parameter is not None:
        for name, value in given.items():
            if value.is_floating_point() and value.dtype != parameter.dtype:
                raise InputError(
                    f"{name} has dtype {value.dtype}, the model's parameters {parameter.dtype}; "
                    f"convert the data with .to({parameter.dtype}) or the model with "
                    f".to({value.dtype})"
                )
            if value.device != parameter.device:
                raise InputError(
                    f"{name} is on {value.device}, the model on {parameter.device}; move one of them"
                )
    try:
        with torch.no_grad():
            return model(*args, **kwargs)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shapes = {name: (tuple(value.shape), str(value.dtype)) for name, value in given.items()}
        raise InputError(
            f"{type(model).__name__} does not run on these inputs, {shapes}: "
            f"{str(error).splitlines()[0]}. Check the shape and dtype of one row of the data"
        ) from error


def check_rows_independent(
    model: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], outputs: list[Tensor]
) -> None:
    """Check that row ``i`` of each output depends on row ``i`` of the inputs alone.

    Raises:
        CompileError: an output has another number of rows, or changes with the other rows.
    """
    from torch.utils import _pytree as pytree

    rows = (args[0] if args else next(iter(kwargs.values()))).shape[0]
    for output in outputs:
        if output.ndim == 0 or output.shape[0] != rows:
            raise CompileError(
                f"an output of the model has shape {tuple(output.shape)} for {rows} rows of data; "
                "each row must give its own output: return tensors whose first dimension is the rows"
            )
    keep = torch.arange(rows - 1, -1, -2)
    with torch.no_grad():
        fewer = model(*(a[keep] for a in args), **{k: v[keep] for k, v in kwargs.items()})
    again = [leaf for leaf in pytree.tree_leaves(fewer) if isinstance(leaf, Tensor)]
    for before, after in zip(outputs, again, strict=True):
        expected, got = before[keep].double(), after.double()
        scale = expected.abs().max().clamp_min(1e-12)
        if not torch.allclose(expected, got, rtol=0, atol=float(scale) * 1e-3, equal_nan=True):
            raise CompileError(
                "the output of one row changes when other rows are left out (a batch statistic, or "
                "attention across the batch?); an SCM needs a network that treats rows one by one"
            )
