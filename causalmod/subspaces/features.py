"""What a direction or a subspace responds to: the rows that drive it, and probes for concepts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod._display import html_table
from causalmod.errors import InputError
from causalmod.exchange.groups import Group
from causalmod.interventions import read_seed
from causalmod.provenance import Provenance, stopwatch
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_BOOTSTRAPS = 1000
_CLASSES = 64


@dataclass(frozen=True, eq=False)
class Probe:
    """How well a concept can be read off a group of variables by a linear function.

    Attributes:
        concept: its name.
        kind: ``"accuracy"`` for labels (classes), ``"r2"`` for numbers.
        score: on rows that the probe was not fitted on; at most 1.
        low, high: 95% interval of the score, over rows.
        chance: what a probe without variables gets: the share of the commonest class, or 0.
        direction: ``[coordinate]`` weights of the probe on all rows, in the variables' standard
            deviations, of length 1: for two classes from the first to the second, for numbers along
            which they rise. None for more classes.
    """

    concept: str
    kind: str
    score: float
    low: float
    high: float
    chance: float
    direction: Tensor | None

    @property
    def found(self) -> bool:
        """Is the whole interval above chance?"""
        return self.low > self.chance

    def __repr__(self) -> str:
        score = f"{self.kind} {self.score:.2f} [{self.low:.2f}, {self.high:.2f}]"
        return f"Probe({self.concept}: {score}, chance {self.chance:.2f})"


@dataclass(frozen=True, eq=False)
class FeatureDirections:
    """What a group of variables responds to.

    Attributes:
        variables: their names.
        top: variable (or ``component i`` of several) → row numbers where it is largest.
        bottom: the same → row numbers where it is smallest.
        values: the same → ``[rows of the data]`` its values.
        probes: concept → probe.
        provenance: seed, digests, versions and duration.
    """

    variables: tuple[str, ...]
    top: dict[str, tuple[int, ...]]
    bottom: dict[str, tuple[int, ...]]
    values: dict[str, Tensor]
    probes: dict[str, Probe]
    provenance: Provenance

    def to_frame(self) -> pd.DataFrame:
        """Return one row per concept: kind, score, interval and chance."""
        import pandas as pd

        columns = ["kind", "score", "low", "high", "chance"]
        rows = [[getattr(p, c) for c in columns] for p in self.probes.values()]
        index = pd.Index(self.probes, name="concept")
        return pd.DataFrame(rows, columns=pd.Index(columns), index=index)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "variables": list(self.variables),
            "top": {name: list(rows) for name, rows in self.top.items()},
            "bottom": {name: list(rows) for name, rows in self.bottom.items()},
            "probes": self.to_frame().reset_index().to_dict("records"),
            "provenance": self.provenance.to_dict(),
        }

    def __repr__(self) -> str:
        found = [name for name, probe in self.probes.items() if probe.found]
        shown = f"; reads {', '.join(found)}" if found else ""
        counts = f"{len(self.variables)} variables, {len(self.probes)} concepts"
        return f"FeatureDirections({counts}{shown})"

    def _repr_html_(self) -> str:
        rows = [("variables", ", ".join(self.variables[:8]))]
        rows += [(name, f"rows {', '.join(map(str, top))}") for name, top in self.top.items()]
        rows += [(name, repr(probe)) for name, probe in self.probes.items()]
        return html_table("FeatureDirections", rows)


def feature_directions(
    scm: StructuralCausalModel,
    variables: str | Iterable[str],
    concepts: Mapping[str, Any] | None = None,
    *,
    top: int = 8,
    folds: int = 5,
    seed: int = 0,
) -> FeatureDirections:
    """Read off what some variables respond to, on the data.

    One coordinate is sorted as it is; several are sorted by each of their principal components
    (``component 0`` varies most). For each concept, labels or numbers per row, a linear probe is
    fitted to the variables in their standard deviations (logistic regression, or ridge regression)
    and scored on rows that it has not seen, by cross-validation.

    A probe finds what is *there*, not what is *used*: whether anything later reads a direction is
    asked by intervening on it (:func:`causalmod.information`).

    Args:
        scm: the model.
        variables: selectors, such as the name of a module or ``"fc1[0:4]"``.
        concepts: name → one label or number for each row: whole numbers, booleans and text are
            labels, other numbers are predicted.
        top: how many rows to list at each end.
        folds: of the cross-validation.
        seed: of folds and intervals.

    Returns:
        FeatureDirections: row numbers, and for each concept accuracy or R^2 (dimensionless) with a
        95% interval: percentiles of a bootstrap over held-out rows.

    Raises:
        SelectorError: an unknown name.
        InputError: a concept that has not one finite value for each row, or one value only, or more
            than 64 labels, or a label on fewer rows than there are folds.

    Source: Alain and Bengio (2016, arXiv 1610.01644), for probes; Hewitt and Liang, EMNLP (2019),
    for why chance is to be shown beside them.

    Example:
        >>> import torch, causalmod as cm
        >>> data = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        >>> scm = cm.compile(torch.nn.Tanh().eval(), data)
        >>> concepts = {"sign": data[:, 0] > 0, "other": data[:, 1] > 0}
        >>> found = feature_directions(scm, "output[0]", concepts)
        >>> found.probes["sign"].score > 0.95, found.probes["other"].found
        (True, False)
        >>> int(data[:, 0].argmax()) == found.top["output[0]"][0]
        True
    """
    group = Group(scm, variables, "variables")
    for name, value, least in (("top", top, 1), ("folds", folds, 2)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} is a whole number of at least {least}; given {value!r}")
    read_seed(seed)
    seen = group.observed()
    values = (seen.values.double() / seen.scale.to(seen.values.device)).cpu()
    labels = {} if concepts is None else concepts
    if not isinstance(labels, Mapping):
        raise InputError(f"concepts are a mapping from names to labels; given {labels!r}")
    with stopwatch() as watch:
        sorted_by = _sorted_by(group, values)
        ends = {n: column.argsort(descending=True).tolist() for n, column in sorted_by.items()}
        probes = {
            name: _probe(name, values, _read(name, held, scm.rows, folds), folds, seed)
            for name, held in labels.items()
        }
        where = scm.provenance(seed, watch.seconds)
    return FeatureDirections(
        tuple(v.name for v in group.variables),
        {name: tuple(order[:top]) for name, order in ends.items()},
        {name: tuple(reversed(order[-top:])) for name, order in ends.items()},
        sorted_by,
        probes,
        where,
    )


def _sorted_by(group: Group, values: Tensor) -> dict[str, Tensor]:
    if values.shape[1] == 1:
        return {group.variables[0].name: group.observed().values[:, 0].cpu()}
    centred = values - values.mean(0)
    _, spread, axes = torch.linalg.svd(centred, full_matrices=False)
    kept = axes[spread > 1e-6 * spread[0]] if len(spread) and float(spread[0]) > 0 else axes[:0]
    size = kept.abs()
    signs = kept.gather(1, size.argmax(1, keepdim=True)).sign() if len(kept) else size
    found = centred @ (kept * signs).T
    return {f"component {place}": found[:, place] for place in range(found.shape[1])}


def _read(name: str, held: Any, rows: int, folds: int) -> tuple[np.ndarray, bool]:
    """Labels or numbers of a concept, and whether they are labels."""
    import numpy as np

    array = held.detach().cpu().numpy() if isinstance(held, Tensor) else np.asarray(held)
    if array.shape != (rows,):
        raise InputError(
            f"concept {name!r}: expected one label or number for each of the {rows} rows; given "
            f"{list(array.shape)}"
        )
    is_class = array.dtype.kind in "biuUS"
    if not is_class:
        if array.dtype.kind == "O":
            array, is_class = array.astype(str), True
        elif not np.isfinite(array).all():
            raise InputError(f"concept {name!r} holds NaN or infinity")
    kinds, counts = np.unique(array, return_counts=True)
    if len(kinds) < 2:
        raise InputError(f"concept {name!r} is the same on all rows: there is nothing to read")
    if is_class and (len(kinds) > _CLASSES or counts.min() < folds):
        raise InputError(
            f"concept {name!r} has {len(kinds)} labels, one of them on {counts.min()} rows; a "
            f"probe takes at most {_CLASSES}, each on at least folds={folds} rows (numbers that "
            "are to be predicted are given as floats)"
        )
    return array, is_class


def _probe(
    name: str, values: Tensor, concept: tuple[np.ndarray, bool], folds: int, seed: int
) -> Probe:
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    labels: Any = concept[0]
    is_class = concept[1]
    data = (values - values.mean(0)).numpy()
    state = seed % 2**32
    if is_class:
        engine: Any = LogisticRegression(max_iter=1000)
        split: Any = StratifiedKFold(folds, shuffle=True, random_state=state)
    else:
        engine = RidgeCV(np.logspace(-4, 4, 9))
        split = KFold(folds, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separable labels need no more steps
        held_out = cross_val_predict(engine, data, labels, cv=split)
        fitted = engine.fit(data, labels)
    picks = np.random.default_rng(state).integers(len(labels), size=(_BOOTSTRAPS, len(labels)))
    if is_class:
        right = (held_out == labels).astype(float)
        score, each = float(right.mean()), right[picks].mean(1)
        chance = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    else:
        labels = labels.astype(float)
        error = (labels - held_out) ** 2
        score = float(1 - error.mean() / labels.var())
        drawn = labels[picks]
        each = 1 - error[picks].mean(1) / np.maximum(drawn.var(1), 1e-300)
        chance = 0.0
    low, high = (float(q) for q in np.quantile(each, [0.025, 0.975]))
    weights = np.atleast_2d(fitted.coef_)
    size = float(np.linalg.norm(weights[0]))
    one = len(weights) == 1 and size > 0
    direction = torch.from_numpy(weights[0] / size) if one else None
    return Probe(name, "accuracy" if is_class else "r2", score, low, high, chance, direction)
