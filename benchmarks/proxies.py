"""Cheap proxies against the true exchange, on networks of the zoo.

One command, ``python -m benchmarks.proxies``; it goes on where it stopped, network by network, and
prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import causalmod as cm
from causalmod import zoo
from causalmod.measures import MEASURES as REGISTERED

MEASURES = (
    "unit_flow", "newman_q", "normalised_cut", "total_weight", "mutual_information",
    "conditional_mutual_information", "local_specialisation", "correlation_clustering",
    "interaction_graph", "interface_dimension", "effective_information", "modularity",
)  # fmt: skip
NETWORKS: dict[str, Callable[[], zoo.Case]] = {
    "blocks, leak .1": lambda: zoo.planted(2, 24, leak=0.1),
    "blocks, leak .3": lambda: zoo.planted(2, 24, leak=0.3),
    "four GELU blocks, leak .1": lambda: zoo.planted(4, 32, leak=0.1, activation="gelu"),
    "rescaled ReLU blocks, leak .1": lambda: zoo.planted(
        2, 24, leak=0.1, activation="relu", rescaled=True
    ),
    "duplicated units, leak .2": lambda: zoo.planted(2, 24, leak=0.2, duplicated=3),
    "twin units": zoo.planted_twins,
    "nested blocks": lambda: zoo.planted_nested((2, 2), 3),
    "random dense": lambda: zoo.random_dense(24),
    "retina": zoo.retina,
    "retina, dense": lambda: zoo.retina(wired_apart=False),
    "residual streams": zoo.planted_streams,
    "grouped convolution": zoo.planted_convolution,
    "two heads": zoo.planted_heads,
}


def study(name: str, partitions: int) -> dict[str, Any]:
    """Compare every proxy on one network."""
    known = set(REGISTERED.names())
    scm = NETWORKS[name]().compile()
    found = cm.proxies(
        scm,
        measures=[measure for measure in MEASURES if measure in known],
        partitions=partitions,
        progress=False,
    )
    made = found.to_dict()
    return {key: made[key] for key in ("proxies", "truth_passes")} | {
        "partitions": len(found.partitions),
        "units": len(scm.units),
    }


def table(store: dict[str, Any]) -> str:
    """Return the results as Markdown: rank correlation with its interval; bold: same favourite."""
    names = sorted({each["name"] for made in store.values() for each in made["proxies"]})
    lines = ["| network | units | " + " | ".join(f"`{name}`" for name in names) + " |"]
    lines.append("|---|---|" + "---|" * len(names))
    for network, made in store.items():
        read = {each["name"]: each for each in made["proxies"]}
        cells = [_cell(read.get(name)) for name in names]
        lines.append(f"| {network} | {made['units']} | " + " | ".join(cells) + " |")
    cost = [
        _cost([e for m in store.values() for e in m["proxies"] if e["name"] == n]) for n in names
    ]
    lines.append("| *passes for one partition, median* | | " + " | ".join(cost) + " |")
    return "\n".join(lines)


def _cell(proxy: dict[str, Any] | None) -> str:
    if proxy is None or proxy["correlation"] is None:
        return "–"
    figure = f"{proxy['correlation']:.2f}"
    figure = f"**{figure}**" if proxy["same_best"] else figure
    return f"{figure} [{proxy['low']:.2f}, {proxy['high']:.2f}]"


def _cost(found: list[dict[str, Any]]) -> str:
    passes = sorted(each["passes"] for each in found if each["passes"] is not None)
    return f"{passes[len(passes) // 2]:.0f}" if passes else "–"


def main() -> None:
    """Study the networks that are not in the store yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--store", type=Path, default=Path("build/proxies.json"))
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    options = parser.parse_args()
    store: dict[str, Any] = json.loads(options.store.read_text()) if options.store.exists() else {}
    for name in options.only:
        if name not in store:
            store[name] = study(name, options.partitions)
            options.store.parent.mkdir(parents=True, exist_ok=True)
            options.store.write_text(json.dumps(store))
    print(table(store))


if __name__ == "__main__":
    main()
