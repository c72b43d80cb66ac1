"""The page itself: figures, captions and numbers handed to the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jinja2
import torch
from markupsafe import Markup

from causalmod import plotting
from causalmod.report import words
from causalmod.report.section import ReportSection
from causalmod.report.svg import inline_svg
from causalmod.report.terms import TERMS
from causalmod.search.flow import flow_graph


@dataclass(frozen=True)
class Picture:
    """A figure in the page: what it means in one sentence, and the drawing."""

    title: str
    meaning: str
    svg: Markup
    wide: bool = False


def render(
    sections: Sequence[ReportSection], *, title: str, notice: str = "", notes: Sequence[str] = ()
) -> str:
    """Return the page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("causalmod.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plotting.plain
    environment.filters["number"] = plotting.number
    environment.filters["bits"] = words.bits_in_words
    environment.filters["bounds"] = words.bounds_in_words
    environment.filters["spread"] = words.spread_in_words
    environment.filters["interval"] = words.interval_in_words
    environment.filters["score"] = words.score_in_words
    environment.filters["chance"] = words.chance_in_words
    return environment.get_template("report.html.j2").render(
        title=title,
        notice=notice,
        notes=list(notes),
        sections=[_section(section, place) for place, section in enumerate(sections)],
        baseline_names=_baseline_names(sections),
        terms=TERMS,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _section(section: ReportSection, place: int) -> dict[str, Any]:
    result = section.result
    return {
        "anchor": f"network-{place + 1}",
        "section": section,
        "result": result,
        "values": {baseline.name: baseline for baseline in section.baselines},
        "pictures": list(_pictures(section, place)),
    }


def _baseline_names(sections: Sequence[ReportSection]) -> list[str]:
    return list(dict.fromkeys(b.name for section in sections for b in section.baselines))


def _pictures(section: ReportSection, place: int) -> Iterator[Picture]:
    result, scm = section.result, section.scm
    if result is None:
        return
    flow = flow_graph(scm, torch.arange(scm.rows))
    measured = "rows that the search did not see" if result.held_out else "the rows searched on"
    drawings = [
        (
            "The network, coloured by module",
            "Each dot is a unit, each column a layer from the input on the left to the output on "
            "the right; connections inside a module have its colour, and uncoloured ones run "
            "between modules.",
            plotting.plot_network(scm, result.partition, strength=flow),
            plotting.describe_network(scm, result.partition),
            True,
        ),
        (
            "What the modules send each other",
            "Bits that the module of the row sends the module of the column while everything "
            "else is held still; two numbers are a lower and an upper bound.",
            plotting.plot_matrix(result.exchange),
            plotting.describe_matrix(result.exchange),
            False,
        ),
        (
            "The partition found against random ones",
            "Exchange of the partition found (line) and of random partitions (bars), all on one "
            f"sample of {measured}: the further left the line, the less talk this partition cuts "
            "through. Measured in full, the partition found exchanges "
            f"{words.bits_in_words(result.exchange.estimate)} bits.",
            plotting.plot_random_partitions(result),
            plotting.describe_random_partitions(result),
            False,
        ),
        (
            "The network against null networks",
            "S of this network (line) and of null networks, whose weights are shuffled and which "
            "are searched in the same way (dots): the score compares the line with the mean of "
            "the dots, because a search finds a seemingly good partition in anything.",
            plotting.plot_nulls(result),
            plotting.describe_nulls(result),
            False,
        ),
        (
            "Resolution curve",
            "Exchange of the partition found as the noise scale changes: continuous signals "
            "carry more bits the finer one looks, so a figure in bits means something only at "
            "its resolution.",
            plotting.plot_resolution(result),
            plotting.describe_resolution(result),
            False,
        ),
    ]
    for number, (title, meaning, figure, alternative, wide) in enumerate(drawings):
        svg = inline_svg(figure, alternative, f"n{place + 1}f{number + 1}-")
        yield Picture(title, meaning, svg, wide)
