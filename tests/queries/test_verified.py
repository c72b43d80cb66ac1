"""The check that every formula passes: it lets right ones by, and no wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

import causalmod as cm
from causalmod.queries import CausalDiagram
from causalmod.queries.enumeration import VARIABLES, check
from causalmod.queries.estimand import Conditional
from causalmod.queries.gaussian import LinearModel
from causalmod.queries.id_algorithm import identify_joint


def test_verification_rejects_a_wrong_formula() -> None:
    fork = CausalDiagram.build([("z", "x"), ("z", "y"), ("x", "y")])
    with pytest.raises(AssertionError, match="is off by"):
        check(fork, Conditional(("y",), ("x",)), ["y"], ["x"], [])


def test_formulas_too_long_for_tables_are_checked_on_linear_models() -> None:
    names = [f"z{place}" for place in range(VARIABLES)]
    wide = CausalDiagram.build(
        [(name, "y") for name in names] + [(names[0], "x"), ("x", "y")], [("x", names[1])]
    )
    right = Conditional(("y",), ("x", *names))
    models, why = check(wide, right, ["y"], ["x"], names)
    assert models == 4
    assert "linear and Gaussian, since 16 variables" in why
    adjusted = cm.identify(wide, "P(y | do(x))", route="ID")
    assert adjusted.verified
    for wrong in (Conditional(("y",), ("x",)), Conditional(("y",), ("x", names[0]))):
        with pytest.raises(AssertionError, match="is off by"):
            check(wide, wrong, ["y"], ["x"], names[:1] if len(wrong.given) > 1 else [])
    for place in range(VARIABLES):
        given = (*names[:place], *names[place + 1 :])
        with pytest.raises(AssertionError, match="is off by"):
            check(wide, Conditional(("y",), ("x", *given)), ["y"], ["x"], names)


def test_linear_models_are_what_they_say() -> None:
    """Sampled, with weights read back by least squares: covariance, and the effect of do."""
    diagram = CausalDiagram.build([("x", "m"), ("m", "y"), ("x", "y")], [("x", "y")])
    model = LinearModel(diagram, 3)
    covariance = np.linalg.inv(model.marginal(["x", "m", "y"]).precision)
    slope = np.linalg.solve(covariance[:1, :1], covariance[:1, 1])[0]  # m on x: unconfounded
    after = model.truth(["y"], ["x"], [])
    place = {name: index for index, name in enumerate(after.names)}
    effect = -after.precision[place["y"], place["x"]] / after.precision[place["y"], place["y"]]
    onto = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])  # y on x and m: m is right
    confounded = onto[0] + slope * onto[1]
    assert effect != pytest.approx(confounded, abs=1e-3)
    front = model.value(identify_joint(diagram.subgraph("xm"), ["m"], ["x"]))
    place = {name: index for index, name in enumerate(front.names)}
    found = -front.precision[place["m"], place["x"]] / front.precision[place["m"], place["m"]]
    assert found == pytest.approx(slope, abs=1e-12)
