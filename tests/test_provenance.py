"""Digests tell networks and data apart, and nothing else."""

from __future__ import annotations

import json

import torch

from causalmod.provenance import Provenance, Stopwatch, digest, stopwatch, versions


def test_digests_read_names_types_shapes_and_values() -> None:
    base = torch.arange(6.0)
    same = [
        digest([("a", base)]),
        digest([("a", base.clone())]),
        digest([("a", torch.arange(12.0)[::2] / 2)]),  # laid out otherwise in memory
        digest([("a", base.requires_grad_(False))]),
    ]
    assert len(set(same)) == 1
    assert len(same[0]) == 64
    others = [
        digest([("b", base)]),
        digest([("a", base.double())]),
        digest([("a", base.reshape(2, 3))]),
        digest([("a", base + 1)]),
        digest([("a", base)], "another network"),
        digest([("a", base), ("b", base)]),
    ]
    assert len({*same, *others}) == 1 + len(others)


def test_digests_of_every_dtype() -> None:
    kinds = [torch.bool, torch.int64, torch.bfloat16, torch.float16, torch.complex64]
    assert len({digest([("a", torch.ones(3).to(kind))]) for kind in kinds}) == len(kinds)
    assert digest([("a", torch.zeros(0))]) != digest([("a", torch.zeros(0, 3))])
    assert digest([("a", torch.tensor(1.0))]) != digest([("a", torch.tensor(2.0))])


def test_provenance_is_plain_data() -> None:
    made = Provenance(0, "m", "d", 1.5, versions())
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
    assert made.versions["causalmod"] != "unknown"


def test_stopwatches_run() -> None:
    with stopwatch() as watch:
        first = watch.seconds
    assert isinstance(watch, Stopwatch)
    assert 0 <= first <= watch.seconds
