"""The main job from end to end, as a user runs it, with fewer null networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_demo_from_end_to_end(tmp_path: Path) -> None:
    out = tmp_path / "demo.html"
    command = "import sys; from causalmod.cli import main; sys.argv[0] = 'causalmod'; main()"
    options = ["demo", "--json", "--nulls", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", command, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)  # nothing else may stand on standard output
    apart, dense = result["networks"]
    assert apart["modularity"]["score"] == 1.0
    assert apart["modularity"]["exchange"]["total"]["bits"] == 0.0
    assert apart["recovered"] == 1.0
    total = dense["modularity"]["exchange"]["total"]
    assert 0 < total["low"] < total["bits"] < total["high"] < total["upper"]
    assert dense["modularity"]["score"] < 0.5
    figures = {baseline["name"]: baseline["value"] for baseline in apart["baselines"]}
    shared = next(value for name, value in figures.items() if "MI" in name or "mutual" in name)
    assert shared > 0.3, "mutual information takes the related digits for communication"
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") >= 6
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
