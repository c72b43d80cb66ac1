"""Routes: the operations through which one tensor reaches another, for interventions on edges.

When only one receiver may see a changed value, the operations between the sender and the receiver
are run a second time on the changed value, for that receiver alone. Everybody else keeps what they
saw.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from causalmod.compiler.ops import SHAPE_ONLY, op_name
from causalmod.compiler.program import Program, Route


def find_route(
    program: Program, senders: Iterable[str], receiver: str, barriers: Collection[str]
) -> Route | None:
    """Find the operations from senders to a receiver along which no barrier stands.

    Args:
        program: the network.
        senders: names of nodes.
        receiver: name of a node.
        barriers: names of nodes through which no route leads.

    Returns:
        Route | None: None when there is no way from any of the senders.
    """
    senders = frozenset(senders) - {receiver}
    closed = (frozenset(barriers) | senders) - {receiver}
    behind: set[str] = set()
    stack = [receiver]
    while stack:
        for each in program.nodes[stack.pop()].all_input_nodes:
            if each.name not in behind and each.name not in program.constants:
                behind.add(each.name)
                if each.name not in closed:
                    stack.append(each.name)
    ahead: set[str] = set()
    stack = [sender for sender in senders if sender in behind]
    while stack:
        for user in program.nodes[stack.pop()].users:
            name = user.name
            open_ = name == receiver or (name in behind and name not in closed)
            if open_ and name not in ahead and op_name(user) not in SHAPE_ONLY:
                ahead.add(name)
                if name != receiver:
                    stack.append(name)
    if receiver not in ahead:
        return None
    used = frozenset(
        each.name
        for name in ahead
        for each in program.nodes[name].all_input_nodes
        if each.name in senders
    )
    return Route(receiver, used, tuple(program.in_order(ahead)))
