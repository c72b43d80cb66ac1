"""Modularity along training: measured now and then, and never in the way of the training."""

from __future__ import annotations

import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import causalmod as cm
from causalmod.modularity import tracking


def network() -> tuple[nn.Sequential, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, generator=generator)
    return model, torch.randn(60, 4, generator=generator)


def test_a_plain_loop() -> None:
    """Weights between two halves decay away step by step; the score ends at 1."""
    model, data = network()
    across = torch.zeros(6, 4, dtype=torch.bool)
    across[:3, 2:] = across[3:, :2] = True
    out = torch.zeros(2, 6, dtype=torch.bool)
    out[0, 3:] = out[1, :3] = True
    following = cm.track(model, data, every=2, nulls=2)
    made = []
    for step in range(5):
        with torch.no_grad():
            for name, mask in (("0.weight", across), ("3.weight", out)):
                weight = model.get_parameter(name)
                weight[mask] *= 0.0 if step == 4 else 0.7
        made.append(following.step())
    assert [one is not None for one in made] == [True, False, True, False, True]
    frame = following.to_frame()
    assert list(frame.index) == [0, 2, 4]
    assert frame["score"].iloc[-1] == 1.0
    assert frame["score"].iloc[0] < 1.0
    assert frame["exchange"].iloc[-1] == 0.0
    assert frame["same_modules"].isna().tolist() == [True, False, False]
    assert model.training
    assert following.spent > 0
    assert "3 measurements" in repr(following)
    assert "<table" in following._repr_html_()
    figure = following.plot()
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[0].get_ylabel() == "modularity\n(calibrated)"
    json.dumps(following.to_dict(), allow_nan=False)


def test_each_module_gets_its_own_mode_back() -> None:
    model, data = network()
    model.train()
    model[1].eval()
    cm.track(model, data, nulls=0).step()
    assert model.training
    assert model[0].training
    assert not model[1].training


def test_the_budget_of_time_is_kept() -> None:
    model, data = network()
    following = cm.track(model, data, nulls=0, seconds=1e-6)
    assert following.step() is not None
    assert following.step() is None
    assert following.measure(9).step == 9, "whatever the budget"


def test_a_network_that_cannot_be_measured_does_not_stop_the_training() -> None:
    model, data = network()
    following = cm.track(model, data, nulls=0)
    with torch.no_grad():
        model.get_parameter("3.weight").fill_(float("nan"))
    made = following.step(7)
    assert made is not None
    assert made.result is None
    assert "NaN" in made.note
    assert following.to_frame()["score"].tolist() == [None]
    following.plot().savefig(io.BytesIO(), format="png")


def test_measurements_are_written_at_once(tmp_path: Path) -> None:
    model, data = network()
    path = tmp_path / "track.jsonl"
    following = cm.track(model, data, nulls=0, path=path)
    following.step()
    following.step()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [0, 1]
    assert lines[1]["same_modules"] == 1.0
    with pytest.raises(cm.OutputError, match="cannot write"):
        cm.track(model, data, nulls=0, path=tmp_path / "none" / "track.jsonl").step()


def test_interruption_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = network()
    following = cm.track(model, data, nulls=0)
    following.step()

    def stop(*_: Any, **__: Any) -> None:
        raise cm.Interrupted

    monkeypatch.setattr(tracking, "modularity", stop)
    with pytest.raises(KeyboardInterrupt):
        following.step()
    assert len(following.checkpoints) == 1
    assert model.training


def test_a_lightning_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a trainer does with a callback: subclasses of its own class, called with itself."""

    class Callback:
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None: ...

    package, module = types.ModuleType("lightning"), types.ModuleType("lightning.pytorch")
    module.Callback = Callback  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "lightning", package)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", module)
    model, data = network()
    following = cm.track(model, data, nulls=0, every=2)
    callback = following.callback()
    assert isinstance(callback, Callback)
    for epoch in range(3):
        callback.on_train_epoch_end(types.SimpleNamespace(current_epoch=epoch), model)
    assert [made.step for made in following.checkpoints] == [0, 2]


def test_without_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    model, data = network()
    with pytest.raises(cm.InputError, match="not installed"):
        cm.track(model, data).callback()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every is a whole number of at least 1; given 0"),
        ({"seconds": 0}, "seconds is a time above 0"),
        ({"model": "net"}, r"torch\.nn\.Module; given str"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    model, data = network()
    with pytest.raises(cm.InputError, match=message):
        cm.track(**{"model": model, "inputs": data, **options})


def test_nothing_measured_yet() -> None:
    model, data = network()
    following = cm.track(model, data)
    assert "nothing measured" in repr(following)
    assert following.to_frame().empty
    following.plot()
