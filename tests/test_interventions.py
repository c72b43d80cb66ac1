"""Interventions as data: what a value means for a site, without any network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalmod import resample
from causalmod.interventions import Assignment, Resample, read_value
from causalmod.variables import Site
from tests.strategies import MANY

SITE = Site("s", (), (2, 3), (1,), "op", "")  # three variables of two coordinates
LIKE = torch.zeros(5, 2, 3)


def test_resample_is_plain_data() -> None:
    assert resample(3) == Resample(3, True) == resample(3, joint=True)
    assert resample(3) != resample(3, joint=False)
    assert len({resample(1), resample(1), resample(2)}) == 2


@MANY
@given(st.permutations(range(3)).flatmap(lambda order: st.integers(1, 3).map(lambda n: order[:n])))
def test_values_land_on_the_variables_that_are_named(order: list[int]) -> None:
    """In the order of the selector, whatever the order in the site."""
    index = torch.tensor(order)
    value = torch.arange(5.0 * 2 * len(order)).reshape(5, 2, len(order))
    blocks = read_value("s", SITE, index, value, LIKE, 5)
    assert isinstance(blocks, torch.Tensor)
    made = Assignment("s", index, blocks).apply(torch.full((5, 3, 2), -1.0), None)
    whole = SITE.join(made)
    for place, variable in enumerate(order):
        assert torch.equal(whole[:, :, variable], value[:, :, place])
    rest = [v for v in range(3) if v not in order]
    assert (whole[:, :, rest] == -1).all()


def test_values_follow_the_rows_of_the_runs() -> None:
    per_row = Assignment("s", torch.tensor([1]), torch.arange(5.0).reshape(5, 1, 1).expand(5, 1, 2))
    runs = per_row.apply(torch.zeros(3, 3, 2), torch.tensor([4, 0, 4]))
    assert runs[:, 1, 0].tolist() == [4.0, 0.0, 4.0]
    constant = Assignment("s", torch.tensor([1]), torch.ones(1, 1, 2))
    assert (constant.apply(torch.zeros(3, 3, 2), torch.tensor([4, 0, 4]))[:, 1] == 1).all()


def test_blocks_are_not_written_to() -> None:
    blocks = torch.zeros(2, 3, 2)
    Assignment("s", torch.tensor([0]), torch.ones(1, 1, 2)).apply(blocks, None)
    assert blocks.abs().sum() == 0


@pytest.mark.parametrize("value", [1.0, torch.ones(3), torch.ones(5, 3), lambda v: v])
def test_only_functions_are_soft(value: object) -> None:
    index = torch.arange(3)
    made = Assignment("s", index, read_value("s", SITE, index, value, LIKE, 5))
    assert made.is_soft == callable(value)
