"""The forms of exchange: which there are, and what measures each."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from causalmod.errors import EstimatorError, InputError, nearest
from causalmod.exchange.averaged_form import AveragedForm
from causalmod.exchange.choice import Choice, choose
from causalmod.exchange.conditional_form import ConditionalForm, Effort
from causalmod.exchange.coordinates import Coordinates
from causalmod.exchange.question import REFERENCES
from causalmod.exchange.readings import Form
from causalmod.exchange.receivers import Receivers, from_all
from causalmod.exchange.strength_form import StrengthForm
from causalmod.information import ESTIMATORS
from causalmod.scm import StructuralCausalModel, Units

KINDS = ("conditional", "averaged", "strength")
_KNOWN = (*KINDS, "interventional")  # as information() calls the averaged form
DONORS = ("independent", "joint")
INPUTS = ("environment", "members")


class Asked(NamedTuple):
    """Which form, and how it is read.

    Attributes:
        kind: one of :data:`KINDS`.
        estimator: a registered name or ``"auto"``.
        resolution: noise scale.
        memory: bytes that the work may hold.
        literal: is the averaged form compared with what is observed?
    """

    kind: str
    estimator: str
    resolution: float
    memory: int
    literal: bool


def check_form(kind: str, *, donors: str, inputs: str, reference: str) -> None:
    """Check what says how exchange is meant.

    Raises:
        InputError: an unknown name, or two that do not go together.
    """
    for what, value, known in (
        ("kind", kind, _KNOWN),
        ("donors", donors, DONORS),
        ("inputs", inputs, INPUTS),
        ("reference", reference, REFERENCES),
    ):
        if value not in known:
            raise InputError(f"unknown {what} {value!r}: {nearest(str(value), known)}")
    if reference != "do" and kind not in {"averaged", "interventional"}:
        raise InputError(
            f"reference={reference!r} is a choice of kind='averaged'; kind={kind!r} compares with "
            "no mixture: leave it out"
        )
    if donors == "joint" and kind == "strength":
        raise InputError(
            "kind='strength' feeds each arrow by itself, so donors='joint' does not apply: leave "
            "it out"
        )


def make_form(
    scm: StructuralCausalModel, units: Units, labels: Tensor, effort: Effort, asked: Asked
) -> tuple[Form, Choice]:
    """Return what measures a form, and the estimator that was chosen.

    Raises:
        InputError: an unknown estimator.
        EstimatorError: the estimator is not for this form or this model.
    """
    values = [Coordinates(scm, units).observed().values[effort.rows]]
    if asked.kind == "strength":
        return _arrows(scm, units, labels, effort, (asked, values))
    choice = choose(asked.estimator, values, 0, asked.memory, single=False)

    def receivers() -> Receivers:
        kind = ESTIMATORS.get(choice.name)
        if not kind.groups:
            raise EstimatorError(
                f"estimator={choice.name!r} is for single units; a module's response is joint: use "
                "'pairwise', 'gaussian' or 'exact'"
            )
        if not kind.contextual:
            raise EstimatorError(
                f"estimator={choice.name!r} compares pairs of values, and exchange is what is sent "
                "within each context: use 'pairwise', 'gaussian' or 'exact'"
            )
        if asked.literal and not kind.counts:
            raise EstimatorError(
                f"estimator={choice.name!r} cannot tell how far interventions take a module from "
                "what is observed; use estimator='exact', or reference='do'"
            )
        return Receivers(
            scm, labels, effort.rows, kind, asked.resolution, memory=asked.memory, units=units
        )

    made = receivers()
    if asked.estimator == "auto" and ESTIMATORS.get(choice.name).exact:
        modules = range(int(labels.max()) + 1)
        questions = [from_all(labels, module, joint=effort.joint) for module in modules]
        replays = made.replays(questions)
        choice = choose(asked.estimator, values, replays, asked.memory, single=False)
        made = receivers()
    exact = ESTIMATORS.get(choice.name).exact
    if asked.kind == "conditional":
        return ConditionalForm(made, labels, effort, exact), choice
    return AveragedForm(made, labels, effort, exact, asked.literal), choice


def _arrows(
    scm: StructuralCausalModel,
    units: Units,
    labels: Tensor,
    effort: Effort,
    asked: tuple[Asked, list[Tensor]],
) -> tuple[StrengthForm, Choice]:
    known, values = asked
    choice = choose(known.estimator, values, 0, known.memory, single=True)
    if not ESTIMATORS.get(choice.name).counts:
        if known.estimator != "auto":
            raise EstimatorError(
                f"estimator={choice.name!r} does not give the probability of each outcome, which "
                "kind='strength' compares; use 'exact' or 'binned'"
            )
        choice = Choice("binned", "arrows are compared by the bins of the units that they enter")
    exact = ESTIMATORS.get(choice.name).exact
    made = StrengthForm(scm, units, labels, effort, exact=exact, memory=known.memory)
    if exact and known.estimator == "auto" and not made.fits():
        choice = Choice("binned", "units are discrete, but their parents take too many values")
        made = StrengthForm(scm, units, labels, effort, exact=False, memory=known.memory)
    return made, choice
