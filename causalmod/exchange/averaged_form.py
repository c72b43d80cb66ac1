"""The averaged form, the post's: bits received by a module of which the context is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from causalmod.exchange.blocks import draw_blocks, means
from causalmod.exchange.conditional_form import Effort, Tell
from causalmod.exchange.contexts import DRAWS, read_with_enough_draws
from causalmod.exchange.divergence import divergence
from causalmod.exchange.hybrid import CONTEXT, RESPOND, Sample, draw_sample
from causalmod.exchange.readings import Reading
from causalmod.exchange.receivers import Question, Receivers, from_all, from_one, to_all
from causalmod.exchange.task import counted
from causalmod.information import Bounds, Estimator
from causalmod.information.channel import averaged_over_all, averaged_over_sets
from causalmod.information.intervals import is_saturated

_PERMUTATIONS = 19
_MOST_DRAWS = 256  # in a set: all distances in it are found again in each permutation
_HELD = 2**27  # bytes of responses at a time


class _Found(NamedTuple):
    """Bits ``[set]``, what they are the difference of, and ``[permutation]`` bits by chance."""

    bounds: Bounds
    whole: Bounds
    permuted: Tensor | None


@dataclass(frozen=True)
class AveragedForm:
    """``sum_b P(b) KL( P(R_m|do(b)) || Q )`` with ``b`` the donors' values of all other modules.

    ``Q`` is the mixture of the ``P(R_m|do(b))`` (a mutual information), or, where ``literal``, what
    the module shows on the data. See :class:`causalmod.exchange.readings.Form`.
    """

    receivers: Receivers
    labels: Tensor
    effort: Effort
    exact: bool
    literal: bool

    def receive(self, modules: Sequence[int]) -> list[Reading]:
        """What modules receive from all others."""
        questions = [from_all(self.labels, m, joint=self.effort.joint) for m in modules]
        return self._read(questions, self.effort.tell)

    def send(self, module: int) -> Reading:
        """What a module sends all others together."""
        return self._read([to_all(self.labels, module)])[0]

    def pair(self, sender: int, receiver: int, *, direct: bool) -> Reading:
        """What a module sends one other."""
        others = CONTEXT if direct else RESPOND
        return self._read([from_one(self.labels, sender, receiver, others)])[0]

    def _read(self, questions: list[Question], tell: Tell = lambda reading: None) -> list[Reading]:
        if not self.exact:
            return self._sampled(questions, tell)
        found: list[Reading] = []
        for question in questions:
            found.append(self._counted(question))
            tell(found[-1])
        return found

    # --- everything enumerated --------------------------------------------------------------------

    def _counted(self, question: Question) -> Reading:
        sample = self.receivers.enumerate(question.senders)
        assert sample.weights is not None
        responses = self.receivers.responses(question, sample)
        estimator = self.receivers.estimator(question)
        weights = sample.weights.to(responses.device)
        bits = averaged_over_all(estimator, responses.transpose(0, 1), weights).bits
        gap, new = self._beyond(question, responses, sample.weights)
        return Reading(
            bounds=Bounds(bits.cpu().clamp_min(0)[None]),
            contexts=sample.shape[0],
            donors=sample.shape[1],
            exact=True,
            gap=gap,
            literal=self.literal,
            new=new,
        )

    def _beyond(
        self, question: Question, responses: Tensor, weights: Tensor
    ) -> tuple[float, float]:
        """Confounding gap ``KL( sum_b P(b) P(R_m|do(b)) || P(R_m) )``, and the share that is new.

        Args:
            question: what is asked.
            responses: ``[context, combination, coordinate]``.
            weights: ``[combination]`` counts.
        """
        seen = self.receivers.observed(question)
        estimator = self.receivers.estimator(question)
        codes = counted(estimator, torch.cat([seen, responses.flatten(0, 1)])).cpu()
        observed, under = codes[: len(seen)], codes[len(seen) :]
        counts = weights.double().repeat(len(responses))
        gap = float(divergence(under, observed, counts))
        return gap, float(counts[~torch.isin(under, observed)].sum() / counts.sum())

    # --- pairs of sets of draws -------------------------------------------------------------------

    def _sampled(self, questions: list[Question], tell: Tell) -> list[Reading]:
        last: list[_Found] = []

        def read(sets: int, draws: int) -> list[Bounds]:
            last.clear()
            for question in questions:
                last.append(self._on_sets(question, sets, draws))
                bounds = last[-1].bounds
                tell(Reading(bounds=bounds, contexts=draws, donors=sets, saturated=False))
            return [found.whole for found in last]

        most = min(_MOST_DRAWS, self.receivers.draws_that_fit())
        known = self.effort
        _, draws = read_with_enough_draws(read, known.contexts, known.draws, most, wide=DRAWS[0])
        return [
            self._reading(question, found, draws)
            for question, found in zip(questions, last, strict=True)
        ]

    def _reading(self, question: Question, found: _Found, draws: int) -> Reading:
        sets = len(found.bounds.bits)
        if found.permuted is None:  # no donor moves anything
            zero = torch.zeros_like(found.bounds.bits)
            nothing = Bounds(zero, None if found.bounds.upper is None else zero)
            return Reading(bounds=nothing, contexts=draws, donors=sets, saturated=False)
        whole = found.whole.upper
        full = whole is not None and is_saturated(float(whole.mean()), draws)
        cap = None
        if whole is not None:  # knowing the context can only help
            known, streams = self.effort, len(question.senders)
            contexts = min(known.contexts, len(known.rows))
            sample = draw_sample(known.rows, contexts, draws, streams, known.seed)
            cap = self.receivers.read(question, sample).cpu()
            if cap.upper is None or is_saturated(float(cap.upper.mean()), draws):
                cap = None
        return Reading(
            bounds=found.bounds,
            contexts=draws,
            donors=sets,
            blocks=self._on_blocks(question, draws),
            saturated=full,
            permuted=found.permuted,
            cap=cap,
        )

    def _on_sets(self, question: Question, sets: int, draws: int) -> _Found:
        """Sets of draws in pairs, each pair on contexts and with a donor of its own."""
        rows, streams = self.effort.rows, len(question.senders)
        generator = torch.Generator().manual_seed(self.effort.seed)

        def drawn(*shape: int) -> Tensor:
            return rows[torch.randint(len(rows), shape, generator=generator)]

        contexts, several = drawn(sets, draws), drawn(streams, sets, draws)
        one = drawn(streams, sets, 1)
        estimator = self.receivers.estimator(question)
        bounds: list[Bounds] = []
        wholes: list[Bounds] = []
        moves = False
        permuted = torch.zeros(_PERMUTATIONS, dtype=torch.float64)
        for which in self._pieces(question, sets, draws):
            mixed = self._under(question, contexts[which], several[:, which])
            fixed = self._under(question, contexts[which], one[:, which].expand(-1, -1, draws))
            each, whole = averaged_over_sets(estimator, mixed, fixed)
            bounds.append(each.cpu())
            wholes.append(whole.cpu())
            if estimator.moves(torch.stack([mixed, fixed], dim=-2)):
                moves = True
                permuted += _by_chance(estimator, mixed, fixed, generator) / sets
        return _Found(Bounds.joined(bounds), Bounds.joined(wholes), permuted if moves else None)

    def _pieces(self, question: Question, sets: int, draws: int) -> Iterator[slice]:
        wide = draws * self.receivers.width(question) * 8 * 6
        step = max(1, _HELD // wide)
        return (slice(start, start + step) for start in range(0, sets, step))

    def _under(self, question: Question, contexts: Tensor, donors: Tensor) -> Tensor:
        """``[set, draw, coordinate]`` on contexts ``[set, draw]``, donors ``[stream, set, draw]``.

        The receiver as a whole, also what no donor moves: it may tell the context.
        """
        sample = Sample(contexts.flatten(), donors.flatten(1)[..., None])
        return self.receivers.responses(question, sample)[:, 0].unflatten(0, contexts.shape)

    def _on_blocks(self, question: Question, draws: int) -> Bounds | None:
        known, streams = self.effort, len(question.senders)
        generator = torch.Generator().manual_seed(known.seed + 7)
        parts: list[Bounds] = []
        for rows, sample in draw_blocks(known.rows, known.contexts, draws, streams, known.seed):
            sets, each = sample.shape
            contexts = rows[torch.randint(len(rows), (sets, each), generator=generator)]
            one = rows[torch.randint(len(rows), (streams, sets, 1), generator=generator)]
            mixed = self._under(question, contexts, sample.donors)
            fixed = self._under(question, contexts, one.expand(-1, -1, each))
            estimator = self.receivers.estimator(question, rows)
            parts.append(averaged_over_sets(estimator, mixed, fixed)[0].cpu())
        return means(parts)


def _by_chance(
    estimator: Estimator, mixed: Tensor, fixed: Tensor, generator: torch.Generator
) -> Tensor:
    """Bits ``[permutation]``, summed over sets, with the responses of a pair of sets mixed.

    Each context hands its two responses to either set: what no channel would look like.
    """
    at_once = max(1, _HELD // (mixed.numel() * 32))
    found: list[Tensor] = []
    for start in range(0, _PERMUTATIONS, at_once):
        count = min(at_once, _PERMUTATIONS - start)
        swap = torch.rand(count, *mixed.shape[:2], generator=generator)[..., None] < 0.5
        swap = swap.to(mixed.device)
        first, second = torch.where(swap, fixed, mixed), torch.where(swap, mixed, fixed)
        found.append(averaged_over_sets(estimator, first, second)[0].bits.double().sum(1).cpu())
    return torch.cat(found)
