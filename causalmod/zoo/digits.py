"""Two handwritten digits at once: one network that could be two, trained while you wait."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges
from causalmod.zoo.masked_linear import MaskedLinear, masked_layers, wiring

PIXELS, CLASSES = 64, 10
TRAIN_PAIRS, SHOWN_PAIRS = 4000, 1200
HELD_OUT = 0.2  # of the images
SAME = 0.5
RATE = 0.005


class Pairs(NamedTuple):
    """Pairs of digits.

    Attributes:
        images: ``[pair, 128]``: the left image's pixels row by row, then the right one's.
        labels: ``[pair, 2]``: the digits.
    """

    images: Tensor
    labels: Tensor


@register("two_digits_dense", wired_apart=False)
@register("two_digits", wired_apart=True)
def two_digits(
    wired_apart: bool = True,
    seed: int = 0,
    *,
    hidden: int = 48,
    steps: int = 250,
    l1: float = 0.0,
) -> Case:
    """A network that names two handwritten digits, wired as two separate halves or densely.

    *Data.* The 8 × 8 images of scikit-learn's ``load_digits``, pixels scaled to 0..1. An input is
    two of them: columns 0 to 63 hold the left image row by row, columns 64 to 127 the right one.
    The pairs are **confounded on purpose**: with probability 1/2 the right image is drawn from the
    class of the left one, else from all images. So the two halves share information even where they
    never talk. A fifth of the images is held out; training pairs are drawn from the rest, and the
    rows of the case, 1,200 pairs, from the held-out images.

    *Network.* Linear, ReLU, Linear, ReLU, Linear to 2 × 10 logits (0 to 9 name the left digit),
    trained on the sum of the two cross-entropies with full-batch Adam. Wired apart, each layer is a
    :class:`~causalmod.zoo.masked_linear.MaskedLinear` that connects only units of the same half,
    the halves' neurons being shuffled in both hidden layers; the true modules are known, and the
    exchange between them is 0. Wired densely, everything may use everything.

    The global generators are left alone; the same seed gives the same weights, bit for bit, on one
    machine and number of threads.

    Args:
        wired_apart: keep the halves apart; else dense.
        seed: seed of the split, the pairs, the first weights and the shuffle.
        hidden: units in each of the two hidden layers; even, at least 2.
        steps: training steps.
        l1: strength of the L1 penalty on the weights. After each step every weight is moved towards
            0 by the learning rate times ``l1``, and stops there (proximal gradient), so that
            weights become exactly 0.

    Returns:
        Case: ``numbers`` has the accuracies for each digit (``train_left``, ``train_right``,
        ``test_left``, ``test_right``; test is on held-out images).

    Raises:
        InputError: ``hidden`` is odd or below 2, ``steps`` below 1, or ``l1`` negative.

    Source: the images: Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI
    Machine Learning Repository (1998).

    Example:
        >>> case = two_digits(steps=1, hidden=8)
        >>> case.inputs.shape, len(case.modules["left"])
        (torch.Size([1200, 128]), 18)
    """
    if hidden < 2 or hidden % 2:
        raise InputError(
            f"hidden must be even and at least 2, one half for each digit; given {hidden}"
        )
    if steps < 1:
        raise InputError(f"steps must be at least 1; given {steps}")
    if l1 < 0:
        raise InputError(f"l1 must not be negative; given {l1}")
    generator = torch.Generator().manual_seed(seed)
    train, shown = draw_pairs(generator)
    owners = [
        torch.arange(2 * PIXELS) // PIXELS,
        torch.randperm(hidden, generator=generator) % 2,
        torch.randperm(hidden, generator=generator) % 2,
        torch.arange(2 * CLASSES) // CLASSES,
    ]
    model = _network(wiring(owners, wired_apart), generator)
    _train(model, train, steps, l1)
    modules = _modules(owners) if wired_apart else None
    numbers = _accuracies(model, train, "train") | _accuracies(model, shown, "test")
    wired = "two halves that are not connected" if wired_apart else "one dense network"
    facts: tuple[Fact, ...] = ()
    if modules is not None:
        apart = "no connection leads from one half to the other"
        facts = (exchanges(modules, 0.0, apart, estimator="auto"),)
    return Case(
        name="two_digits" if wired_apart else "two_digits_dense",
        model=model,
        inputs=shown.images,
        modules=modules,
        facts=facts,
        doc=(
            f"Names two handwritten digits; {wired}. The right image is of the left one's class "
            f"with probability {SAME:g}, else drawn from all. Accuracy (left, right): "
            f"{numbers['train_left']:.3f}, {numbers['train_right']:.3f} on the {TRAIN_PAIRS} "
            f"training pairs; {numbers['test_left']:.3f}, {numbers['test_right']:.3f} on the "
            f"{SHOWN_PAIRS} pairs of held-out images that are the rows of this case."
        ),
        numbers=MappingProxyType(numbers),
    )


def draw_pairs(generator: torch.Generator) -> tuple[Pairs, Pairs]:
    """Return training pairs, and pairs of images that training never sees."""
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    images = torch.as_tensor(pixels, dtype=torch.float32) / 16
    labels = torch.as_tensor(classes, dtype=torch.long)
    order = torch.randperm(len(images), generator=generator)
    held_out = round(HELD_OUT * len(images))
    kept, hidden = order[held_out:], order[:held_out]
    return (
        _pair_up(images[kept], labels[kept], TRAIN_PAIRS, generator),
        _pair_up(images[hidden], labels[hidden], SHOWN_PAIRS, generator),
    )


def _pair_up(images: Tensor, labels: Tensor, count: int, generator: torch.Generator) -> Pairs:
    left = torch.randint(len(images), (count,), generator=generator)
    anyone = torch.randint(len(images), (count,), generator=generator)
    same_class = (labels[left][:, None] == labels[None, :]).float()
    twin = torch.multinomial(same_class, 1, generator=generator)[:, 0]
    right = torch.where(torch.rand(count, generator=generator) < SAME, twin, anyone)
    both = torch.cat([images[left], images[right]], dim=1)
    return Pairs(both, torch.stack([labels[left], labels[right]], dim=1))


def _network(masks: list[Tensor], generator: torch.Generator) -> nn.Sequential:
    """Masked layers where the masks forbid anything, plain ones where they do not."""
    model = nn.Sequential()
    names = ("linear1", "linear2", "readout")
    for number, layer in enumerate(masked_layers(masks, generator)):
        dense = bool(layer.mask.all())
        model.add_module(names[number], _plain(layer) if dense else layer)
        if number + 1 < len(names):
            model.add_module(f"hidden{number + 1}", nn.ReLU())
    return model


def _plain(layer: MaskedLinear) -> nn.Linear:
    return fixed_linear(layer.weight.detach(), layer.bias.detach()).requires_grad_()


def _train(model: nn.Sequential, pairs: Pairs, steps: int, l1: float) -> None:
    with torch.enable_grad():
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
        for _ in range(steps):
            optimiser.zero_grad()
            losses = _by_digit(model, pairs, F.cross_entropy)
            (losses[0] + losses[1]).backward()
            optimiser.step()
            if l1:
                _shrink(model, RATE * l1)
    for layer in model:
        if isinstance(layer, MaskedLinear):
            layer.prune()
    model.requires_grad_(False).eval()


def _shrink(model: nn.Sequential, by: float) -> None:
    """Move every weight towards 0, as far as it goes."""
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                weight = layer.weight
                weight.copy_(weight.sign() * (weight.abs() - by).clamp_min(0))


def _by_digit(
    model: nn.Module, pairs: Pairs, figure: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    logits = model(pairs.images)
    left, right = logits[:, :CLASSES], logits[:, CLASSES:]
    return figure(left, pairs.labels[:, 0]), figure(right, pairs.labels[:, 1])


def _accuracies(model: nn.Module, pairs: Pairs, name: str) -> dict[str, float]:
    left, right = _by_digit(model, pairs, lambda o, y: (o.argmax(1) == y).double().mean())
    return {f"{name}_left": float(left), f"{name}_right": float(right)}


def _modules(owners: list[Tensor]) -> dict[str, list[str]]:
    """Units of each half, as the compiled model names them: after the activation."""
    sites = ("hidden1", "hidden2", "output")
    return {
        half: [
            f"{site}[{unit}]"
            for site, owner in zip(sites, owners[1:], strict=True)
            for unit in (owner == number).nonzero().flatten().tolist()
        ]
        for number, half in enumerate(("left", "right"))
    }
