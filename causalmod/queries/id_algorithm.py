"""ID and IDC: whether observed distributions determine an interventional one, and how.

The distribution after ``do(x)`` falls into one factor per district (c-component); each factor is
found from the observed distribution, or a hedge shows that two models agree on everything observed
and differ in what is asked.

Source: Tian and Pearl, *A general identification condition for causal effects*, AAAI (2002), lemmas
1 to 4; Shpitser and Pearl, *Identification of joint interventional distributions*, AAAI (2006), and
*Identification of conditional interventional distributions*, UAI (2006); Huang and Valtorta,
*Pearl's calculus of intervention is complete*, UAI (2006).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from causalmod.queries.deadline import Deadline
from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Conditional, Estimand, divide, sum_out, times
from causalmod.queries.separation import separated

FOREVER = Deadline()


@dataclass(frozen=True)
class Hedge:
    """Why a distribution is not identifiable: two nested groups, each tied by hidden causes.

    Both groups are districts, every variable in them leads to the roots inside its group, and only
    the larger one meets the treatment. Two models can then be told apart by the intervention alone.

    Attributes:
        larger: the group that meets the treatment (the C-forest F).
        smaller: the group within it that does not (the C-forest F').
        treatments: the treatments in the larger group.
        roots: what both groups lead to.

    Source: Shpitser and Pearl (2006), definition 6, theorem 4.
    """

    larger: frozenset[str]
    smaller: frozenset[str]
    treatments: frozenset[str]
    roots: frozenset[str]

    def __str__(self) -> str:
        def listed(names: Iterable[str]) -> str:
            return "{" + ", ".join(sorted(names)) + "}"

        return (
            f"hedge: {listed(self.larger)} is tied together by hidden causes, and so is "
            f"{listed(self.smaller)} in it, without the treatment {listed(self.treatments)}"
        )


class NotIdentifiable(Exception):  # noqa: N818  (an answer that travels up, not a mistake)
    """Carries the hedge up to where the question was asked."""

    def __init__(self, hedge: Hedge) -> None:
        super().__init__(str(hedge))
        self.hedge = hedge


def identify_joint(
    diagram: CausalDiagram,
    outcomes: Iterable[str],
    do: Iterable[str],
    deadline: Deadline = FOREVER,
) -> Estimand:
    """Return ``P(outcomes | do(...))`` in observed terms (the ID algorithm).

    Raises:
        NotIdentifiable: with the hedge.
        QueryError: the deadline has passed.

    Example:
        >>> front = CausalDiagram.build([("x", "m"), ("m", "y")], [("x", "y")])
        >>> print(identify_joint(front, ["y"], ["x"]))
        Σ_{m} P(m | x) Σ_{x'} P(x') P(y | x', m)
    """
    wanted, treated = set(outcomes), set(do)
    diagram = diagram.subgraph(diagram.ancestors(wanted))
    kept = diagram.subgraph(diagram.nodes - treated)
    moved = kept.ancestors(wanted)
    after = kept.subgraph(moved)
    factors = []
    for district in after.districts:
        deadline.check("ID", len(diagram.nodes))
        whole = diagram.district(next(iter(district)))
        search = _Search(diagram, treated, deadline)
        factors.append(search.factor(district, whole, _factor(diagram, whole)))
    summed = [node for node in reversed(diagram.order) if node in moved - wanted]
    return sum_out(times(factors), summed)


def identify_conditional(
    diagram: CausalDiagram,
    outcomes: Iterable[str],
    do: Iterable[str],
    given: Iterable[str],
    deadline: Deadline = FOREVER,
) -> Estimand:
    """Return ``P(outcomes | do(...), given)`` in observed terms (the IDC algorithm).

    Raises:
        NotIdentifiable: with the hedge.
        QueryError: the deadline has passed.
    """
    wanted, treated, known = list(outcomes), list(do), list(given)
    moved = True
    while moved:
        moved = False
        for node in known:
            others = [other for other in known if other != node]
            cut = diagram.mutilate(into=treated, out_of=[node])
            if separated(cut, wanted, [node], [*treated, *others]):
                known, treated, moved = others, [*treated, node], True
                break
    joint = identify_joint(diagram, [*wanted, *known], treated, deadline)
    return divide(joint, sum_out(joint, wanted)) if known else joint


def _factor(diagram: CausalDiagram, district: frozenset[str]) -> Estimand:
    """Return Q[district] from the observed distribution.

    Tian and Pearl (2002), lemma 1, each variable given only those before it that matter.
    """
    factors: list[Estimand] = []
    place = {name: index for index, name in enumerate(diagram.order)}
    before: set[str] = set()
    for node in diagram.order:
        before.add(node)
        if node in district:
            tied = diagram.tied(node, before)
            given = tied.union(*(diagram.parents([each]) for each in tied)) - {node}
            factors.append(Conditional((node,), tuple(sorted(given, key=place.__getitem__))))
    return times(factors)


@dataclass(frozen=True)
class _Search:
    """The search for one factor."""

    diagram: CausalDiagram
    treated: set[str]
    deadline: Deadline

    def factor(self, target: frozenset[str], whole: frozenset[str], factor: Estimand) -> Estimand:
        """Return Q[target] from Q[whole], both districts of their subgraphs, target in whole."""
        self.deadline.check("ID", len(self.diagram.nodes))
        inside = self.diagram.subgraph(whole)
        needed = inside.ancestors(target)
        order = [node for node in self.diagram.order if node in whole]
        rest = [node for node in reversed(order) if node not in needed]
        if needed == target:
            return sum_out(factor, rest)
        if needed == whole:
            after = self.diagram.graph.successors
            roots = frozenset(node for node in target if not set(after(node)) & target)
            raise NotIdentifiable(Hedge(whole, target, frozenset(whole & self.treated), roots))
        smaller = sum_out(factor, rest)
        part = inside.subgraph(needed).district(next(iter(target)))
        order = [node for node in order if node in needed]
        return self.factor(target, part, _part(smaller, order, part))


def _part(factor: Estimand, order: list[str], part: frozenset[str]) -> Estimand:
    """Return Q[part] from Q of the variables in ``order``: Tian and Pearl (2002), lemma 4."""
    ratios: list[Estimand] = []
    place = 0
    while place < len(order):
        if order[place] not in part:
            place += 1
            continue
        end = place
        while end < len(order) and order[end] in part:
            end += 1  # neighbours in the order share a ratio: what stands between them cancels
        above = sum_out(factor, reversed(order[end:]))
        ratios.append(divide(above, sum_out(factor, reversed(order[place:]))))
        place = end
    return times(ratios)
