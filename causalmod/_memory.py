"""Sizes of memory as users write them."""

from __future__ import annotations

from numbers import Real

from causalmod.errors import InputError


def parse_memory(memory: str | int) -> int:
    """Return a number of bytes from ``"2GB"``, ``"500MB"`` or a number.

    Example:
        >>> parse_memory("2GB")
        2000000000

    Raises:
        InputError: other text, or nothing above 0.
    """
    size = 0.0
    if isinstance(memory, Real) and not isinstance(memory, bool):
        size = float(memory)
    elif isinstance(memory, str):
        units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
        text = memory.strip().upper()
        number = text[:-2] if text[-2:] in units else text
        try:
            size = float(number) * units.get(text[-2:], 1)
        except ValueError:
            size = 0.0
    if not 1 <= size < float("inf"):
        raise InputError(
            f"memory is a positive number of bytes, or text such as '2GB'; given {memory!r}"
        )
    return int(size)


def show_memory(size: float) -> str:
    """Write a number of bytes for people.

    Example:
        >>> show_memory(2_340_000_000)
        '2.34 GB'
    """
    for unit, worth in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= worth:
            return f"{size / worth:.3g} {unit}"
    return f"{size:.0f} bytes"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that there is no memory left, on any device.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("no"))
        (True, False)
    """
    import torch

    text = str(error)
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "not enough memory" in text
        or "can't allocate memory" in text
    )
