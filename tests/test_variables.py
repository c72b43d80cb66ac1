"""Sites, and the text that selects variables."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalmod.errors import SelectorError
from causalmod.variables import Site, Variable, expand, parse
from tests.strategies import MANY

SITES = st.text(st.characters(codec="utf-8", exclude_characters="[] "), min_size=1)


@MANY
@given(SITES, st.lists(st.integers(0, 10**6), min_size=1))
def test_selectors_read_back(site: str, numbers: list[int]) -> None:
    if site.strip() == site:
        assert parse(f"{site}[{','.join(map(str, numbers))}]") == (site, tuple(numbers))
        assert parse(site) == (site, None)


@MANY
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SelectorError):
        site, indices = parse(text)
        assert site
        assert indices is None or indices


@pytest.mark.parametrize(
    ("text", "site", "indices"),
    [
        ("h.0.attn[2]", "h.0.attn", (2,)),
        (" fc1[ 0 , 2 ] ", "fc1", (0, 2)),
        ("fc1[:4]", "fc1", (slice(None, 4),)),
        ("fc1[2:]", "fc1", (slice(2, None),)),
        ("fc1[:]", "fc1", (slice(None, None),)),
        ("fc1[0:8:2, 1]", "fc1", (slice(0, 8, 2), 1)),
        ("block:relu@2[1]", "block:relu@2", (1,)),
        ("a[0][3]", "a[0]", (3,)),
        ("[3]", "[3]", None),
        ("fc1[3", "fc1[3", None),
    ],
)
def test_reading(text: str, site: str, indices: Any) -> None:
    assert parse(text) == (site, indices)


@pytest.mark.parametrize(
    "text", ["fc1[]", "fc1[-1]", "fc1[a]", "fc1[1.5]", "fc1[0:1:0]", "f[1:2:3:4]"]
)
def test_indices_that_cannot_be_read(text: str) -> None:
    with pytest.raises(SelectorError, match="write a non-negative integer or a slice"):
        parse(text)


@pytest.mark.parametrize("text", ["", "  ", 3, None, ("a", "b")])
def test_selectors_that_are_no_text(text: Any) -> None:
    with pytest.raises(SelectorError, match="a selector is text such as"):
        parse(text)


@MANY
@given(st.integers(1, 8), st.integers(0, 9), st.integers(0, 9), st.integers(1, 3))
def test_slices_are_pythons_within_the_site(count: int, start: int, stop: int, step: int) -> None:
    selector = f"fc1[{start}:{stop}:{step}]"
    wanted = list(range(count))[start:stop:step]
    if stop > count or not wanted:
        with pytest.raises(SelectorError):
            expand(selector, {"fc1": count})
    else:
        assert [variable.index for variable in expand(selector, {"fc1": count})] == wanted


def test_expanding() -> None:
    counts = {"fc1": 3, "a[0]": 2}
    assert expand("fc1", counts) == tuple(Variable("fc1", i) for i in range(3))
    assert [str(v) for v in expand("fc1[2,0]", counts)] == ["fc1[2]", "fc1[0]"]
    assert [v.name for v in expand("a[0]", counts)] == ["a[0][0]", "a[0][1]"]
    with pytest.raises(
        SelectorError, match=r"unknown site 'fc2' in 'fc2\[0\]': did you mean 'fc1'"
    ):
        expand("fc2[0]", counts)
    with pytest.raises(SelectorError, match="has 3 variables, numbered 0 to 2"):
        expand("fc1[3]", counts)
    with pytest.raises(SelectorError, match="has 3 variables, numbered 0 to 2"):
        expand("fc1[0:4]", counts)
    with pytest.raises(SelectorError, match="selects nothing"):
        expand("fc1[2:2]", counts)


@MANY
@given(st.lists(st.integers(1, 4), max_size=3), st.data())
def test_blocks_and_sites_are_two_views_of_one_tensor(
    shape: list[int], data: st.DataObject
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1)) if shape else None
    site = Site("s", (), tuple(shape), () if axis is None else (axis,), "op", "")
    values = torch.arange(2 * site.count * site.width).reshape(2, *shape)
    blocks = site.split(values)
    assert blocks.shape == (2, site.count, site.width)
    assert torch.equal(site.join(blocks), values)
    for index in range(site.count):
        part = values if axis is None else values.select(axis + 1, index)
        assert torch.equal(blocks[:, index], part.reshape(2, -1))
    assert len(site.variables) == site.count
