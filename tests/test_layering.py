"""Imports point down the layers, every file has a layer, and no file outgrows one idea."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import causalmod

ROOT = Path(causalmod.__file__).parent
PACKAGE = "causalmod"

# From the foundations to the top. The root package (its ``__init__``) stands where its public names
# may be used: the command line calls them, nothing below does. It is itself free to import any
# layer, which it does on first use.
LAYERS = (
    "errors",
    "_registry",
    "_display",
    "_memory",
    "provenance",
    "variables",
    "partition",
    "compiler",
    "bases",
    "interventions",
    "scm",
    "bridges",
    "information",
    "exchange",
    "subspaces",
    "queries",
    "search",
    "modularity",
    "hierarchy",
    "measures",
    "proxies",
    "zoo",
    "conformance",
    "distributed",
    "plotting",
    "report",
    "__init__",
    "cli",
)
MOST_LINES = 400


class Import(NamedTuple):
    line: int
    module: str


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Yield what a file imports, absolute, wherever in the file it does so."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = [PACKAGE, *path.relative_to(root).parts[:-1]]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                stem = ".".join([*base, *([module] if module else [])])
                yield from (Import(node.lineno, f"{stem}.{name.name}") for name in names)
            case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]):
                called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
                if called in {"import_module", "__import__"}:
                    yield Import(node.lineno, module)
            case _:
                pass


def layer_of(module: str, layers: tuple[str, ...]) -> str | None:
    """Return the layer that an absolute name of the package belongs to; None for other packages."""
    first, *rest = module.split(".")
    if first != PACKAGE:
        return None
    return rest[0] if rest and rest[0] in layers else "__init__"


def violations(root: Path, layers: tuple[str, ...] = LAYERS) -> list[str]:
    """Return one line for each import that points up, and for each file without a layer."""
    found = []
    for path in sorted(root.rglob("*.py")):
        here = path.relative_to(root)
        layer = here.parts[0].removesuffix(".py")
        if layer not in layers:
            found.append(f"{here}: {layer!r} is no layer; add it to LAYERS, in its place")
            continue
        if layer == "__init__":
            continue
        for line, module in imports_of(path, root):
            target = layer_of(module, layers)
            if target is not None and layers.index(target) > layers.index(layer):
                found.append(f"{here}:{line}: {layer} imports {module}, which stands above it")
    return found


def folders_without_code(root: Path) -> list[str]:
    """Return the folders that hold no Python statement beyond a docstring, nor data."""
    empty = []
    for folder in sorted(p for p in root.rglob("*") if p.is_dir() and p.name != "__pycache__"):
        files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        data = [p for p in files if p.suffix != ".py"]
        if not data and not any(has_code(p) for p in files):
            empty.append(str(folder.relative_to(root)))
    return empty


def has_code(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not isinstance(statement, ast.Expr) for statement in body)


def too_long(root: Path, most: int = MOST_LINES) -> list[str]:
    """Return the files with more than ``most`` lines."""
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in root.rglob("*.py")}
    return [f"{p.relative_to(root)}: {n} lines" for p, n in lengths.items() if n > most]


def test_imports_point_down() -> None:
    assert violations(ROOT) == []


def test_every_folder_holds_code() -> None:
    assert folders_without_code(ROOT) == []


def test_no_file_outgrows_one_idea() -> None:
    assert too_long(ROOT) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import causalmod.cli",
        "import causalmod.search.spectral as s",
        "import causalmod",
        "from causalmod import compile",
        "from causalmod import search",
        "from causalmod.search import spectral",
        "from .. import search",
        "from ..search.spectral import cluster",
        "def late():\n    from causalmod.search import spectral",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from causalmod.search import x",
        "from importlib import import_module\nimport_module('causalmod.search')",
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, statement: str) -> None:
    plant(tmp_path, "information/binned.py", statement)
    (found,) = violations(tmp_path)
    assert "information imports causalmod" in found
    assert found.startswith(f"{Path('information/binned.py')}:")


@pytest.mark.parametrize(
    "statement",
    [
        "import torch",
        "import causalmod.scm",
        "from causalmod.errors import InputError",
        "from causalmod import errors",
        "from . import exact",
        "from .exact import entropy",
        "from ..errors import InputError",
        "from causalmod.information.exact import entropy",
    ],
)
def test_an_import_downwards_or_beside_is_allowed(tmp_path: Path, statement: str) -> None:
    plant(tmp_path, "information/binned.py", statement)
    assert violations(tmp_path) == []


def test_the_root_may_import_anything_and_the_command_line_the_root(tmp_path: Path) -> None:
    plant(tmp_path, "__init__.py", "from causalmod import cli")
    plant(tmp_path, "cli.py", "import causalmod as cm\nfrom causalmod import compile")
    assert violations(tmp_path) == []


@pytest.mark.parametrize("name", ["utils.py", "helpers/__init__.py"])
def test_an_unknown_layer_is_caught(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name, "x = 1")
    (found,) = violations(tmp_path)
    assert "is no layer" in found


def test_an_empty_folder_is_caught(tmp_path: Path) -> None:
    plant(tmp_path, "scm/__init__.py", '"""Only words."""')
    plant(tmp_path, "zoo/__init__.py", "x = 1")
    (tmp_path / "search").mkdir()
    assert folders_without_code(tmp_path) == ["scm", "search"]


def test_a_long_file_is_caught(tmp_path: Path) -> None:
    plant(tmp_path, "scm.py", "x = 1\n" * (MOST_LINES + 1))
    plant(tmp_path, "cli.py", "x = 1\n" * MOST_LINES)
    assert too_long(tmp_path) == [f"scm.py: {MOST_LINES + 1} lines"]


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
