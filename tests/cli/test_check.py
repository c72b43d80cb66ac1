"""``causalmod check``: the table, the file and the exit code."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from causalmod.cli import run

MEASURES = '''
class Even:
    """How even the split is."""

    def __call__(self, scm, partition):
        sizes = [len(members) for members in partition.modules.values()]
        return min(sizes) / max(sizes)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_measures.py").write_text(MEASURES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_measure_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--quick", "--axioms", "conduct,relabelling", "--save", "found.csv"]
    code = run(["check", "own_measures:Even", *options])
    shown = capsys.readouterr().out
    assert code == 1
    assert "Even: conduct" in shown
    assert "ignores its partition" in shown  # all splits of the reference network have equal sizes
    with (folder / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["axiom"] for row in rows} == {"conduct", "relabelling"}
    assert {row["measure"] for row in rows} == {"Even"}


def test_registered_measures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["check", "newman_q", "--quick", "--axioms", "relabelling", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["verdicts"][0]["status"] == "holds"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["newman"], "did you mean 'newman_q'"),
        (["own_measures:Evn"], "did you mean 'Even'"),
        (["nowhere:Even"], "cannot import 'nowhere'"),
        (["newman_q", "--axioms", "leek"], "did you mean 'leak'"),
        (["newman_q", "--save", "found.txt"], "saved as .csv or .json"),
        (["newman_q", "--save", "own/found.csv"], "there is no folder"),
    ],
)
def test_bad_input(
    arguments: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_file_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "found.json").write_text("mine")
    arguments = ["check", "newman_q", "--quick", "--axioms", "conduct", "--save", "found.json"]
    assert run(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "found.json").read_text() == "mine"
    assert run([*arguments, "--force"]) == 0
    assert json.loads((folder / "found.json").read_text())["quick"] is True
