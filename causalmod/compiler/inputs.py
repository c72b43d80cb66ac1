"""Check the network and its data before any work is done on them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from causalmod.compiler.refusal import user_line
from causalmod.compiler.running import plain_mode, plain_result
from causalmod.errors import InputError

Inputs = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]

_SETTING = "; set what is no data in the model (or its config), or leave it out"
_HINTS = {
    "ndarray": "; use torch.from_numpy(...)",
    "list": "; several go in a tuple",
    **dict.fromkeys(("bool", "int", "float", "str", "NoneType"), _SETTING),
}


@dataclass(frozen=True)
class Data:
    """What the network is called on: copies of the user's tensors, first dimension = rows.

    Attributes:
        args: positional tensors.
        kwargs: keyword tensors.
        labels: name of the site of each, positional ones first.
    """

    args: tuple[Tensor, ...]
    kwargs: dict[str, Tensor]
    labels: tuple[str, ...]

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, positional ones first."""
        return [*self.args, *self.kwargs.values()]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.tensors[0].shape[0]


def check_model(model: object) -> nn.Module:
    """Return the model, or say why it cannot be compiled.

    Raises:
        InputError: not a plain ``torch.nn.Module``, or in training mode.
    """
    if not isinstance(model, nn.Module):
        given = model.__name__ if isinstance(model, type) else type(model).__name__
        hint = "; make an instance of the class first" if isinstance(model, type) else ""
        raise InputError(
            f"model must be a torch.nn.Module, or the path of a .pt2 file; given {given}{hint}"
        )
    if hasattr(model, "_orig_mod") or isinstance(model, torch.jit.ScriptModule):
        kind = "torch.compile" if hasattr(model, "_orig_mod") else "TorchScript"
        raise InputError(
            f"the model is wrapped by {kind}, which hides its modules; give the plain "
            "torch.nn.Module that it was made from"
        )
    training = [path or type(model).__name__ for path, m in model.named_modules() if m.training]
    if training:
        shown = ", ".join(training[:3]) + (", ..." if len(training) > 3 else "")
        raise InputError(
            f"the model is in training mode ({shown}), where dropout and batch normalisation make "
            "its output random or dependent on the batch; call model.eval() first"
        )
    return model


def read_inputs(model: nn.Module, inputs: Inputs) -> Data:
    """Copy ``inputs`` and split them into positional and keyword tensors, with a name for each.

    Raises:
        InputError: no tensors, NaN or infinite values, fewer than two rows, or row counts that
            differ.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = {str(name): value for name, value in inputs.items()}
    else:
        args = inputs if isinstance(inputs, tuple) else (inputs,)
    values = [*args, *kwargs.values()]
    if not values:
        raise InputError(
            "inputs is empty: give the tensor (or tensors) that the model is called on"
        )
    names = [*_positional_names(model, len(args)), *kwargs]
    labels = ["input"] if len(values) == 1 else [f"input.{name}" for name in names]
    for label, value in zip(labels, values, strict=True):
        _check_tensor(label, value)
    rows = {label: value.shape[0] for label, value in zip(labels, values, strict=True)}
    if len(set(rows.values())) > 1:
        raise InputError(f"all inputs need the same number of rows (dimension 0); given {rows}")
    return Data(
        tuple(value.detach().clone() for value in args),
        {name: value.detach().clone() for name, value in kwargs.items()},
        tuple(labels),
    )


def _positional_names(model: nn.Module, count: int) -> list[str]:
    """Names of the parameters that positional arguments go to; numbers where there is none."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(model.forward).parameters.values()
    names = [each.name for each in parameters if each.kind in plain]
    return [names[i] if i < len(names) else str(i) for i in range(count)]


def _check_tensor(label: str, value: object) -> None:
    if not isinstance(value, Tensor):
        given = type(value).__name__
        raise InputError(f"{label} must be a torch tensor; given {given}{_HINTS.get(given, '')}")
    if value.is_complex():
        raise InputError(
            f"{label} is complex; give torch.view_as_real(...), and undo it in the model by "
            "torch.view_as_complex"
        )
    if value.ndim == 0 or value.shape[0] < 2:
        raise InputError(
            f"{label} needs at least 2 rows of data (dimension 0); given shape {tuple(value.shape)}"
        )
    if value.is_meta:
        raise InputError(f"{label} is on the meta device, which holds no values; give real data")
    if value.is_floating_point() and not torch.isfinite(value).all():
        bad = bad_rows(value)
        raise InputError(
            f"{label} holds NaN or infinite values in {len(bad)} of {value.shape[0]} rows, first "
            f"in row {bad[0]}; remove or replace them"
        )


def bad_rows(values: Tensor) -> list[int]:
    """Numbers of the rows that hold NaN or infinity."""
    return (~torch.isfinite(values)).reshape(len(values), -1).any(-1).nonzero().flatten().tolist()


def first_run(model: nn.Module, data: Data) -> Any:
    """Run the model once on copies of the data, and turn what goes wrong into a readable error.

    Raises:
        InputError: the model does not accept the inputs.
    """
    try:
        with torch.no_grad(), plain_mode(model):
            result = model(
                *(value.clone() for value in data.args),
                **{name: value.clone() for name, value in data.kwargs.items()},
            )
        return plain_result(result)
    except Exception as error:  # whatever the user's own forward may raise
        names = [*data.labels[: len(data.args)], *(f"{name}=" for name in data.kwargs)]
        given = ", ".join(
            f"{name} {tuple(value.shape)} {value.dtype}"
            for name, value in zip(names, data.tensors, strict=True)
        )
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        place = user_line(error)
        raise InputError(
            f"{type(model).__name__} does not run on these inputs ({given}): {first}"
            f"{f' (at {place})' if place else ''}; {_advice(model, data, first)}"
        ) from error


def _advice(model: nn.Module, data: Data, said: str) -> str:
    """Say what to change, by what torch said: the device, the dtype, or else the shape."""
    held = [*model.named_parameters(), *model.named_buffers()]
    parameter = next((p for _, p in held if p.is_floating_point()), None)
    places = {str(value.device): name for name, value in reversed(held)}
    if len(places) > 1:
        shown = ", ".join(f"{name!r} is on {place}" for place, name in places.items())
        return f"the model's parameters are on several devices ({shown}): move them to one"
    if "index out of range" in said:
        return (
            "a number is too large (or negative) for the table that it is looked up in, such as an "
            "nn.Embedding: check the largest number in the data, and that its rows are no longer "
            "than the model has positions"
        )
    if "argument #1 'indices'" in said:
        return (
            "the model looks numbers up in a table (nn.Embedding): give whole ones, as by .long()"
        )
    for label, value in zip(data.labels, data.tensors, strict=True):
        if places and str(value.device) not in places:
            place = next(iter(places))
            return f"{label} is on device {value.device}, the model on {place}: move one of them"
        if parameter is None:
            break
        if value.dtype != parameter.dtype and "type" in said:  # dtype, scalar type, ...
            return (
                f"{label} has dtype {value.dtype}, the model's parameters {parameter.dtype}: "
                f"convert the data with .to({parameter.dtype}), if the model does not want it so"
            )
    return "check the shape of one row of the data, and how many inputs forward takes"
