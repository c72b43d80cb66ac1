"""Each figure says what it shows, with units, for any names; none touches global settings."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from causalmod import plotting
from causalmod.modularity import Modularity
from causalmod.plotting.layout import lay_out
from causalmod.scm import StructuralCausalModel
from tests.plotting.results import HOSTILE, compiled, estimate, exchanged, found, split

Draw = Callable[[StructuralCausalModel, Modularity], Figure]
FIGURES: dict[str, Draw] = {
    "network": lambda scm, result: plotting.plot_network(scm, result.partition),
    "matrix": lambda _, result: plotting.plot_matrix(result.exchange),
    "modules": lambda _, result: plotting.plot_modules(result.exchange),
    "random": lambda _, result: plotting.plot_random_partitions(result),
    "nulls": lambda _, result: plotting.plot_nulls(result),
    "resolution": lambda _, result: plotting.plot_resolution(result),
}
WORDS: dict[str, Callable[[StructuralCausalModel, Modularity], str]] = {
    "network": lambda scm, result: plotting.describe_network(scm, result.partition),
    "matrix": lambda _, result: plotting.describe_matrix(result.exchange),
    "modules": lambda _, result: plotting.describe_modules(result.exchange),
    "random": lambda _, result: plotting.describe_random_partitions(result),
    "nulls": lambda _, result: plotting.describe_nulls(result),
    "resolution": lambda _, result: plotting.describe_resolution(result),
}


@pytest.fixture(scope="module")
def scm() -> StructuralCausalModel:
    return compiled()


def drawn(figure: Figure) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text) if isinstance(t, Text))


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_names_are_drawn_as_plain_text(scm: StructuralCausalModel, name: str) -> None:
    result = found(scm, HOSTILE)
    svg = drawn(FIGURES[name](scm, result))
    assert "<script" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg
    told = WORDS[name](scm, result)
    assert told.isprintable()


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_leaves_global_settings_alone(scm: StructuralCausalModel, name: str) -> None:
    before = dict(mpl.rcParams)
    FIGURES[name](scm, found(scm))
    assert dict(mpl.rcParams) == before


def test_neither_pyplot_nor_a_backend_is_asked_for() -> None:
    folder = Path(plotting.__file__).parent
    for file in (*folder.glob("*.py"), *(folder.parent / "report").glob("*.py")):
        code = file.read_text(encoding="utf-8")
        for word in ("pyplot", "pylab", "matplotlib.use", "rcParams[", "rcParams."):
            statements = [
                line for line in code.splitlines() if word in line and "no pyplot" not in line
            ]
            assert statements == [], file


@pytest.mark.parametrize("name", ["matrix", "random", "resolution"])
def test_bits_are_named_on_the_axes(scm: StructuralCausalModel, name: str) -> None:
    assert "(bits" in words(FIGURES[name](scm, found(scm)))


def test_figures_fit_a_column(scm: StructuralCausalModel) -> None:
    result = found(scm)
    for name in ("matrix", "random", "nulls", "resolution"):
        assert FIGURES[name](scm, result).get_size_inches()[0] <= 3.6
    assert FIGURES["network"](scm, result).get_size_inches()[0] <= 7.5


def test_the_network_has_no_dark_connection_when_nothing_joins_the_modules() -> None:
    scm = compiled(leak=0.0)
    result = found(scm)
    assert "between modules" not in words(plotting.plot_network(scm, result.partition))
    assert "0 between modules" in plotting.describe_network(scm, result.partition)
    leaky = compiled(leak=0.5)
    result = found(leaky)
    assert "between modules" in words(plotting.plot_network(leaky, result.partition))


def test_few_connections_are_all_drawn_and_many_are_said_to_be_fewer() -> None:
    scm = compiled(width=12, leak=0.5)
    partition = split(scm, ("a", "b"))
    edges = len(lay_out(scm, partition).edges)
    assert lines(plotting.plot_network(scm, partition)) == edges == 4 * 12 + 12 * 12
    fewer = plotting.plot_network(scm, partition, most_edges=60)
    assert lines(fewer) == 60
    assert "42 random of 144 connections between units" in words(fewer)
    assert "18 random of 48 connections from inputs" in words(fewer)


def lines(figure: Figure) -> int:
    collections = figure.axes[0].collections
    return sum(len(c.get_segments()) for c in collections if isinstance(c, LineCollection))


def test_the_strongest_connections_are_drawn() -> None:
    scm = compiled(width=12, leak=0.5)
    partition = split(scm, ("a", "b"))
    strength = torch.zeros(len(scm.units), len(scm.units))
    strength[3, 12 + 7] = 2.0
    figure = plotting.plot_network(scm, partition, strength=strength, most_edges=2)
    made = lay_out(scm, partition)
    ends = (made.position[scm.units.names[3]], made.position[scm.units.names[12 + 7]])
    segments = [
        [tuple(point) for point in segment]
        for c in figure.axes[0].collections
        if isinstance(c, LineCollection)
        for segment in c.get_segments()
    ]
    assert list(ends) in segments
    assert "strongest" in words(figure)


def test_every_unit_has_its_own_place_inside_its_band() -> None:
    scm = compiled(width=12)
    partition = split(scm, ("a", "b", "c"))
    made = lay_out(scm, partition)
    assert len(set(made.position.values())) == len(made.position)
    for (column, height), unit in ((made.position[u], u) for u in scm.units.names):
        assert column in {1.0, 2.0}
        assert 0.0 <= height <= 1.0
        above = [u for u in scm.units.names if made.position[u][1] > height]
        assert all(made.module[u] <= made.module[unit] for u in above)


def test_inert_units_stand_apart() -> None:
    from torch import nn

    from causalmod.scm import compile

    net = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    with torch.no_grad():
        net.get_parameter("0.weight").abs_()  # whatever was drawn, units are live on these data
        net.get_parameter("0.bias").zero_()[:2] = -1e6
    scm = compile(net, torch.rand(30, 2, generator=torch.Generator().manual_seed(0)))
    figure = plotting.plot_network(scm, split(scm, ("a", "b")))
    assert "inert" in words(figure)
    made = lay_out(scm, split(scm, ("a", "b")))
    assert all(made.position[unit][1] < 0 for unit in scm.units.inert)
    assert len(made.inert) >= 2


def test_the_matrix_writes_both_bounds_and_a_sum_for_three_modules(
    scm: StructuralCausalModel,
) -> None:
    two = words(plotting.plot_matrix(exchanged(split(scm, ("a", "b")))))
    assert "0.40\nto 0.90" in two
    assert "all others" not in two
    three = plotting.plot_matrix(exchanged(split(scm, ("a", "b", "c"))))
    assert "all others" in words(three)
    silent = exchanged(split(scm, ("a", "b")), bits=0.0, upper=None)
    assert re.search(r"^0$", words(plotting.plot_matrix(silent)), re.MULTILINE)


def test_the_line_stands_where_the_random_ones_were_measured(scm: StructuralCausalModel) -> None:
    figure = plotting.plot_random_partitions(found(scm))
    places = [line.get_xdata() for line in figure.axes[0].lines]
    assert any(list(x) == [0.7, 0.7] for x in places)
    assert figure.axes[0].get_xlim()[0] <= 0
    assert "of 5" in words(figure)


def test_null_scores_and_their_mean_are_drawn(scm: StructuralCausalModel) -> None:
    text = words(plotting.plot_nulls(found(scm)))
    assert "this network 0.30" in text
    assert "mean of null networks 0.80" in text or "mean of null networks 0.79" in text


def test_missing_parts_are_said_to_be_missing(scm: StructuralCausalModel) -> None:
    result = found(scm, random_exchange=(), null_scores=(), resolution_curve={}, score=None)
    assert "No random partitions" in words(plotting.plot_random_partitions(result))
    assert "No null networks" in words(plotting.plot_nulls(result))
    assert "No resolution curve" in words(plotting.plot_resolution(result))
    counted = replace(
        result, exchange=replace(result.exchange, estimate=estimate(1.0, resolution=None))
    )
    assert "counted exactly" in words(plotting.plot_resolution(counted))


def test_a_silent_partition_and_equal_nulls_can_be_drawn(scm: StructuralCausalModel) -> None:
    result = found(scm, bits=0.0, upper=0.0, raw=1.0, null_scores=(0.0, 0.0, 0.5))
    result = replace(result, random_exchange=(0.0, 0.0), compared_exchange=0.0)
    for draw in FIGURES.values():
        drawn(draw(scm, result))
    assert "exactly 0 bits" in words(plotting.plot_resolution(result))


def test_saturated_points_are_hollow(scm: StructuralCausalModel) -> None:
    whole = exchanged(split(scm, ("a", "b")))
    full = replace(whole, estimate=estimate(5.0, 6.0, saturated=True, low=None, high=None))
    figure = plotting.plot_resolution(found(scm, resolution_curve={0.3: full, 1.0: whole}))
    fills = [
        line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "o"
    ]
    assert fills == ["#ffffff", "#0072b2"]


def test_sites_side_by_side_share_a_column() -> None:
    class Tracks(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
            self.read = torch.nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.read(torch.tanh(torch.cat([self.left(x), self.right(x)], 1)))

    from causalmod.scm import compile

    rows = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    scm = compile(Tracks().eval(), rows, sites=["left", "right", "read"])
    made = lay_out(scm, split(scm, ("a", "b")))
    assert made.columns == ["input", "left, right", "output"]
    assert made.sizes == [2, 6, 2]
    assert made.position["left[0]"][0] == made.position["right[0]"][0] == 1.0
