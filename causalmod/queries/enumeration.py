"""Random discrete models on a causal diagram, enumerated: the check that every estimand passes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Estimand, conditionals
from causalmod.queries.tables import Joint, evaluate

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

MODELS = 4
VARIABLES = 14  # enumerated at once, each binary
HIDDEN_LEVELS = 3
TOLERANCE = 1e-9
_LARGEST = 2**20


class RandomModel:
    """Binary variables with random tables, on a diagram; hidden causes have three levels.

    Probabilities lie in [0.1, 0.9], so that every cell has support.

    Args:
        diagram: the diagram.
        seed: of the tables.
    """

    def __init__(self, diagram: CausalDiagram, seed: int) -> None:
        import numpy as np

        self.names = diagram.order
        generator = np.random.default_rng(seed)
        self.causes = {
            name: generator.dirichlet(np.full(HIDDEN_LEVELS, 2.0)) for name in diagram.hidden
        }
        self.axes = [*self.names, *self.causes]
        self._diagram = diagram
        self.mechanisms: dict[str, Array] = {}
        for node in self.names:
            listens = diagram.parents([node]) | {
                name for name, driven in diagram.hidden.items() if node in driven
            }
            shape = [
                (HIDDEN_LEVELS if axis in self.causes and axis in listens else 2)
                if axis in listens
                else 1
                for axis in self.axes
            ]
            one = generator.uniform(0.1, 0.9, shape)
            self.mechanisms[node] = np.concatenate([1 - one, one], axis=self.axes.index(node))

    def distribution(self, do: Iterable[str] = ()) -> Array:
        """Return ``P(all others | do(...))``, one axis per variable, all values of ``do``."""
        import numpy as np

        result = np.ones((1,) * len(self.axes))
        skip = set(do)
        pending = dict(self.causes)
        nodes = [node for node in self.names if node not in skip]
        for place, node in enumerate(nodes):
            result = result * self._with_causes(node, pending)
            for name in [n for n in self.causes if n not in pending]:
                axis = self.axes.index(name)
                later = any(m in self._diagram.hidden[name] for m in nodes[place + 1 :])
                if not later and result.shape[axis] > 1:
                    result = result.sum(axis, keepdims=True)
        return result.reshape(result.shape[: len(self.names)])

    def _with_causes(self, node: str, pending: dict[str, Array]) -> Array:
        """Return the mechanism of a node, with the law of each cause that is met first."""
        found = self.mechanisms[node]
        for name in [n for n in pending if node in self._diagram.hidden[n]]:
            shape = [-1 if axis == name else 1 for axis in self.axes]
            found = found * pending.pop(name).reshape(shape)
        return found


def check(
    diagram: CausalDiagram,
    estimand: Estimand,
    outcomes: Iterable[str],
    do: Iterable[str],
    given: Iterable[str],
    seed: int = 0,
) -> tuple[int, str]:
    """Compare an estimand with the truth on random models of the diagram.

    The diagram is first projected on the variables that the estimand and the question name; what
    holds in every model of the projection holds in every model of the diagram.

    Returns:
        tuple: on how many models they agreed to 1e-9 (0 when they are too large to enumerate), and
        why not when it is 0.

    Raises:
        AssertionError: they differ.
    """
    named = {*outcomes, *do, *given}
    used = named.union(*(c.free for c in conditionals(estimand)))
    if len(used) > VARIABLES:
        return 0, f"{len(used)} variables are too many to enumerate (limit {VARIABLES})"
    small = diagram.project(used)
    arrows = tuple(small.graph.edges)
    hidden = tuple((name, tuple(sorted(driven))) for name, driven in small.hidden.items())
    question = (tuple(outcomes), tuple(do), tuple(given))
    worst = _worst((small.order, arrows, hidden), estimand, question, seed)
    if worst is None:
        return 0, "its hidden causes are too many to enumerate"
    if worst > TOLERANCE:
        raise AssertionError(
            f"the estimand {estimand} is off by {worst:.1e} on a random model of {small}; please "
            "report this with the graph and the query"
        )
    return MODELS, ""


_Names = tuple[str, ...]
_Graph = tuple[_Names, tuple[tuple[str, str], ...], tuple[tuple[str, _Names], ...]]


@lru_cache(maxsize=1024)
def _worst(
    graph: _Graph, estimand: Estimand, question: tuple[_Names, _Names, _Names], seed: int
) -> float | None:
    nodes, arrows, hidden = graph
    if 2 ** len(nodes) * HIDDEN_LEVELS ** len(hidden) > _LARGEST:
        return None
    diagram = CausalDiagram.build(arrows, dict(hidden), nodes)
    worst = 0.0
    for number in range(MODELS):
        model = RandomModel(diagram, seed + number)
        found = evaluate(estimand, Joint(model.names, model.distribution()))[0]
        worst = max(worst, float(abs(found - truth(model, *question)).max()))
    return worst


def truth(
    model: RandomModel, outcomes: Iterable[str], do: Iterable[str], given: Iterable[str]
) -> Array:
    """Return ``P(outcomes | do(...), given)`` of a model, by enumeration."""
    known = set(given)
    kept = {*outcomes, *do, *known}
    axes = tuple(axis for axis, name in enumerate(model.names) if name not in kept)
    after = model.distribution(do).sum(axes, keepdims=True)
    asked = tuple(axis for axis, name in enumerate(model.names) if name in set(outcomes))
    return after / after.sum(asked, keepdims=True) if known else after
