"""Recurrent layers: what each unit reads of the input, and of the units of its own layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from causalmod.compiler.ops import argument, op_name
from causalmod.search.nulls.places import Places, Side
from causalmod.search.nulls.protocol import OPERATIONS, Moments, Use

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@OPERATIONS.register("lstm")
@OPERATIONS.register("gru")
@OPERATIONS.register("rnn_tanh")
@OPERATIONS.register("rnn_relu")
def layers(node: fx.Node, places: Places) -> Iterator[Use]:
    """A stack of layers over a sequence; a unit's gates read by one permutation.

    What the inner layers give does not leave the operation, so its first layers are run again.
    """
    read, held = node.args[0], argument(node, "params")
    if not isinstance(read, fx.Node) or not isinstance(held, (list, tuple)):
        return  # packed sequences
    values = places.values(read.name)
    if values is None:
        return
    gates = _GATES[op_name(node)]
    directions = 2 if argument(node, "bidirectional") else 1
    count = int(argument(node, "num_layers") or 1)
    each = len(held) // (count * directions)
    below, senders = values.flatten(0, -2), places.senders(read.name, -1)
    result = next((user for user in node.users if user.args[1] == 0), None)
    for layer in range(count):
        hidden = _first_layers(node, places, layer + 1, held[: (layer + 1) * directions * each])
        units = _plain(hidden.shape[-1])
        if layer == count - 1 and result is not None:
            units = places.receivers(result.name, -1)
        width = hidden.shape[-1] // directions
        for direction in range(directions):
            own = slice(direction * width, (direction + 1) * width)
            weights = held[(layer * directions + direction) * each :][:2]
            part = Side(units.unit[own], units.live[own])
            if hidden.shape[-1] != width * directions or weights[1].meta["val"].shape[1] != width:
                return  # a projection after each step: its units are not those of the layer
            yield _use(weights[0], below, senders, part.tiled(gates))
            yield _use(weights[1], hidden[..., own].flatten(0, -2), part, part.tiled(gates))
        below, senders = hidden.flatten(0, -2), units


@OPERATIONS.register("lstm_cell")
@OPERATIONS.register("gru_cell")
@OPERATIONS.register("rnn_tanh_cell")
@OPERATIONS.register("rnn_relu_cell")
def cell(node: fx.Node, places: Places) -> Iterator[Use]:
    """One step of a layer, unrolled by hand."""
    read, state, weight_input, weight_state = node.args[:4]
    before = state[0] if isinstance(state, (list, tuple)) else state
    result = next((u for u in node.users if u.args[1:] == (0,)), None)
    given = result if op_name(node) == "lstm_cell" else node
    if given is None or not isinstance(weight_input, fx.Node):
        return
    units = places.receivers(given.name, -1)
    gates = _GATES[op_name(node).removesuffix("_cell")]
    for sender, weight in ((read, weight_input), (before, weight_state)):
        if not isinstance(sender, fx.Node) or not isinstance(weight, fx.Node):
            continue
        values = places.values(sender.name)
        if values is not None:
            side = units if sender is before else places.senders(sender.name, -1)
            yield _use(weight, values.flatten(0, -2), side, units.tiled(gates))


def _use(weight: fx.Node, values: Tensor, senders: Side, receivers: Side) -> Use:
    return Use(
        weight.name,
        lambda matrix: matrix[None, :, :, None],
        lambda matrix: matrix[0, :, :, 0],
        Moments.of(values),
        senders,
        receivers,
    )


def _plain(count: int) -> Side:
    return Side(torch.arange(1, count + 1), torch.ones(count, dtype=torch.bool))


def _first_layers(node: fx.Node, places: Places, layers: int, held: Sequence[fx.Node]) -> Tensor:
    """What the first layers give at every step, ``[..., unit]``."""
    target: Any = node.target
    names = [each.name for each in target._schema.arguments]
    given = {name: argument(node, name) for name in names}
    count = int(given["num_layers"] or 1)

    def value(each: Any) -> Any:
        return places.value(each.name) if isinstance(each, fx.Node) else each

    def start(each: Any) -> Tensor:
        state = value(each)
        return state[: state.shape[0] // count * layers]

    state = given["hx"]
    given["hx"] = [start(s) for s in state] if isinstance(state, (list, tuple)) else start(state)
    given["input"] = value(given["input"])
    given["params"] = [value(each) for each in held]
    given["num_layers"] = layers
    with torch.no_grad():
        return target(*(given[name] for name in names))[0].double()
