"""The reference page names everything that is public, and what it names has an example."""

from __future__ import annotations

import inspect
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

import causalmod as cm
from causalmod import scm as scm_layer
from causalmod import variables

ROOT = Path(__file__).parent.parent
# Results of the layer of the model that are handed out, though only the layer has their names.
HANDED_OUT = [getattr(scm_layer, name) for name in scm_layer.__all__]
PUBLIC = {name: getattr(cm, name) for name in cm._PUBLIC}
CLASSES = [
    *(thing for thing in PUBLIC.values() if inspect.isclass(thing)),
    *(thing for thing in HANDED_OUT if inspect.isclass(thing) and thing not in PUBLIC.values()),
]
RESULTS = [thing for thing in CLASSES if not issubclass(thing, BaseException)]
# For those who extend the package, and look-ups: their docstrings have no example of their own.
MACHINERY = {
    "constant", "digests", "edge_routes", "facts", "node_of", "patches_of", "position",
    "provenance", "recall", "record", "recorded", "replay", "representative", "rerun", "scales",
    "site", "site_at", "site_of", "state", "taken", "unit_of", "views_of",
}  # fmt: skip


def members(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class, or a base of ours, defines."""
    for base in owner.__mro__:
        if not base.__module__.startswith("causalmod"):
            continue
        for name, held in vars(base).items():
            if isinstance(held, (property, cached_property)) or inspect.isfunction(held):
                if not name.startswith("_"):
                    yield name, held
            elif isinstance(held, (classmethod, staticmethod)) and not name.startswith("_"):
                yield name, held.__func__


def has_example(held: Any) -> bool:
    return ">>>" in (held.__doc__ or "")


@pytest.fixture(scope="module")
def on_the_page(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names that the reference page describes, as Sphinx builds it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    (source / "api.md").write_bytes((ROOT / "docs" / "api.md").read_bytes())
    options = ["-Q", "-b", "html", "-c", str(ROOT / "docs"), "-D", "master_doc=api"]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(built)]
    subprocess.run(command, cwd=ROOT, check=True)
    *_, packed = (built / "objects.inv").read_bytes().split(b"\n", 4)  # four lines of comments
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split(" ")[0] for line in lines if " py:" in line}


def test_every_public_name_is_on_the_page(on_the_page: set[str]) -> None:
    names = {
        f"{thing.__module__}.{name}"
        if inspect.isclass(thing) and issubclass(thing, BaseException)
        else f"causalmod.{name}"
        for name, thing in PUBLIC.items()
    }
    assert names - on_the_page == set()


@pytest.mark.parametrize("owner", RESULTS, ids=lambda owner: owner.__name__)
def test_every_member_is_on_the_page(owner: type, on_the_page: set[str]) -> None:
    home = "causalmod" if owner.__name__ in PUBLIC else "causalmod.scm"
    prefix = f"{home}.{owner.__name__}"
    assert prefix in on_the_page
    missing = {name for name, _ in members(owner) if f"{prefix}.{name}" not in on_the_page}
    assert missing == set()


LAYERS = ("causalmod.scm", "causalmod.interventions", "causalmod.variables")
FUNCTIONS = {
    name: held
    for name, held in [*PUBLIC.items(), *vars(variables).items()]
    if not name.startswith("_")
    and (inspect.isfunction(held) or inspect.isclass(held))
    and held.__module__.startswith(LAYERS)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_model_has_an_example(name: str) -> None:
    assert has_example(FUNCTIONS[name])


@pytest.mark.parametrize(
    "owner", [owner for owner in CLASSES if owner.__module__.startswith(LAYERS)]
)
def test_every_method_of_the_model_has_an_example(owner: type) -> None:
    assert has_example(owner)
    found = {n: held for n, held in members(owner) if not isinstance(held, property)}
    without = {name for name, held in found.items() if not has_example(held)}
    assert without - MACHINERY == set()
