"""Saving a model to one file, and loading files, without pickles.

A saved model is a safetensors file: tensors as plain bytes, and in its metadata one JSON text with
the graph, the sites, the interventions and the digests. The text begins with the SHA-256 of the
whole file (computed with zeros in its own place), so a file that was cut short or altered in any
byte is refused before anything is made of it. What passes is still not trusted: operators come
from the list for files, records from a list of classes, and nothing else is looked up.

The file is written beside its final place and renamed, so an interruption leaves the earlier one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler, provenance
from causalmod.compiler.plain import Reader, UnwritableError, Writer
from causalmod.compiler.pt2.archive import is_archive
from causalmod.compiler.stored import read_trace, write_trace
from causalmod.errors import CompileError, InputError, OutputError
from causalmod.interventions import Assignment, EdgeAssignment, Held
from causalmod.variables import FittedBasis, FittedDictionary, Site, Variable

if TYPE_CHECKING:
    from causalmod.scm.model import StructuralCausalModel

_VERSION = 1
_ZEROS = b"0" * 64
_START = b'{\\"sha256\\": \\"'  # as the text stands in the header, which is JSON itself
_LONGEST_HEADER = 100_000_000  # bytes; the bound of safetensors too
_PARTS = ("sites", "nodes", "readouts", "assignments", "on_edges")
_RECORDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Site, Variable, FittedBasis, FittedDictionary, Assignment, EdgeAssignment, Held)
}


# --- saving ---------------------------------------------------------------------------------------


def save_model(scm: StructuralCausalModel, path: str | os.PathLike[str]) -> Path:
    """Write a model with its data, sites and interventions to one file.

    Args:
        scm: the model.
        path: the file; an earlier one is replaced, once the new one is complete.

    Returns:
        Path: the file.

    Raises:
        InputError: an intervention is a function, which no file can hold.
        CompileError: the network calls an operator that a file may not call.
        OutputError: the file cannot be written there.
    """
    target = Path(path).absolute()
    if not target.parent.is_dir() or target.is_dir():
        raise OutputError(
            f"cannot write {target}: name a file in a folder that exists, such as model.scm"
        )
    writer = Writer()
    content = {
        "sha256": _ZEROS.decode(),
        "version": _VERSION,
        "versions": provenance.versions(),
        **_describe(scm, writer),
    }
    _write_whole(target, writer.tensors, json.dumps(content, allow_nan=False))
    return target


def _describe(scm: StructuralCausalModel, writer: Writer) -> dict[str, Any]:
    state = scm.state()
    program = state["program"]
    for made in (*state["assignments"], *(each.sent for each in state["on_edges"])):
        if callable(made.value):
            raise InputError(
                f"cannot save the model: what do() set at {made.site!r} is a function, which no "
                "file can hold; give its values instead, as in "
                f"do({{{made.site!r}: scm.observe()[{made.site!r}]}})"
            )
    trace = program.trace
    changed = {n: v for n, v in program.held() if trace.constants.get(n) is not v}
    model_digest, data_digest = scm.digests
    try:
        return {
            "model_digest": model_digest,
            "data_digest": data_digest,
            "device": str(scm.device),
            "trace": write_trace(trace, writer),
            "changed": writer.write(changed),
            **{name: writer.write(value) for name, value in state.items() if name != "program"},
            **{name: writer.write(value) for name, value in scm.facts().items()},
        }
    except UnwritableError as what:
        raise CompileError(f"cannot save the model: it holds {what}") from None


def _write_whole(target: Path, tensors: Mapping[str, Tensor], text: str) -> None:
    """Write a whole file or nothing: to a temporary file beside it, then renamed."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        os.close(handle)
        save_file(dict(tensors), temporary, {"causalmod": text})
        with open(temporary, "r+b") as file:  # noqa: PTH123 - a name of the system's own
            place, digest = _digest(file, Path(temporary).stat().st_size)
            file.seek(place)
            file.write(digest)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp makes private files
        os.replace(temporary, target)  # noqa: PTH105 - the one rename that replaces everywhere
    except (OSError, SafetensorError) as reason:
        why = reason.strerror if isinstance(reason, OSError) else str(reason)
        raise OutputError(f"cannot write {target}: {why}; free some space?") from reason
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def _digest(file: IO[bytes], size: int) -> tuple[int, bytes]:
    """Return where the digest stands in a file, and what it has to be.

    Raises:
        InputError: it stands nowhere, or in several places.
    """
    start = file.read(8)
    length = int.from_bytes(start, "little")
    header = bytearray(start)
    if len(start) == 8 and 2 <= length <= min(size - 8, _LONGEST_HEADER):
        header += file.read(length)
    if header[8:9] != b"{":
        raise InputError("it is neither a file of scm.save(path) nor a whole .pt2 file")
    place = header.find(_START) + len(_START)
    if header.count(_START) != 1 or place + 64 > len(header):
        raise InputError("it is no file of scm.save(path)")
    header[place : place + 64] = _ZEROS
    found = hashlib.sha256(header)
    while part := file.read(1 << 20):
        found.update(part)
    return place, found.hexdigest().encode()


# --- loading --------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Any:
    """Load a saved model, or the network in a ``.pt2`` file. Neither can run code.

    Args:
        path: a file of :meth:`StructuralCausalModel.save`, or of ``torch.export.save``. Which of
            the two it is follows from its content, not from its name.
        device: where its tensors go, such as ``"cuda"``.

    Returns:
        The :class:`StructuralCausalModel` that was saved: the same sites, interventions and, on the
        same device and version of torch, the same bits. Or the network in the ``.pt2`` file, a
        ``torch.nn.Module`` for :func:`compile`.

    A ``.pt2`` file does not say which tensor a module returned; sites are named by the modules that
    its operations stand in, which gives the names of the network itself, but for three: an
    ``nn.Identity`` leaves no trace, a module that returns several tensors gives its name to the
    last, and the inputs of ``*more`` are ``more_0``, ``more_1``, ....

    The loader of torch runs what a ``.pt2`` file tells it to. This one reads the file itself and
    refuses pickles, script objects, machine code, operators that are not on a list of pure ones,
    sizes that are more than arithmetic, members with odd names, and sizes that do not fit the
    bytes.

    Raises:
        InputError: there is no such file or device, it is neither of the two, or it is damaged: its
            digest is not that of its content.
        CompileError: it holds what could run code, or a network that cannot be replayed on any
            number of rows; the message says how to export one that can.

    Example:
        >>> import tempfile, torch, causalmod as cm
        >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2)).do({"input[0]": 3.0})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     loaded = cm.load(scm.save(f"{folder}/model.scm"))
        >>> torch.equal(loaded.observe()["output"], scm.observe()["output"])
        True
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"there is no file {file}; expected one of scm.save(path) or torch.export.save"
        )
    place = compiler.read_device(device)
    if is_archive(file):
        return compiler.read_network(file, place)
    try:
        return _load_model(file, place)
    except InputError as reason:
        raise InputError(f"cannot load {file}: {reason}") from None
    except CompileError as reason:
        raise CompileError(f"cannot load {file}: {reason}") from None


def _load_model(file: Path, device: torch.device) -> StructuralCausalModel:
    from safetensors import SafetensorError, safe_open

    from causalmod.scm.model import StructuralCausalModel

    with file.open("rb") as opened:
        _check_digest(opened, file.stat().st_size)
    try:
        with safe_open(file, "pt") as opened:
            held = json.loads(opened.metadata()["causalmod"])
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as reason:
        raise InputError(f"it is damaged: {reason}") from None
    if not isinstance(held, dict) or held.get("version") != _VERSION:
        raise InputError("it was saved by another version of causalmod; compile the network again")
    reader = Reader(tensors, _RECORDS, device)
    try:
        data = reader.read(held["data"])
        trace = read_trace(held["trace"], reader, data)
        program = compiler.Program(trace, {**trace.constants, **reader.read(held["changed"])})
        rest = {name: reader.read(held[name]) for name in _PARTS}
        scm = StructuralCausalModel(program, data, **rest)
        scm.recall({name: reader.read(held[name]) for name in scm.facts()})
        digests = (held["model_digest"], held["data_digest"])
        moved = str(device) != held["device"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError) as e:
        if isinstance(e, (CompileError, InputError)):
            raise
        raise InputError(f"it is damaged: {type(e).__name__}: {e}") from None
    if not moved and scm.digests != digests:
        raise InputError("its model or data are not those that were saved, by their digests")
    return scm


def _check_digest(file: IO[bytes], size: int) -> None:
    """Compare the file's SHA-256 with the one that stands in it."""
    place, digest = _digest(file, size)
    file.seek(place)
    if file.read(64) != digest:
        raise InputError("it was cut short or altered: its digest is not that of its content")
