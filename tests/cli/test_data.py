"""Data files are read, never run: what could run code or is damaged is refused from its header."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from causalmod.cli import data
from causalmod.cli.data import read_data, read_safetensors
from causalmod.errors import InputError

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Bomb:
    """Unpickling this would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(text: str, version: tuple[int, int] = (1, 0), rest: bytes = b"") -> bytes:
    body = text.encode("latin1")
    form = "<H" if version == (1, 0) else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(body)) + body + rest


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def zipped(folder: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(folder / "d.npz", "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "d.npz"


@pytest.mark.parametrize(
    "array",
    [
        ROWS,
        ROWS.astype(">f8"),
        np.asfortranarray(ROWS),
        ROWS.astype(np.uint8),
        ROWS.astype(np.uint32),
        ROWS.astype(np.float16),
        ROWS > 3,
        np.zeros((0, 3), np.float32),
    ],
    ids=lambda a: f"{a.dtype}-{a.shape}",
)
def test_plain_arrays_are_read(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    found = read_data(put(tmp_path, "d.npy", npy(array)))
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == array.tolist()


def test_format_2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, ROWS, version=(2, 0))
    found = read_data(path)
    assert isinstance(found, torch.Tensor)
    assert found.shape == (4, 3)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_one_is_a_tensor_of_several_keywords(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "one.npz", x=ROWS)
    save(tmp_path / "two.npz", left=ROWS, right=ROWS[:, :1])
    one, two = read_data(tmp_path / "one.npz"), read_data(tmp_path / "two.npz")
    assert isinstance(one, torch.Tensor)
    assert isinstance(two, dict)
    assert {name: tuple(t.shape) for name, t in two.items()} == {"left": (4, 3), "right": (4, 1)}


def test_safetensors_likewise(tmp_path: Path) -> None:
    save_file({"x": torch.ones(3, 2)}, tmp_path / "one.safetensors")
    save_file({"x": torch.ones(3, 2), "y": torch.ones(3)}, tmp_path / "two.safetensors")
    assert isinstance(read_data(tmp_path / "one.safetensors"), torch.Tensor)
    assert set(read_data(tmp_path / "two.safetensors")) == {"x", "y"}


OBJECTS = npy(np.array([Bomb(), 1], dtype=object), allow_pickle=True)
PLAIN = npy(ROWS)
SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n"

REFUSED = {
    "objects": (OBJECTS, "is a pickle, which could run code"),
    "objects inside records": (
        npy(np.array([(1, Bomb())], dtype=[("a", "i4"), ("b", "O")]), allow_pickle=True),
        "is a pickle, which could run code",
    ),
    "records": (npy(np.zeros(3, dtype=[("a", "f4")])), "expected real numbers"),
    "text": (npy(np.array(["a", "b"])), "expected real numbers"),
    "complex": (npy(ROWS.astype(complex)), "expected real numbers"),
    "dates": (npy(np.array(["2020-01-01"], dtype="M8[D]")), "expected real numbers"),
    "a pickle": (pickle.dumps(Bomb()), "looks like a pickle, which could run code"),
    "nothing": (b"", "no .npy file"),
    "something else": (b"hello, world", "no .npy file"),
    "cut header": (PLAIN[:40], "header announces 118 bytes"),
    "cut data": (PLAIN[:-1], "is cut short"),
    "more after the end": (PLAIN + b"x", "has bytes after its end"),
    "unknown format": (b"\x93NUMPY\x09\x00" + PLAIN[8:], "format 9.0"),
    "a huge header": (header("", (2, 0))[:8] + struct.pack("<I", 2**32 - 1), "4294967295 bytes"),
    "a long header": (header(" " * 20_000, rest=PLAIN), "the file is damaged"),
    "a header that is no literal": (header("__import__('os')"), "damaged header"),
    "a header too deep": (header("(" * 5000), "damaged header"),
    "a negative shape": (header(SHAPE % "(-1, 4)"), "damaged header"),
    "a huge shape": (header(SHAPE % "(9999999999, 9999999999)"), "is cut short"),
    "a shape of text": (header(SHAPE % "('a',)"), "damaged header"),
    "a single number": (npy(np.float32(3)), "single number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_are_refused(tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    path = put(tmp_path, "d.npy", content)
    with pytest.raises(InputError, match=says) as caught:
        read_data(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", [n for n in REFUSED if n != "nothing"])
def test_the_same_inside_an_archive(tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    with pytest.raises(InputError, match=says):
        read_data(zipped(tmp_path, {"good.npy": PLAIN, "x.npy": content}))


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("data.pkl", "no .npy array"),
        ("archive/data.pkl", "no .npy array"),
        ("../x.npy", "its name is a path"),
        ("/etc/x.npy", "its name is a path"),
        ("a/b.npy", "its name is a path"),
        ("c:x.npy", "its name is a path"),
    ],
)
def test_members_that_are_refused(tmp_path: Path, member: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_data(zipped(tmp_path, {"good.npy": PLAIN, member: PLAIN}))


def test_an_archive_is_looked_through_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_read_array", lambda *_: pytest.fail("read too early"))
    with pytest.raises(InputError, match=r"no \.npy array"):
        read_data(zipped(tmp_path, {"good.npy": PLAIN, "evil.pkl": b"x"}))


def test_other_compressions_and_made_up_sizes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compression is not numpy's"):
        read_data(zipped(tmp_path, {"x.npy": PLAIN}, compression=zipfile.ZIP_LZMA))
    path = zipped(tmp_path, {"x.npy": PLAIN}, compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    place = raw.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    path.write_bytes(raw[:place] + struct.pack("<I", 2**31) + raw[place + 4 :])
    with pytest.raises(InputError, match="announces 2147483648 bytes"):
        read_data(path)


def test_a_name_given_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", PLAIN)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", PLAIN)
    with pytest.raises(InputError, match="'x' twice"):
        read_data(tmp_path / "d.npz")


def test_archives_that_are_damaged_or_empty(tmp_path: Path) -> None:
    whole = zipped(tmp_path, {"x.npy": PLAIN}).read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PK", whole.replace(PLAIN[130:140], b"y" * 10)):
        with pytest.raises(InputError, match="cannot read"):
            read_data(put(tmp_path, "d.npz", content))
    with pytest.raises(InputError, match="holds no array"):
        read_data(zipped(tmp_path, {}))


def test_more_than_the_machine_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_memory", lambda: 50)
    with pytest.raises(InputError, match="more than this machine's memory"):
        read_data(put(tmp_path, "d.npy", PLAIN))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".ckpt"])
def test_kinds_that_run_code(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="can run code"):
        read_data(put(tmp_path, f"d{suffix}", pickle.dumps(Bomb())))


def test_other_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_data(tmp_path / "none.npy")
    with pytest.raises(InputError, match="is not a file"):
        read_data(tmp_path)
    with pytest.raises(InputError, match=r"unknown kind; expected \.npy, \.npz or \.safetensors"):
        read_data(put(tmp_path, "d.csv", b"1,2"))


def test_damaged_safetensors(tmp_path: Path) -> None:
    save_file({"x": torch.ones(30, 2)}, tmp_path / "d.safetensors")
    whole = (tmp_path / "d.safetensors").read_bytes()
    huge = struct.pack("<Q", 2**60) + whole[8:]
    for content in (whole[:-1], whole[:20], whole[:4], b"", huge, pickle.dumps(Bomb())):
        with pytest.raises(InputError, match="as safetensors"):
            read_safetensors(put(tmp_path, "d.safetensors", content))


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(PLAIN) - 1), value=st.integers(0, 255), cut=st.integers(0, 60))
def test_a_changed_file_is_read_or_refused(place: int, value: int, cut: int) -> None:
    content = bytearray(PLAIN)
    content[place] = value
    file = io.BytesIO(bytes(content[: len(content) - cut]))
    try:
        read = data._read_array(file, "d.npy", len(content) - cut)
    except InputError:
        return
    assert read.dtype.kind in "biuf"
