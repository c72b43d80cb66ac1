"""Mechanisms of a network as those of dowhy.gcm. Loads dowhy: import it where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod.bridges.extra import load
from causalmod.bridges.mechanisms import Mechanism

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

load("dowhy.gcm")
from dowhy.gcm.causal_mechanisms import (  # noqa: E402  (quietly, see above)
    InvertibleFunctionalCausalModel,
    StochasticModel,
)


class Row(StochasticModel):
    """The row of the data: uniform over ``0 .. rows - 1``.

    dowhy's generator is numpy's global one, which ``dowhy.gcm.util.general.set_random_seed`` sets;
    these draws follow it.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fit(self, X: Array) -> None:  # noqa: N803  (dowhy's name)
        """Learn nothing: the law is known."""

    def draw_samples(self, num_samples: int) -> Array:
        """Return row numbers ``[sample, 1]``."""
        import numpy as np

        return np.random.randint(self.rows, size=(num_samples, 1)).astype(float)  # noqa: NPY002

    def clone(self) -> Row:
        """Return a copy."""
        return Row(self.rows)


class Constant(StochasticModel):
    """A variable without causes: what it is on every row."""

    def __init__(self, mechanism: Mechanism) -> None:
        self.mechanism = mechanism

    def fit(self, X: Array) -> None:  # noqa: N803  (dowhy's name)
        """Learn nothing: the value is known."""

    def draw_samples(self, num_samples: int) -> Array:
        """Return the value ``[sample, 1]``."""
        import numpy as np

        return self.mechanism(np.zeros((num_samples, 0)))[:, None]

    def clone(self) -> Constant:
        """Return a copy."""
        return Constant(self.mechanism)


class NetworkMechanism(InvertibleFunctionalCausalModel):
    """The network between a variable and its direct causes; without noise."""

    def __init__(self, mechanism: Mechanism) -> None:
        self.mechanism = mechanism

    def fit(self, X: Array, Y: Array) -> None:  # noqa: N803  (dowhy's names)
        """Learn nothing: the mechanism is known."""

    def evaluate(self, parent_samples: Array, noise_samples: Array) -> Array:
        """Return the variable ``[row, 1]`` from its parents, in dowhy's order of names."""
        return self.mechanism(parent_samples)[:, None]

    def estimate_noise(self, target_samples: Array, parent_samples: Array) -> Array:
        """Return noise ``[row, 1]``: none."""
        import numpy as np

        return np.zeros((len(parent_samples), 1))

    def draw_noise_samples(self, num_samples: int) -> Array:
        """Return noise ``[sample, 1]``: none."""
        import numpy as np

        return np.zeros((num_samples, 1))

    def clone(self) -> NetworkMechanism:
        """Return a copy."""
        return NetworkMechanism(self.mechanism)
