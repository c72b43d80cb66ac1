"""track: modularity along the training of a network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from causalmod._display import FIGURES, html_table
from causalmod.compiler import Choice, Grains, Inputs
from causalmod.errors import CausalmodError, InputError, OutputError
from causalmod.modularity.measure import modularity
from causalmod.modularity.result import Modularity
from causalmod.scm import compile
from causalmod.search import SearchBudget

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = ("step", "score", "low", "high", "p", "raw", "k", "exchange", "same_modules", "seconds",
            "note")  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """One measurement.

    Attributes:
        step: number of the training step.
        result: what was found; None where the network could not be measured.
        same_modules: adjusted Rand index between these modules and those of the measurement before,
            over the units that are live in both; None where there are none.
        seconds: time that it took.
        note: why there is no result.
    """

    step: int
    result: Modularity | None
    same_modules: float | None
    seconds: float
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        found = self.result
        figures: dict[str, Any] = dict.fromkeys(_COLUMNS)
        if found is not None:
            figures |= {name: getattr(found, name) for name in ("score", "low", "high", "p", "k")}
            figures |= {"raw": found.raw, "exchange": found.exchange.bits}
        return figures | {
            "step": self.step, "same_modules": self.same_modules, "seconds": self.seconds,
            "note": self.note or (found.note if found is not None else ""),
        }  # fmt: skip


class Track:
    """Measures a network now and then while it is trained. Made by :func:`track`.

    Attributes:
        checkpoints: the measurements so far. An interruption leaves those before it.
        spent: seconds that they took.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        *,
        every: int,
        seconds: float | None,
        path: Path | None,
        compiling: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.checkpoints: list[Checkpoint] = []
        self.spent = 0.0
        self._model, self._inputs = model, inputs
        self._every, self._seconds, self._path = every, seconds, path
        self._compiling, self._options = dict(compiling), dict(options)
        self._calls = 0

    def step(self, step: int | None = None) -> Checkpoint | None:
        """Count one step of training, and measure if its turn has come and the budget allows.

        Args:
            step: its number; by default the number of calls before this one.

        Returns:
            The measurement; None when none was made.
        """
        number = self._calls if step is None else step
        due = self._calls % self._every == 0
        self._calls += 1
        if not due or (self._seconds is not None and self.spent >= self._seconds):
            return None
        return self.measure(number)

    def measure(self, step: int) -> Checkpoint:
        """Measure the network as it is now, whatever the budget.

        The network is put in evaluation mode for as long as it takes. One that cannot be measured
        (all units dead, activations that are not finite) gives a checkpoint without a result, so
        that the training goes on.
        """
        start = time.perf_counter()
        found, note = None, ""
        try:
            with _evaluating(self._model):
                scm = compile(self._model, self._inputs, **self._compiling)
            found = modularity(scm, **self._options)
        except CausalmodError as reason:
            note = str(reason)
        finally:
            taken = time.perf_counter() - start
            self.spent += taken
        made = Checkpoint(step, found, self._same_modules(found), taken, note)
        self.checkpoints.append(made)
        self._write(made)
        return made

    def _same_modules(self, found: Modularity | None) -> float | None:
        before = next((c.result for c in reversed(self.checkpoints) if c.result is not None), None)
        if found is None or before is None:
            return None
        first, second = before.partition.labels, found.partition.labels
        both = [unit for unit in second if unit in first]
        if len(both) < 2:
            return None
        from sklearn.metrics import adjusted_rand_score

        labels = [[some[unit] for unit in both] for some in (first, second)]
        return float(adjusted_rand_score(*labels))

    def _write(self, made: Checkpoint) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(made.to_dict()) + "\n")
        except OSError as reason:
            raise OutputError(f"cannot write {self._path}: {reason.strerror}") from reason

    def callback(self) -> Any:
        """Return a callback for a Lightning trainer: a step is the end of a training epoch.

        Raises:
            InputError: Lightning is not installed.
        """
        for name in ("lightning.pytorch", "pytorch_lightning"):
            try:
                base = import_module(name).Callback
            except ImportError:
                continue
            return _lightning_callback(base, self)
        raise InputError(
            "Lightning is not installed; in a plain loop call track.step() after each step"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measurement.

        ``score``, ``low``, ``high``, ``p``, ``raw`` and ``k`` are those of
        :class:`causalmod.Modularity`; ``exchange`` is in bits; ``same_modules`` is the adjusted
        Rand index with the measurement before.
        """
        import pandas as pd

        rows = [[made.to_dict()[name] for name in _COLUMNS] for made in self.checkpoints]
        return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("step")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write, each result in full."""
        return {
            "checkpoints": [
                made.to_dict() | {"result": None if made.result is None else made.result.to_dict()}
                for made in self.checkpoints
            ]
        }

    def plot(self) -> Figure:
        """Draw modularity with its interval, and the exchange, against the step."""
        return FIGURES.get("track")(self)

    def __repr__(self) -> str:
        last = self.checkpoints[-1].result if self.checkpoints else None
        shown = "nothing measured" if last is None else f"last {last!r}"
        return f"Track({len(self.checkpoints)} measurements in {self.spent:.0f} s; {shown})"

    def _repr_html_(self) -> str:
        last = self.checkpoints[-1] if self.checkpoints else None
        rows = [("measurements", str(len(self.checkpoints))), ("seconds", f"{self.spent:.1f}")]
        return html_table("Track", rows + ([("last", repr(last.result))] if last else []))


def track(
    model: nn.Module,
    inputs: Inputs,
    *,
    k: int | None = 2,
    every: int = 1,
    seconds: float | None = None,
    path: str | Path | None = None,
    sites: Choice | None = None,
    variables: Grains = "unit",
    method: str = "auto",
    budget: SearchBudget | None = None,
    nulls: int = 5,
    estimator: str = "auto",
    resolution: float = 1.0,
    seed: int = 0,
) -> Track:
    """Follow the modularity of a network while it is trained.

    Args:
        model: the network; it is measured as it is at each step.
        inputs: the data to measure on, as for :func:`causalmod.compile`.
        k: number of modules; None chooses it each time, which takes several times as long.
        every: measure at each ``every``-th call of :meth:`Track.step`, the first one included.
        seconds: most time that all measurements may take together, the last one not cut short; None
            for no limit.
        path: a file to which each measurement is added at once, one JSON object a line.
        sites: what becomes a variable, as for :func:`causalmod.compile`.
        variables: what one variable is, likewise.
        method: search algorithm, as for :func:`causalmod.modularity`.
        budget: limits of each search.
        nulls: number of null networks of each measurement. 5 show a trend; a p-value needs 19.
        estimator: as for :func:`causalmod.modularity`.
        resolution: noise scale in standard deviations of the reported figures.
        seed: seed of everything random, the same at each step, so that steps can be compared.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> import torch, causalmod as cm
        >>> case = cm.zoo.isolated()
        >>> following = cm.track(case.model, case.inputs, every=2, nulls=0)
        >>> for step in range(4):  # a training loop
        ...     made = following.step()
        >>> following.to_frame()["score"].tolist()
        [1.0, 1.0]
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model is a torch.nn.Module; given {type(model).__name__}")
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise InputError(f"every is a whole number of at least 1; given {every!r}")
    if seconds is not None and not seconds > 0:
        raise InputError(f"seconds is a time above 0, or None; given {seconds!r}")
    return Track(
        model,
        inputs,
        every=every,
        seconds=seconds,
        path=None if path is None else Path(path),
        compiling={"sites": sites, "variables": variables},
        options={
            "k": k, "method": method, "budget": budget, "nulls": nulls, "estimator": estimator,
            "resolution": resolution, "curves": False, "seed": seed, "progress": False,
        },
    )  # fmt: skip


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode for a while; each of its modules gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _lightning_callback(base: type, following: Track) -> Any:
    def on_train_epoch_end(self: Any, trainer: Any, pl_module: Any) -> None:
        following.step(int(trainer.current_epoch))

    return type("ModularityTrack", (base,), {"on_train_epoch_end": on_train_epoch_end})()
