"""Random linear-Gaussian models on a causal diagram, in closed form: the check of long estimands.

A density of zero-mean Gaussian variables is ``exp(constant - vᵀ K v / 2)``. Products add K, ratios
subtract it, and a sum over variables is a Schur complement; so an estimand over hundreds of
variables has an exact value, where a table would have 2^hundreds cells.

Source: Lauritzen and Jensen, *Stable local computation with conditional Gaussian distributions*,
Statistics and Computing 11 (2001), section 2, for this arithmetic of densities.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log, pi
from typing import TYPE_CHECKING, Any

from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.estimand import Conditional, Estimand, Product, Ratio, Sum

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Density:
    """``exp(constant - vᵀ K v / 2)`` over named variables ``v``.

    Example:
        >>> import numpy as np
        >>> two = Density(("a", "b"), np.array([[2.0, 1.0], [1.0, 2.0]]), 0.0)
        >>> two.without(["b"]).precision.tolist()
        [[1.5]]
    """

    def __init__(self, names: tuple[str, ...], precision: Array, constant: float) -> None:
        self.names = names
        self.precision = precision
        self.constant = constant

    def plus(self, other: Density, sign: int = 1) -> Density:
        """Multiply (or, with ``sign=-1``, divide) densities."""
        import numpy as np

        names = tuple(dict.fromkeys((*self.names, *other.names)))
        place = {name: index for index, name in enumerate(names)}
        total = np.zeros((len(names), len(names)))
        for each, weight in ((self, 1), (other, sign)):
            at = [place[name] for name in each.names]
            total[np.ix_(at, at)] += weight * each.precision
        return Density(names, total, self.constant + sign * other.constant)

    def without(self, over: Iterable[str]) -> Density:
        """Integrate over some variables."""
        import numpy as np

        gone = set(over)
        out = [place for place, name in enumerate(self.names) if name in gone]
        kept = [place for place, name in enumerate(self.names) if name not in gone]
        if not out:
            return self
        block = self.precision[np.ix_(out, out)]
        across = self.precision[np.ix_(kept, out)]
        rest = self.precision[np.ix_(kept, kept)] - across @ np.linalg.solve(block, across.T)
        constant = self.constant + (len(out) * log(2 * pi) - np.linalg.slogdet(block)[1]) / 2
        return Density(tuple(self.names[place] for place in kept), rest, float(constant))

    def distance(self, other: Density) -> float:
        """Return the largest difference of a coefficient; where a variable is absent, it is 0."""
        import numpy as np

        gap = self.plus(other, -1)
        return max(float(np.abs(gap.precision).max(initial=0.0)), abs(gap.constant))


class LinearModel:
    """Each variable is a weighted sum of its causes plus Gaussian noise; weights are random.

    Args:
        diagram: the diagram.
        seed: of the weights.
    """

    def __init__(self, diagram: CausalDiagram, seed: int) -> None:
        import numpy as np

        generator = np.random.default_rng(seed)
        self.names = diagram.order
        self._causes = tuple(diagram.hidden_node(name) for name in diagram.hidden)
        place = {name: index for index, name in enumerate((*self.names, *self._causes))}
        weights = np.zeros((len(place), len(place)))  # [cause, effect]
        noise = np.ones(len(place))
        listens = {node: [place[parent] for parent in diagram.parents([node])] for node in place
                   if node in diagram.nodes}  # fmt: skip
        for name, driven in diagram.hidden.items():
            for node in driven:
                listens[node].append(place[diagram.hidden_node(name)])
        for node in self.names:
            causes = sorted(listens[node])
            size = generator.uniform(0.6, 1.0, len(causes)) / max(len(causes), 1) ** 0.5
            weights[causes, place[node]] = size * generator.choice([-1, 1], len(causes))
            noise[place[node]] = generator.uniform(0.2, 0.5)
        self._place, self._weights, self._noise = place, weights, noise
        mixing = np.linalg.inv(np.eye(len(place)) - weights)
        seen = slice(0, len(self.names))
        self._covariance = ((mixing.T * noise) @ mixing)[seen, seen]

    def marginal(self, names: Iterable[str]) -> Density:
        """Return the density of some observed variables."""
        import numpy as np

        chosen = tuple(dict.fromkeys(names))
        at = [self._place[name] for name in chosen]
        block = self._covariance[np.ix_(at, at)]
        constant = -(len(at) * log(2 * pi) + np.linalg.slogdet(block)[1]) / 2
        return Density(chosen, np.linalg.inv(block), float(constant))

    def after(self, do: Iterable[str]) -> Density:
        """Return the density of all other observed variables under ``do``, for any values set."""
        import numpy as np

        skip = set(do)
        names = (*self.names, *self._causes)
        moved = [self._place[name] for name in names if name not in skip]
        residual = (np.eye(len(names)) - self._weights)[:, moved] / self._noise[moved] ** 0.5
        constant = -(len(moved) * log(2 * pi) + float(np.log(self._noise[moved]).sum())) / 2
        return Density(names, residual @ residual.T, constant).without(self._causes)

    def value(self, estimand: Estimand, held: dict[int, Density] | None = None) -> Density:
        """Return what an estimand comes to; parts that stand in several places are found once."""
        held = {} if held is None else held
        if id(estimand) not in held:
            held[id(estimand)] = self._value(estimand, held)
        return held[id(estimand)]

    def _value(self, estimand: Estimand, held: dict[int, Density]) -> Density:
        import numpy as np

        match estimand:
            case Conditional(variables, given):
                joint = self.marginal((*variables, *given))
                return joint.plus(self.marginal(given), -1) if given else joint
            case Product(factors):
                total = Density((), np.zeros((0, 0)), 0.0)
                for factor in factors:
                    total = total.plus(self.value(factor, held))
                return total
            case Sum(over, body):
                return self.value(body, held).without(over)
            case Ratio(above, below):
                return self.value(above, held).plus(self.value(below, held), -1)

    def truth(self, outcomes: Iterable[str], do: Iterable[str], given: Iterable[str]) -> Density:
        """Return ``P(outcomes | do(...), given)``."""
        asked, known = set(outcomes), set(given)
        after = self.after(do)
        kept = {*asked, *do, *known}
        joint = after.without(name for name in self.names if name not in kept)
        return joint.plus(joint.without(asked), -1) if known else joint
