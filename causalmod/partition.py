"""Partition: which variable belongs to which module. Immutable, canonical, pure data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from causalmod.errors import PartitionError
from causalmod.variables import Variable, parse


class Partition:
    """A split of variables into named, disjoint, non-empty modules.

    Args:
        modules: for each module name its members, as selectors: ``"fc1[3]"``, ``"fc1[0:4]"``
            (slices are expanded here), or a whole site ``"fc1"`` (expanded by the model that it is
            used on). A single selector need not be in a list.

    Members are kept in a canonical order (by site, then index), modules in the order given. Two
    partitions are equal when they have the same modules under the same names; compare
    :attr:`blocks` to ignore names.

    Raises:
        PartitionError: fewer than two modules, an empty module, or a variable named twice.

    Example:
        >>> p = Partition({"left": ["fc1[0:2]", "out[0]"], "right": ["fc1[2]", "out[1]"]})
        >>> p.modules["left"]
        ('fc1[0]', 'fc1[1]', 'out[0]')
        >>> p.labels["out[1]"]
        'right'
        >>> len(p)
        2
    """

    __slots__ = ("_labels", "_modules")

    def __init__(self, modules: Mapping[str, Iterable[str | Variable] | str | Variable]) -> None:
        if not isinstance(modules, Mapping):
            raise PartitionError(
                "a partition is a mapping from module name to members, such as "
                f"{{'left': ['fc1[0:4]'], 'right': ['fc1[4:8]']}}; given {type(modules).__name__}"
            )
        if len(modules) < 2:
            raise PartitionError(
                f"a partition needs at least two modules, given {len(modules)}: {list(modules)}"
                + ("; Partition.whole(members) is the one that splits nothing" if modules else "")
            )
        self._fill(modules)

    def _fill(self, modules: Mapping[str, Iterable[str | Variable] | str | Variable]) -> None:
        expanded: dict[str, tuple[str, ...]] = {}
        owner: dict[str, str] = {}
        for name, members in modules.items():
            if not isinstance(name, str) or not name:
                raise PartitionError(f"module names are non-empty text; given {name!r}")
            names = _members(name, members)
            for variable in names:
                _claim(variable, name, owner)
            expanded[name] = tuple(sorted(names, key=_order))
        self._modules = MappingProxyType(expanded)
        self._labels = MappingProxyType({v: m for m, names in expanded.items() for v in names})

    @classmethod
    def from_labels(cls, labels: Mapping[str, Hashable]) -> Partition:
        """Build a partition from variable → label.

        Example:
            >>> Partition.from_labels({"a[0]": 0, "a[1]": 1}).modules["1"]
            ('a[1]',)
        """
        modules: dict[str, list[str]] = {}
        for variable, label in labels.items():
            modules.setdefault(str(label), []).append(variable)
        return cls(modules)

    @classmethod
    def whole(
        cls, members: Iterable[str | Variable] | str | Variable, name: str = "A"
    ) -> Partition:
        """Return the one partition with a single module: the answer "no modules were found".

        Example:
            >>> Partition.whole(["fc1[0:2]"]).modules
            mappingproxy({'A': ('fc1[0]', 'fc1[1]')})
        """
        made = cls.__new__(cls)
        made._fill({name: members})
        return made

    @property
    def modules(self) -> Mapping[str, tuple[str, ...]]:
        """Module name → names of its variables."""
        return self._modules

    @property
    def labels(self) -> Mapping[str, str]:
        """Variable name → module name."""
        return self._labels

    @property
    def blocks(self) -> frozenset[frozenset[str]]:
        """The modules as sets, without their names."""
        return frozenset(frozenset(members) for members in self._modules.values())

    def to_dict(self) -> dict[str, list[str]]:
        """Return plain data that ``json`` can write."""
        return {name: list(members) for name, members in self._modules.items()}

    def __reduce__(self) -> tuple[Callable[..., Partition], tuple[Any, ...]]:
        if len(self) == 1:
            (name,) = self
            return Partition.whole, (self.modules[name], name)
        return Partition, (self.to_dict(),)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partition) and dict(self._modules) == dict(other._modules)

    def __hash__(self) -> int:
        return hash(frozenset(self._modules.items()))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(members)}" for name, members in self._modules.items())
        return f"Partition({sizes})"


def _members(module: str, members: object) -> list[str]:
    """Return the variables (or whole sites) that a module lists."""
    if not isinstance(members, (str, Variable, Iterable)):
        raise PartitionError(
            f"module {module!r}: expected a list of selectors such as ['fc1[0:4]'], "
            f"given {type(members).__name__}"
        )
    listed = [members] if isinstance(members, (str, Variable)) else list(members)
    selectors = [each.name if isinstance(each, Variable) else each for each in listed]
    names = [variable for selector in selectors for variable in _unroll(selector)]
    if not names:
        raise PartitionError(f"module {module!r} is empty: give it at least one variable")
    return names


def _claim(variable: str, module: str, owner: dict[str, str]) -> None:
    """Note that a module owns a variable; a whole site overlaps with each of its variables."""
    site, indices = parse(variable)
    rivals = [variable] if indices is None else [variable, site]
    if indices is None:
        rivals += [other for other in owner if parse(other)[0] == site]
    for rival in rivals:
        if rival in owner:
            what = repr(variable) if rival == variable else f"{variable!r} (it overlaps {rival!r})"
            raise PartitionError(
                f"{what} is given twice: in module {owner[rival]!r} and in module {module!r}; "
                "modules must not overlap, nor repeat a variable"
            )
    owner[variable] = module


def _unroll(selector: str) -> list[str]:
    site, indices = parse(selector)
    if indices is None:
        return [site]
    names: list[str] = []
    for index in indices:
        if isinstance(index, int):
            names.append(f"{site}[{index}]")
        elif index.stop is None:
            raise PartitionError(
                f"{selector!r} has no end: a partition is plain data and does not know the size of "
                f"{site!r}; write the end, as in '{site}[0:4]'"
            )
        else:
            places = range(index.start or 0, index.stop, index.step or 1)
            if not places:
                raise PartitionError(
                    f"{selector!r} selects nothing: its end is not after its start"
                )
            names.extend(f"{site}[{place}]" for place in places)
    return names


def _order(variable: str) -> tuple[str, int]:
    site, indices = parse(variable)
    first = indices[0] if indices else -1
    return site, first if isinstance(first, int) else -1
