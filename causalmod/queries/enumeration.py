"""Random discrete models on a causal diagram, enumerated: the check that every estimand passes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Estimand, conditionals
from causalmod.queries.gaussian import LinearModel
from causalmod.queries.tables import Joint, evaluate

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

MODELS = 4
LARGE = 100  # variables; beyond, a linear model takes a second, and one must do
VARIABLES = 14  # enumerated at once, each binary
HIDDEN_LEVELS = 3
TOLERANCE = 1e-9
LINEAR_TOLERANCE = 1e-11  # an error far from the outcome fades on the way, but not to rounding
UNCLEAR = 1e-7  # beyond this it is no rounding
_LARGEST = 2**18


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
    holds in every model of the projection holds in every model of the diagram. Where these are too
    many to enumerate, the models are linear and Gaussian, and both sides are found in closed form.

    Returns:
        tuple: on how many models they agreed to 1e-9, and what there is to say of the models.

    Raises:
        AssertionError: they differ.
    """
    question = (tuple(outcomes), tuple(do), tuple(given))
    used = {name for names in question for name in names}
    used |= {name for each in conditionals(estimand) for name in each.free}
    if len(used) <= VARIABLES:
        small = diagram.project(used)
        if 2 ** len(used) * HIDDEN_LEVELS ** len(small.hidden) <= _LARGEST:
            _refuse(_worst(_frozen(small), estimand, question, seed), estimand, small)
            return MODELS, ""
    models = MODELS if len(used) <= LARGE else 1
    worst = _worst_linear(_frozen(diagram), estimand, question, (seed, models))
    if worst > UNCLEAR:
        _refuse(worst, estimand, diagram)
    if worst > LINEAR_TOLERANCE:
        return 0, f"on a linear model it is off by {worst:.0e}, which may be rounding"
    return models, (
        f"linear and Gaussian, since {len(used)} variables with their hidden causes are too many "
        "for tables"
    )


_Names = tuple[str, ...]
_Question = tuple[_Names, _Names, _Names]  # outcomes, do, given
_Graph = tuple[_Names, tuple[tuple[str, str], ...], tuple[tuple[str, _Names], ...]]


def _frozen(diagram: CausalDiagram) -> _Graph:
    hidden = tuple((name, tuple(sorted(driven))) for name, driven in diagram.hidden.items())
    return diagram.order, tuple(diagram.graph.edges), hidden


def _refuse(worst: float, estimand: Estimand, diagram: CausalDiagram) -> None:
    if not worst <= TOLERANCE:
        shown = f" {estimand}" if len(conditionals(estimand)) < 20 else ""
        raise AssertionError(
            f"the estimand{shown} is off by {worst:.1e} on a random model of {diagram}; please "
            "report this with the graph and the query"
        )


@lru_cache(maxsize=1024)
def _worst(graph: _Graph, estimand: Estimand, question: _Question, seed: int) -> float:
    nodes, arrows, hidden = graph
    diagram = CausalDiagram.build(arrows, dict(hidden), nodes)
    worst = 0.0
    for number in range(MODELS):
        model = RandomModel(diagram, seed + number)
        found = evaluate(estimand, Joint(model.names, model.distribution()), {})[0]
        worst = max(worst, float(abs(found - truth(model, *question)).max()))
    return worst


@lru_cache(maxsize=64)
def _worst_linear(
    graph: _Graph, estimand: Estimand, question: _Question, models: tuple[int, int]
) -> float:
    nodes, arrows, hidden = graph
    diagram = CausalDiagram.build(arrows, dict(hidden), nodes)
    tried = (LinearModel(diagram, seed) for seed in range(models[0], sum(models)))
    return max(model.value(estimand).distance(model.truth(*question)) for model in tried)


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
