"""The pinned versions satisfy the declared ranges, and cover all that is installed."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
EXTRAS = ("", "dev", "docs", "notebooks", "test")


def pins() -> dict[str, str]:
    """Return the exact versions of the constraints file, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def requirements(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    """Return what an installed distribution needs here, with these extras."""
    declared = [Requirement(line) for line in metadata.requires(name) or []]
    return [
        requirement
        for requirement in declared
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def needed() -> set[str]:
    """Return the names of all that causalmod and its extras need, however indirectly."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    left = [("causalmod", EXTRAS)]
    while left:
        name, extras = left.pop()
        if (name, extras) not in seen:
            seen.add((name, extras))
            left += [
                (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))
                for requirement in requirements(name, extras)
            ]
    return {name for name, _ in seen} - {"causalmod"}


def test_pins_are_plain_versions() -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins().values())


def test_pins_satisfy_the_declared_ranges() -> None:
    pinned = pins()
    declared = [r for r in requirements("causalmod", EXTRAS) if r.name != "causalmod"]
    assert declared
    outside = [
        str(r) for r in declared if not r.specifier.contains(pinned[canonicalize_name(r.name)])
    ]
    assert outside == []


def test_everything_needed_is_pinned() -> None:
    gpu = re.compile(r"(cuda|nvidia)-|triton$")  # torch names these exactly, per platform
    assert sorted(name for name in needed() - set(pins()) if not gpu.match(name)) == []


def test_types_are_announced() -> None:
    assert (ROOT / "causalmod" / "py.typed").is_file()
