"""Noisy mechanisms with published figures; the noise is a further input of the network.

A mechanism with ``P(Y=1 | x) = p(x)`` is the unit ``y = [n < p(x)]`` with noise ``n`` uniform on
``.5/m, 1.5/m, .., 1 - .5/m``, where every ``p`` is a multiple of ``1/m``. The data hold each
combination of inputs once, so that noise is independent of all else.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2

import torch
from torch import Tensor, nn

from causalmod.errors import InputError, nearest
from causalmod.zoo.blocks import all_bits
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import published

_AY_POLANI = "Ay and Polani, Advances in Complex Systems 11(1):17 (2008), section 5"
_JANZING = "Janzing et al., Annals of Statistics 41(5):2324 (2013), definition 2"


def _noise(levels: int) -> Tensor:
    return (torch.arange(levels) + 0.5) / levels


def _bit() -> Tensor:
    return torch.tensor([0.0, 1.0])


class _Unit(nn.Module):
    """``[n < p(parents)]`` as a float."""

    def __init__(self, probability: Callable[..., Tensor]) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, noise: Tensor, *parents: Tensor) -> Tensor:
        return (noise < self.probability(*parents)).float()


class _Confounded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = _Unit(lambda u: 0.3 + 0.5 * u)
        self.y = _Unit(lambda u, x: 0.1 + 0.8 * u * x)

    def forward(self, rows: Tensor) -> Tensor:
        u, noise_x, noise_y = rows.split(1, dim=1)
        return self.y(noise_y, u, self.x(noise_x, u))


@register("confounded")
def confounded() -> Case:
    """``X <- U -> Y <- X`` with ``P(U=1) = .5``, ``P(X=1|u) = .3/.8``, ``P(Y=1|u,x) = .1 + .8ux``.

    ``P(X=1) = .55``. Set X, and ``P(Y=1|do(0)) = .1``, ``P(Y=1|do(1)) = .5``: the mixture has
    ``P(Y=1) = .32``, and ``h(.32) - .45 h(.1) - .55 h(.5) = 0.143333`` bits are received. On the
    data ``P(Y=1) = .42``, for ``P(u=1,x=1) = .4``: against that the reading is
    ``KL(.32 || .42) = 0.030506`` more, the confounding gap. Watched, ``I(X;Y) = 0.274090``, U
    telling both. To cut the arrow feeds it ``X' ~ P(X)``: then ``P(Y=1|u=1) = .54``, and
    ``.5 (.2 KL(.1 || .54) + .8 KL(.9 || .54)) = 0.240059``.

    Inputs are U and the noise of X and of Y.

    Source: Janzing et al., Annals of Statistics 41(5):2324 (2013), for strength.

    Example:
        >>> confounded().check()[0].ok
        True
    """
    grid = torch.cartesian_prod(_bit(), _noise(10), _noise(10))
    set_x = "P(Y=1|do(x)) is .1 or .5, with weights .45 and .55"
    return Case(
        name="confounded",
        model=_Confounded().eval(),
        inputs=grid,
        modules=None,
        facts=(
            published(0.143333, set_x, "x", "output"),
            published(
                0.173840, f"{set_x}, against P(Y=1) = .42", "x", "output", reference="observational"
            ),
            published(0.274090, "X and Y share U", "x", "output", kind="observational"),
            published(0.240059, _JANZING, "x", "output", kind="strength", noise="input[2]"),
        ),
        doc="A cause and an effect with a common cause.",
        sites=("x", "output"),
    )


class _Sprinkler(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sprinkler = _Unit(lambda cloudy: 0.5 - 0.4 * cloudy)
        self.rain = _Unit(lambda cloudy: 0.2 + 0.6 * cloudy)
        self.wet = _Unit(lambda s, r: 0.9 * (s + r) - 0.81 * s * r)

    def forward(self, rows: Tensor) -> Tensor:
        cloudy, noise_s, noise_r, noise_w = rows.split(1, dim=1)
        s, r = self.sprinkler(noise_s, cloudy), self.rain(noise_r, cloudy)
        return self.wet(noise_w, s, r)


@register("sprinkler")
def sprinkler() -> Case:
    """Clouds keep the sprinkler off and bring rain; either wets the grass.

    ``P(C=1) = .5``, ``P(S=1|C) = .5/.1``, ``P(R=1|C) = .2/.8``, and ``P(W=1|S,R) = 0`` with
    neither, .9 with one, .99 with both. ``P(S=1) = .3`` and ``P(R=1) = .5``, so that
    ``P(W=1|do(S)) = .45/.945``: ``h(.5985) - .7 h(.45) - .3 h(.945) = 0.184699`` bits. On the data
    ``P(W=1) = .6471``, for ``P(S=1,R=1) = .09``, and ``KL(.5985 || .6471) = 0.007322`` is the
    gap. Given ``do(R)`` it is the mean of ``h(.27) - .3 h(.9)`` and ``h(.927) - .7 h(.9) - .3
    h(.99)``, 0.362626. To cut ``S -> W`` feeds it ``S' ~ (.7, .3)``: then ``P(W=1|R) = .27/.927``,
    and the divergences of ``P(W|S,R)`` from that average to 0.408480. Likewise 0.526863 for
    ``R -> W``, and 0.645781 for both, each fed by itself: then ``P(W=1) = .5985``.

    Inputs are C and the noise of S, of R and of W.

    Source: Pearl, *Probabilistic Reasoning in Intelligent Systems* (1988), for the network;
    Janzing et al., Annals of Statistics 41(5):2324 (2013), for strength.

    Example:
        >>> len(sprinkler().facts)
        6
    """
    grid = torch.cartesian_prod(_bit(), _noise(10), _noise(5), _noise(100))
    averaged = "h(.5985) - .7 h(.45) - .3 h(.945)"
    arrow = {"kind": "strength", "noise": "input[3]"}
    return Case(
        name="sprinkler",
        model=_Sprinkler().eval(),
        inputs=grid,
        modules=None,
        facts=(
            published(0.184699, averaged, "sprinkler", "output"),
            published(
                0.192021, f"{averaged} + KL(.5985 || .6471)", "sprinkler", "output",
                reference="observational",
            ),
            published(
                0.362626, "the mean over rain and no rain", "sprinkler", "output", given_do="rain"
            ),
            published(0.408480, _JANZING, "sprinkler", "output", **arrow),
            published(0.526863, _JANZING, "rain", "output", **arrow),
            published(0.645781, _JANZING, ["sprinkler", "rain"], "output", **arrow),
        ),
        doc="The sprinkler, the rain and the wet grass.",
        sites=("sprinkler", "rain", "output"),
    )  # fmt: skip


class _Copy(nn.Module):
    def forward(self, bit: Tensor) -> Tensor:
        return bit * 1.0


class _TwoWays(nn.Module):
    def __init__(self, combine: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.x, self.y = _Copy(), _Copy()
        self.combine = combine

    def forward(self, rows: Tensor) -> Tensor:
        w, coin = rows.split(1, dim=1)
        return self.combine(self.x(w), self.y(w), coin)


_COMBINE: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "xor": lambda x, y, coin: torch.remainder(x + y, 2),
    "copy": lambda x, y, coin: x * 1.0,
    "coin": lambda x, y, coin: (x != y).float() * coin,
}
_UNEQUAL = 0.75 * log2(4 / 3)
#: X to Z, X to Z given do(Y), W to Z given do(Y)
_FLOWS = {"xor": (0.0, 1.0, 1.0), "copy": (1.0, 1.0, 1.0), "coin": (0.0, _UNEQUAL, _UNEQUAL)}


@register("two_ways_coin", combine="coin")
@register("two_ways_copy", combine="copy")
@register("two_ways_xor", combine="xor")
def two_ways(combine: str = "xor") -> Case:
    """A fair bit W goes two ways, ``X = Y = W``, and ``Z`` reads both.

    ``xor``: ``Z = X xor Y``. Whatever X is set to, Z is fair: 0 bits. With Y set and known, Z is X
    or its complement: 1 bit, from X and from W alike. ``copy``: ``Z = X``, 1 bit in each form.
    ``coin``: Z is 0 if ``X = Y``, else a fair coin. ``P(Z=1) = 1/4`` whatever X is set to: 0 bits.
    With Y set and known it is 0 or 1/2, and ``h(1/4) - 1/2 = 3/4 log2 4/3 = 0.311278``. On the data
    Z is always 0; the cut arrow makes that ``3/4``, so the strength of ``X -> Z`` is
    ``log2 4/3 = 0.415037``.

    Inputs are W and the coin.

    Args:
        combine: ``"xor"``, ``"copy"`` or ``"coin"``.

    Source: Ay and Polani, Advances in Complex Systems 11(1):17 (2008), section 5; Janzing et al.,
    Annals of Statistics 41(5):2324 (2013), for strength.

    Raises:
        InputError: ``combine`` is none of these.

    Example:
        >>> all(row.ok for row in two_ways("coin").check())
        True
    """
    if combine not in _COMBINE:
        raise InputError(f"unknown combine {combine!r}: {nearest(str(combine), _COMBINE)}")
    alone, given, through = _FLOWS[combine]
    facts: tuple[Fact, ...] = (
        published(alone, _AY_POLANI, "x", "output"),
        published(given, _AY_POLANI, "x", "output", given_do="y"),
        published(through, _AY_POLANI, "input[0]", "output", given_do="y"),
    )
    if combine == "coin":
        facts += (
            published(log2(4 / 3), _JANZING, "x", "output", kind="strength", noise="input[1]"),
        )
    return Case(
        name=f"two_ways_{combine}",
        model=_TwoWays(_COMBINE[combine]).eval(),
        inputs=all_bits(2),
        modules=None,
        facts=facts,
        doc="A bit that goes two ways and meets itself.",
        sites=("x", "y", "output"),
    )
