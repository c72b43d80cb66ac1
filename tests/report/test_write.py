"""Reports are written whole or not at all, and where they go is checked before the work."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from causalmod.errors import OutputError
from causalmod.report import check_writable
from causalmod.report.write import write_text


def test_a_free_path_is_fine_and_nothing_is_left_there(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "r.html") == tmp_path / "r.html"
    assert list(tmp_path.iterdir()) == []


def test_the_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_writable("r.html") == tmp_path / "r.html"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"folder .*none does not exist; create it"):
        check_writable(tmp_path / "none" / "r.html")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_writable(tmp_path / "file" / "r.html")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file"):
        check_writable(tmp_path, force=True)


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old")
    with pytest.raises(OutputError, match="exists already; say --force"):
        check_writable(tmp_path / "r.html")
    assert check_writable(tmp_path / "r.html", force=True).read_text() == "old"


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)  # root may write anywhere
    with pytest.raises(OutputError, match="Permission denied; choose a folder"):
        check_writable(tmp_path / "r.html")


def test_a_whole_text_replaces_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old")
    write_text(tmp_path / "r.html", "new é", force=True)
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "new é"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "r.html").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_on_the_way_keeps_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "r.html").write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OutputError, match="No space left"):
        write_text(tmp_path / "r.html", "new", force=True)
    assert (tmp_path / "r.html").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_an_interruption_on_the_way_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "r.html", "new")
    assert list(tmp_path.iterdir()) == []
