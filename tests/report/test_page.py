"""The page holds everything it shows, runs nothing, and says every name as plain text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from causalmod.modularity import Modularity
from causalmod.plotting import plain
from causalmod.report import Baseline, ReportSection, write_report
from causalmod.report.page import render
from causalmod.report.terms import TERMS
from causalmod.scm import StructuralCausalModel
from tests.plotting.results import HOSTILE, compiled, found

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails when tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def scm() -> StructuralCausalModel:
    return compiled()


def section(
    scm: StructuralCausalModel, result: Modularity | None = None, **more: Any
) -> ReportSection:
    settings: dict[str, Any] = {
        "name": "halves", "description": "Two halves.", "result": result or found(scm), "scm": scm,
        "baselines": (Baseline(name="Newman's Q", value=0.48, meaning="Weights."),),
        "seconds": 3.5, "truth": "two modules", "recovered": 1.0,
    }  # fmt: skip
    return ReportSection(**(settings | more))


@pytest.fixture(scope="module")
def page(scm: StructuralCausalModel) -> Page:
    return Page(render([section(scm), section(scm, name="dense", truth="")], title="Two"))


def test_nothing_runs_and_nothing_is_fetched(page: Page) -> None:
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint(
        {"script", "iframe", "object", "embed", "form", "base", "foreignobject"}
    )
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        assert "url(http" not in attributes.get("style", "")
    policy = next(m for m in page.of("meta") if "http-equiv" in m)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_style_sheets_fetch_nothing(scm: StructuralCausalModel) -> None:
    text = render([section(scm)], title="One")
    for sheet in re.findall(r"<style>(.*?)</style>", text, re.DOTALL):
        assert "@import" not in sheet
        assert "url(" not in sheet
        assert "prefers-color-scheme: dark" in sheet
        assert "max-width" in sheet


def test_every_figure_has_alternative_text_and_a_caption(page: Page) -> None:
    drawings = page.of("svg")
    assert len(drawings) == len(page.of("figure")) == len(page.of("figcaption")) == 10
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert len(drawing["aria-label"]) > 40
        assert "viewbox" in drawing
        assert "width" not in drawing


def test_ids_are_unique_and_references_lead_somewhere(page: Page) -> None:
    ids = Counter(a["id"] for _, a in page.tags if "id" in a)
    assert [name for name, count in ids.items() if count > 1] == []
    used = [a["href"][1:] for _, a in page.tags if a.get("href", "").startswith("#")]
    for _, attributes in page.tags:
        for value in attributes.values():
            used += re.findall(r"url\(#([^)]+)\)", value)
        used += attributes.get("aria-labelledby", "").split()
    assert set(used) <= set(ids)


def test_figures_follow_the_page_s_colours(page: Page) -> None:
    styles = " ".join(a.get("style", "") for _, a in page.tags)
    assert "var(--ink)" in styles
    assert "var(--module-0)" in styles
    assert "#0072b2" not in styles


def test_the_calibrated_score_comes_first_and_raw_is_a_diagnostic(page: Page) -> None:
    text = page.text
    body = text[text.index("Two halves.") :]
    assert body.index("0.61") < body.index("Raw diagnostic, not a result")
    assert "95% interval 0.50 to 0.72" in body
    assert "p = 0.05" in body
    assert "0.80 to 1.80" in body  # the pair of bounds, never the lower alone


def test_the_facts_of_a_result_are_on_the_page(scm: StructuralCausalModel) -> None:
    other = found(scm, ("x", "y"))
    result = found(scm, ties=(other.partition,), inert={"first[9]": "constant on the data"})
    text = Page(render([section(scm, result)], title="One")).text
    for expected in (
        "1 further partition has the same minimum",
        "first[9] constant on the data",
        "Seed 7",
        "a" * 64,
        "b" * 64,
        "python 3.11.9",
        "12 candidate partitions",
        "held-out rows",
        "Newman's Q 0.48",
        "40 rows",
        *(term for term, _ in TERMS),
    ):
        assert expected in text, expected


def test_hostile_names_are_text_and_nothing_else(scm: StructuralCausalModel) -> None:
    inert = {HOSTILE[0]: HOSTILE[2]}
    result = found(scm, HOSTILE, inert=inert, note=HOSTILE[0])
    everything = section(
        scm, result, name=HOSTILE[0], description=HOSTILE[5], truth=HOSTILE[1],
        comments=(HOSTILE[4],), baselines=(Baseline(name=HOSTILE[0], value=1.0, unit=HOSTILE[0]),),
    )  # fmt: skip
    raw = render([everything, everything], title=HOSTILE[0], notice=HOSTILE[0], notes=HOSTILE)
    page = Page(raw)
    assert "<script" not in raw
    assert page.of("script") == []
    assert not any(c in raw for c in "\x1b\u202e")
    assert "49" not in page.text.replace("7 * 7", "")
    assert plain(HOSTILE[0]) in page.text


def test_what_was_interrupted_is_said(scm: StructuralCausalModel) -> None:
    nothing = replace(section(scm), result=None)
    partial = section(scm, found(scm, score=None, low=None, high=None, p=None, null_scores=()))
    text = Page(render([partial, nothing], title="t", notice="The work was interrupted.")).text
    assert "The work was interrupted." in text
    assert "Interrupted before anything was found" in text
    assert "not calibrated" in text
    assert "no null networks" in text


def test_an_architecture_that_forbids_communication(scm: StructuralCausalModel) -> None:
    result = found(
        scm, bits=0.0, upper=0.0, null="architecture", p=None, score=1.0, low=1.0, high=1.0
    )
    text = Page(render([section(scm, result)], title="t")).text
    assert "the architecture itself forbids communication" in text
    assert "exactly 0" in text


def test_one_page_is_written(scm: StructuralCausalModel, tmp_path: Path) -> None:
    path = write_report(tmp_path / "r.html", [section(scm)], title="One")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_page_that_cannot_be_drawn_leaves_nothing(
    scm: StructuralCausalModel, tmp_path: Path
) -> None:
    broken = replace(section(scm), baselines=(None,))
    with pytest.raises(AttributeError):
        write_report(tmp_path / "r.html", [broken])
    assert list(tmp_path.iterdir()) == []
