"""The commands: what they print where, what they write, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import causalmod as cm
from causalmod.cli import run
from causalmod.errors import CausalmodWarning
from tests.compiler.pt2.files import File, small_file
from tests.plotting.results import HOSTILE, found

QUICK = ["--nulls", "1", "--budget", "3"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces the search by a result written by hand; records what it was called with."""
    seen: dict[str, Any] = {}

    def answer(scm: cm.StructuralCausalModel, k: int = 2, **options: Any) -> cm.Modularity:
        seen.update(options, k=k, scm=scm)
        options["progress"]("search", 0, 1)
        options["progress"]("null networks", 1, 19)
        return found(scm, seen.get("names", ("left", "right")))

    monkeypatch.setattr(cm, "modularity", answer)
    return seen


def test_analyze_from_end_to_end(folder: Path, capsys: Captured) -> None:
    code = run(["analyze", "mine:halves", "rows.npy", "--out", "r.html", *QUICK])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    page = (folder / "r.html").read_text()
    assert "<svg" in page
    assert "Newman" in page
    for expected in ("Modularity, calibrated", "Exchange (bits)", "Newman's Q", "r.html"):
        assert expected in printed.out
    assert "\x1b" not in printed.out  # no terminal, no colours


@pytest.mark.usefixtures("folder")
def test_json_is_all_that_is_on_stdout(capsys: Captured) -> None:
    code = run(["analyze", "mine:halves", "rows64.npy", "--json", *QUICK])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    answer = json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert answer["command"] == "analyze"
    assert answer["interrupted"] is False
    assert Path(answer["report"]).exists()
    (network,) = answer["networks"]
    assert network["modularity"]["k"] == 2
    assert {b["name"] for b in network["baselines"]} >= {"Newman's Q", "Observational MI"}
    assert "building the network" in printed.err  # what the user's own code prints
    assert "converted to float32" in printed.err
    assert any("converted to float32" in note for note in answer["notes"])


@pytest.mark.usefixtures("folder")
def test_options_reach_the_search(instant: dict[str, Any]) -> None:
    options = "--k 3 --seed 5 --budget 7 --nulls 4 --estimator gaussian --resolution 0.5"
    assert (
        run(["analyze", "mine:halves", "rows.npy", "--sites", "relu, first", *options.split()]) == 0
    )
    assert (instant["k"], instant["seed"], instant["nulls"]) == (3, 5, 4)
    assert instant["budget"] == cm.SearchBudget(evaluations=7)
    assert (instant["estimator"], instant["resolution"]) == ("gaussian", 0.5)
    assert {"first", "relu"} <= set(instant["scm"].sites)
    assert "second" not in instant["scm"].sites


@pytest.mark.usefixtures("folder", "instant")
def test_several_arrays_are_keyword_inputs() -> None:
    assert run(["analyze", "mine:Two", "two.npz"]) == 0


def test_analyze_a_network_in_a_file(
    folder: Path, instant: dict[str, Any], capsys: Captured
) -> None:
    (folder / "net.pt2").write_bytes(small_file())
    np.save(folder / "three.npy", np.random.default_rng(0).random((8, 3)))
    assert run(["analyze", "net.pt2", "three.npy", "--out", "r.html"]) == 0
    assert "converted to float32" in capsys.readouterr().err
    assert list(instant["scm"].sites) == ["input", "fc", "act", "output"]
    assert "Read from net.pt2" in (folder / "r.html").read_text()


@pytest.mark.usefixtures("instant")
def test_a_file_that_would_run_code_is_refused(folder: Path, capsys: Captured) -> None:
    file = File()
    file.node("relu")["target"] = "torch.ops.aten.from_file.default"
    file.write(folder / "net.pt2")
    for arguments, says in (
        (["net.pt2", "rows.npy"], "'torch.ops.aten.from_file.default', which is not on the list"),
        (["none.pt2", "rows.npy"], "there is no file none.pt2"),
        (["net.pt2", "rows.npy", "--weights", "w.safetensors"], "holds its own weights"),
    ):
        assert run(["analyze", *arguments]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("Error: ")
        assert says in " ".join(printed.split())
        assert "Traceback" not in printed


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine:nothing", "rows.npy"], "has no 'nothing'"),
        (["mine:halves", "none.npy"], "there is no file"),
        (["mine:halves", "rows.npy", "--weights", "none.safetensors"], "there is no file"),
        (["mine:halves", "rows.npy", "--sites", "frist"], "frist"),
        (["mine:halves", "rows.npy", "--resolution", "0"], "resolution"),
        (["mine:halves", "rows.npy", "--estimator", "pairwse"], "did you mean 'pairwise'"),
        (["mine:halves", "rows.npy", "--k", "100"], "100 modules"),
        (["mine:halves", "rows.npy", "--out", "none/r.html"], "does not exist; create it"),
        (["mine:broken", "rows.npy"], "no such thing"),
    ],
)
def test_bad_input_is_one_clear_message(capsys: Captured, arguments: list[str], says: str) -> None:
    assert run(["analyze", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "building the network\n" * printed.out.count("building")
    assert printed.err.startswith("Error: ")
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert "\x1b" not in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nothing"],
        ["analyze"],
        ["demo", "--nulls", "-1"],
        ["demo", "--budget", "0"],
    ],
)
def test_bad_options_end_with_2(arguments: list[str], capsys: Captured) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().out == ""


def test_an_existing_report_is_refused_before_the_work(
    folder: Path, instant: dict[str, Any], capsys: Captured
) -> None:
    (folder / "r.html").write_text("old")
    command = ["analyze", "mine:halves", "rows.npy", "--out", "r.html"]
    assert run(command) == 2
    assert "exists already; say --force" in capsys.readouterr().err
    assert instant == {}
    assert (folder / "r.html").read_text() == "old"
    assert run([*command, "--force"]) == 0
    assert "<svg" in (folder / "r.html").read_text()


@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_found_before_an_interruption_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, as_json: bool
) -> None:
    def stop(scm: cm.StructuralCausalModel, *_: Any, **__: Any) -> None:
        raise cm.Interrupted(found(scm, score=None, low=None, high=None, p=None, null_scores=()))

    monkeypatch.setattr(cm, "modularity", stop)
    command = ["analyze", "mine:halves", "rows.npy", "--out", "r.html"]
    assert run([*command, *(["--json"] if as_json else [])]) == 130
    printed = capsys.readouterr()
    assert "interrupted; what was found so far is in" in printed.err
    page = (folder / "r.html").read_text()
    assert "The work was interrupted" in page
    assert "not calibrated" in page
    if as_json:
        answer = json.loads(printed.out)
        assert answer["interrupted"] is True
        assert answer["networks"][0]["modularity"]["score"] is None
    else:
        assert "not calibrated" in printed.out


@pytest.mark.parametrize("error", [KeyboardInterrupt(), cm.Interrupted(None)])
def test_an_interruption_before_anything_was_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: KeyboardInterrupt
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(cm, "modularity", stop)
    assert run(["analyze", "mine:halves", "rows.npy", "--out", "r.html", "--json"]) == 130
    printed = capsys.readouterr()
    assert "interrupted; nothing was found yet" in printed.err
    assert json.loads(printed.out)["report"] is None
    assert not (folder / "r.html").exists()


def test_an_interruption_of_the_second_network_keeps_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    count = iter(range(9))

    def second_stops(scm: cm.StructuralCausalModel, *_: Any, **__: Any) -> cm.Modularity:
        if next(count):
            raise KeyboardInterrupt
        return found(scm)

    small(monkeypatch)
    monkeypatch.setattr(cm, "modularity", second_stops)
    assert run(["demo", "--out", "r.html"]) == 130
    assert "Wired apart" in (folder / "r.html").read_text()
    assert "Wired apart" in capsys.readouterr().out


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the demonstration's networks small and barely trained."""
    whole = cm.zoo.two_digits
    monkeypatch.setattr(cm.zoo, "two_digits", lambda **options: whole(**options, hidden=4, steps=2))


@pytest.mark.usefixtures("folder", "instant")
def test_the_demo_shows_both_networks(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    small(monkeypatch)
    assert run(["demo", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert Path(answer["report"]).name == "causalmod-demo.html"
    apart, dense = answer["networks"]
    assert (apart["truth"], dense["truth"]) == ("two modules, no exchange", None)
    assert apart["recovered"] is not None
    assert dense["recovered"] is None
    names = [b["name"] for b in apart["baselines"]]
    assert names == ["Newman's Q", "Newman's Q, units rescaled", "Observational MI"]


def test_a_full_disk_does_not_take_the_figures_with_it(
    folder: Path, instant: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise cm.OutputError("cannot write r.html: No space left on device")

    monkeypatch.setattr("causalmod.cli.job.write_report", full)
    assert run(["analyze", "mine:halves", "rows.npy", "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["networks"]
    assert "No space left" in printed.err
    assert instant
    assert not (folder / "causalmod-report.html").exists()


@pytest.mark.usefixtures("folder")
def test_hostile_names_do_no_harm_in_the_terminal(
    instant: dict[str, Any], capsys: Captured
) -> None:
    instant["names"] = (HOSTILE[0] + HOSTILE[2], HOSTILE[4])
    assert run(["analyze", "mine:halves", "rows.npy"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "<script>" in out  # text like any other here


@pytest.mark.usefixtures("folder")
def test_warnings_become_notes(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    import warnings

    def warn(scm: cm.StructuralCausalModel, *_: Any, **__: Any) -> cm.Modularity:
        for _time in range(2):
            warnings.warn("few rows \x1b[31m", CausalmodWarning, stacklevel=1)
        return found(scm)

    monkeypatch.setattr(cm, "modularity", warn)
    assert run(["analyze", "mine:halves", "rows.npy", "--out", "r.html"]) == 0
    err = capsys.readouterr().err
    assert err.count("Note: few rows") == 1
    assert "Traceback" not in err
    assert "few rows" in Path("r.html").read_text()


def test_version_and_help(capsys: Captured) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"causalmod {cm.__version__}\n"
    for command in (["--help"], ["demo", "--help"], ["analyze", "--help"]):
        assert run(command) == 0
        assert "Usage" in capsys.readouterr().out


def test_help_is_quick_it_loads_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom causalmod.cli import run\ncode = run(['analyze', '--help'])\nheavy = "
        "{'torch', 'sklearn', 'scipy', 'matplotlib', 'pandas', 'networkx'} & "
        "set(sys.modules)\nsys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(cm.__file__).parent.parent), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
