"""Hypothesis strategies that several tests share."""

from __future__ import annotations

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

# No deadlines: how long one example takes says nothing on a busy machine.
MANY = settings(max_examples=100, deadline=None)
SOME = settings(max_examples=25, deadline=None)


@st.composite
def masks(draw: st.DrawFn, outputs: int, inputs: int) -> Tensor:
    """Which entries of a matrix are kept: bool ``[output, input]``."""
    flags = draw(st.lists(st.booleans(), min_size=outputs * inputs, max_size=outputs * inputs))
    return torch.tensor(flags, dtype=torch.bool).reshape(outputs, inputs)


@st.composite
def tensors(draw: st.DrawFn, *shape: int) -> Tensor:
    """Standard normal numbers; they shrink to another seed, not to zeros."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    return torch.randn(*shape, generator=generator)
