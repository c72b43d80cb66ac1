"""Journals: a search that goes on from a file, and files that are not for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from causalmod import InputError, SearchBudget, StructuralCausalModel
from causalmod.errors import Interrupted, OutputError
from causalmod.exchange import draw_sample
from causalmod.modularity.pipeline import Settings, search, settle
from causalmod.search import Journal, Meter, Objective, Problem, Terms
from tests.search.networks import compiled
from tests.search.problems import small


def posed(path: Path | None) -> tuple[StructuralCausalModel, Settings]:
    scm, _ = compiled((6, 8, 8, 4), 0.3, 0)
    journal = None if path is None else Journal(path, scm)
    return scm, settle(scm, 2, "auto", 1.0, SearchBudget(), 0, journal=journal)


def test_an_interrupted_search_goes_on_and_gives_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = search(*posed(None))
    path = tmp_path / "search.jsonl"
    measured = Objective._measured
    calls: list[int] = []  # contexts of each evaluation that is really made
    last = 6

    def counted(self: Objective, labels: torch.Tensor) -> Terms:
        calls.append(self._runs.sample.shape[0])
        if len(calls) == last:
            raise KeyboardInterrupt
        return measured(self, labels)

    monkeypatch.setattr(Objective, "_measured", counted)
    with pytest.raises(Interrupted) as stopped:
        search(*posed(path))
    assert stopped.value.partial is not None, "the best so far"
    last = -1
    for _ in range(2):
        calls.clear()
        found = search(*posed(path))
        assert torch.equal(found.labels, expected.labels)
        assert found.score == expected.score
        counts = (found.evaluations, found.forward_rows)
        assert counts == (expected.evaluations, expected.forward_rows)
    assert set(calls) <= {2}, "only rough looks are taken again"


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    scm = small(0)
    path = tmp_path / "search.jsonl"
    journal = Journal(path, scm)
    journal.put("a", [1.5, 2])
    with path.open("ab") as file:
        file.write(b'{"key": "b", "val')
    again = Journal(path, scm)
    assert again.get("a") == [1.5, 2]
    assert again.get("b") is None
    again.put("c", 3)
    assert Journal(path, scm).get("c") == 3
    assert len(Journal(path, scm)) == 2


def test_journals_of_other_networks_and_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "search.jsonl"
    Journal(path, small(0))
    with pytest.raises(InputError, match="begun for another network"):
        Journal(path, small(1))
    with pytest.raises(InputError, match="begun for another data"):
        Journal(path, small(0).with_rows(torch.arange(50)))
    other = tmp_path / "notes.txt"
    other.write_text("not a journal\n")
    with pytest.raises(InputError, match="no journal of a search"):
        Journal(other, small(0))
    with pytest.raises(OutputError, match="cannot write"):
        Journal(tmp_path / "missing" / "search.jsonl", small(0))


def test_costly_steps_are_found_once(tmp_path: Path) -> None:
    scm, kept = posed(tmp_path / "search.jsonl")
    made: list[int] = []

    def find() -> torch.Tensor:
        made.append(1)
        return torch.tensor([3, 1, 2])

    for _ in range(2):
        objective = Objective(scm, draw_sample(torch.arange(50), 4, 4, 1, 0), 2)
        meter = Meter(SearchBudget(), 10)
        problem = Problem(scm, objective, meter, rows=kept.searched, journal=kept.journal)
        assert problem.once("step", find).tolist() == [3, 1, 2]
    assert made == [1]
