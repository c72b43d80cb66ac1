"""Which structural edges are active on the data, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from causalmod import compiler
from causalmod._display import html_table
from causalmod.provenance import Provenance, stopwatch

if TYPE_CHECKING:
    import pandas as pd

    from causalmod.scm.graphs import GraphedMechanisms

_MOVED = 1e-6  # of the target's scale: less is rounding
_BLOCK = 2**22  # numbers in the widest tensor that is run at a time


@dataclass(frozen=True, eq=False)
class Activity:
    """How much each variable moves each variable that it may influence directly.

    Attributes:
        strength: (source site, target site) → ``[source variable, target variable]``: root mean
            square of how far the target moves when the source alone takes the value of another row,
            everything else held, in standard deviations of the target. 0 where nothing moves.
        rows: number of data rows that were tried.
        provenance: seed, digests, versions and duration.

    Example:
        >>> import torch, causalmod as cm
        >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.tensor([[-1.0, 2.0], [-3.0, 4.0]]))
        >>> scm.activity()
        Activity(1 active edges among 4 pairs, tried on 2 rows)
    """

    strength: dict[tuple[str, str], Tensor]
    variables: dict[str, tuple[str, ...]]
    rows: int
    provenance: Provenance

    def to_frame(self) -> pd.DataFrame:
        """Return one row per active edge: source, target and strength, strongest first.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.tensor([[-1.0, 2.0], [-3.0, 4.0]]))
            >>> scm.activity().to_frame()
                 source     target  strength
            0  input[1]  output[1]       2.0
        """
        import pandas as pd

        rows: list[tuple[str, str, float]] = []
        for (source, target), matrix in self.strength.items():
            start, end = self.variables[source], self.variables[target]
            rows += [(start[i], end[j], float(matrix[i, j])) for i, j in matrix.nonzero().tolist()]
        frame = pd.DataFrame(rows, columns=["source", "target", "strength"])
        return frame.sort_values("strength", ascending=False, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.tensor([[-1.0, 2.0], [-3.0, 4.0]]))
            >>> scm.activity().to_dict()["edges"]
            [{'source': 'input[1]', 'target': 'output[1]', 'strength': 2.0}]
        """
        return {
            "edges": self.to_frame().to_dict("records"),
            "rows": self.rows,
            "provenance": self.provenance.to_dict(),
        }

    def _counts(self) -> tuple[int, int]:
        active = sum(int((m > 0).sum()) for m in self.strength.values())
        return active, sum(m.numel() for m in self.strength.values())

    def __repr__(self) -> str:
        active, pairs = self._counts()
        return f"Activity({active} active edges among {pairs} pairs, tried on {self.rows} rows)"

    def _repr_html_(self) -> str:
        active, pairs = self._counts()
        rows = [("active edges", str(active)), ("pairs", str(pairs)), ("rows", str(self.rows))]
        return html_table("Activity", rows)


def measure(scm: GraphedMechanisms, names: list[str], rows: Tensor, seed: int) -> Activity:
    """Move each variable of some sites, hold all other sites, and see what moves with it.

    Args:
        scm: the model.
        names: the source sites.
        rows: numbers of the data rows to try.
        seed: seed of the donor rows.
    """
    generator = torch.Generator().manual_seed(seed)
    # Every row gets another row as its donor.
    donors = (rows + torch.randint(1, scm.rows, rows.shape, generator=generator)) % scm.rows
    strength: dict[tuple[str, str], Tensor] = {}
    pairs = scm.site_pairs
    with stopwatch() as watch, torch.no_grad():
        for source in names:
            targets = [t for s, t in pairs if s == source and t in scm.sites and t != source]
            if targets:
                found = _from(scm, source, targets, rows, donors)
                strength.update({(source, target): found[target] for target in targets})
    variables = {name: site.variables for name, site in scm.sites.items()}
    return Activity(strength, variables, len(rows), scm.provenance(seed, watch.seconds))


def _from(
    scm: GraphedMechanisms, source: str, targets: list[str], rows: Tensor, donors: Tensor
) -> dict[str, Tensor]:
    """Strength from each variable of one site to those of the sites that read it."""
    program, site = scm.program, scm.sites[source]
    node = scm.node_of(source)
    sites = {scm.node_of(name) for name in scm.sites}
    blocks = scm.blocks(source)
    natural, moved = blocks[rows], blocks[donors]
    found = {name: torch.zeros(site.count, scm.sites[name].count) for name in targets}
    for target in targets:
        goal = scm.node_of(target)
        reach = program.descendants(node)
        ends = program.needs(
            [goal],
            lambda n, goal=goal, reach=reach: (
                n == node
                or (n != goal and (n in sites or (n not in reach and n in program.rows_at)))
            ),
        )
        scm.record([*ends, goal])
        scale = scm.scales[target].to(natural.device)
        widest = max(program.bytes_per_row(n) // 4 for n in (node, goal, *ends)) * len(rows)
        step = max(1, _BLOCK // max(widest, 1))
        before = natural
        for first in range(0, site.count, step):
            some = range(first, min(first + step, site.count))
            after = _run(scm, node, goal, ends, [(natural, moved, index) for index in some], rows)
            if first == 0 or len(some) < step:  # the same sizes, so rounding cancels
                still = [(natural, natural, index) for index in some]
                before = _run(scm, node, goal, ends, still, rows).double()
            shift = ((after.double() - before) / scale).unflatten(0, (len(some), -1))
            size = shift.square().mean((1, 3)).sqrt()
            quiet = shift.abs().amax((1, 3)) <= _MOVED
            found[target][list(some)] = torch.where(quiet, 0.0, size).float().cpu()
    return found


def _run(
    scm: GraphedMechanisms,
    node: str,
    goal: str,
    ends: list[str],
    changes: list[tuple[Tensor, Tensor, int]],
    rows: Tensor,
) -> Tensor:
    """The target's blocks, run after run, when one variable at a time is moved."""
    site, program = scm.site_of(node), scm.program
    sources: list[Tensor] = []
    for natural, moved, index in changes:
        changed = natural.clone()
        changed[:, index] = moved[:, index]
        sources.append(changed)
    numbers = rows.repeat(len(changes))
    known: dict[str, Tensor] = {n: scm.taken(n, numbers) for n in ends if n != node}
    known[node] = site.join(torch.cat(sources), scm.recorded(node))
    patches: dict[str, compiler.Patch] = {
        n: p for n, p in scm.patches_of(numbers).items() if n not in known
    }
    values = program.run(known, [goal], patches, rows=len(numbers))
    return scm.site_of(goal).split(values[goal])
