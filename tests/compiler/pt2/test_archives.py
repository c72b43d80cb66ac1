"""Members, sizes and damage: whatever the bytes, a clear error or the very same network."""

from __future__ import annotations

import io
import itertools
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import causalmod as cm
from causalmod.compiler import read_network
from tests.compiler.pt2.files import (
    CONSTANTS,
    DATA,
    MODEL,
    WEIGHTS,
    File,
    Small,
    small_file,
)

DAMAGE = (cm.CompileError, cm.InputError)


def refused(path: Path, says: str) -> None:
    with pytest.raises(DAMAGE, match=says):
        cm.load(path)


# --- members --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("archive/../../evil", "leaves the archive's own folder"),
        ("archive/data/weights/../../../evil", "leaves the archive's own folder"),
        ("/etc/evil", "leaves the archive's own folder"),
        ("other/data/weights/weight_0", "leaves the archive's own folder"),
        ("archive//evil", "leaves the archive's own folder"),
        ("C:/evil", "leaves the archive's own folder"),
        ("archive\\..\\evil", "a name that no exporter writes"),
        ("archive/evil.so", "is unknown"),
        ("archive/data/weights/evil", "is unknown"),
        ("archive/models/model.pkl", "is unknown"),
        ("archive/data/aotinductor/model/a.so", "compiled machine code"),
        ("archive/data/executorch/a.pte", "ExecuTorch"),
        ("archive/data/constants/custom_obj_0", "an object of a class of its own"),
        ("archive/data/constants/opaque_obj_0", "an object of a class of its own"),
        ("archive/data/constants/model.pt", "is a pickle"),
        ("archive/data/weights/weight_99", "belongs to no tensor"),
        ("archive/models/second.json", "holds 2 models"),
        ("archive/models/model.json", "stands twice"),
        ("archive/" + "a" * 400, "a name that no exporter writes"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_with_odd_names(name: str, says: str, tmp_path: Path) -> None:
    path = File().write(tmp_path / "net.pt2")
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(name, b"evil")
    refused(path, says)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.pt2"]


def test_extra_files_of_the_user_are_left_alone(tmp_path: Path) -> None:
    file = File()
    file.members["extra/note.txt"] = b"trained on Tuesday"
    assert isinstance(cm.load(file.write(tmp_path / "net.pt2")), torch.nn.Module)


def with_member(path: Path, change: Callable[[zipfile.ZipInfo], None], **how: Any) -> Path:
    info = zipfile.ZipInfo("archive/extra/note.txt")
    change(info)
    File().write(path)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(info, b"0" * 100_000, **how)
    return path


def test_links_devices_and_compressed_members(tmp_path: Path) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = 0o120777 << 16

    def device(info: zipfile.ZipInfo) -> None:
        info.external_attr = 0o060666 << 16

    refused(with_member(tmp_path / "link.pt2", link), "is a link or a device")
    refused(with_member(tmp_path / "device.pt2", device), "is a link or a device")
    deflated = {"compress_type": zipfile.ZIP_DEFLATED}
    refused(with_member(tmp_path / "small.pt2", lambda _: None, **deflated), "is compressed")


def patched_directory(offset: int, value: int) -> bytes:
    """Change a field of the first entry in the archive's directory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        file = File()
        for name, content in file.members.items():
            opened.writestr(f"archive/{name}", content)
        start = opened.start_dir
    content = bytearray(buffer.getvalue())
    content[start + offset : start + offset + 4] = struct.pack("<I", value)
    return bytes(content)


@pytest.mark.parametrize(
    ("offset", "value", "says"),
    [
        (20, 2**31, "announces"),  # compressed size
        (24, 2**31, "announces"),  # size
        (42, 2**31, "no whole .pt2|overlaps|cut off"),  # where it stands
        (42, 100, "no whole .pt2|overlaps|cut off"),
        (8, 1, "compressed or encrypted"),
    ],
)
def test_sizes_that_the_directory_makes_up(
    offset: int, value: int, says: str, tmp_path: Path
) -> None:
    (tmp_path / "net.pt2").write_bytes(patched_directory(offset, value))
    refused(tmp_path / "net.pt2", says)


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """The same bytes under two names: the way of archives that grow without end."""
    path = File().write(tmp_path / "net.pt2")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        first, second = opened.infolist()[:2]
        start = opened.start_dir
    entry = content.index(second.filename.encode(), start) - 46
    content[entry + 42 : entry + 46] = struct.pack("<I", first.header_offset)
    path.write_bytes(content)
    refused(path, "overlaps")


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, CONSTANTS, "archive_format"])
def test_members_that_are_missing(name: str, tmp_path: Path) -> None:
    file = File()
    del file.members[name]
    refused(
        file.write(tmp_path / "net.pt2"), "lacks the member|holds 0 models|no .pt2 archive|belo"
    )


def test_no_file_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(cm.InputError, match="there is no file"):
        cm.load(tmp_path / "none.pt2")
    with pytest.raises(cm.InputError, match="there is no file"):
        cm.compile(tmp_path / "none.pt2", DATA)
    for content in (b"", b"PK\x03\x04", b"\x80\x02.", b"x" * 100):
        (tmp_path / "odd.pt2").write_bytes(content)
        with pytest.raises(cm.InputError):
            cm.load(tmp_path / "odd.pt2")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b"\xff\xfe", "damaged"),
        (b'{"graph_module": ' + b"9" * 10_000 + b"}", "damaged"),
        (b"[]", "damaged"),
        (b"{}", "damaged"),
    ],
)
def test_texts_that_are_no_json(content: bytes, says: str, tmp_path: Path) -> None:
    file = File()
    del file.texts[MODEL]
    file.members[MODEL] = content
    refused(file.write(tmp_path / "net.pt2"), says)


# --- sizes ----------------------------------------------------------------------------------------


def weight(**changes: Any) -> File:
    file = File()
    file.texts[WEIGHTS]["config"]["fc.weight"]["tensor_meta"].update(changes)
    return file


def plain(*sizes: int) -> list[dict[str, int]]:
    return [{"as_int": size} for size in sizes]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sizes": plain(5, 3)}, "has 48 bytes for it"),
        ({"sizes": plain(10**12, 10**12)}, "has 48 bytes for it"),
        ({"sizes": plain(10**12, 3), "strides": plain(0, 1)}, "more than this machine's memory"),
        ({"sizes": plain(2**63, 0)}, "no tensor has them"),
        ({"sizes": plain(-4, 3)}, "no tensor has them"),
        ({"sizes": plain(4)}, "no tensor has them"),
        ({"sizes": plain(*[1] * 100), "strides": plain(*[1] * 100)}, "no tensor has them"),
        ({"sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]}, "expected a plain number"),
        ({"sizes": [{"as_int": True}, {"as_int": 3}]}, "expected int"),
        ({"strides": plain(1000, 1)}, "has 48 bytes for it"),
        ({"strides": plain(-3, 1)}, "no tensor has them"),
        ({"storage_offset": {"as_int": 1}}, "has 48 bytes for it"),
        ({"storage_offset": {"as_int": -1}}, "no tensor has them"),
        ({"dtype": 8}, "has 48 bytes for it"),
        ({"dtype": 99}, "no dtype has the number 99"),
        ({"dtype": 5}, "has 48 bytes for it|cannot have a gradient"),
        ({"layout": 1}, "is sparse"),
        ({"requires_grad": "yes"}, "expected bool"),
    ],
)
def test_tensors_that_do_not_fit_their_bytes(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    refused(weight(**changes).write(tmp_path / "net.pt2"), says)


def test_bytes_that_are_missing_or_of_another_length(tmp_path: Path) -> None:
    file = File()
    path = file.texts[WEIGHTS]["config"]["fc.weight"]["path_name"]
    file.members[f"data/weights/{path}"] = b""
    refused(file.write(tmp_path / "net.pt2"), "has 0 bytes for it")
    file.members[f"data/weights/{path}"] = b"x" * 49
    refused(file.write(tmp_path / "net.pt2"), "has 49 bytes for it")
    del file.members[f"data/weights/{path}"]
    refused(file.write(tmp_path / "net.pt2"), "lacks the bytes of 'fc.weight'")
    del file.texts[WEIGHTS]["config"]["fc.weight"]
    refused(file.write(tmp_path / "net.pt2"), "'fc.weight' that the file lacks")


def huge(*size: Any) -> File:
    """The small network, with an operation that makes a huge tensor."""
    file = File()
    node = {
        "target": "torch.ops.aten.full.default",
        "inputs": [
            {"name": "size", "arg": {"as_sym_ints": list(size)}, "kind": 1},
            {"name": "fill_value", "arg": {"as_float": 1.0}, "kind": 1},
        ],
        "outputs": [{"as_tensor": {"name": "huge"}}],
        "metadata": {},
    }
    take = {
        "target": "torch.ops.aten.sum.default",
        "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "huge"}}, "kind": 1}],
        "outputs": [{"as_tensor": {"name": "total"}}],
        "metadata": {},
    }
    add = file.node("aten.add.Tensor")
    add["inputs"][1]["arg"] = {"as_tensor": {"name": "total"}}
    place = file.graph["nodes"].index(add)
    file.graph["nodes"][place:place] = [node, take]
    return file


def test_operations_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = huge({"as_int": 10**6}, {"as_int": 10**7}).write(tmp_path / "net.pt2")
    with pytest.raises(cm.CompileError, match="more than this machine's memory"):
        cm.compile(path, DATA)


def test_sizes_that_multiply_without_end(tmp_path: Path) -> None:
    file = huge({"as_name": "s79"}, {"as_int": 1})
    first = next(iter(file.graph["sym_int_values"]))
    names = [first, *(f"s{step}" for step in range(80))]
    nodes = [
        {
            "target": "_operator.mul",
            "inputs": [
                {"name": key, "arg": {"as_sym_int": {"as_name": before}}, "kind": 1} for key in "ab"
            ],
            "outputs": [{"as_sym_int": {"as_name": after}}],
            "metadata": {},
        }
        for before, after in itertools.pairwise(names)
    ]
    place = file.graph["nodes"].index(file.node("sym_size")) + 1
    file.graph["nodes"][place:place] = nodes
    path = file.write(tmp_path / "net.pt2")
    with pytest.raises(cm.CompileError, match=r"passes 2\*\*63"):
        cm.compile(path, DATA)


# --- damage ---------------------------------------------------------------------------------------


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    content = small_file()
    for length in [*range(0, len(content) - 1, 997), len(content) - 1]:
        (tmp_path / "net.pt2").write_bytes(content[:length])
        with pytest.raises(DAMAGE):
            cm.load(tmp_path / "net.pt2")


def test_a_changed_byte_anywhere(tmp_path: Path) -> None:
    """Zip has a checksum of each member: a change is found, or stands where it has no effect."""
    content = small_file()
    draw = random.Random(0)
    expected = Small().eval()(DATA)
    read = 0
    for _ in range(250):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        (tmp_path / "net.pt2").write_bytes(changed)
        try:
            network = read_network(tmp_path / "net.pt2")
        except DAMAGE:
            continue
        read += 1
        assert torch.equal(network(DATA), expected)
    assert read < 125


def places(held: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a JSON text, with each of its keys."""
    pairs = held.items() if isinstance(held, dict) else enumerate(held)
    for key, value in list(pairs):
        if key not in {"metadata", "hint"}:  # which no one reads
            yield held, key
            if isinstance(value, (dict, list)):
                yield from places(value)


def test_changed_json_is_refused_or_runs_as_a_network(tmp_path: Path) -> None:
    """Entries are deleted, and replaced by values of other kinds, at random places."""
    draw = random.Random(1)
    values: list[Any] = [None, True, -1, 2**70, 1.5, "", "x", [], {}, {"as_int": 3}, [[]]]
    refused_ones = 0
    for _ in range(200):
        file = File()
        held, key = draw.choice(list(places(file.texts[draw.choice([MODEL, WEIGHTS, CONSTANTS])])))
        if draw.random() < 0.3:
            del held[key]
        else:
            held[key] = draw.choice(values)
        try:
            network = cm.load(file.write(tmp_path / "net.pt2"))
            if draw.random() < 0.2:
                cm.compile(network, DATA)
        except DAMAGE:
            refused_ones += 1
    assert refused_ones > 25


def test_json_survives_our_own_writing(tmp_path: Path) -> None:
    file = File()
    assert json.loads(file.members[MODEL]) == file.texts[MODEL]
    network = cm.load(file.write(tmp_path / "net.pt2"))
    assert torch.equal(network(DATA), Small().eval()(DATA))
