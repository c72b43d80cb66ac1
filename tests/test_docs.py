"""The Python that the README and the documentation show is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^>>> ", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<target>[^)#]+)[^)]*\)")

RUN = """
import doctest, sys, warnings
import matplotlib, torch  # what they warn of when loaded is not the page's doing
warnings.simplefilter("error")
matplotlib.use("agg")
{code}
"""


def program(page: Path) -> str:
    """Return a page's code blocks as one program, at the line numbers they have in the page."""
    text = page.read_text(encoding="utf-8")
    parts = []
    for block in FENCE.finditer(text):
        code, line = block["code"], text[: block.start("code")].count("\n")
        if PROMPT.search(code):
            parts.append(
                f"tests = doctest.DocTestParser().get_doctest({code!r}, globals(), 'block', "
                f"{page.name!r}, {line})\n"
                "flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE\n"
                "runner = doctest.DocTestRunner(optionflags=flags)\n"
                "runner.run(tests, clear_globs=False)\n"
                "runner.summarize(verbose=False).failed and sys.exit(1)\n"
                "globals().update(tests.globs)\n"  # last: an earlier block's runner is among them
            )
        else:
            padded = "\n" * line + code
            parts.append(f"exec(compile({padded!r}, {page.name!r}, 'exec'), globals())\n")
    return RUN.format(code="".join(parts)) if parts else ""


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program(page)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("page", [page for page in PAGES if program(page)], ids=lambda p: p.name)
def test_the_code_on_a_page_runs(page: Path, tmp_path: Path) -> None:
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("x = 1\nassert x == 2\n", "AssertionError"),
        (">>> 1 + 1\n3\n", "Expected:\n    3"),
        (">>> 1\n1\n```\n\n```python\n>>> 1 + 1\n3\n", "Expected:\n    3"),
        ("import warnings\nwarnings.warn('old')\n", "UserWarning: old"),
    ],
)
def test_a_wrong_block_is_caught(tmp_path: Path, block: str, says: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        f"# Title\n\n```python\nx = 0\n```\n\n```python\n{block}```\n", encoding="utf-8"
    )
    done = run(page, tmp_path)
    assert done.returncode == 1
    assert says in done.stdout + done.stderr


def test_blocks_share_names_and_keep_their_line_numbers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    blocks = ["x = 1", ">>> y = x + 1\n>>> y\n2", "print(y)\n1 / 0"]
    text = "\n".join(f"```python\n{block}\n```\n" for block in blocks)
    page.write_text(text, encoding="utf-8")
    done = run(page, tmp_path)
    assert done.stdout == "2\n"
    assert 'File "page.md", line 13' in done.stderr
