"""Reading a user's data without ever running what stands in it.

Arrays of Python objects are pickles inside, and a pickle is a program. They are refused from the
header, before a byte of the content is read; so are files that announce more than they hold.
"""

from __future__ import annotations

import ast
import os
import struct
import warnings
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from causalmod.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 10_000  # numpy writes 118 bytes for a plain array
_DEFLATE_AT_MOST = 1032  # times smaller; a member that announces more is made up
_RUNS_CODE = {".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".bin"}
_TAKEN = ".npy, .npz or .safetensors"


class Header(NamedTuple):
    """What the header of an ``.npy`` file announces."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    length: int  # bytes of the file before the data


def read_data(path: Path) -> Tensor | dict[str, Tensor]:
    """Read a network's inputs from an ``.npy``, ``.npz`` or ``.safetensors`` file.

    Returns:
        A tensor when the file holds one array, else name → tensor, to be passed by keyword.

    Raises:
        InputError: the file is missing, damaged, of another kind, or could run code.
    """
    import torch

    _check_file(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        with path.open("rb") as file:
            return _tensor(_read_array(file, str(path), path.stat().st_size), str(path))
    if suffix == ".npz":
        named = {name: _tensor(a, f"{path}:{name}") for name, a in _read_archive(path).items()}
    elif suffix == ".safetensors":
        named = read_safetensors(path)
    else:
        why = "such a file can run code when it is read" if suffix in _RUNS_CODE else "unknown kind"
        raise InputError(
            f"cannot read {path}: {why}; expected {_TAKEN}. "
            "Save the inputs with numpy.save(..., allow_pickle=False)"
        )
    if not named:
        raise InputError(f"{path} holds no array; expected the inputs of the network")
    values = list(named.values())
    assert all(isinstance(value, torch.Tensor) for value in values)
    return values[0] if len(values) == 1 else named


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read name → tensor from a ``.safetensors`` file.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_file(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as reason:
        raise InputError(
            f"cannot read {path} as safetensors: {reason}; is it complete, and was it written by "
            "safetensors.torch.save_file?"
        ) from None


def read_header(file: IO[bytes], name: str, size: int) -> Header:
    """Read and check the header of an ``.npy`` file, of which ``size`` bytes are there.

    Raises:
        InputError: it is no such file, or announces objects, records, text, or more than there is.
    """
    start = file.read(12)
    if start[:6] != b"\x93NUMPY":
        what = (
            "it looks like a pickle, which could run code"
            if start[:1] == b"\x80"
            else "no .npy file"
        )
        raise InputError(
            f"cannot read {name}: {what}; write it with numpy.save, allow_pickle=False"
        )
    version = tuple(start[6:8])
    if version not in {(1, 0), (2, 0)} or len(start) < 12:
        raise InputError(
            f"cannot read {name}: .npy format {'.'.join(map(str, version)) or 'unknown'}; plain "
            "arrays have format 1.0 or 2.0"
        )
    early = version == (1, 0)
    (length,) = struct.unpack("<H" if early else "<I", start[8 : 10 if early else 12])
    whole = length + (10 if early else 12)
    if length > LONGEST_HEADER or whole > size:
        raise InputError(
            f"cannot read {name}: its header announces {length} bytes (the file has {size}, a "
            "plain array needs about 120); the file is damaged"
        )
    shape, dtype = _parse((start + file.read(max(0, whole - 12)))[whole - length : whole], name)
    _check_dtype(dtype, name)
    count = 1
    for extent in shape:
        count *= extent
    announced, there = count * dtype.itemsize, size - whole
    if announced != there:
        state = "is cut short" if announced > there else "has bytes after its end"
        raise InputError(
            f"cannot read {name}: its header announces shape {shape} of {dtype}, {announced} "
            f"bytes, but there are {there}; the file {state}"
        )
    return Header(shape, dtype, whole)


def _parse(text: bytes, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype out of a header, which is a Python literal: a dict of three entries.

    numpy's own reader would do the same after repairing headers of Python 2, on which it fails in
    ways of its own when the file is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes and old names of dtypes
            read = ast.literal_eval(text.decode("latin1").strip())
            if not isinstance(read, dict) or set(read) != {"descr", "fortran_order", "shape"}:
                raise ValueError("not the three entries of an array")
            shape, order, kind = read["shape"], read["fortran_order"], read["descr"]
            if not isinstance(order, bool) or not isinstance(shape, tuple):
                raise ValueError("shape or order is of the wrong kind")
            if not all(isinstance(extent, int) and extent >= 0 for extent in shape):
                raise ValueError(f"shape {shape}")
            return shape, np.lib.format.descr_to_dtype(kind)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, KeyError) as reason:
        raise InputError(f"cannot read {name}: damaged header ({reason})") from None


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"there is no file {path}; expected {_TAKEN}")
    if not path.is_file():
        raise InputError(f"{path} is not a file; expected {_TAKEN}")


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.hasobject:
        raise InputError(
            f"cannot read {name}: an array of Python objects is a pickle, which could run code; "
            "save numbers instead, as in numpy.save(path, array.astype('float32'))"
        )
    if dtype.kind not in "biuf" or dtype.fields is not None or dtype.subdtype is not None:
        raise InputError(
            f"cannot read {name}: dtype {dtype}; expected real numbers, integers or booleans"
        )


def _read_array(file: IO[bytes], name: str, size: int) -> np.ndarray[Any, Any]:
    memory = _memory()
    if memory is not None and size > memory:
        raise InputError(
            f"{name} holds {size} bytes, more than this machine's memory; use fewer rows"
        )
    read_header(file, name, size)
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as reason:
        raise InputError(f"cannot read {name}: {reason}") from None


def _read_archive(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, np.ndarray[Any, Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:  # all of them, before any is read
                _check_member(member, path)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in found:
                    raise InputError(f"{path} holds {name!r} twice")
                with archive.open(member) as file:
                    found[name] = _read_array(file, f"{path}:{name}", member.file_size)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as reason:
        raise InputError(
            f"cannot read {path} as .npz: {reason}; write it with numpy.savez"
        ) from None
    return found


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename
    problem = ""
    if not name.endswith(".npy"):
        problem = "it is no .npy array"
    elif any(mark in name for mark in ("/", "\\", "..", ":", "\0")):
        problem = "its name is a path"
    elif member.flag_bits & 1:
        problem = "it is encrypted"
    elif member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        problem = "its compression is not numpy's"
    elif member.file_size > _DEFLATE_AT_MOST * member.compress_size + 1000:
        problem = f"it announces {member.file_size} bytes out of {member.compress_size}"
    if problem:
        raise InputError(
            f"cannot read {path}: member {name!r}: {problem}; write the file with numpy.savez"
        )


def _tensor(array: np.ndarray[Any, Any], name: str) -> Tensor:
    import torch

    if array.ndim == 0:
        raise InputError(f"{name} is a single number; expected an array whose first axis is rows")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if plain.dtype.kind == "u" and plain.dtype.itemsize > 1:
        plain = plain.astype(np.int64)  # torch computes with few of the unsigned types
    if plain.dtype.kind == "f" and plain.dtype.itemsize > 8:
        plain = plain.astype(np.float64)
    return torch.from_numpy(plain)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
