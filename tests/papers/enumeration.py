"""Random binary models on a graph, and the value of a formula, by loops over all assignments."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping

from causalmod.queries.estimand import Conditional, Estimand, Product, Ratio, Sum


class Model:
    """Binary variables, and a binary cause for each hidden pair, with random tables."""

    def __init__(
        self, arrows: list[tuple[str, str]], hidden: list[tuple[str, str]], seed: int
    ) -> None:
        draw = random.Random(seed)
        self.names = sorted({name for edge in (*arrows, *hidden) for name in edge})
        self.causes = [f"cause {place}" for place in range(len(hidden))]
        self.share = {cause: draw.uniform(0.2, 0.8) for cause in self.causes}
        self.parents = {
            name: [a for a, b in arrows if b == name]
            + [c for c, pair in zip(self.causes, hidden, strict=True) if name in pair]
            for name in self.names
        }
        self.tables: dict[str, dict[tuple[int, ...], float]] = {
            name: {
                values: draw.uniform(0.1, 0.9)
                for values in itertools.product((0, 1), repeat=len(self.parents[name]))
            }
            for name in self.names
        }

    def joint(self, do: Iterable[str] = ()) -> dict[tuple[int, ...], float]:
        """Return assignment → P(the others | do(these)), for all values of what is done."""
        skip = set(do)
        found: dict[tuple[int, ...], float] = {}
        for observed in itertools.product((0, 1), repeat=len(self.names)):
            total = 0.0
            for latent in itertools.product((0, 1), repeat=len(self.causes)):
                world = dict(zip((*self.names, *self.causes), (*observed, *latent), strict=True))
                weight = 1.0
                for cause in self.causes:
                    weight *= self.share[cause] if world[cause] else 1 - self.share[cause]
                for name in self.names:
                    if name not in skip:
                        one = self.tables[name][tuple(world[p] for p in self.parents[name])]
                        weight *= one if world[name] else 1 - one
                total += weight
            found[observed] = total
        return found


class Formula:
    """The value of an estimand on a joint distribution, by the definition of its parts."""

    def __init__(self, names: list[str], joint: Mapping[tuple[int, ...], float]) -> None:
        self.names = names
        self.joint = joint

    def probability(self, fixed: Mapping[str, int]) -> float:
        places = [(self.names.index(name), value) for name, value in fixed.items()]
        return sum(
            share
            for values, share in self.joint.items()
            if all(values[place] == value for place, value in places)
        )

    def value(self, estimand: Estimand, fixed: Mapping[str, int]) -> float:
        match estimand:
            case Conditional(variables, given):
                known = {name: fixed[name] for name in given}
                both = known | {name: fixed[name] for name in variables}
                return self.probability(both) / (self.probability(known) if known else 1.0)
            case Product(factors):
                result = 1.0
                for factor in factors:
                    result *= self.value(factor, fixed)
                return result
            case Sum(over, body):
                return sum(
                    self.value(body, {**fixed} | dict(zip(over, values, strict=True)))
                    for values in itertools.product((0, 1), repeat=len(over))
                )
            case Ratio(above, below):
                return self.value(above, fixed) / self.value(below, fixed)


def truth(model: Model, fixed: Mapping[str, int], outcomes: list[str], do: list[str]) -> float:
    """Return P(outcomes | do, the rest of what is fixed), by mutilation."""
    after = Formula(model.names, model.joint(do))
    known = {name: value for name, value in fixed.items() if name not in outcomes}
    others = [name for name in known if name not in do]
    above = after.probability(fixed)
    return above / after.probability(known) if others else above
