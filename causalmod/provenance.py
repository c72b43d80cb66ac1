"""Where a result comes from: seed, versions, digests of model and data, duration."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Provenance:
    """What is needed to run a computation again and to know that it was the same one."""

    seed: int | None
    model_digest: str
    data_digest: str
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return asdict(self)


def versions() -> dict[str, str]:
    """Return the versions of Python, causalmod and the libraries that shape a figure."""
    return dict(_versions())


@cache  # reading them takes milliseconds
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("causalmod", "torch", "numpy", "scipy", "scikit-learn", "networkx"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def digest(tensors: Iterable[tuple[str, Tensor]], text: str = "") -> str:
    """Return a SHA-256 over a text, names, dtypes, shapes and bytes, in the order given."""
    import torch

    state = hashlib.sha256(text.encode())
    for name, tensor in tensors:
        plain = tensor.detach().to("cpu").contiguous()
        state.update(f"{name}|{plain.dtype}|{tuple(plain.shape)}|".encode())
        state.update(
            plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        )
    return state.hexdigest()


class Stopwatch:
    """Seconds since it was made; read with :attr:`seconds`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Yield a running :class:`Stopwatch`."""
    yield Stopwatch()
