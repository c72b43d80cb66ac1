"""The three rules of do-calculus: may this step be taken, on which graph, and if not, why not.

With ``y`` the outcomes, ``x`` what is done throughout, ``w`` what is known throughout:

1. insertion and deletion of observations:
   ``P(y | do(x), z, w) = P(y | do(x), w)`` where z and y are separated by x, w without the arrows
   into x;
2. exchange of action and observation:
   ``P(y | do(x), do(z), w) = P(y | do(x), z, w)`` where they are without the arrows into x and out
   of z;
3. insertion and deletion of actions:
   ``P(y | do(x), do(z), w) = P(y | do(x), w)`` where they are without the arrows into x and into
   those z that are no ancestors of w.

Source: Pearl, *Causality* (2009), theorem 3.4.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causalmod._display import html_table
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.levels import read
from causalmod.queries.separation import OpenPath, open_path, separated
from causalmod.queries.terms import quoted

if TYPE_CHECKING:
    import networkx as nx

    from causalmod.queries.levels import Model

__all__ = [
    "Step",
    "exchange_action_and_observation",
    "insert_or_delete_action",
    "insert_or_delete_observation",
]

Names = Iterable[str] | str


@dataclass(frozen=True)
class Step:
    """One step of do-calculus. True where it is licensed.

    Attributes:
        rule: number of the rule.
        equation: the two sides that it makes equal.
        licensed: do they have to be equal in every model of the graph?
        graph: the mutilated graph in which the rule looks; hidden causes are nodes.
        without: which arrows are cut there.
        open_path: a path that is open there, where the step is not licensed.

    Not licensed says that some model of the graph makes the two sides differ; in a deterministic
    network they may be equal all the same.
    """

    rule: int
    equation: str
    licensed: bool
    graph: nx.DiGraph = field(repr=False)
    without: str
    open_path: OpenPath | None

    def __bool__(self) -> bool:
        return self.licensed

    def __str__(self) -> str:
        if self.licensed:
            return f"{self.equation}  by rule {self.rule} (without {self.without})"
        return (
            f"rule {self.rule} does not license {self.equation}: without {self.without}, the path "
            f"{self.open_path} is open"
        )

    def __repr__(self) -> str:
        return f"Step({self})"

    def _repr_html_(self) -> str:
        path = [("open path", str(self.open_path))] if self.open_path else []
        rows = [("licensed", "yes" if self.licensed else "no"), ("without", self.without), *path]
        return html_table(f"Rule {self.rule}: {self.equation}", rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "rule": self.rule,
            "equation": self.equation,
            "licensed": self.licensed,
            "without": self.without,
            "open_path": None if self.open_path is None else str(self.open_path),
        }


def insert_or_delete_observation(
    model: Model,
    outcome: Names,
    observation: Names,
    *,
    do: Names = (),
    given: Names = (),
    observed: Names | None = None,
    level: str = "auto",
) -> Step:
    """Rule 1: is ``P(y | do(x), z, w) = P(y | do(x), w)``?

    Args:
        model: a compiled model, a networkx graph (nodes with ``exogenous=True`` are latent), or a
            :class:`~causalmod.queries.diagram.CausalDiagram`.
        outcome: y.
        observation: z.
        do: x.
        given: w.
        observed: what is not latent; by default everything but the row of the data.
        level: the graph to look at: ``"auto"``, ``"unit"``, ``"site"``, ``"module"`` or ``"site and
            module"``, see :func:`causalmod.identify`.

    Raises:
        SelectorError: an unknown name; the nearest is suggested.
        QueryError: a variable has two roles, or was not logged.

    Source: Pearl, *Causality* (2009), theorem 3.4.1, rule 1.

    Example:
        >>> import networkx as nx
        >>> chain = nx.DiGraph([("x", "m"), ("m", "y")])
        >>> print(insert_or_delete_observation(chain, "y", "x", given="m"))
        P(y | x, m) = P(y | m)  by rule 1 (without nothing)
    """
    diagram, y, z, x, w = _read(model, (outcome, observation, do, given), observed, level)
    cut = diagram.mutilate(into=x)
    equation = f"{_p(y, x, (*z, *w))} = {_p(y, x, w)}"
    return _step(1, equation, cut, (y, z, x, w), _without(x, ()))


def exchange_action_and_observation(
    model: Model,
    outcome: Names,
    exchanged: Names,
    *,
    do: Names = (),
    given: Names = (),
    observed: Names | None = None,
    level: str = "auto",
) -> Step:
    """Rule 2: is ``P(y | do(x), do(z), w) = P(y | do(x), z, w)``?

    Args:
        model: what is asked about, as for :func:`insert_or_delete_observation`.
        outcome: y.
        exchanged: z.
        do: x.
        given: w.
        observed: what is not latent.
        level: the graph to look at.

    Raises:
        SelectorError: an unknown name.
        QueryError: a variable has two roles, or was not logged.

    Source: Pearl, *Causality* (2009), theorem 3.4.1, rule 2.

    Example:
        >>> import networkx as nx
        >>> fork = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
        >>> print(exchange_action_and_observation(fork, "y", "x", given="z"))
        P(y | do(x), z) = P(y | x, z)  by rule 2 (without the arrows out of x)
        >>> exchange_action_and_observation(fork, "y", "x")
        Step(rule 2 does not license P(y | do(x)) = P(y | x): without the arrows out of x, the path
        y <- z -> x is open)
    """
    diagram, y, z, x, w = _read(model, (outcome, exchanged, do, given), observed, level)
    cut = diagram.mutilate(into=x, out_of=z)
    equation = f"{_p(y, (*x, *z), w)} = {_p(y, x, (*z, *w))}"
    return _step(2, equation, cut, (y, z, x, w), _without(x, z))


def insert_or_delete_action(
    model: Model,
    outcome: Names,
    action: Names,
    *,
    do: Names = (),
    given: Names = (),
    observed: Names | None = None,
    level: str = "auto",
) -> Step:
    """Rule 3: is ``P(y | do(x), do(z), w) = P(y | do(x), w)``?

    Args:
        model: what is asked about, as for :func:`insert_or_delete_observation`.
        outcome: y.
        action: z.
        do: x.
        given: w.
        observed: what is not latent.
        level: the graph to look at.

    Raises:
        SelectorError: an unknown name.
        QueryError: a variable has two roles, or was not logged.

    Source: Pearl, *Causality* (2009), theorem 3.4.1, rule 3.

    Example:
        >>> import networkx as nx
        >>> chain = nx.DiGraph([("x", "m"), ("m", "y")])
        >>> bool(insert_or_delete_action(chain, "m", "y"))
        True
        >>> print(insert_or_delete_action(chain, "y", "x", do="m"))
        P(y | do(m, x)) = P(y | do(m))  by rule 3 (without the arrows into m, x)
    """
    diagram, y, z, x, w = _read(model, (outcome, action, do, given), observed, level)
    before = diagram.mutilate(into=x).ancestors(w)
    shut = tuple(node for node in z if node not in before)
    cut = diagram.mutilate(into=[*x, *shut])
    equation = f"{_p(y, (*x, *z), w)} = {_p(y, x, w)}"
    return _step(3, equation, cut, (y, z, x, w), _without((*x, *shut), ()))


Group = tuple[str, ...]


def _read(
    model: Model, groups: tuple[Names, Names, Names, Names], observed: Names | None, level: str
) -> tuple[CausalDiagram, Group, Group, Group, Group]:
    roles = ("asked about", "the subject of the rule", "set", "conditioned on")
    found = read(model, dict(zip(roles, groups, strict=True)), observed, level)
    y, z, x, w = (found.roles[role] for role in roles)
    return found.diagram, y, z, x, w


def _step(
    rule: int,
    equation: str,
    cut: CausalDiagram,
    groups: tuple[Group, Group, Group, Group],
    without: str,
) -> Step:
    y, z, x, w = groups
    licensed = separated(cut, y, z, (*x, *w))
    path = None if licensed else open_path(cut, y, z, (*x, *w))
    return Step(rule, equation, licensed, cut.with_hidden(), without, path)


def _p(outcomes: Group, do: Group, given: Group) -> str:
    left, done, known = (", ".join(map(quoted, group)) for group in (outcomes, do, given))
    right = ", ".join(part for part in (f"do({done})" if done else "", known) if part)
    return f"P({left} | {right})" if right else f"P({left})"


def _without(into: Group, out_of: Group) -> str:
    ends = f"into {', '.join(into)}" if into else ""
    starts = f"out of {', '.join(out_of)}" if out_of else ""
    cut = " and ".join(part for part in (ends, starts) if part)
    return f"the arrows {cut}" if cut else "nothing"
