"""Queries: what is asked of a model, in the field's notation or as plain objects."""

from causalmod.queries.distribution import Distribution
from causalmod.queries.evaluate import query
from causalmod.queries.events import Bin, Equal, Event, Interval, NotEqual, OneOf
from causalmod.queries.grammar import parse
from causalmod.queries.kinds import (
    Change,
    Effect,
    ExchangedInformation,
    Expectation,
    Information,
    Probability,
    Query,
)
from causalmod.queries.terms import Term, Treatment

__all__ = [
    "Bin",
    "Change",
    "Distribution",
    "Effect",
    "Equal",
    "Event",
    "ExchangedInformation",
    "Expectation",
    "Information",
    "Interval",
    "NotEqual",
    "OneOf",
    "Probability",
    "Query",
    "Term",
    "Treatment",
    "parse",
    "query",
]
