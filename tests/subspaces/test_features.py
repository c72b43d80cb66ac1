"""Rows and probes of planted directions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import causalmod as cm


def model(rows: int = 200) -> tuple[cm.StructuralCausalModel, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    return cm.compile(nn.Tanh().eval(), values), values


def test_rows_of_one_variable_and_of_several() -> None:
    scm, values = model()
    found = cm.feature_directions(scm, "output[2]", top=3)
    order = values[:, 2].argsort().tolist()
    assert found.top["output[2]"] == tuple(order[:-4:-1])
    assert found.bottom["output[2]"] == tuple(order[:3])
    both = cm.feature_directions(scm, "output[0:2]")
    assert set(both.top) == {"component 0", "component 1"}
    spread = [float(column.var()) for column in both.values.values()]
    assert spread == sorted(spread, reverse=True)


def test_probes_find_what_is_there_and_nothing_else() -> None:
    scm, values = model()
    noise = torch.randn(200, generator=torch.Generator().manual_seed(9))
    concepts = {
        "sign": values[:, 0] + values[:, 1] > 0,
        "three": torch.bucketize(values[:, 0].contiguous(), torch.tensor([-0.5, 0.5]).double()),
        "number": 3 * values[:, 1].tanh() + 1,
        "text": ["high" if v > 0 else "low" for v in values[:, 1].tolist()],
        "elsewhere": values[:, 2] > 0,
        "noise": noise,
    }
    found = cm.feature_directions(scm, "output[0:2]", concepts)
    probes = found.probes
    assert [name for name, probe in probes.items() if probe.found] == [
        "sign", "three", "number", "text"
    ]  # fmt: skip
    assert probes["number"].kind == "r2"
    assert probes["number"].score > 0.999
    direction = probes["sign"].direction
    assert direction is not None
    assert torch.allclose(direction, torch.full((2,), 0.5**0.5).double(), atol=0.1)
    assert probes["three"].direction is None
    assert probes["sign"].low <= probes["sign"].score <= probes["sign"].high
    assert probes["sign"].chance == pytest.approx(
        max(float(concepts["sign"].double().mean()), 1 - float(concepts["sign"].double().mean()))
    )
    assert list(found.to_frame().index) == list(concepts)
    assert "reads sign, three, number, text" in repr(found)
    assert "Probe(sign" in found._repr_html_()
    assert found.to_dict()["probes"][0]["concept"] == "sign"


def test_chance_is_found_in_one_of_forty_at_most() -> None:
    scm, _ = model()
    wrong = 0
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        concept = torch.randint(2, (200,), generator=generator)
        wrong += (
            cm.feature_directions(scm, "output", {"coin": concept}, seed=seed).probes["coin"].found
        )
    assert wrong <= 4  # 2.5% above, by the definition of the interval: one in the mean


def test_a_planted_direction_is_a_coordinate() -> None:
    scm, values = model()
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3)))[0]
    turned = scm.with_basis({"input": turn.double()})
    concept = values @ turn.double()[2] > 0.3
    found = {
        name: cm.feature_directions(turned, name, {"c": concept}).probes["c"].score
        for name in turned.sites["input"].variables
    }
    assert max(found, key=lambda name: found[name]) == "input[2]"
    assert found["input[2]"] > 0.97


def test_what_is_refused() -> None:
    scm, values = model(60)
    for concept, says in (
        (values[:5, 0] > 0, "one label or number for each of the 60 rows"),
        (torch.ones(60), "the same on all rows"),
        (torch.full((60,), float("nan")), "NaN"),
        (torch.arange(60), "has 60 labels, one of them on 1 rows"),
    ):
        with pytest.raises(cm.InputError, match=says):
            cm.feature_directions(scm, "output", {"c": concept})
    with pytest.raises(cm.InputError, match="mapping from names"):
        cm.feature_directions(scm, "output", values[:, 0] > 0)  # type: ignore[arg-type]
    with pytest.raises(cm.InputError, match="top is a whole number"):
        cm.feature_directions(scm, "output", top=0)
    with pytest.raises(cm.InputError, match="folds is a whole number of at least 2"):
        cm.feature_directions(scm, "output", {"c": values[:, 0] > 0}, folds=1)
    with pytest.raises(cm.SelectorError):
        cm.feature_directions(scm, "fc9")
