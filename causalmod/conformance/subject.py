"""Subject: a measure on trial. It is asked for scores, and watched while it answers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from causalmod.conformance.protocol import Situation
from causalmod.errors import CausalmodError, InputError
from causalmod.information import Estimate
from causalmod.partition import Partition


class NotApplicableError(Exception):
    """The measure refuses a network, with a reason: weights that a network does not have, say."""


class MisbehavedError(Exception):
    """The measure raised, gave no number, or changed what it was given."""


class Subject:
    """A measure, whatever its author wrote, with the manners of one that is registered.

    Args:
        measure: an object that is called with a model and a partition, and may take ``rows`` and
            ``seed``. A class is instantiated. ``name`` and ``lower_is_modular`` are read from it
            where it has them (its type's name, and False, otherwise).
        seed: passed to it where it takes one.

    Raises:
        InputError: it cannot be called that way, or its class needs arguments.
    """

    def __init__(self, measure: Any, seed: int = 0) -> None:
        self.measure = _instance(measure)
        self.name = str(
            getattr(self.measure, "name", None)
            or getattr(self.measure, "__name__", type(self.measure).__name__)
        )
        self.lower_is_modular = bool(getattr(self.measure, "lower_is_modular", False))
        self.seed = seed
        _check_call(self.measure, self.name)
        self._scores: dict[int, float | Exception] = {}
        self._kept: list[Situation] = []  # so that no identity is given out again

    # --- scores ---------------------------------------------------------------------------------

    def value(self, situation: Situation) -> float:
        """Return what the measure reads, in its own unit; asked only once for a situation.

        Raises:
            NotApplicableError: the measure refuses the network.
            MisbehavedError: it raised something else, gave no number, or changed the model.
        """
        key = id(situation)
        if key not in self._scores:
            self._kept.append(situation)
            try:
                self._scores[key] = self.ask(situation)
            except (NotApplicableError, MisbehavedError) as refused:
                self._scores[key] = refused
        found = self._scores[key]
        if isinstance(found, Exception):
            raise found
        return found

    def score(self, situation: Situation) -> float:
        """Return the value, turned so that more is more modular."""
        value = self.value(situation)
        return -value if self.lower_is_modular else value

    def ask(self, situation: Situation) -> float:
        """Ask the measure, whether it has been asked before or not."""
        value = self._watched(situation, lambda: self._call(self.measure, situation))
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            try:
                value = float(value)
            except (TypeError, ValueError):
                raise MisbehavedError(
                    f"returned {type(value).__name__} in place of a number on {situation.name}"
                ) from None
        if math.isnan(value):
            raise MisbehavedError(f"returned NaN on {situation.name}")
        return float(value)

    # --- what a measure may have besides --------------------------------------------------------

    @property
    def searches(self) -> bool:
        """Has the measure its own search?"""
        return callable(getattr(self.measure, "search", None))

    def search(self, situation: Situation) -> Partition:
        """Return the partition that the measure's own search finds, with as many modules."""

        def ask() -> Any:
            keywords = {"seed": self.seed} if _accepts(self.measure.search, "seed") else {}
            return self.measure.search(situation.scm, len(situation.partition), **keywords)

        found = self._watched(situation, ask)
        if not isinstance(found, Partition):
            raise MisbehavedError(
                f"search() returned {type(found).__name__} in place of a Partition"
            )
        return found

    @property
    def estimates(self) -> bool:
        """Does the measure give intervals?"""
        return callable(getattr(self.measure, "estimate", None))

    def estimate(self, situation: Situation) -> Estimate:
        """Return the measure's figure with its interval."""
        found = self._watched(situation, lambda: self._call(self.measure.estimate, situation))
        if not hasattr(found, "low") or not hasattr(found, "high"):
            raise MisbehavedError(
                f"estimate() returned {type(found).__name__}, which has no interval"
            )
        return found

    # --- one call -------------------------------------------------------------------------------

    def _call(self, function: Callable[..., Any], situation: Situation) -> Any:
        keywords = {"seed": self.seed} if _accepts(function, "seed") else {}
        return function(situation.scm, situation.partition, **keywords)

    def _watched(self, situation: Situation, call: Callable[[], Any]) -> Any:
        """Run a call; put the model back as it was if the call changed it."""
        held = {name: (tensor, tensor.clone()) for name, tensor in situation.scm.parameters.items()}
        try:
            value = call()
        except CausalmodError as refused:
            raise NotApplicableError(str(refused)) from refused
        except Exception as error:
            raise MisbehavedError(
                f"raised {type(error).__name__} on {situation.name}: {error}"
            ) from error
        finally:
            changed = [n for n, (now, before) in held.items() if not torch.equal(now, before)]
            with torch.no_grad():
                for name in changed:
                    now, before = held[name]
                    now.copy_(before)
        if changed:
            raise MisbehavedError(f"changed {', '.join(changed)} of the model on {situation.name}")
        return value


def _instance(measure: Any) -> Any:
    if not inspect.isclass(measure):
        return measure
    try:
        return measure()
    except TypeError as error:
        raise InputError(
            f"{measure.__name__} cannot be made without arguments ({error}); give an instance"
        ) from None


def _check_call(measure: Any, name: str) -> None:
    if not callable(measure):
        raise InputError(
            f"a measure is called with a model and a partition, and {name} cannot be called; "
            "give it a method __call__(self, scm, partition)"
        )
    signature = inspect.signature(measure)
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise InputError(
            f"{name} must take a model and a partition, and nothing else without a default; it "
            f"takes {signature} ({error})"
        ) from None


def _accepts(function: Callable[..., Any], keyword: str) -> bool:
    parameters = inspect.signature(function).parameters
    return keyword in parameters or any(
        each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()
    )
