"""To and from dowhy's graphical causal models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod.bridges.extra import load
from causalmod.bridges.functions import from_functions
from causalmod.bridges.graphs import ROW, scalars, to_frame
from causalmod.bridges.mechanisms import Mechanism
from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def to_dowhy(scm: StructuralCausalModel) -> Any:
    """Return the model as a fitted ``dowhy.gcm.InvertibleStructuralCausalModel``.

    Its nodes are the variables, and ``U``, the row of the data, which the inputs read. Its
    mechanisms are the network's own, so samples are rows of the data and counterfactuals are those
    of :meth:`~causalmod.StructuralCausalModel.counterfactual`. Observed data for it,
    ``gcm.counterfactual_samples(..., observed_data=...)``, come from :func:`causalmod.to_frame`. It
    pickles with the network in it.

    Two warnings of dowhy's own. ``gcm.arrow_strength`` reads 0 for a deterministic target; use
    :func:`causalmod.information` with ``kind="strength"``. Random draws follow numpy's global
    generator; set it with ``gcm.util.general.set_random_seed``.

    Raises:
        InputError: dowhy is not installed, or a variable holds several numbers.

    Source: Blöbaum et al., *DoWhy-GCM*, JMLR 25 (2024), for the classes; Pearl, *Causality* (2009),
    theorem 7.1.7, for the counterfactuals.

    Example:
        >>> import causalmod as cm
        >>> from causalmod.bridges.extra import load
        >>> gcm = load("dowhy.gcm")
        >>> gcm.config.disable_progress_bars()
        >>> case = cm.zoo.xor()
        >>> scm = cm.compile(case.model, case.inputs)
        >>> model = to_dowhy(scm)
        >>> found = gcm.counterfactual_samples(
        ...     model, {"a[0]": lambda a: 1 - a}, observed_data=cm.to_frame(scm)
        ... )
        >>> found["output[0]"].tolist()
        [1.0, 0.0, 0.0, 1.0]
    """
    scalars(scm)
    gcm = load("dowhy.gcm")
    models = load("causalmod.bridges.dowhy_models")
    graph = scm.graph.copy()
    model = gcm.InvertibleStructuralCausalModel(graph)
    for node in graph.nodes:
        held = models.Row(scm.rows) if node == ROW else None
        if held is None:
            mechanism = Mechanism(scm, node)
            kind = models.NetworkMechanism if mechanism.parents else models.Constant
            held = kind(mechanism)
        model.set_causal_mechanism(node, held)
    bars = gcm.config.show_progress_bars
    gcm.config.disable_progress_bars()
    try:
        gcm.fit(model, to_frame(scm))  # learns nothing, and notes the order of the parents
    finally:
        if bars:
            gcm.config.enable_progress_bars()
    return model


def from_dowhy(model: Any, *, rows: int = 10_000, seed: int = 0) -> StructuralCausalModel:
    """Return a fitted dowhy causal model as one of ours.

    Every node ``y`` becomes a variable, and a noise variable ``noise_y`` of its own beside it.
    Mechanisms have to be linear with additive noise, which covers dowhy's
    ``AdditiveNoiseModel(create_linear_regressor())``; those of :func:`to_dowhy` give the network
    back, unless they were pickled. Roots and noise may have any distribution of scipy's, or an
    empirical one.

    Args:
        model: a fitted ``dowhy.gcm.StructuralCausalModel``.
        rows: number of draws of the noise.
        seed: of the draws.

    Raises:
        InputError: a mechanism that is not fitted, or of another kind.

    Source: Blöbaum et al., *DoWhy-GCM*, JMLR 25 (2024), for the classes.

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.xor()
        >>> scm = cm.compile(case.model, case.inputs)
        >>> from_dowhy(cm.to_dowhy(scm)) is scm
        True
    """
    gcm = load("dowhy.gcm")
    if not isinstance(model, gcm.ProbabilisticCausalModel):
        raise InputError(
            "from_dowhy takes a fitted dowhy.gcm.StructuralCausalModel; given "
            f"{type(model).__name__}"
        )
    graph = model.graph
    held = {node: graph.nodes[node].get("causal_mechanism") for node in graph.nodes}
    for mechanism in held.values():
        if isinstance(getattr(mechanism, "mechanism", None), Mechanism):
            if mechanism.mechanism.model is not None:
                return mechanism.mechanism.model
            raise InputError(
                "this dowhy model was a network and has been pickled since, which leaves its "
                "mechanisms but not the network; compile the network again"
            )
    variables: dict[str, Any] = {}
    for node, mechanism in held.items():
        if not str(node).isidentifier():
            raise InputError(f"rename node {node!r} to a word of letters, digits and _")
        parents = sorted(graph.predecessors(node))
        noise = f"noise_{node}"
        if mechanism is None:
            raise InputError(f"node {node!r} has no causal mechanism; assign and fit them first")
        if parents:
            weights, intercept = _linear(node, mechanism)
            variables[noise] = _law(node, mechanism.noise_model)
            function = _weighted(weights, intercept)
            variables[node] = (function, [noise, *parents])
        else:
            variables[noise] = _law(node, mechanism)
            variables[node] = (_same, [noise])
    return from_functions(variables, rows=rows, seed=seed)


def _linear(node: str, mechanism: Any) -> tuple[list[float], float]:
    """Return weights, by sorted name of parent, and the intercept."""
    import numpy as np

    model = getattr(getattr(mechanism, "prediction_model", None), "sklearn_model", None)
    additive = type(mechanism).__name__ == "AdditiveNoiseModel"
    if not additive or type(model).__name__ not in {"LinearRegression", "Ridge", "Lasso"}:
        kind = type(mechanism).__name__ if model is None else type(model).__name__
        raise InputError(
            f"the mechanism of {node!r} is {kind}; expected an AdditiveNoiseModel with a linear "
            "regressor. Write others as functions, with cm.from_functions"
        )
    if model is None or not hasattr(model, "coef_"):
        raise InputError(f"the mechanism of {node!r} is not fitted; call gcm.fit(model, data)")
    return np.ravel(model.coef_).tolist(), float(np.ravel(model.intercept_)[0])


def _law(node: str, noise: Any) -> Any:
    data = getattr(noise, "data", None)
    if type(noise).__name__ == "EmpiricalDistribution" and data is not None:
        return _Empirical(data)
    if type(noise).__name__ == "ScipyDistribution" and noise.scipy_distribution is not None:
        return noise.scipy_distribution(**noise.parameters)
    raise InputError(
        f"the noise of {node!r} is {type(noise).__name__}; expected a fitted EmpiricalDistribution "
        "or ScipyDistribution"
    )


class _Empirical:
    """Draws from observed values, each as likely as it was seen."""

    def __init__(self, data: Any) -> None:
        import numpy as np

        self._data = np.ravel(data)

    def rvs(self, size: int, random_state: Any = None) -> Array:
        import numpy as np

        generator = np.random.default_rng(random_state)
        return self._data[generator.integers(len(self._data), size=size)]


def _weighted(weights: list[float], intercept: float) -> Callable[..., Tensor]:
    def function(noise: Tensor, *parents: Tensor) -> Tensor:
        total = noise + intercept
        for weight, parent in zip(weights, parents, strict=True):
            total = total + weight * parent
        return total

    return function


def _same(noise: Tensor) -> Tensor:
    return torch.clone(noise)
