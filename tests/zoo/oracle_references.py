"""Sums, tables, parities, majorities and counters written down a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from tests.reference.brute_force import Mechanism, Network, Values

Figures = dict[str, float]
Split = Mapping[str, Sequence[str]]
KINDS = ("observational", "interventional", "conditional")


def copied(name: str) -> Mechanism:
    return lambda values: values[name]


def sent(network: Network, sender: str, receiver: str) -> Figures:
    return {f"{k} {sender} -> {receiver}": getattr(network, k)([sender], [receiver]) for k in KINDS}


def exchanged(network: Network, split: Split, joint: bool = False) -> Figures:
    if joint:
        name = f"exchange {' | '.join(split)} (exact, joint donors)"
        return {name: network.joint_exchange(split)}
    return {f"exchange {' | '.join(split)} (exact)": network.exchange(split)}


def left_over(network: Network, sender: str, receiver: str, known: str) -> Figures:
    """``I(B;C|A)`` as the difference of conditional entropies, counted value by value of A."""
    total = 0.0
    for value in np.unique(network.data[known]):
        rows = network.data[known] == value
        pairs = list(zip(network.data[sender][rows], network.data[receiver][rows], strict=True))
        total += rows.mean() * (
            shannon([b for b, _ in pairs]) + shannon([c for _, c in pairs]) - shannon(pairs)
        )
    return {f"I({sender}; {receiver} | {known})": total}


def shannon(values: Sequence[object]) -> float:
    shares = [values.count(value) / len(values) for value in set(values)]
    return -sum(share * float(np.log2(share)) for share in shares)


def sum_of_parts(rounded: bool) -> Figures:
    def part(values: Values) -> np.ndarray:
        return values["input[0]"] // 3 if rounded else values["input[0]"] / 3

    b, c = "part[0]", "output[0]"
    network = Network({"input[0]": range(30)}, {b: part, c: lambda v: v["input[0]"] + v[b]})
    return (
        sent(network, b, c)
        | {f"{b} -> {c} (kind=strength)": network.strength([b], [c])}
        | {
            f"interventional {b} -> {c} against the data is infinite": float(
                np.isinf(network.literal([b], [c]))
            )
        }
        | left_over(network, b, c, "input[0]")
    )


def lookup() -> Figures:
    def smallest_factor(values: Values) -> np.ndarray:
        number = values["input[0]"]
        found = number.copy()
        for factor in range(33, 1, -1):  # the smallest is written last
            found = np.where(number % factor == 0, factor, found)
        return found

    b, c = "b[0]", "output[0]"
    network = Network({"input[0]": range(2, 34)}, {b: smallest_factor, c: copied(b)})
    return (
        sent(network, b, c)
        | {f"{b} -> {c} (reference=observational)": network.literal([b], [c])}
        | exchanged(network, {"b": [b], "c": [c]})
        | left_over(network, b, c, "input[0]")
    )


def columns(*values: Sequence[float]) -> dict[str, Sequence[float]]:
    rows = zip(*product(*values), strict=True)
    return {f"input[{i}]": column for i, column in enumerate(rows)}


def equal_bits() -> Figures:
    network = Network(
        columns((0, 1), (0, 1)),
        {
            "p[0]": copied("input[0]"),
            "q[0]": copied("input[0]"),
            "s[0]": copied("input[1]"),
            "output[0]": lambda v: np.abs(np.abs(v["p[0]"] - v["q[0]"]) - v["s[0]"]),
        },
    )
    split = {"p": ["p[0]"], "q": ["q[0]"], "i": ["s[0]", "output[0]"]}
    pairs = (("p", "i"), ("q", "i"), ("p", "q"))
    return (
        exchanged(network, split)
        | exchanged(network, split, joint=True)
        | {"in(i) of p | q | i": network.received(split, "i")}
        | {f"direct {a} -> {b}": network.between(split, a, b, direct=True) for a, b in pairs}
    )


def majority() -> Figures:
    names = [f"senders[{i}]" for i in range(3)]
    units: dict[str, Mechanism] = {name: copied("input[0]") for name in names}
    units["output[0]"] = lambda v: np.median(
        np.stack(np.broadcast_arrays(*(v[name] for name in names))), axis=0
    )
    network = Network(columns((0, 1)), units)
    split = {f"s{i}": [name] for i, name in enumerate(names)} | {"receiver": ["output[0]"]}
    alone = {"one": names[:1], "rest": [*names[1:], "output[0]"]}
    return (
        {
            f"direct s{i} -> receiver": network.between(split, f"s{i}", "receiver", direct=True)
            for i in range(3)
        }
        | {f"in(receiver) of {' | '.join(split)}": network.received(split, "receiver")}
        | exchanged(network, split)
        | exchanged(network, alone)
    )


def xor_bridge() -> Figures:
    bridge = "output.bridge[0]"
    network = Network(
        columns((0, 1), (0, 1)),
        {
            "hidden[0]": copied("input[0]"),
            "hidden[1]": copied("input[1]"),
            "output.own[0]": copied("hidden[0]"),
            "output.own[1]": copied("hidden[1]"),
            bridge: lambda v: np.abs(v["hidden[0]"] - v["hidden[1]"]),
        },
    )
    left, right = ["hidden[0]", "output.own[0]"], ["hidden[1]", "output.own[1]"]
    return (
        sent(network, "hidden[1]", bridge)
        | exchanged(network, {"left": [*left, bridge], "right": right})
        | exchanged(network, {"left": left, "right + bridge": [*right, bridge]})
        | exchanged(network, {"left": left, "right": right, "bridge": [bridge]})
    )


def counter(place: int, partner: int) -> Mechanism:
    return lambda v: (v[f"a[{place}]"] + (v[f"a[{partner}]"] == 3)) % 4


def nested_counters() -> Figures:
    def network_of(places: Sequence[int]) -> Network:
        units: dict[str, Mechanism] = {f"a[{i}]": copied(f"input[{i}]") for i in places}
        units |= {f"output[{i}]": counter(i, i ^ 1) for i in places}
        return Network(columns(*[range(4)] * len(places)), units)

    whole, pair = network_of(range(4)), network_of(range(2))  # no counter reads the other pair
    members = [[f"a[{i}]", f"output[{i}]"] for i in range(4)]
    planted = {"left": members[0] + members[1], "right": members[2] + members[3]}
    inside = [(split, pair.exchange(split)) for split in pair.bipartitions()]
    counters = [bits for split, bits in inside if set(split["a"]) in map(set, members[:2])]
    others = [bits for split, bits in inside if set(split["a"]) not in map(set, members[:2])]
    silent = [split for split in whole.bipartitions() if whole.exchange(split) == 0]
    assert len(counters) == 1
    return (
        exchanged(whole, planted)
        | exchanged(whole, {f"counter {i}": units for i, units in enumerate(members)})
        | {
            "splits of the units in two without exchange": float(len(silent)),
            "exchange of the two counters inside a pair": counters[0],
            "least exchange of any other split inside a pair": min(others),
        }
    )


def superposition_pairs() -> Figures:
    """Two pairs of features: which of three states each pair is in decides everything."""
    states = [(0, 0), (1, 0), (0, 1)]
    rows = [(*first, *second) for first in states for second in states]
    inputs = {f"input[{i}]": column for i, column in enumerate(zip(*rows, strict=True))}
    units: dict[str, Mechanism] = {
        "hidden[0]": lambda v: v["input[0]"] - v["input[1]"],
        "hidden[1]": lambda v: v["input[2]"] - v["input[3]"],
        "output[0]": lambda v: (v["hidden[0]"] == 1) * 1.0,
        "output[1]": lambda v: (v["hidden[0]"] == -1) * 1.0,
        "output[2]": lambda v: (v["hidden[1]"] == 1) * 1.0,
        "output[3]": lambda v: (v["hidden[1]"] == -1) * 1.0,
    }
    network = Network(inputs, units)
    h, outputs = "hidden[0]", [f"output[{i}]" for i in range(4)]
    pairs = {f"pair {j}": [f"hidden[{j}]", *outputs[2 * j : 2 * j + 2]] for j in range(2)}
    return (
        {
            f"observational {h} -> output[0]": network.observational([h], ["output[0]"]),
            f"conditional {h} -> output[0]": network.conditional([h], ["output[0]"]),
            f"conditional {h} -> output[2]": network.conditional([h], ["output[2]"]),
        }
        | exchanged(network, pairs)
        | exchanged(network, {"embedding": ["hidden[0]", "hidden[1]"], "outputs": outputs})
    )


def rotated_basis() -> Figures:
    """With the hidden units as they are, and with the bits themselves in their place."""
    turned = Network(
        columns((0, 1), (0, 1)),
        {
            "u": lambda v: v["input[0]"] + v["input[1]"],
            "v": lambda v: v["input[0]"] - v["input[1]"],
            "a": lambda v: (v["u"] + v["v"]) / 2,
            "b": lambda v: (v["u"] - v["v"]) / 2,
        },
    )
    straight = Network(
        columns((0, 1), (0, 1)),
        {"u": copied("input[0]"), "v": copied("input[1]"), "a": copied("u"), "b": copied("v")},
    )
    tracks = {"left": ["u", "a"], "right": ["v", "b"]}
    return {
        "exchange of the tracks, by neurons": turned.exchange(tracks),
        "exchange of the tracks, turned back": straight.exchange(tracks),
    }


def closed_channel() -> Figures:
    """The channels are left out, for they are constant: that both are is counted here."""
    p = q = np.array([0.0, 1.0])
    channels = [np.maximum(p - q, 0), np.maximum(p + q - 1e6, 0)]
    network = Network(
        columns((0, 1)),
        {
            "p[0]": copied("input[0]"),
            "q[0]": copied("input[0]"),
            "hidden[0]": copied("p[0]"),
            "hidden[1]": copied("q[0]"),
            "output[0]": copied("hidden[0]"),
            "output[1]": copied("hidden[1]"),
        },
    )
    tracks = {name: [f"{name}[0]", f"hidden[{i}]", f"output[{i}]"] for i, name in enumerate("pq")}
    return (
        sent(network, "p[0]", "output[1]")
        | exchanged(network, tracks)
        | {"number of inert units": float(sum(np.ptp(channel) == 0 for channel in channels))}
    )
