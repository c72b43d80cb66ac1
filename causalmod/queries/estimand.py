"""Estimands: what a causal question comes to in terms of observed probabilities.

An estimand is a tree of conditional probabilities, products, sums and ratios. It can be read,
written in LaTeX, and evaluated on anything that gives marginal tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from causalmod.queries.terms import quoted


@dataclass(frozen=True)
class Conditional:
    """``P(variables | given)`` of the observed distribution.

    Example:
        >>> print(Conditional(("y",), ("x", "z")))
        P(y | x, z)
    """

    variables: tuple[str, ...]
    given: tuple[str, ...] = ()

    @cached_property
    def free(self) -> frozenset[str]:
        """The variables that its value depends on."""
        return frozenset((*self.variables, *self.given))

    def __str__(self) -> str:
        return write(self)


@dataclass(frozen=True)
class Product:
    """A product of estimands; of none, 1."""

    factors: tuple[Estimand, ...]

    @cached_property
    def free(self) -> frozenset[str]:
        """The variables that its value depends on."""
        return frozenset().union(*(factor.free for factor in self.factors))

    def __str__(self) -> str:
        return write(self)


@dataclass(frozen=True)
class Sum:
    """The sum of an estimand over all values of some variables."""

    over: tuple[str, ...]
    body: Estimand

    @cached_property
    def free(self) -> frozenset[str]:
        """The variables that its value depends on."""
        return self.body.free - set(self.over)

    def __str__(self) -> str:
        return write(self)


@dataclass(frozen=True)
class Ratio:
    """One estimand over another."""

    above: Estimand
    below: Estimand

    @cached_property
    def free(self) -> frozenset[str]:
        """The variables that its value depends on."""
        return self.above.free | self.below.free

    def __str__(self) -> str:
        return write(self)


Estimand = Conditional | Product | Sum | Ratio
ONE = Product(())


def conditionals(estimand: Estimand) -> tuple[Conditional, ...]:
    """Return every conditional probability in an estimand, without repeats.

    Parts that stand in several places are looked at once.
    """
    found: dict[Conditional, None] = {}
    seen: set[int] = set()
    stack: list[Estimand] = [estimand]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        match part:
            case Conditional():
                found[part] = None
            case Product(factors):
                stack.extend(reversed(factors))
            case Sum(_, body):
                stack.append(body)
            case Ratio(above, below):
                stack.extend((below, above))
    return tuple(found)


# --- arithmetic that keeps estimands short --------------------------------------------------------


def times(factors: Iterable[Estimand]) -> Estimand:
    """Multiply, joining ``P(a | b, c) P(b | c)`` to ``P(a, b | c)``."""
    flat: list[Estimand] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Product) else [factor])
    joined = True
    while joined:
        joined = False
        by_free: dict[frozenset[str], Conditional] = {}
        for factor in flat:
            if isinstance(factor, Conditional):
                by_free.setdefault(factor.free, factor)
        for place, one in enumerate(flat):
            other = by_free.get(frozenset(one.given)) if isinstance(one, Conditional) else None
            if isinstance(one, Conditional) and other is not None:
                flat[place] = Conditional((*other.variables, *one.variables), other.given)
                flat.remove(other)
                joined = True
                break
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def sum_out(estimand: Estimand, over: Iterable[str]) -> Estimand:
    """Sum over variables; what sums to one is dropped."""
    left = [name for name in dict.fromkeys(over) if name in estimand.free]
    factors = list(estimand.factors) if isinstance(estimand, Product) else [estimand]
    dropped = True
    while dropped:
        dropped = False
        for name in left:
            users = [factor for factor in factors if name in factor.free]
            if len(users) != 1 or not isinstance(users[0], Conditional):
                continue
            if name not in users[0].variables:
                continue
            rest = tuple(v for v in users[0].variables if v != name)
            place = factors.index(users[0])
            factors[place : place + 1] = [Conditional(rest, users[0].given)] if rest else []
            left.remove(name)
            dropped = True
            break
    if not left:
        return times(factors)
    inside = [f for f in factors if f.free & set(left)]
    outside = [f for f in factors if not f.free & set(left)]
    body = times(inside)
    if isinstance(body, Sum):
        body, left = body.body, [*left, *body.over]
    if len(inside) > 1 and not isinstance(body, Product):
        return times([*outside, sum_out(body, left)])  # joined: more may drop out
    return times([*outside, Sum(tuple(left), body)]) if outside else Sum(tuple(left), body)


def divide(above: Estimand, below: Estimand) -> Estimand:
    """Divide, cancelling what stands on both sides."""
    tops: list[Estimand] = list(above.factors) if isinstance(above, Product) else [above]
    bottoms: list[Estimand] = list(below.factors) if isinstance(below, Product) else [below]
    for factor in list(tops):
        if factor in bottoms:
            tops.remove(factor)
            bottoms.remove(factor)
    for factor in list(bottoms):
        for place, top in enumerate(tops):
            if (
                isinstance(factor, Conditional)
                and isinstance(top, Conditional)
                and set(factor.given) == set(top.given)
                and set(factor.variables) < set(top.variables)
            ):
                rest = tuple(v for v in top.variables if v not in factor.variables)
                tops[place] = Conditional(rest, (*factor.variables, *top.given))
                bottoms.remove(factor)
                break
    return Ratio(times(tops), times(bottoms)) if bottoms else times(tops)


# --- writing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Style:
    name: Callable[[str], str]
    bar: str
    product: str
    total: str
    ratio: str
    opening: str
    closing: str


_PLAIN = _Style(quoted, " | ", " ", "Σ_{{{}}} ", "{} / {}", "[", "]")


def write(estimand: Estimand) -> str:
    """Write an estimand as text; a bound variable named like a free one gets a prime.

    Example:
        >>> inner = Sum(("x",), Product((Conditional(("y",), ("m", "x")), Conditional(("x",)))))
        >>> print(Sum(("m",), Product((Conditional(("m",), ("x",)), inner))))
        Σ_{m} P(m | x) Σ_{x'} P(y | m, x') P(x')
    """
    return _write(estimand, {name: quoted(name) for name in estimand.free}, _PLAIN, False)


def latex(estimand: Estimand) -> str:
    r"""Write an estimand in LaTeX.

    Example:
        >>> print(latex(Conditional(("fc2[0]",), ("fc1[3]",))))
        P\left(\mathrm{fc2}_{0} \mid \mathrm{fc1}_{3}\right)
    """
    style = _Style(
        latex_name,
        r" \mid ",
        r" \, ",
        r"\sum_{{{}}} ",
        r"\frac{{{}}}{{{}}}",
        r"\left[",
        r"\right]",
    )
    return _write(estimand, {name: latex_name(name) for name in estimand.free}, style, False)


def latex_name(name: str) -> str:
    r"""Write the name of a variable in LaTeX.

    Example:
        >>> latex_name("x"), latex_name("fc1[3]"), latex_name("h.0_b")
        ('x', '\\mathrm{fc1}_{3}', '\\mathrm{h.0\\_b}')
    """
    found = re.fullmatch(r"(?P<site>.+?)\[(?P<index>[\d:,\s]+)\]", name)
    site, index = (found["site"], f"_{{{found['index']}}}") if found else (name, "")
    escaped = re.sub(r"([\\{}_^#&%$~])", lambda m: "\\" + m[1] if m[1] in "{}_#&%$" else " ", site)
    return (escaped if len(site) == 1 else rf"\mathrm{{{escaped}}}") + index


def _write(estimand: Estimand, names: Mapping[str, str], style: _Style, inside: bool) -> str:
    match estimand:
        case Conditional(variables, given):
            left, right = (", ".join(names[v] for v in group) for group in (variables, given))
            body = f"{left}{style.bar}{right}" if right else left
            return rf"P\left({body}\right)" if style is not _PLAIN else f"P({body})"
        case Product(()):
            return "1"
        case Product(factors):
            parts = sorted(factors, key=lambda f: not isinstance(f, Conditional))
            last = len(parts) - 1
            texts = [_write(f, names, style, place < last) for place, f in enumerate(parts)]
            return style.product.join(texts)
        case Sum(over, body):
            inner = dict(names)
            for name in over:
                inner[name] = names[name] + "'" if name in names else style.name(name)
            head = style.total.format(", ".join(inner[name] for name in over))
            text = head + _write(body, inner, style, False)
            return f"{style.opening}{text}{style.closing}" if inside else text
        case Ratio(above, below):
            texts = [_write(part, names, style, False) for part in (above, below)]
            if style is _PLAIN:
                texts = [
                    text if isinstance(part, Conditional) else f"[{text}]"
                    for text, part in zip(texts, (above, below), strict=True)
                ]
            text = style.ratio.format(*texts)
            return f"({text})" if inside and style is _PLAIN else text
