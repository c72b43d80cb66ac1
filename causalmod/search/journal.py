"""Journal: what a search has worked out, in a file, so that a later call goes on from there.

One JSON object a line; nothing in it can run code. A line that was cut short (the machine went
down while it was written) is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from torch import Tensor

from causalmod.errors import InputError, OutputError
from causalmod.scm import StructuralCausalModel

_FORMAT = "causalmod search journal 1"


class Journal:
    """A file of results, each under a key.

    Args:
        path: the file; made if there is none.
        scm: the model searched. Its network and data must be those for which the file was begun.

    Raises:
        InputError: the file is no journal, or one of another network or data.
        OutputError: the file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], scm: StructuralCausalModel) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        model, data = scm.digests
        head = {"format": _FORMAT, "model": model, "data": data}
        try:
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        except OSError as error:
            raise OutputError(f"cannot read the journal {self.path}: {error}") from error
        whole = lines[:-1]  # what follows the last end of line was cut short
        if not whole:
            self._write(head, "w")
            return
        self._check(whole[0], head)
        for line in whole[1:]:
            entry = _parsed(line)
            if isinstance(entry, dict) and "key" in entry and "value" in entry:
                self._known[str(entry["key"])] = entry["value"]
        if lines[-1]:
            self._write_bytes(b"\n", "ab")

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Any:
        """Return what stands under a key, or None."""
        return self._known.get(key)

    def put(self, key: str, value: Any) -> None:
        """Write a value, plain data, under a key, unless it stands there already."""
        with self._lock:
            if key not in self._known:
                self._known[key] = value
                self._write({"key": key, "value": value}, "a")

    def _check(self, line: bytes, head: dict[str, str]) -> None:
        found = _parsed(line)
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise InputError(f"{self.path} is no journal of a search; give resume= a new file name")
        for name, what in (("model", "network"), ("data", "data")):
            if found.get(name) != head[name]:
                raise InputError(
                    f"the journal {self.path} was begun for another {what}; give resume= a new "
                    "file name, or the model that it was begun for"
                )

    def _write(self, entry: dict[str, Any], mode: str) -> None:
        self._write_bytes(json.dumps(entry).encode() + b"\n", mode + "b")

    def _write_bytes(self, data: bytes, mode: str) -> None:
        try:
            with self.path.open(mode) as file:
                file.write(data)
        except OSError as error:
            raise OutputError(f"cannot write the journal {self.path}: {error}") from error


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def key_of(*parts: object) -> str:
    """Return a short key for settings (plain data, or tensors)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(repr((str(part.dtype), tuple(part.shape))).encode())
            digest.update(part.detach().contiguous().cpu().numpy().tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
