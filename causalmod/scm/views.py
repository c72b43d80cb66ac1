"""From interventions on edges to what each receiver sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalmod import compiler
from causalmod.errors import SelectorError
from causalmod.interventions import Assignment, EdgeAssignment, chain
from causalmod.variables import Site, Variable

if TYPE_CHECKING:
    from causalmod.scm.mechanisms import Mechanisms


class Edges:
    """The edges along which sites reach each other directly.

    A way from a sender to a receiver may lead through tensors that are no sites, and along the
    residual stream: through sums, and through the tensors before and after a block. It leads
    through no other site, so a head reaches the queries of any later block, by the stream alone.

    Args:
        program: the network.
        nodes: name of a site or readout → node.
        stream: nodes of the residual stream.
    """

    def __init__(
        self, program: compiler.Program, nodes: Mapping[str, str], stream: Iterable[str]
    ) -> None:
        self._program = program
        self._nodes = dict(nodes)
        self._barriers = frozenset(nodes.values()) - frozenset(stream)
        self._routes: dict[tuple[frozenset[str], str], compiler.Route | None] = {}

    @property
    def barriers(self) -> frozenset[str]:
        """Nodes through which no way leads."""
        return self._barriers

    def route(self, senders: Iterable[str], receiver: str) -> compiler.Route | None:
        """Return the operations from some sites to another; None when there is no way."""
        key = (frozenset(senders), receiver)
        if key not in self._routes:
            nodes = [self._nodes[name] for name in key[0]]
            self._routes[key] = compiler.find_route(
                self._program, nodes, self._nodes[receiver], self._barriers
            )
        return self._routes[key]

    def receivers(self, sender: str) -> list[str]:
        """Names of the sites and readouts that a site reaches."""
        return [name for name in self._nodes if self.route([sender], name) is not None]

    def check(self, sender: str, receiver: str) -> None:
        """Refuse an edge that there is not.

        Raises:
            SelectorError: with the edges that there are.
        """
        if self.route([sender], receiver) is not None:
            return
        raise self.refusal(sender, sender, receiver)

    def refusal(
        self, site: str, sender: str, receiver: str, found: Sequence[str] | None = None
    ) -> SelectorError:
        """Return the error for an edge that there is not: it lists those that there are.

        Args:
            site: the site of the sender.
            sender: what the user wrote.
            receiver: what the user wrote.
            found: what the sender does reach; by default, whatever its site reaches.
        """
        source = site if found is None else sender
        found = self.receivers(site) if found is None else found
        there = f"do(): there is no edge from {sender!r} to {receiver!r}"
        if not found:
            return SelectorError(f"{there}: nothing reads {source!r}")
        shown = ", ".join(map(repr, found[:12]))
        more = f" and {len(found) - 12} more" if len(found) > 12 else ""
        return SelectorError(f"{there}; edges from {source!r} lead to {shown}{more}")


def views(
    edges: Edges,
    assignments: Sequence[EdgeAssignment],
    site: Callable[[str], Site],
    node: Callable[[str], str],
) -> list[compiler.View]:
    """Group interventions on edges by what their receivers see.

    Receivers of one site that are on the same edges share one view.

    Args:
        edges: the edges of the model.
        assignments: the interventions, in the order in which they were made; rows of their values
            are the runs.
        site: name → site.
        node: name of a site → node.
    """
    listening: dict[str, dict[int, list[int]]] = {}
    for place, made in enumerate(assignments):
        for index in made.index.tolist():
            listening.setdefault(made.receiver, {}).setdefault(index, []).append(place)
    found: list[compiler.View] = []
    for receiver, by_variable in listening.items():
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, places in by_variable.items():
            groups.setdefault(tuple(places), []).append(index)
        for places, indices in groups.items():
            by_sender: dict[str, list[Assignment]] = {}
            for place in places:
                sent = assignments[place].sent
                by_sender.setdefault(sent.site, []).append(sent)
            route = edges.route(by_sender, receiver)
            if route is None:  # checked when the interventions were made
                continue
            senders = {
                node(name): _patch(site(name), chain(sent, None))
                for name, sent in by_sender.items()
            }
            found.append(compiler.View(route, senders, _merge(site(receiver), indices)))
    return found


def on_rows(made: EdgeAssignment, rows: Tensor | None) -> EdgeAssignment:
    """Return an intervention whose value has the given data rows, one per run."""
    value = made.sent.value
    if rows is None or not isinstance(value, Tensor) or value.shape[0] == 1:
        return made
    return replace(made, sent=replace(made.sent, value=value[rows.to(value.device)]))


def _patch(site: Site, change: compiler.Patch) -> compiler.Patch:
    return lambda value: site.changed(value, change)


def _merge(site: Site, indices: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    if len(indices) == site.count:
        return lambda natural, private: private

    def merge(natural: Tensor, private: Tensor) -> Tensor:
        mask = torch.zeros(1, site.count, 1, dtype=torch.bool, device=natural.device)
        mask[:, list(indices)] = True
        return site.changed(natural, lambda blocks: torch.where(mask, site.split(private), blocks))

    return merge


def arrives(
    scm: Mechanisms, senders: Sequence[Variable], receivers: Sequence[str]
) -> dict[str, Tensor]:
    """Tell at which variables a change of some variables of one site may arrive along an edge.

    Args:
        scm: the model.
        senders: variables of one site.
        receivers: names of sites and outputs.

    Returns:
        dict: receiver → bool ``[variable]``.
    """
    site = scm.sites[senders[0].site]
    program, start = scm.program, scm.node_of(site.name)
    blocks = torch.zeros(2, site.count, site.width)
    blocks[:, [variable.index for variable in senders]] = 1
    sizes = [program.size(size, 2) or 0 for size in program.nodes[start].meta["val"].shape]
    changed = site.marks(blocks, torch.empty(sizes))
    nodes = {name: scm.node_of(name) for name in receivers}
    barriers = scm.edge_routes.barriers - {start}
    found = compiler.influences(program, start, changed, nodes.values(), barriers)
    return {
        name: scm.site(name).marked(found[node])[0]
        if node in found
        else torch.zeros(scm.site(name).count, dtype=torch.bool)
        for name, node in nodes.items()
    }
