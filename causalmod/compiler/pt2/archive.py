"""A .pt2 file as members of bytes: which members it may have, and how large they may be.

The file is a zip archive whose members torch stores without compression. Nothing is unpacked to
disk and no member is read before all of them have been looked at.
"""

from __future__ import annotations

import re
import struct
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from causalmod.compiler.pt2.fields import field, read_json
from causalmod.compiler.pt2.samples import check_samples
from causalmod.errors import CompileError, InputError

LARGEST_TEXT = 256 * 2**20
MOST_MEMBERS = 200_000
_LONGEST_NAME = 300

_PLAIN = re.compile(
    r"""(?P<small> archive_format | archive_version | byteorder | version
          | \.data/version | \.data/serialization_id | \.format_version | \.storage_alignment )
      | models/(?P<model> [\w.-]+ )\.json
      | data/sample_inputs/(?P<samples> [\w.-]+ )\.pt
      | data/weights/(?P<weights> [\w.-]+ )_weights_config\.json
      | data/constants/(?P<constants> [\w.-]+ )_constants_config\.json
      | data/(?P<payload> weights/weight_\d+ | constants/tensor_\d+ )
      | extra/(?P<extra> [\w./-]+ )""",
    re.VERBOSE | re.ASCII,
)
_KNOWN = {
    "data/aotinductor/": "compiled machine code (AOTInductor)",
    "data/constants/custom_obj_": "an object of a class of its own, which is a pickle",
    "data/constants/opaque_obj_": "an object of a class of its own, which is a pickle",
    "data/executorch/": "a program for ExecuTorch",
}


@dataclass(frozen=True)
class Archive:
    """The members of a .pt2 file that hold the network.

    Attributes:
        model: JSON of the graph.
        weights: JSON that describes parameters and buffers.
        constants: JSON that describes constants.
        payloads: ``weights/weight_0`` → bytes.
    """

    model: Any
    weights: Any
    constants: Any
    payloads: Mapping[str, bytes]


def is_archive(path: Path) -> bool:
    """Is the file a zip archive by its first bytes?"""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_archive(file: IO[bytes], size: int) -> Archive:
    """Read the members of a .pt2 file that hold the network, after looking at all members.

    Args:
        file: the file, opened for reading.
        size: its size in bytes.

    Raises:
        CompileError: an unknown, unsafe or damaged member, or one that is missing.
        InputError: it is no zip archive.
    """
    try:
        with zipfile.ZipFile(file) as opened:
            members = _checked(opened.infolist(), size)
            _check_apart(file, members, opened.start_dir)
            held = {name: opened.read(member) for name, member in members.items()}
    except CompileError:  # a ValueError too
        raise
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as e:
        raise InputError(f"it is no whole .pt2 archive ({e}); export and save it again") from None
    return _arranged(held)


def _checked(members: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """Map the path inside the archive's one folder to its member, all of them looked at."""
    if not members or len(members) > MOST_MEMBERS:
        raise CompileError(f"it has {len(members)} members; expected 1 to {MOST_MEMBERS}")
    root = members[0].filename.partition("/")[0]
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        path = _path(member, root)
        if path in found:
            raise CompileError(f"member {path!r} stands twice in the archive")
        found[path] = member
    total = sum(member.file_size for member in found.values())
    if total > size:
        raise CompileError(f"its members announce {total} bytes, but the file has {size}")
    return found


def _path(member: zipfile.ZipInfo, root: str) -> str:
    name = member.orig_filename
    shown = f"member {name[:120]!r}"
    top, slash, path = name.partition("/")
    steps = name.split("/")
    if name != member.filename or len(name) > _LONGEST_NAME or "\\" in name or "\0" in name:
        raise CompileError(f"{shown} has a name that no exporter writes")
    if not slash or top != root or any(step in {"", ".", ".."} for step in steps) or ":" in name:
        raise CompileError(f"{shown} leaves the archive's own folder {root!r}")
    if (member.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
        raise CompileError(f"{shown} is a link or a device, not a file")
    for start, what in _KNOWN.items():
        if path.startswith(start):
            raise CompileError(f"{shown} is {what}; only plain graphs and tensors can be used")
    match = _PLAIN.fullmatch(path)
    if match is None and path.endswith(".pt"):
        raise CompileError(f"{shown} is a pickle; save it again with torch 2.9 or newer")
    if match is None:
        raise CompileError(f"{shown} is unknown; torch.export.save writes no such thing")
    if member.flag_bits & 1 or member.compress_type != zipfile.ZIP_STORED:
        raise CompileError(f"{shown} is compressed or encrypted; torch stores members as they are")
    if member.file_size != member.compress_size:
        raise CompileError(
            f"{shown} announces {member.file_size} bytes out of {member.compress_size}"
        )
    if not match["payload"] and member.file_size > LARGEST_TEXT:
        raise CompileError(f"{shown} has {member.file_size} bytes, more than a graph needs")
    return path


def _check_apart(file: IO[bytes], members: Mapping[str, zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share bytes: two readers could then read two different networks."""
    reached = 0
    for member in sorted(members.values(), key=lambda each: each.header_offset):
        file.seek(member.header_offset)
        header = file.read(30)
        if len(header) < 30 or member.header_offset < reached:
            raise CompileError(f"member {member.filename!r} overlaps another, or is cut off")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        reached = member.header_offset + 30 + name_length + extra_length + member.file_size
    if reached > end:
        raise CompileError("a member overlaps the archive's directory")


def _arranged(held: Mapping[str, bytes]) -> Archive:
    matches = {path: match for path in held if (match := _PLAIN.fullmatch(path))}
    models = [match["model"] for match in matches.values() if match["model"]]
    if len(models) != 1:
        raise CompileError(f"it holds {len(models)} models; expected one: save it on its own")
    if held.get("archive_format") != b"pt2":
        raise CompileError("it is no .pt2 archive; write it with torch.export.save(program, path)")
    if held.get("byteorder", b"little") != b"little" or sys.byteorder != "little":
        raise CompileError("its numbers are in another byte order than this machine's")
    documents: list[Any] = []
    for name in (
        f"models/{models[0]}.json",
        f"data/weights/{models[0]}_weights_config.json",
        f"data/constants/{models[0]}_constants_config.json",
    ):
        if name not in held:
            raise CompileError(f"it lacks the member {name!r}; export and save it again")
        documents.append(read_json(held[name], name))
    for path, match in matches.items():
        if match["samples"]:
            check_samples(held[path])
    payloads = {
        str(match["payload"]): held[path] for path, match in matches.items() if match["payload"]
    }
    named = {
        f"{folder}/{field(entry, 'path_name', str)}"
        for folder, document in (("weights", documents[1]), ("constants", documents[2]))
        for entry in field(document, "config", dict).values()
    }
    for path in payloads:
        if path not in named:
            raise CompileError(f"member {path!r} belongs to no tensor of the network")
    return Archive(documents[0], documents[1], documents[2], payloads)
