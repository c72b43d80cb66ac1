"""To dowhy's estimators and refuters, with an adjustment set that is ours."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from causalmod.bridges.extra import load
from causalmod.errors import QueryError
from causalmod.queries.logs import Logs, read_frame

if TYPE_CHECKING:
    from causalmod.queries.identification import Identification


def effect_model(found: Identification, logs: Logs) -> tuple[Any, Any]:
    """Return a ``dowhy.CausalModel`` of logged activations, and the estimand to estimate with it.

    dowhy is told what to adjust for, the set that was found and verified here, so that its own
    search for one plays no part.

    Args:
        found: an effect of one or several treatments on one outcome, identified by adjustment, or
            one that needs none.
        logs: a pandas frame with a column for each variable, or a mapping from site to tensor.

    Raises:
        QueryError: another route, or none; or several outcomes.
        InputError: a missing column, NaN; or dowhy is not installed.

    Source: Sharma and Kiciman, *DoWhy: an end-to-end library for causal inference* (2020).

    Example:
        >>> import networkx as nx, numpy as np, pandas as pd
        >>> import causalmod as cm
        >>> draw = np.random.default_rng(0)
        >>> z, noise = draw.normal(size=(2, 500))
        >>> logs = pd.DataFrame({"z": z, "x": z + noise, "y": 2 * (z + noise) - 3 * z})
        >>> graph = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
        >>> found = cm.identify(graph, "E[y | do(x)]", route="adjustment")
        >>> model, estimand = effect_model(found, logs)
        >>> estimand.get_backdoor_variables()
        ['z']
    """
    if found.asker is None or found.route not in {"adjustment", "observational"}:
        raise QueryError(
            f"{found.query}: dowhy's estimators adjust, and the route is "
            f"{found.route or 'none, since it is not identifiable'}; try route='adjustment'"
        )
    members = found.asker.members
    done, asked, known = (
        [column for node in nodes for column in members[node]] for nodes in found.roles
    )
    through = [column for node in found.through for column in members[node]]
    if len(asked) != 1 or not done:
        raise QueryError(
            f"{found.query}: dowhy estimates the effect of treatments on one outcome; here are "
            f"{len(done)} treatments and {len(asked)} outcomes"
        )
    causes = [*known, *through]
    frame = read_frame(logs, [*done, *asked, *causes])
    dowhy = load("dowhy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries, about names that they deprecate
        model = dowhy.CausalModel(frame, treatment=done, outcome=asked, common_causes=causes)
        estimand = model.identify_effect(proceed_when_unidentifiable=True)
    return model, estimand
