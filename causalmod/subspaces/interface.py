"""Interface dimension: how many dimensions one group of variables passes to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from causalmod._display import FIGURES, html_table
from causalmod._memory import parse_memory
from causalmod.errors import InputError
from causalmod.exchange.groups import Group, Setting, check_disjoint, held_between, patches
from causalmod.exchange.hybrid import draw_sample
from causalmod.interventions import read_seed
from causalmod.provenance import Provenance, stopwatch
from causalmod.scm import StructuralCausalModel
from causalmod.subspaces.spectrum import Spectrum, spectrum_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Interface", "Spectrum", "interface_dimension"]

Effect = Literal["total", "direct"]
_BLOCKS = 16
_PROBES = 64


@dataclass(frozen=True, eq=False)
class Interface:
    """How many dimensions a group passes to another.

    Attributes:
        source, target: names of the variables.
        curvature: spectrum over the source's coordinates of ``E[J.T J]``, the Gauss-Newton matrix:
            along how many directions a small change of the source moves the target.
        response: spectrum over the target's coordinates of ``E_x Cov(T | x)``, the covariance of
            its answers to the source's values on other rows: in how many directions it moves.
        effect: ``"total"`` or ``"direct"``.
        provenance: seed, digests, versions and duration.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    curvature: Spectrum
    response: Spectrum
    effect: str
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write."""
        return {
            "source": list(self.source),
            "target": list(self.target),
            "curvature": self.curvature.to_dict(),
            "response": self.response.to_dict(),
            "effect": self.effect,
            "provenance": self.provenance.to_dict(),
        }

    def plot(self) -> Figure:
        """Draw both spectra, with the effective ranks."""
        return FIGURES.get("interface")(self)

    def __repr__(self) -> str:
        read, moved = self.curvature.participation, self.response.participation
        return (
            f"Interface({len(self.source)} to {len(self.target)} variables: {read:.2f} dimensions "
            f"are read, {moved:.2f} move; {self.effect})"
        )

    def _repr_html_(self) -> str:
        rows = [("source", f"{len(self.source)} variables")]
        rows += [("target", f"{len(self.target)} variables")]
        rows += [("curvature", repr(self.curvature)), ("response", repr(self.response))]
        return html_table("Interface", rows)


def interface_dimension(
    scm: StructuralCausalModel,
    source: str | Iterable[str],
    target: str | Iterable[str] | None = None,
    *,
    effect: Effect = "total",
    contexts: int = 128,
    draws: int = 64,
    memory: str | int = "2GB",
    seed: int = 0,
) -> Interface:
    """Measure how many dimensions one group of variables passes to another.

    Two effective ranks, each from a spectrum in units of standard deviations, so that rescaling a
    unit does not count:

    - of the Gauss-Newton matrix ``G = E_x[J.T J]``, with ``J`` the Jacobian of the target by the
      source at its own values (for the outputs this is the Hessian of half the squared change of
      the output with respect to the interface): what the target *could* read;
    - of the response covariance ``R = E_x Cov_x'( T | x, do(S := S(x')) )``: what it *does* read,
      over the values that the source takes on the data.

    Each is given as participation ratio ``(sum v)^2 / sum v^2`` and as ``exp`` of the entropy of
    the normalised spectrum. An interface of one dimension may be large in bits, and one of many
    small: see :func:`causalmod.information` for how much is said.

    Args:
        scm: the model.
        source: selectors of the group that sends, such as the units of a module.
        target: selectors of the group that receives; by default all outputs that are variables and
            not in the source.
        effect: ``"total"``: all others respond; ``"direct"``: all others keep their own values.
        contexts: rows on which the source is changed, drawn at random; all where there are fewer.
        draws: values of the source per context, from other rows.
        memory: most memory for the runs.
        seed: seed of all draws.

    Returns:
        Interface: dimensionless; two :class:`Spectrum`, with 95% jackknife intervals over 16 blocks
        of contexts.

    Raises:
        SelectorError: an unknown name.
        InputError: groups that overlap, an unknown effect, no context or fewer than two draws; or
            no output is a variable and no target is given.

    Source: the interface Hessian of the post on modularity; Gao et al. (2017, bioRxiv 214262) and
    Roy and Vetterli, EUSIPCO (2007), for the effective ranks.

    Example:
        >>> import torch, causalmod as cm
        >>> torch.nn.init.ones_((reads := torch.nn.Linear(4, 3, bias=False)).weight).shape
        torch.Size([3, 4])
        >>> net = torch.nn.Sequential(torch.nn.Identity(), reads).eval()
        >>> data = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        >>> interface_dimension(cm.compile(net, data), "input", "output")  # reads the sum alone
        Interface(4 to 3 variables: 1.00 dimensions are read, 1.00 move; total)
    """
    if effect not in get_args(Effect):
        raise InputError(f"effect is 'total' or 'direct'; given {effect!r}")
    for name, value, least in (("contexts", contexts, 1), ("draws", draws, 2)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} is a whole number of at least {least}; given {value!r}")
    sender = Group(scm, source, "source")
    if target is None:
        outputs = [name for name in scm.outputs if name in scm.sites]
        taken = set(sender.variables)
        target = [v.name for v in scm.resolve(outputs) if v not in taken] if outputs else []
        if not target:
            raise InputError(
                "no output is a variable outside the source; name a target, such as 'output'"
            )
    receiver = Group(scm, target, "target")
    check_disjoint(sender, receiver)
    read_seed(seed)
    budget = parse_memory(memory)
    sample = draw_sample(torch.arange(scm.rows), contexts, draws, 1, seed)
    held = held_between(scm, [sender, receiver]) if effect == "direct" else {}
    channel = _Channel(scm, sender, receiver, held)
    with stopwatch() as watch:
        blocks = list(sample.contexts.chunk(min(_BLOCKS, len(sample.contexts))))
        sizes = [len(b) for b in blocks]
        curvature = spectrum_of([channel.curvature(rows, seed) for rows in blocks])
        donors = sample.donors[0].split(sizes)
        each = zip(blocks, donors, strict=True)
        response = spectrum_of([channel.response(*both, memory=budget) for both in each])
        where = scm.provenance(seed, watch.seconds)
    names = tuple(v.name for v in sender.variables), tuple(v.name for v in receiver.variables)
    return Interface(*names, curvature, response, effect, where)


@dataclass(frozen=True)
class _Channel:
    """Who sends, who receives, and who is held meanwhile."""

    scm: StructuralCausalModel
    source: Group
    target: Group
    held: dict[str, Tensor]

    def _settings(self, rows: Tensor) -> list[Setting]:
        blocks = self.scm.blocks
        return [Setting(n, index, blocks(n)[:, index], rows) for n, index in self.held.items()]

    def curvature(self, rows: Tensor, seed: int) -> Tensor:
        """``E[J.T J]`` over some rows, ``[source coordinate, source coordinate]``."""
        scale = self.source.observed().scale.cpu()
        total = torch.zeros(len(scale), len(scale), dtype=torch.float64)
        leaves = {
            name: values[rows].detach().requires_grad_()
            for name, values in self.source.values.items()
        }
        values = self._answers(rows, leaves)
        if not values.requires_grad:
            return total
        for probe in _probes(values.shape, seed):
            given = torch.autograd.grad(
                values, list(leaves.values()), probe.to(values), retain_graph=True,
                allow_unused=True,
            )  # fmt: skip
            parts = [
                (torch.zeros_like(leaf) if each is None else each).flatten(1)
                for each, leaf in zip(given, leaves.values(), strict=True)
            ]
            gradient = torch.cat(parts, dim=1).double().cpu() * scale
            total += gradient.T @ gradient / len(rows)
        return total

    def _answers(self, rows: Tensor, leaves: dict[str, Tensor]) -> Tensor:
        """The target ``[row, coordinate]`` in its standard deviations, a function of the leaves."""
        changes = patches(self._settings(rows))
        natural: dict[str, Tensor] = {}

        def setting(name: str) -> Callable[[Tensor], Tensor]:
            before = changes.get(name)

            def change(blocks: Tensor) -> Tensor:
                natural[name] = blocks
                made = blocks if before is None else before(blocks)
                if name not in leaves:
                    return made
                places = self.source.index[name].to(blocks.device)
                return made.index_copy(1, places, leaves[name])

            return change

        target, every = self.target, {name: setting(name) for name in {*changes, *leaves}}
        found = self.scm.replay(
            rows, every, list(target.index), free=target.index, differentiable=True
        )
        with torch.enable_grad():
            answers = {
                name: natural.get(name, found[name])[:, index]
                for name, index in target.index.items()
            }
            return target.columns(answers) / target.observed().scale.to(self.scm.device)

    def response(self, rows: Tensor, donors: Tensor, memory: int) -> Tensor:
        """``E_x Cov(T | x)`` over some rows, ``[target coordinate, target coordinate]``."""
        contexts = rows[:, None].expand(donors.shape).reshape(-1)
        settings = self._settings(contexts)
        settings += self.source.set_to(self.source.values, donors.reshape(-1))
        found = self.target.under(settings, contexts, memory).double().cpu()
        found = (found / self.target.observed().scale.cpu()).unflatten(0, donors.shape)
        apart = found - found.mean(1, keepdim=True)
        draws = donors.shape[1]
        return torch.einsum("xdi,xdj->ij", apart, apart) / (len(rows) * (draws - 1))


def _probes(shape: torch.Size, seed: int) -> Iterable[Tensor]:
    """Each number of the target by itself, or random signs where there are many."""
    rows, count = shape
    if count <= _PROBES:
        for place in range(count):
            probe = torch.zeros(rows, count)
            probe[:, place] = 1
            yield probe
        return
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_PROBES):
        signs = torch.randint(0, 2, (rows, count), generator=generator) * 2.0 - 1.0
        yield signs / _PROBES**0.5
