"""Copy, exclusive or, and: where the kinds of information agree and where they part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from causalmod.zoo.blocks import all_bits, bit_reader, entropy, fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, sends, sends_alike

_TWINS = torch.tensor([[0.0, 0.0], [1.0, 1.0]])  # A fair, B = A
_SPLITS = {
    "ac | b": {"ac": ["a[0]", "output[0]"], "b": ["b[0]"]},
    "ab | c": {"ab": ["a[0]", "b[0]"], "c": ["output[0]"]},
    "a | b | c": {"a": ["a[0]"], "b": ["b[0]"], "c": ["output[0]"]},
}


class _Gate(nn.Module):
    """Two units that repeat the input bits, and a third that combines them."""

    def __init__(self) -> None:
        super().__init__()
        self.a = bit_reader(0, 2)
        self.b = bit_reader(1, 2)


class _Xor(_Gate):
    def forward(self, bits: Tensor) -> Tensor:
        return torch.remainder(self.a(bits) + self.b(bits), 2)


class _And(_Gate):
    def forward(self, bits: Tensor) -> Tensor:
        return self.a(bits) * self.b(bits)


class _Bits(NamedTuple):
    """What one bit sends to the gate, by kind."""

    observational: float
    interventional: float
    conditional: float
    because: str

    def facts(self) -> tuple[Fact, ...]:
        return (
            sends("observational", "b[0]", "output[0]", self.observational, self.because),
            sends("interventional", "b[0]", "output[0]", self.interventional, self.because),
            sends("conditional", "b[0]", "output[0]", self.conditional, self.because),
        )


@register("copy_bit")
def copy_bit() -> Case:
    """A fair bit and its copy: 1 bit in every form.

    Example:
        >>> {fact.expected for fact in copy_bit().facts}
        {1.0}
    """
    model = nn.Sequential()
    model.add_module("b", bit_reader(0, 1))
    model.add_module("c", fixed_linear([[1.0]]))
    modules = {"b": ["b[0]"], "c": ["output[0]"]}
    why = "C is B, a fair bit"
    return Case(
        name="copy_bit",
        model=model.eval(),
        inputs=all_bits(1),
        modules=modules,
        facts=(*sends_alike("b[0]", "output[0]", 1.0, why), exchanges(modules, 1.0, why)),
        doc="One fair bit, copied.",
    )


@register("xor_correlated", correlated=True)
@register("xor")
def xor(correlated: bool = False) -> Case:
    """``C = A xor B`` of two fair bits.

    Watched or averaged over A, B tells nothing of C; whoever knows A learns all of B from C. So the
    observational and interventional forms are 0 bits and the conditional form is 1 bit.

    Args:
        correlated: the data have ``B = A``. C is then constant on the data, and no unit is live,
            but setting B still moves C: the figures stay as they are.

    Source: the standard example; see Ay and Polani, Advances in Complex Systems 11(1):17 (2008).

    Example:
        >>> [fact.expected for fact in xor().facts[:3]]
        [0.0, 0.0, 1.0]
    """
    why = "C is fair whatever B is set to; given A, it is B or its complement"
    facts = _Bits(0.0, 0.0, 1.0, why).facts()
    splits: tuple[Fact, ...] = ()
    if not correlated:
        splits = (
            exchanges(_SPLITS["ac | b"], 1.0, "given A, C repeats B's donor"),
            exchanges(_SPLITS["ab | c"], 1.0, "the donor pair's exclusive or is a fair bit"),
            exchanges(_SPLITS["a | b | c"], 1.0, "independent donors: a fair bit"),
        )
    return Case(
        name="xor_correlated" if correlated else "xor",
        model=_Xor().eval(),
        inputs=_TWINS if correlated else all_bits(2),
        modules=None,
        facts=(*facts, *splits),
        doc="The exclusive or of two bits"
        + (" that are equal in the data." if correlated else "."),
    )


@register("and_gate_correlated", correlated=True)
@register("and_gate")
def and_gate(correlated: bool = False) -> Case:
    """``C = A and B`` of two fair bits.

    Averaged over A, ``do(B = 0)`` gives C = 0 and ``do(B = 1)`` a fair C:
    ``H(1/4) - H(1/2) / 2 = 0.3113`` bits. Given A, C repeats B half of the time: 0.5 bits.

    Args:
        correlated: the data have ``B = A``. Watched, C is B: 1 bit. Under intervention B no longer
            knows A, so the other figures stay as they are.

    Source: the standard example; see Ay and Polani, Advances in Complex Systems 11(1):17 (2008).

    Example:
        >>> [round(fact.expected, 4) for fact in and_gate(correlated=True).facts[:3]]
        [1.0, 0.3113, 0.5]
    """
    averaged = entropy(1 / 4, 3 / 4) - 1 / 2
    why = "C is B where A is 1, and 0 where A is 0"
    if correlated:
        facts = _Bits(1.0, averaged, 0.5, why + "; in the data C = B = A").facts()
        splits = (
            exchanges(_SPLITS["ac | b"], 0.5, "given A = 1, C repeats B's donor"),
            exchanges(_SPLITS["ab | c"], 1.0, "A and B share a donor, so their AND is a fair bit"),
            exchanges(
                _SPLITS["a | b | c"], entropy(1 / 4, 3 / 4), "independent donors: P(C) = 1/4"
            ),
        )
    else:
        facts = _Bits(averaged, averaged, 0.5, why).facts()
        splits = (
            exchanges(_SPLITS["ac | b"], 0.5, "given A = 1, C repeats B's donor"),
            exchanges(_SPLITS["ab | c"], entropy(1 / 4, 3 / 4), "a donor pair's AND: P(C) = 1/4"),
            exchanges(
                _SPLITS["a | b | c"], entropy(1 / 4, 3 / 4), "independent donors: P(C) = 1/4"
            ),
        )
    return Case(
        name="and_gate_correlated" if correlated else "and_gate",
        model=_And().eval(),
        inputs=_TWINS if correlated else all_bits(2),
        modules=None,
        facts=(*facts, *splits),
        doc="The AND of two bits" + (" that are equal in the data." if correlated else "."),
    )
