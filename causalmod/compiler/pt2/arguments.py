"""Arguments of operations in a file: nodes, and plain values of a few kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx

from causalmod.compiler.pt2.fields import field, of_kind, union
from causalmod.compiler.pt2.tensors import STRIDED, read_dtype
from causalmod.errors import CompileError

_MEMORY_FORMATS = {
    1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d,
    4: torch.preserve_format,
}  # fmt: skip
_SIZES = {"as_sym_int": int, "as_sym_bool": bool}
_LONGEST_NAME = 200

Values = Mapping[str, fx.Node]


def read_argument(held: object, values: Values, device: torch.device) -> Any:
    """Return a node, a plain value, or a list of them, for one argument.

    Args:
        held: the argument in the file's JSON.
        values: names → nodes that are known by now.
        device: stands for every device that the file names.

    Raises:
        CompileError: a kind that is not taken, or a name that is not known.
    """
    kind, value = union(held)
    if kind in {"as_none", "as_device"}:
        return None if kind == "as_none" else device
    if kind == "as_optional_tensor":
        return read_argument(value, values, device)
    if kind == "as_optional_tensors":
        return [read_argument(each, values, device) for each in of_kind(value, list, kind)]
    if kind in _READERS:
        return _READERS[kind](value, values)
    if kind.endswith("s") and kind[:-1] in _LISTED:
        return [_READERS[kind[:-1]](each, values) for each in of_kind(value, list, kind)]
    raise CompileError(f"an operation takes an argument of the kind {kind[:40]!r}")


def result_name(output: object) -> tuple[str, str]:
    """Return kind and name of a result: a tensor or a size.

    Raises:
        CompileError: it is something else.
    """
    kind, value = union(output)
    if kind == "as_tensor":
        name = field(value, "name", str)
    elif kind in _SIZES:
        name = field(value, "as_name", str)
    else:
        raise CompileError(f"an operation gives a result of the kind {kind[:40]!r}")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise CompileError(f"a tensor of its graph is called {name[:40]!r}")
    return kind, name


def _node(name: str, values: Values) -> fx.Node:
    if name not in values:
        raise CompileError(f"its graph reads {name[:80]!r} before it is computed")
    return values[name]


def _plain(kind: type[Any]) -> Callable[[object, Values], Any]:
    def read(value: object, _: Values) -> Any:
        found = of_kind(value, kind, "argument")
        if kind is int and abs(found) >= 2**63:
            raise CompileError("a number in its graph passes 2**63")
        return found

    return read


def _size(kind: type[Any]) -> Callable[[object, Values], Any]:
    """Read a size: the name of one that is computed, or a number."""

    def read(held: object, values: Values) -> Any:
        key, value = union(held)
        if key == "as_name":
            return _node(of_kind(value, str, key), values)
        return _plain(kind)(value, values)

    return read


def _float(value: object, _: Values) -> float:
    """Read a number, or the text by which JSON has to write one that is not finite."""
    if isinstance(value, str) and value in {"Infinity", "-Infinity", "NaN"}:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CompileError("the file is damaged: expected a number")
    try:
        return float(value)
    except OverflowError:
        raise CompileError("the file is damaged: a number passes all bounds") from None


def _complex(value: object, values: Values) -> complex:
    parts = (_float(field(value, key, object), values) for key in ("real", "imag"))
    return complex(*parts)


def _memory_format(value: object, _: Values) -> torch.memory_format:
    return _MEMORY_FORMATS.get(of_kind(value, int, "memory format"), torch.preserve_format)


def _layout(value: object, _: Values) -> torch.layout:
    if value != STRIDED:
        raise CompileError("its graph makes a sparse tensor; only plain ones can be used")
    return torch.strided


_READERS: dict[str, Callable[[object, Values], Any]] = {
    "as_int": _plain(int),
    "as_bool": _plain(bool),
    "as_string": _plain(str),
    "as_float": _float,
    "as_complex": _complex,
    "as_tensor": lambda value, values: _node(field(value, "name", str), values),
    "as_sym_int": _size(int),
    "as_sym_bool": _size(bool),
    "as_scalar_type": lambda value, _: read_dtype(value),
    "as_memory_format": _memory_format,
    "as_layout": _layout,
}
_LISTED = {"as_int", "as_bool", "as_string", "as_float", "as_tensor", "as_sym_int", "as_sym_bool"}
