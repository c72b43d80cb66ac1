"""Exclusive ors across modules: nothing unit to unit on average, and yet they communicate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import all_bits, bit_reader, fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, sends, sends_directly, takes_in


class _Parity(nn.Module):
    def forward(self, bits: Tensor) -> Tensor:
        return torch.remainder(bits.sum(1, keepdim=True), 2)


class _EqualBits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p, self.q = bit_reader(0, 2), bit_reader(0, 2)
        self.s, self.parity = bit_reader(1, 2), _Parity()

    def forward(self, bits: Tensor) -> Tensor:
        return self.parity(torch.cat([self.p(bits), self.q(bits), self.s(bits)], dim=1))


@register("equal_bits")
def equal_bits() -> Case:
    """Modules p and q hold the same fair bit, and the third is ``i = p xor q xor s``.

    The third module reads a fair bit s of its own. On the data p and q cancel, so ``i = s``; with
    one donor row for both they cancel again, and nothing seems to reach i: 0 bits. Donors that are
    drawn for each module by itself bring the exclusive or out: 1 bit. While q is held, p alone
    flips i: 1 bit directly, from each.

    Source: enumeration.

    Example:
        >>> [(fact.name, fact.expected) for fact in equal_bits().facts[:2]]
        [('exchange p | q | i (exact)', 1.0), ('exchange p | q | i (exact, joint donors)', 0.0)]
    """
    modules = {"p": ["p[0]"], "q": ["q[0]"], "i": ["s[0]", "output[0]"]}
    flips = "i is p's donor or its complement"
    return Case(
        name="equal_bits",
        model=_EqualBits().eval(),
        inputs=all_bits(2),
        modules=modules,
        facts=(
            exchanges(modules, 1.0, "the exclusive or of independent donors is a fair bit"),
            exchanges(modules, 0.0, "p and q have equal donors, which cancel", donors="joint"),
            takes_in(modules, "i", 1.0, "the exclusive or of independent donors is a fair bit"),
            sends_directly(modules, "p", "i", 1.0, flips),
            sends_directly(modules, "q", "i", 1.0, flips.replace("p's", "q's")),
            sends_directly(modules, "p", "q", 0.0, "no connection leads from p to q"),
        ),
        sites=("p", "q", "s", "output"),
        doc="Two modules with the same bit, and a third that takes the exclusive or of all bits.",
    )


class _Majority(nn.Module):
    def __init__(self, senders: int) -> None:
        super().__init__()
        self.senders = fixed_linear([[1.0]] * senders)
        self.level = senders / 2

    def forward(self, bit: Tensor) -> Tensor:
        return (self.senders(bit).sum(1, keepdim=True) > self.level).float()


@register("majority")
def majority(senders: int = 3) -> Case:
    """Senders that all hold the same fair bit, and a receiver that fires with most of them.

    No sender alone moves the receiver while the others are held: every direct figure is 0. Together
    they move it, for with independent donors the majority of an odd number of fair bits is a fair
    bit: ``in(receiver) = 1``. So direct pairs do not add up to what is received. One sender against
    all the rest exchanges nothing either, though it is no module: there is nothing inside it.

    Args:
        senders: number of senders; odd, at least 3.

    Raises:
        InputError: another number of senders.

    Source: enumeration.

    Example:
        >>> [fact.expected for fact in majority().facts]
        [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """
    if senders < 3 or senders % 2 == 0:
        raise InputError(f"senders must be odd and at least 3; given {senders}")
    names = [f"senders[{place}]" for place in range(senders)]
    apart = {f"s{place}": [name] for place, name in enumerate(names)}
    modules = apart | {"receiver": ["output[0]"]}
    alone = {"one": names[:1], "rest": [*names[1:], "output[0]"]}
    outvoted = "the others outvote it"
    return Case(
        name="majority",
        model=_Majority(senders).eval(),
        inputs=all_bits(1),
        modules=None,
        facts=(
            *(sends_directly(modules, name, "receiver", 0.0, outvoted) for name in apart),
            takes_in(modules, "receiver", 1.0, "the majority of independent fair bits is fair"),
            exchanges(modules, 1.0, "nothing but the receiver reads other modules"),
            exchanges(alone, 0.0, outvoted),
        ),
        sites=("senders", "output"),
        doc=f"The majority of {senders} senders that are all equal.",
    )


class _Bridge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = fixed_linear([[1.0, 0.0], [0.0, 1.0]])
        self.bridge = _Parity()

    def forward(self, bits: Tensor) -> dict[str, Tensor]:
        held = self.hidden(bits)
        return {"own": held * 2, "bridge": self.bridge(held)}


@register("xor_bridge")
def xor_bridge() -> Case:
    """Two modules with a fair bit each, and one unit that is the exclusive or of a bit from each.

    Whatever the other side's bit is set to, the bridge is a fair bit: unit to unit the averaged
    form reads 0, and so does whoever watches. Knowing what else it reads, the bridge tells that
    bit: 1 bit in the conditional form. The exchange is 1 bit, on whichever side the bridge stands;
    in a module of its own it takes in the exclusive or of two donors, 1 bit too.

    Source: enumeration.

    Example:
        >>> [fact.expected for fact in xor_bridge().facts[:3]]
        [0.0, 0.0, 1.0]
    """
    left, right = ["hidden[0]", "output.own[0]"], ["hidden[1]", "output.own[1]"]
    bridge = "output.bridge[0]"
    modules = {"left": [*left, bridge], "right": right}
    moved = {"left": left, "right + bridge": [*right, bridge]}
    fair = "an exclusive or with a fair bit is fair"
    known = "the bridge is the other side's donor, or its complement"
    return Case(
        name="xor_bridge",
        model=_Bridge().eval(),
        inputs=all_bits(2),
        modules=modules,
        facts=(
            sends("observational", "hidden[1]", bridge, 0.0, fair),
            sends("interventional", "hidden[1]", bridge, 0.0, fair),
            sends("conditional", "hidden[1]", bridge, 1.0, known),
            exchanges(modules, 1.0, known),
            exchanges(moved, 1.0, known),
            exchanges({"left": left, "right": right, "bridge": [bridge]}, 1.0, fair),
        ),
        sites=("hidden", "output.own", "output.bridge"),
        doc="Two modules with a bit each, and a unit that takes the exclusive or of the two bits.",
    )
