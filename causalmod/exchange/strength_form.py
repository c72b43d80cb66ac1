"""The strength form: what is lost when the arrows that cross between modules are cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from causalmod.errors import EstimatorError, InputError
from causalmod.exchange.blocks import draw_blocks, means
from causalmod.exchange.conditional_form import Effort
from causalmod.exchange.divergence import divergence
from causalmod.exchange.groups import Group, Setting
from causalmod.exchange.laws import enumerated
from causalmod.exchange.readings import Reading
from causalmod.exchange.task import counted, distinct
from causalmod.information import ESTIMATORS, Bounds
from causalmod.information.all_pairs import pair_codes
from causalmod.information.bins import BINS, Bins
from causalmod.scm import StructuralCausalModel, Units
from causalmod.scm.units import unit_edges
from causalmod.variables import Variable

_DRAWS = 256
_RUN_BYTES = 2**26
_PER_COMBINATION = 512  # bytes
_ENTRIES = 4096  # combinations of independent values that are drawn from, at least


class StrengthForm:
    """``sum_j E_pa KL( P(v_j | pa_j) || P_cut(v_j | pa_j) )`` over the units of a module, in bits.

    ``P_cut`` feeds each arrow from another module an independent draw from the marginal of its
    source, and leaves the unit's other parents as they are. See
    :class:`causalmod.exchange.readings.Form`.

    Args:
        scm: the model.
        units: what the labels are of.
        labels: ``[unit]`` module numbers.
        effort: how much is drawn.
        exact: are all combinations of values counted (else values are binned and drawn)?
        memory: bytes that the work may hold.

    Source: Janzing, Balduzzi, Grosse-Wentrup and Schölkopf, Annals of Statistics 41(5):2324 (2013),
    definition 2 and section 3.3 on sets of arrows.
    """

    def __init__(
        self,
        scm: StructuralCausalModel,
        units: Units,
        labels: Tensor,
        effort: Effort,
        *,
        exact: bool,
        memory: int,
    ) -> None:
        self._scm, self._units, self._labels = scm, units, labels
        self._effort, self._exact, self._memory = effort, exact, memory
        self._tables: dict[bytes, dict[str, Tensor]] = {}  # kept: blocks of rows come back
        if not exact:
            wide = [s for s in units.sites if scm.sites[s].width > 1]
            if wide:
                raise EstimatorError(
                    f"kind='strength' compares the probabilities of a unit's values, and those of "
                    f"{wide[0]!r} are blocks of {scm.sites[wide[0]].width} numbers, which cannot "
                    "be binned: compile with variables='unit', or use kind='conditional'"
                )

    def fits(self) -> bool:
        """Can the values of each unit's parents in other modules be counted within the memory?"""
        owner = dict(zip(self._units.names, self._labels.tolist(), strict=True))
        levels = {
            v.name: len(
                distinct(Group(self._scm, [v.name], "unit").observed().values[self._effort.rows])[0]
            )
            for v in self._scm.resolve(self._units.names)
        }
        most = self._memory // _PER_COMBINATION
        return all(
            prod(levels[p] for p in parents if owner.get(p, own) != own) <= most
            for own, parents in ((owner[unit], self._parents[unit]) for unit in self._units.names)
        )

    def receive(self, modules: Sequence[int]) -> list[Reading]:
        """What is lost by cutting all arrows into modules from others."""
        found: list[Reading] = []
        for module in modules:
            own = self._labels == module
            found.append(self._read(~own, own))
            self._effort.tell(found[-1])
        return found

    def send(self, module: int) -> Reading:
        """What is lost by cutting all arrows from a module to others."""
        own = self._labels == module
        return self._read(own, ~own)

    def pair(self, sender: int, receiver: int, *, direct: bool) -> Reading:
        """What is lost by cutting all arrows from a module to another.

        Raises:
            InputError: a total effect, which arrows do not have.
        """
        if not direct:
            raise InputError("kind='strength' measures arrows, which are direct")
        return self._read(self._labels == sender, self._labels == receiver)

    def _read(self, senders: Tensor, receivers: Tensor) -> Reading:
        if self._exact:
            return self._counted(senders, receivers)
        known = self._effort
        draws = known.draws or _DRAWS
        contexts = known.rows
        generator = torch.Generator().manual_seed(known.seed)
        contexts = contexts[torch.randperm(len(contexts), generator=generator)[: known.contexts]]
        bits = self._sampled(senders, receivers, known.rows, contexts, draws)
        blocks = [
            [Bounds(self._sampled(senders, receivers, rows, some.contexts, draws))]
            for rows, some in draw_blocks(known.rows, known.contexts, draws, 1, known.seed)
        ]
        return Reading(
            bounds=Bounds(bits),
            contexts=len(bits),
            donors=draws,
            saturated=False,
            blocks=means([each[0] for each in blocks]),
        )

    # --- sampled: all receivers off one pass ------------------------------------------------------

    def _sampled(
        self, senders: Tensor, receivers: Tensor, rows: Tensor, contexts: Tensor, draws: int
    ) -> Tensor:
        """Bits ``[context]``: all units are held, senders at independent values, and all answer."""
        fed = self._fed(rows)
        entries = len(next(iter(fed.values())))
        generator = torch.Generator().manual_seed(self._effort.seed + 1)
        picks = torch.randint(entries, (len(contexts), draws), generator=generator)
        wide = sum(self._scm.sites[s].count for s in self._scm.sites)
        step = max(1, min(self._memory, _RUN_BYTES) // (draws * wide * 4 * 3))
        parts: list[Tensor] = []
        for start in range(0, len(contexts), step):
            which = slice(start, start + step)
            parts.append(self._piece(senders, receivers, fed, (contexts[which], picks[which])))
        return torch.cat(parts)

    def _piece(
        self,
        senders: Tensor,
        receivers: Tensor,
        fed: Mapping[str, Tensor],
        sample: tuple[Tensor, Tensor],
    ) -> Tensor:
        contexts, picks = sample
        rows = contexts[:, None].expand(picks.shape).reshape(-1)
        natural: dict[str, Tensor] = {}
        patches = {
            name: self._holding(name, s, senders, (fed, rows, picks.reshape(-1), natural))
            for s, name in enumerate(self._units.sites)
        }
        self._scm.replay(rows, patches, list(patches))
        bits = torch.zeros(len(contexts), dtype=torch.float64)
        for s, name in enumerate(self._units.sites):
            own = self._units.at(s)
            own = own[receivers[own]]
            if not len(own):
                continue
            places = self._units.index[own]
            got = natural[name][:, places, 0].double()
            seen = self._scm.blocks(name)[:, places, 0].double()
            cut = Bins(BINS)
            codes = pair_codes(got, seen[rows], (cut, cut), reference=(seen, seen))
            agree = (codes.left == codes.right).unflatten(1, picks.shape).sum(2).cpu()
            # drawn values miss each context's own one, which may be fed in as well: one more draw
            bits -= ((agree + 1) / (picks.shape[1] + 1)).double().log2().sum(0)
        return bits.clamp_min(0)

    def _holding(
        self,
        name: str,
        site: int,
        senders: Tensor,
        held: tuple[Mapping[str, Tensor], Tensor, Tensor, dict[str, Tensor]],
    ) -> Callable[[Tensor], Tensor]:
        """Note what a site answers, then hold senders at what they are fed, others as they are."""
        fed, rows, entries, natural = held
        own = self._units.at(site)
        mask = torch.zeros(self._scm.sites[name].count, dtype=torch.bool)
        mask[self._units.index[own]] = senders[own]

        def hold(blocks: Tensor) -> Tensor:
            natural[name] = blocks
            still = self._scm.blocks(name)[rows]
            if not bool(mask.any()):
                return still.to(blocks.dtype)
            given = fed[name][entries].to(blocks.dtype)
            return torch.where(mask[:, None].to(blocks.device), given, still)

        return hold

    def _fed(self, rows: Tensor) -> dict[str, Tensor]:
        """Site → values ``[entry, variable, coordinate]``, each variable in an order of its own."""
        key = rows.numpy().tobytes()
        if key not in self._tables:
            generator = torch.Generator().manual_seed(self._effort.seed + 2)
            size = len(rows) * -(-_ENTRIES // len(rows))  # marginals are kept exactly
            self._tables[key] = {}
            for name in self._units.sites:
                values = self._scm.blocks(name)[rows]
                shuffle = torch.rand(size, values.shape[1], generator=generator).argsort(0)
                picked = (shuffle % len(rows)).to(values.device)
                picked = picked[..., None].expand(-1, -1, values.shape[2])
                self._tables[key][name] = values.gather(0, picked)
        return self._tables[key]

    # --- exact: unit by unit, all combinations ----------------------------------------------------

    def _counted(self, senders: Tensor, receivers: Tensor) -> Reading:
        names = self._units.names
        sending = {name for name, own in zip(names, senders, strict=True) if own}
        total, most = 0.0, 1
        for name in (name for name, own in zip(names, receivers, strict=True) if own):
            cut = [parent for parent in self._parents[name] if parent in sending]
            known = [parent for parent in self._parents[name] if parent not in sending]
            if cut:
                bits, combinations = self._unit(name, cut, known)
                total, most = total + bits, max(most, combinations)
        bounds = Bounds(torch.tensor([total], dtype=torch.float64))
        return Reading(bounds=bounds, contexts=len(self._effort.rows), donors=most, exact=True)

    def _unit(self, name: str, cut: list[str], known: list[str]) -> tuple[float, int]:
        """Bits that one unit loses with some of its arrows, and the combinations fed in."""
        rows, scm = self._effort.rows, self._scm
        target, source = Group(scm, [name], "target"), Group(scm, cut, "source")
        most = max(1, self._memory // _PER_COMBINATION)
        fed = enumerated({s: v[rows] for s, v in source.values.items()}, "product", most)
        every = Group(scm, cut + known, "parents").observed().values[rows]
        first, counts = (each.cpu() for each in distinct(every))
        estimator = ESTIMATORS.get("exact").fit(None, target.observed(), 1.0)
        held = Group(scm, known, "known") if known else None
        step = max(1, self._memory // (len(fed) * 64))
        parts: list[Tensor] = []
        for start in range(0, len(first), step):
            contexts = rows[first[start : start + step]]
            runs = contexts.repeat_interleave(len(fed))
            settings: list[Setting] = [] if held is None else held.set_to(held.values, runs)
            settings += source.set_to(fed.values, torch.arange(len(fed)).repeat(len(contexts)))
            got = target.under(settings, runs, self._memory).double()
            own = target.observed().values[contexts].double()
            codes = counted(estimator, torch.cat([own, got])).cpu()
            left, right = codes[: len(own), None], codes[len(own) :].reshape(len(own), -1)
            parts.append(divergence(left, right, None, fed.weights.cpu()))
        return float(counts.double() @ torch.cat(parts) / counts.sum()), len(fed)

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        """Unit → the variables with an arrow into it or into what is tied to it.

        Of tied variables the one that stands for them.
        """
        scm, found = self._scm, {name: [] for name in self._units.names}
        for (source, reader), edges in unit_edges(scm).items():
            for i, j in edges.nonzero().tolist():
                unit, parent = Variable(reader, j).name, Variable(source, i).name
                if unit in found and parent not in found[unit]:
                    found[unit].append(parent)
        return found
