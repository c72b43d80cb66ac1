"""Values as JSON: what stands in graphs and models, without anything that could run code.

JSON has lists, dicts, text and numbers. Everything else is a dict of one entry whose key says what
it is: ``{"tuple": [...]}``, ``{"dtype": "float32"}``, ``{"node": "relu_1"}``. Reading makes nothing
that is not in these tables; the classes of records are those that the caller names.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.pt2.operators import SIZES, find_operator
from causalmod.compiler.trace import site_marker
from causalmod.errors import CompileError

_DTYPES = {str(v): v for v in vars(torch).values() if isinstance(v, torch.dtype)}
_FORMATS = {
    str(each): each for each in vars(torch).values() if isinstance(each, torch.memory_format)
}
_MARKER = "torch.ops.causalmod.site.default"
_SIZE_NAMES = {function: name for name, function in SIZES.items()}


class UnwritableError(TypeError):
    """A value that has no form in JSON; its text says what it is."""


class Writer:
    """Turns values into JSON, and puts tensors aside.

    Attributes:
        tensors: key → tensor, contiguous and on the CPU, as the JSON refers to them.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._by_start: dict[tuple[Any, ...], list[str]] = {}
        self._places: set[int] = set()

    def write(self, value: Any) -> Any:
        """Return the form of a value in JSON.

        Raises:
            UnwritableError: it has none.
        """
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, list):
            return [self.write(each) for each in value]
        for kind, tag, parts in _TAGGED:
            if isinstance(value, kind):
                return {tag: parts(self, value)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: self.write(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"record": [type(value).__name__, fields]}
        if callable(value):
            return {"operator": operator_text(value)}
        raise UnwritableError(f"a {type(value).__name__}")

    def keep(self, tensor: Tensor) -> list[Any]:
        """Put a tensor aside, and return its key, its strides and whether it is complex."""
        plain = tensor.detach().to("cpu")
        held = torch.view_as_real(plain.resolve_conj()) if plain.is_complex() else plain
        dense = torch.empty_like(plain, device="meta")  # the same order of dimensions, no gaps
        return [self._key(held.contiguous()), list(dense.stride()), plain.is_complex()]

    def _key(self, held: Tensor) -> str:
        """Return the key of a tensor; equal ones, such as tied weights, are kept once."""
        start = tuple(held.reshape(-1)[:16].tolist())
        alike = self._by_start.setdefault((held.dtype, tuple(held.shape), start), [])
        for key in alike:
            if torch.equal(self.tensors[key], held):
                return key
        key = f"t{len(self.tensors)}"
        storage = held.untyped_storage()
        shared = storage.data_ptr() in self._places or storage.nbytes() != held.nbytes
        self.tensors[key] = held.clone() if shared else held
        self._places.add(storage.data_ptr())
        alike.append(key)
        return key


class Reader:
    """Turns JSON into values.

    Args:
        tensors: key → tensor.
        records: name → class of the records that may stand in the JSON.
        device: where tensors go; stands for every device that the JSON names.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], records: Mapping[str, type], device: torch.device
    ) -> None:
        self.nodes: dict[str, fx.Node] = {}
        self.device = device
        self._tensors, self._records = tensors, records

    def read(self, held: Any) -> Any:
        """Return the value of its form in JSON.

        Raises:
            CompileError: it is no such form.
        """
        if held is None or isinstance(held, (bool, int, str, float)):
            return held
        if isinstance(held, list):
            return [self.read(each) for each in held]
        if isinstance(held, dict) and len(held) == 1:
            tag, inner = next(iter(held.items()))
            if tag in _READ:
                try:
                    return _READ[tag](self, inner)
                except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as reason:
                    if isinstance(reason, CompileError):
                        raise
                    raise CompileError(f"the file is damaged: {tag}: {reason}") from None
        raise CompileError("the file is damaged: a value of an unknown kind")

    def tensor(self, key: str, strides: list[int], is_complex: bool) -> Tensor:
        """Return a tensor that was kept, in memory of its own with the strides that it had."""
        held = self._tensors[key]
        plain = torch.view_as_complex(held) if is_complex else held
        order = sorted(range(plain.ndim), key=lambda axis: (-strides[axis], axis))
        made = plain.permute(order).contiguous().clone()
        made = made.permute([order.index(axis) for axis in range(plain.ndim)]).to(self.device)
        if list(made.stride()) != strides:
            made = torch.empty_strided(plain.shape, _dense(plain, strides)).copy_(plain)
        return made.to(self.device)

    def record(self, name: str, fields: dict[str, Any]) -> Any:
        """Return a record of one of the classes that may stand in the JSON."""
        return self._records[name](**{key: self.read(value) for key, value in fields.items()})


def _dense(tensor: Tensor, strides: list[int]) -> tuple[int, ...]:
    """Strides of dimensions of size 1 are free: take them as they were, when the rest is dense."""
    wide = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    expected = 1
    for axis in sorted(wide, key=lambda axis: strides[axis]):
        if strides[axis] != expected:
            raise CompileError("the file is damaged: a tensor with gaps")
        expected *= tensor.shape[axis]
    if any(not 0 <= stride < 2**62 for stride in strides):
        raise CompileError("the file is damaged: a tensor with strides of no tensor")
    return tuple(strides)


def operator_text(function: Callable[..., Any]) -> str:
    """Return the text of an operator from which :func:`read_operator` finds it.

    Raises:
        UnwritableError: it is not on the list of operators that a file may call.
    """
    if function is site_marker():
        return _MARKER
    text = _SIZE_NAMES.get(function, f"torch.ops.{function}")
    try:
        if find_operator(text) is function:
            return text
    except CompileError:
        pass
    raise UnwritableError(getattr(function, "__qualname__", str(function)))


def read_operator(text: str) -> Callable[..., Any]:
    """Return the operator of a text.

    Raises:
        CompileError: it is not on the list of operators that a file may call.
    """
    found = site_marker() if text == _MARKER else find_operator(text)
    if found is None:
        raise CompileError(f"the file is damaged: {text!r} computes nothing")
    return found


_Part = Callable[[Writer, Any], Any]
_TAGGED: list[tuple[Any, str, _Part]] = [
    (Tensor, "tensor", lambda writer, value: writer.keep(value)),
    (fx.Node, "node", lambda _, value: value.name),
    (tuple, "tuple", lambda writer, value: [writer.write(each) for each in value]),
    ((set, frozenset), "set", lambda writer, value: sorted(value)),
    (
        Mapping,
        "dict",
        lambda writer, value: [[writer.write(k), writer.write(v)] for k, v in value.items()],
    ),
    (slice, "slice", lambda w, v: [w.write(each) for each in (v.start, v.stop, v.step)]),
    (torch.dtype, "dtype", lambda _, value: str(value)),
    (torch.device, "device", lambda _, value: str(value)),
    (torch.layout, "layout", lambda _, value: str(value)),
    (torch.memory_format, "memory_format", lambda _, value: str(value)),
    (complex, "complex", lambda writer, v: [writer.write(v.real), writer.write(v.imag)]),
]
_READ: dict[str, Callable[[Reader, Any], Any]] = {
    "tensor": lambda reader, held: reader.tensor(*held),
    "node": lambda reader, held: reader.nodes[held],
    "tuple": lambda reader, held: tuple(reader.read(each) for each in held),
    "set": lambda reader, held: frozenset(reader.read(each) for each in held),
    "dict": lambda reader, held: {reader.read(key): reader.read(value) for key, value in held},
    "slice": lambda reader, held: slice(*(reader.read(each) for each in held)),
    "dtype": lambda _, held: _DTYPES[held],
    "device": lambda reader, _: reader.device,
    "layout": lambda _, held: {"torch.strided": torch.strided}[held],
    "memory_format": lambda _, held: _FORMATS[held],
    "complex": lambda reader, held: complex(*(reader.read(each) for each in held)),
    "float": lambda _, held: {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[held],
    "record": lambda reader, held: reader.record(*held),
    "operator": lambda _, held: read_operator(held),
}
