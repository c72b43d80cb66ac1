"""Variables, and the text that selects them.

Selectors are written ``"fc1"`` (a whole site), ``"fc1[3]"`` (one variable) and ``"fc1[0:4]"`` or
``"fc1[0,2,5]"`` (several). Numbers count the variables of a site: units, heads or, in a basis,
directions or blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalmod.errors import SelectorError, nearest


@dataclass(frozen=True)
class Variable:
    """One variable of a site.

    Example:
        >>> str(Variable("fc1", 3))
        'fc1[3]'
    """

    site: str
    index: int

    @property
    def name(self) -> str:
        """The selector of this variable."""
        return f"{self.site}[{self.index}]"

    def __str__(self) -> str:
        return self.name


def parse(selector: str) -> tuple[str, tuple[int | slice, ...] | None]:
    """Split a selector into a site name and indices (None for the whole site).

    Example:
        >>> parse("h.0.attn[2]")
        ('h.0.attn', (2,))
        >>> parse("fc1[0:4]")
        ('fc1', (slice(0, 4, None),))
        >>> parse("fc1")
        ('fc1', None)

    Raises:
        SelectorError: the text in brackets is not made of non-negative integers and slices.
    """
    if not isinstance(selector, str) or not selector.strip():
        raise SelectorError(
            f"a selector is text such as 'fc1', 'fc1[3]' or 'fc1[0:4]'; given {selector!r}"
        )
    text = selector.strip()
    site, bracket, inside = text.rpartition("[")
    if not (site and bracket and inside.endswith("]")):
        return text, None
    return site, tuple(_index(part, selector) for part in inside[:-1].split(","))


def _index(text: str, selector: str) -> int | slice:
    pieces = text.strip().split(":")
    if len(pieces) <= 3 and all(
        piece.strip() == "" or piece.strip().isdecimal() for piece in pieces
    ):
        numbers = [int(piece) if piece.strip() else None for piece in pieces]
        if len(numbers) > 1 and (len(numbers) < 3 or numbers[2] != 0):
            return slice(*numbers)
        if len(numbers) == 1 and numbers[0] is not None:
            return numbers[0]
    raise SelectorError(
        f"cannot read {text!r} in the selector {selector!r}: write a non-negative integer or a "
        "slice, as in 'fc1[3]', 'fc1[0:4]' or 'fc1[0,2,5]'"
    )


def expand(selector: str, counts: dict[str, int]) -> tuple[Variable, ...]:
    """Return the variables that a selector names; ``counts`` maps each site to its size.

    Example:
        >>> [str(v) for v in expand("fc1[0:2]", {"fc1": 4})]
        ['fc1[0]', 'fc1[1]']

    Raises:
        SelectorError: the site is unknown (the nearest is suggested), or an index is out of range.
    """
    site, indices = (selector, None) if selector in counts else parse(selector)
    if site not in counts:
        raise SelectorError(f"unknown site {site!r} in {selector!r}: {nearest(site, counts)}")
    return choose(site, indices, counts[site], selector)


def choose(
    site: str, indices: tuple[int | slice, ...] | None, count: int, selector: str
) -> tuple[Variable, ...]:
    """Return the variables of a site at some indices; see :func:`parse` and :func:`expand`.

    Raises:
        SelectorError: an index is out of range; ``selector`` is what the user wrote.

    Example:
        >>> [str(variable) for variable in choose("fc1", (0, slice(2, None)), 4, "fc1[0,2:]")]
        ['fc1[0]', 'fc1[2]', 'fc1[3]']
    """
    if indices is None:
        return tuple(Variable(site, index) for index in range(count))
    found: list[Variable] = []
    for index in indices:
        last = index if isinstance(index, int) else (index.stop or 1) - 1
        if last >= count:
            raise SelectorError(
                f"{selector!r}: site {site!r} has {count} variables, numbered 0 to {count - 1}"
            )
        if isinstance(index, int):
            found.append(Variable(site, index))
        else:
            chosen = range(count)[index]
            if not chosen:
                raise SelectorError(f"{selector!r} selects nothing: {site!r} has {count} variables")
            found.extend(Variable(site, place) for place in chosen)
    return tuple(found)
