"""The registry finds one-file implementations and checks them when they register."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from causalmod._registry import Registry
from causalmod.errors import InputError


class Paint:
    def mix(self, other: str, amount: float = 1.0) -> str:
        return f"{other} {amount}"


@pytest.fixture
def colours() -> Registry[Any]:
    return Registry("colour", package=None, required={"mix": ("other", "amount")})


def test_registering_gives_the_implementation_back(colours: Registry[Any]) -> None:
    assert colours.register("red")(Paint) is Paint
    assert colours.get("red") is Paint
    assert colours.names() == ("red",)
    assert list(colours) == [("red", Paint)]


def test_names_are_sorted(colours: Registry[Any]) -> None:
    for name in ("red", "blue", "green"):
        colours.register(name)(Paint)
    assert colours.names() == ("blue", "green", "red")


def test_a_name_is_taken_once(colours: Registry[Any]) -> None:
    colours.register("red")(Paint)
    with pytest.raises(InputError, match="a colour named 'red' is registered already"):
        colours.register("red")(Paint)


def test_the_signature_is_checked(colours: Registry[Any]) -> None:
    class Still:
        pass

    class Short:
        def mix(self, other: str) -> str:
            return other

    with pytest.raises(InputError, match="colour 'still' lacks the method 'mix'"):
        colours.register("still")(Still)
    with pytest.raises(InputError, match=r"mix\(\) lacks the parameters \['amount'\]; it has"):
        colours.register("short")(Short)
    assert colours.names() == ()


def test_functions_are_checked_too() -> None:
    measures: Registry[Any] = Registry("measure", None, {"__call__": ("scm", "partition")})
    measures.register("size")(lambda scm, partition: 0)
    with pytest.raises(InputError, match=r"lacks the parameters \['partition'\]"):
        measures.register("bad")(lambda scm: 0)


def test_unknown_names_get_a_suggestion(colours: Registry[Any]) -> None:
    colours.register("red")(Paint)
    with pytest.raises(InputError, match=r"unknown colour 'rde': did you mean 'red'\?"):
        colours.get("rde")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of implementations on disk, whose ``__init__`` holds the registry."""
    folder = tmp_path / "shades"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from causalmod._registry import Registry\nSHADES = Registry('shade', 'shades')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [n for n in sys.modules if n.split(".")[0] == "shades"]:
        del sys.modules[name]


def test_a_new_file_is_all_it_takes(package: Path) -> None:
    for name in ("dark", "pale"):
        (package / f"{name}.py").write_text(
            f"from shades import SHADES\n\n@SHADES.register({name!r})\nclass Shade: pass\n"
        )
    import shades  # type: ignore[import-not-found]

    assert "shades.dark" not in sys.modules, "found when asked for, not before"
    assert shades.SHADES.names() == ("dark", "pale")
    assert shades.SHADES.get("dark").__module__ == "shades.dark"


def test_a_file_that_fails_fails_every_time(package: Path) -> None:
    """The first failure must not leave a table that looks complete."""
    (package / "broken.py").write_text("raise RuntimeError('no paint')\n")
    import shades  # type: ignore[import-not-found]

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no paint"):
            shades.SHADES.names()
