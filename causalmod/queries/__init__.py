"""Queries: what is asked of a model, in the field's notation or as plain objects."""

from causalmod.queries.diagram import CausalDiagram
from causalmod.queries.distribution import Distribution
from causalmod.queries.effect_model import effect_model
from causalmod.queries.evaluate import query
from causalmod.queries.events import Bin, Equal, Event, Interval, NotEqual, OneOf
from causalmod.queries.falsify import Falsification, falsify
from causalmod.queries.grammar import parse
from causalmod.queries.id_algorithm import Hedge
from causalmod.queries.identify import Identification, identify
from causalmod.queries.kinds import (
    Change,
    Effect,
    ExchangedInformation,
    Expectation,
    Information,
    Probability,
    Query,
)
from causalmod.queries.logged import LoggedAnswer
from causalmod.queries.terms import Term, Treatment
from causalmod.queries.verify import Verification, verify

__all__ = [
    "Bin",
    "CausalDiagram",
    "Change",
    "Distribution",
    "Effect",
    "Equal",
    "Event",
    "ExchangedInformation",
    "Expectation",
    "Falsification",
    "Hedge",
    "Identification",
    "Information",
    "Interval",
    "LoggedAnswer",
    "NotEqual",
    "OneOf",
    "Probability",
    "Query",
    "Term",
    "Treatment",
    "Verification",
    "effect_model",
    "falsify",
    "identify",
    "parse",
    "query",
    "verify",
]
