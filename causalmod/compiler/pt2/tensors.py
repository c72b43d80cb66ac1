"""Parameters, buffers and constants of a .pt2 file: plain bytes, and a shape to see them in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from causalmod.compiler.pt2.archive import Archive
from causalmod.compiler.pt2.fields import field, number, of_kind, union
from causalmod.errors import CompileError

#: Numbers that the schema of .pt2 files gives to dtypes.
DTYPES: dict[int, torch.dtype] = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 9: torch.complex32,
    10: torch.complex64, 11: torch.complex128, 12: torch.bool, 13: torch.bfloat16,
    28: torch.uint16, 29: torch.float8_e4m3fn, 30: torch.float8_e5m2, 31: torch.float8_e4m3fnuz,
    32: torch.float8_e5m2fnuz, 34: torch.uint32, 35: torch.uint64,
}  # fmt: skip
STRIDED = 7
_MOST_DIMENSIONS = 64


def memory() -> int:
    """Bytes of memory of this machine; a very large number where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62


def read_dtype(code: object) -> torch.dtype:
    """Return the dtype of a number in the schema.

    Raises:
        CompileError: there is none.
    """
    if of_kind(code, int, "dtype") not in DTYPES:
        raise CompileError(f"the file is damaged: no dtype has the number {code}")
    return DTYPES[of_kind(code, int, "dtype")]


class Tensors:
    """Builds the tensors of a .pt2 file, each only when its sizes fit its bytes.

    Args:
        archive: the members of the file.
        device: where the tensors go; the file's own devices are not looked at.
    """

    def __init__(self, archive: Archive, device: torch.device) -> None:
        self._payloads, self._device = archive.payloads, device
        self._entries = {
            "weights": field(archive.weights, "config", dict),
            "constants": field(archive.constants, "config", dict),
        }
        self._made: dict[tuple[Any, ...], Tensor] = {}
        self._left = memory()

    def get(self, name: str) -> Tensor:
        """Return the parameter, buffer or constant of a name; one tensor for one place of bytes.

        Raises:
            CompileError: there is none, it is pickled, or its sizes do not fit its bytes.
        """
        held = next((kind for kind, entries in self._entries.items() if name in entries), None)
        if held is None:
            raise CompileError(f"the network reads a tensor {name[:80]!r} that the file lacks")
        entry = self._entries[held][name]
        if field(entry, "use_pickle", bool):
            raise CompileError(f"tensor {name[:80]!r} is a pickle, which can run code")
        path = f"{held}/{field(entry, 'path_name', str)}"
        if path not in self._payloads:
            raise CompileError(f"the file lacks the bytes of {name[:80]!r}")
        meta = field(entry, "tensor_meta", dict)
        key = (path, *_layout(meta, name), bool(field(entry, "is_param", bool)))
        if key not in self._made:
            self._made[key] = self._make(self._payloads[path], meta, name, key[-1])
        return self._made[key]

    def _make(self, content: bytes, meta: Mapping[str, Any], name: str, learned: bool) -> Tensor:
        dtype, sizes, strides, offset = _layout(meta, name)
        width = dtype.itemsize
        count = 1
        for size in sizes:
            count *= size
        last = offset + sum(
            (size - 1) * stride for size, stride in zip(sizes, strides, strict=True)
        )
        if len(content) % width or (count and (last + 1) * width > len(content)):
            raise CompileError(
                f"tensor {name[:80]!r} announces shape {list(sizes)} of {dtype}, but the file has "
                f"{len(content)} bytes for it"
            )
        self._left -= count * width
        if self._left < 0:
            raise CompileError(
                f"its tensors announce more than this machine's memory ({memory()} bytes), "
                f"{name[:80]!r} among them with shape {list(sizes)}"
            )
        if count:
            flat = torch.frombuffer(bytearray(content), dtype=dtype)
            tensor = flat.as_strided(sizes, strides, offset).to(self._device)
        else:
            tensor = torch.empty(sizes, dtype=dtype, device=self._device)
        wants = field(meta, "requires_grad", bool)
        if wants and not (tensor.is_floating_point() or tensor.is_complex()):
            raise CompileError(f"tensor {name[:80]!r} of {dtype} cannot have a gradient")
        return nn.Parameter(tensor, requires_grad=wants) if learned else tensor


def _layout(
    meta: Mapping[str, Any], name: str
) -> tuple[torch.dtype, tuple[int, ...], tuple[int, ...], int]:
    if field(meta, "layout", int) != STRIDED:
        raise CompileError(f"tensor {name[:80]!r} is sparse; only plain tensors can be used")
    dtype = read_dtype(field(meta, "dtype", int))
    sizes = tuple(number(each) for each in field(meta, "sizes", list))
    strides = tuple(number(each) for each in field(meta, "strides", list))
    offset = number(field(meta, "storage_offset", dict))
    plain = len(sizes) == len(strides) <= _MOST_DIMENSIONS
    if not plain or min((0, offset, *sizes, *strides)) < 0 or max((0, *sizes, *strides)) >= 2**62:
        raise CompileError(
            f"tensor {name[:80]!r} announces sizes {list(sizes)[:8]} and strides "
            f"{list(strides)[:8]}; no tensor has them"
        )
    return dtype, sizes, strides, offset


def input_shape(meta: object) -> list[int | str]:
    """Return the sizes of a tensor in the graph: numbers, or the text of an expression."""
    found: list[int | str] = []
    for size in field(meta, "sizes", list):
        kind, value = union(size)
        found.append(
            field(value, "expr_str", str) if kind == "as_expr" else of_kind(value, int, "size")
        )
    return found
