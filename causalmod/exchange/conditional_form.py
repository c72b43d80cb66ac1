"""The conditional form: ``E_x H( R_m(x, X') )``, bits received by a module that knows the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from causalmod.exchange.blocks import draw_blocks, means
from causalmod.exchange.contexts import DRAWS, WIDE, read_with_enough_draws
from causalmod.exchange.hybrid import CONTEXT, RESPOND, draw_sample
from causalmod.exchange.readings import Reading
from causalmod.exchange.receivers import Question, Receivers, from_all, from_one, to_all
from causalmod.information import Bounds

_PAIR_DRAWS = 256

#: Called with what was read of a module, as soon as it is.
Tell = Callable[[Reading], None]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is drawn.

    Attributes:
        rows: numbers of the data rows that are used.
        contexts: number of context rows, where they are drawn.
        draws: donors for each context; None to find a number.
        seed: seed of the draws.
        joint: do all other modules share one donor row?
        tell: called after each reading of what a module receives.
    """

    rows: Tensor
    contexts: int
    draws: int | None
    seed: int
    joint: bool = False
    tell: Tell = lambda reading: None


@dataclass(frozen=True)
class ConditionalForm:
    """See :class:`causalmod.exchange.readings.Form`."""

    receivers: Receivers
    labels: Tensor
    effort: Effort
    exact: bool

    def receive(self, modules: Sequence[int]) -> list[Reading]:
        """What modules receive from all others, with as many draws as the worst of them needs."""
        questions = [from_all(self.labels, m, joint=self.effort.joint) for m in modules]
        return self.read(questions, DRAWS[-1], WIDE, self.effort.tell)

    def send(self, module: int) -> Reading:
        """What a module sends all others together."""
        return self.read([to_all(self.labels, module)], DRAWS[-1], WIDE)[0]

    def pair(self, sender: int, receiver: int, *, direct: bool) -> Reading:
        """What a module sends one other; with less work where it saturates: there are many."""
        others = CONTEXT if direct else RESPOND
        question = from_one(self.labels, sender, receiver, others)
        return self.read([question], _PAIR_DRAWS, DRAWS[0])[0]

    def read(
        self,
        questions: Sequence[Question],
        most: int,
        wide: int,
        tell: Tell = lambda reading: None,
    ) -> list[Reading]:
        """Read questions on the same contexts, with the same number of draws."""
        known, rows = self.effort, self.effort.rows

        def one(question: Question, contexts: int, draws: int) -> Bounds:
            streams = len(question.senders)
            sample = draw_sample(rows, min(contexts, len(rows)), draws, streams, known.seed)
            found = self.receivers.read(question, sample).cpu()
            tell(Reading(bounds=found, contexts=len(found.bits), donors=draws))
            return found

        if self.exact:
            return [self._counted(question, tell) for question in questions]
        bounds, taken = read_with_enough_draws(
            lambda contexts, draws: [one(question, contexts, draws) for question in questions],
            known.contexts,
            known.draws,
            min(most, self.receivers.draws_that_fit()),
            wide,
        )
        return [
            Reading(
                bounds=each,
                contexts=len(each.bits),
                donors=taken,
                null=self.receivers.noise(question, rows),
                blocks=self._on_blocks(question, taken),
            )
            for question, each in zip(questions, bounds, strict=True)
        ]

    def _counted(self, question: Question, tell: Tell) -> Reading:
        sample = self.receivers.enumerate(question.senders)
        found = Reading(
            bounds=self.receivers.read(question, sample).cpu(),
            contexts=sample.shape[0],
            donors=sample.shape[1],
            null=self.receivers.noise(question, self.effort.rows),
            exact=True,
        )
        tell(found)
        return found

    def _on_blocks(self, question: Question, draws: int) -> Bounds | None:
        known = self.effort
        streams = len(question.senders)
        blocks = draw_blocks(known.rows, known.contexts, draws, streams, known.seed)
        return means([found.cpu() for found in self.receivers.read_blocks(question, blocks)])
