"""Channels that never open on the data, with huge weights behind them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import all_bits, bit_reader, fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, sends

_FAR_BELOW, _HUGE = -1e6, 1e3


class _Closed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p, self.q = bit_reader(0, 1), bit_reader(0, 1)
        # copies of both bits; p and not q; a unit whose bias keeps it off
        self.linear = fixed_linear(
            [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [1.0, 1.0]], [0.0, 0.0, 0.0, _FAR_BELOW]
        )
        self.hidden = nn.ReLU()
        self.readout = fixed_linear([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, _HUGE, _HUGE]])

    def forward(self, bit: Tensor) -> Tensor:
        return self.readout(self.hidden(self.linear(torch.cat([self.p(bit), self.q(bit)], dim=1))))


@register("closed_channel")
def closed_channel() -> Case:
    """Two copies p and q of a bit, and channels between their tracks that never open.

    One unit is ``relu(p - q)``: constant, for p and q are equal, though it would fire if q alone
    were set to 0. Another has the bias -1,000,000. Both feed q's output with weights of 1,000,
    the largest in the network. Neither ever says anything: they are inert, held at what they are,
    and the tracks exchange nothing. Watched, p and q's output share their 1 bit, and measures of
    weights see the channels.

    Source: the definition of inert units; a bias that keeps a unit off removes it.

    Example:
        >>> [fact.expected for fact in closed_channel().facts]
        [1.0, 0.0, 0.0, 0.0, 2.0]
    """
    modules = {
        "p": ["p[0]", "hidden[0]", "output[0]"],
        "q": ["q[0]", "hidden[1]", "output[1]"],
    }
    held = "inert units are held at what they are"

    def inert(scm: StructuralCausalModel) -> float:
        return float(len(scm.units.inert))

    return Case(
        name="closed_channel",
        model=_Closed().eval(),
        inputs=all_bits(1),
        modules=modules,
        facts=(
            sends("observational", "p[0]", "output[1]", 1.0, "p and q are copies of one fair bit"),
            sends("interventional", "p[0]", "output[1]", 0.0, held),
            sends("conditional", "p[0]", "output[1]", 0.0, held),
            exchanges(modules, 0.0, held),
            Fact("number of inert units", 2.0, inert, "the two channels are constant", 0.0),
        ),
        sites=("p", "q", "hidden", "output"),
        doc="Two copies of a bit; the channels between their tracks never open.",
    )
