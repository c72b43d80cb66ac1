"""Expressions for sizes, such as ``2*s0 + 1``: read by a parser, never run as code.

torch hands the expressions of a file to ``sympy.sympify``, which runs Python. Here a text has to be
made of whole numbers, symbols and ``+ - * // %``, written as a formula or the way sympy prints its
objects (``Add(Mul(Integer(2), Symbol('s0')), Integer(1))``), within bounds on its length, its depth
and its numbers, besides the smaller or larger of two sizes; everything else is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

from causalmod.errors import CompileError

LONGEST = 4_000
DEEPEST = 40
MOST_PARTS = 400
LARGEST = 2**63

_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|('\w*')|(//|<=|>=|==|!=|[-+*%()<>,=]))", re.ASCII)
_SYMBOL = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)

_INFIX = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_INFIX |= {"//": operator.floordiv, "%": operator.mod}
_NAMED: dict[str, Callable[[int, int], int]] = {
    "Add": operator.add, "Mul": operator.mul, "FloorDiv": operator.floordiv,
    "CleanDiv": operator.floordiv, "Mod": operator.mod, "PythonMod": operator.mod,
    "Min": min, "Max": max, "min": min, "max": max,
}  # fmt: skip
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "Equality": operator.eq, "Eq": operator.eq, "Unequality": operator.ne,
    "Ne": operator.ne, "StrictLessThan": operator.lt, "LessThan": operator.le,
    "StrictGreaterThan": operator.gt, "GreaterThan": operator.ge,
}  # fmt: skip
_MANY = {"Add", "Mul", "Min", "Max", "min", "max"}
_FLAGS = {"positive", "integer", "nonnegative", "negative", "nonzero", "zero", "real"}


@dataclass(frozen=True)
class Expression:
    """A size, as a tree.

    Attributes:
        tree: a number, a symbol, or a function and what it is applied to.
    """

    tree: int | str | tuple[Callable[[int, int], int], tuple[Expression, ...]]

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the symbols in it."""
        if isinstance(self.tree, tuple):
            return frozenset().union(*(part.symbols for part in self.tree[1]))
        return frozenset({self.tree} if isinstance(self.tree, str) else ())

    @property
    def numbers(self) -> frozenset[int]:
        """Whole numbers that stand in it."""
        if isinstance(self.tree, tuple):
            return frozenset().union(*(part.numbers for part in self.tree[1]))
        return frozenset({self.tree} if isinstance(self.tree, int) else ())

    @property
    def symbol(self) -> str | None:
        """The symbol, when the expression is nothing but one."""
        return self.tree if isinstance(self.tree, str) else None

    def value(self, sizes: Mapping[str, int]) -> int:
        """Compute the expression for known symbols.

        Raises:
            CompileError: a division by zero, or a number that is no size.
        """
        if isinstance(self.tree, str):
            return sizes[self.tree]
        if isinstance(self.tree, int):
            return self.tree
        apply, parts = self.tree
        try:
            found = reduce(apply, (part.value(sizes) for part in parts))
        except ZeroDivisionError:
            raise CompileError("a size in the file divides by zero") from None
        return _bounded(found)


def read_expression(text: str, compare: bool = False) -> Expression:
    """Read the expression of a size, or refuse it.

    Args:
        text: the expression.
        compare: may it compare two sizes? Its value is then 0 or 1.

    Raises:
        CompileError: it is anything but whole numbers and symbols under ``+ - * // %``.

    Example:
        >>> read_expression("2*(s0 + 1) // 3").value({"s0": 5})
        4
        >>> read_expression("Mul(Integer(2), Symbol('s0', positive=True))").value({"s0": 5})
        10
        >>> read_expression("exit()")
        Traceback (most recent call last):
        causalmod.errors.CompileError: a size in the file is no size: 'exit()' at 'exit'; ...
    """
    return _Reader(text, compare).read()


def _bounded(number: int) -> int:
    if abs(number) >= LARGEST:
        raise CompileError("a size in the file passes 2**63; no tensor is that large")
    return number


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, compare: bool) -> None:
        self._text, self._compare, self._depth, self._at = text, compare, 0, 0
        if len(text) > LONGEST:
            raise self._refused(f"longer than {LONGEST} characters")
        self._tokens: list[str] = []
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._refused(repr(text[place : place + 20].strip()))
            self._tokens.append(match.group().strip())
            place = match.end()
        if len(self._tokens) > MOST_PARTS:
            raise self._refused(f"more than {MOST_PARTS} parts")

    def read(self) -> Expression:
        found = self._comparison()
        if self._at < len(self._tokens):
            raise self._refused(repr(self._tokens[self._at]))
        return found

    def _refused(self, where: str) -> CompileError:
        shown = self._text if len(self._text) <= 80 else self._text[:77] + "..."
        return CompileError(
            f"a size in the file is no size: {shown!r} at {where}; expected whole numbers and "
            "symbols under + - * // %"
        )

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str | None = None) -> str:
        token = self._next()
        if not token or (wanted is not None and token != wanted):
            raise self._refused(repr(token) if token else "its end")
        self._at += 1
        return token

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._compare and self._next() in _COMPARED:
            apply = _COMPARED[self._take()]
            return Expression((apply, (left, self._sum())))
        return left

    def _sum(self) -> Expression:
        found = self._product()
        while self._next() in {"+", "-"}:
            found = Expression((_INFIX[self._take()], (found, self._product())))
        return found

    def _product(self) -> Expression:
        found = self._factor()
        while self._next() in {"*", "//", "%"}:
            found = Expression((_INFIX[self._take()], (found, self._factor())))
        return found

    def _factor(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._refused(f"more than {DEEPEST} levels")
        token = self._take()
        if token == "-":
            found = Expression((operator.sub, (Expression(0), self._factor())))
        elif token == "(":
            found = self._comparison()
            self._take(")")
        elif token.isdecimal():
            found = self._number(token)
        elif _SYMBOL.fullmatch(token):
            found = self._call(token) if self._next() == "(" else Expression(token)
        else:
            raise self._refused(repr(token))
        self._depth -= 1
        return found

    def _number(self, token: str) -> Expression:
        if len(token) > 19:
            raise self._refused("a number of more than 19 digits")
        return Expression(_bounded(int(token)))

    def _call(self, name: str) -> Expression:
        self._take("(")
        if name == "Symbol":
            found = self._symbol()
        elif name == "Integer":
            sign = -1 if self._next() == "-" and self._take() else 1
            number = self._take()
            if not number.isdecimal():
                raise self._refused(repr(number))
            found = Expression(sign * int(str(self._number(number).tree)))
        elif name in _NAMED or (self._compare and name in _COMPARED):
            parts = [self._comparison()]
            while self._next() == ",":
                self._take()
                parts.append(self._comparison())
            if len(parts) < 2 or (len(parts) > 2 and name not in _MANY):
                raise self._refused(repr(name))
            apply = _NAMED[name] if name in _NAMED else _COMPARED[name]
            found = Expression((apply, tuple(parts)))
        else:
            raise self._refused(repr(name))
        self._take(")")
        return found

    def _symbol(self) -> Expression:
        quoted = self._take()
        name = quoted[1:-1]
        if not (quoted.startswith("'") and _SYMBOL.fullmatch(name)):
            raise self._refused(repr(quoted))
        while self._next() == ",":
            self._take()
            flag = self._take()
            self._take("=")
            if flag not in _FLAGS or self._take() not in {"True", "False"}:
                raise self._refused(repr(flag))
        return Expression(name)
