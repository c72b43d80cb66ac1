"""Writing the report: looked at before the work, then to a temporary file and renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from causalmod.errors import OutputError
from causalmod.report.section import ReportSection


def check_writable(path: str | Path, force: bool = False) -> Path:
    """Make sure that a result can be written, before the work starts.

    Args:
        path: file to be written.
        force: may an existing file be replaced?

    Returns:
        Path: the absolute path, so that a later change of directory does not matter.

    Raises: OutputError: the folder is missing or cannot be written to, the path is a folder, or the
        file
            exists and ``force`` is not set.
    """
    target = Path(path).absolute()
    folder = target.parent
    if not folder.exists():
        raise OutputError(
            f"cannot write {target}: the folder {folder} does not exist; create it first"
        )
    if not folder.is_dir():
        raise OutputError(f"cannot write {target}: {folder} is a file, not a folder")
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    if target.exists() and not force:
        raise OutputError(
            f"{target} exists already; say --force (force=True) to replace it, or name another file"
        )
    try:  # permissions alone do not tell: the file system may be read-only or full
        handle, probe = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=folder)
        os.close(handle)
        Path(probe).unlink()
    except OSError as reason:
        raise OutputError(
            f"cannot write {target}: {reason.strerror}; choose a folder that you may write to"
        ) from None
    return target


def write_text(path: Path, text: str, force: bool = False) -> Path:
    """Write a whole file or nothing: to a temporary file beside it, then renamed."""
    target = check_writable(path, force)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes private files
        os.replace(temporary, target)  # noqa: PTH105 - the one rename that replaces on every system
    except OSError as reason:
        raise OutputError(f"cannot write {target}: {reason.strerror}; free some space?") from reason
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
    return target


def write_report(
    path: str | Path,
    sections: Sequence[ReportSection],
    *,
    title: str = "causalmod report",
    force: bool = False,
    notice: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML page: no scripts, nothing fetched from elsewhere.

    Args:
        path: file to be written.
        sections: the networks, in order.
        title: heading of the page.
        force: may an existing file be replaced?
        notice: shown at the top, such as that the work was interrupted.
        notes: warnings that came up during the work.

    Returns:
        Path: the absolute path of the page.

    Raises:
        OutputError: the page cannot be written there (see :func:`check_writable`).
    """
    from causalmod.report.page import render

    target = check_writable(path, force)
    return write_text(target, render(sections, title=title, notice=notice, notes=notes), force)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
