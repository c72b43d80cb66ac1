"""The retina task of Kashtan and Alon: two halves to be seen, and one question or two."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from causalmod.errors import InputError, nearest
from causalmod.zoo.blocks import all_bits
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges
from causalmod.zoo.masked_linear import MaskedLinear, masked_layers, wiring
from causalmod.zoo.planted_layers import live_units

GOALS = ("heads", "and", "or")
_RATE = 0.02


@register("retina_dense", wired_apart=False)
@register("retina")
def retina(
    goals: str | Sequence[str] = "heads",
    *,
    wired_apart: bool | None = None,
    hidden: int = 12,
    layers: int = 2,
    period: int = 20,
    penalty: float = 0.0,
    steps: int = 600,
    seed: int = 0,
) -> Case:
    """A network that looks for objects in the two halves of a retina of 4 × 2 pixels.

    *Inputs.* All 256 images, pixels 0 (white) or 1 (black). Columns 0 to 3 are the left half: top
    left, top right, bottom left, bottom right; columns 4 to 7 the right half, likewise.

    *Objects.* A half has 16 patterns, 8 of which are objects. The left half holds an object when
    three or four of its pixels are black, or one or two are and all of these stand in its left
    column; the right half likewise, with its right column::

        pixels black       left half        right half
        4                  object           object
        3 (any)            object           object
        2                  left column      right column
        1                  in left column   in right column
        0                  -                -

    *Goals.* ``"heads"`` asks for both, in two readouts; ``"and"`` for ``L and R`` in one; ``"or"``
    for ``L or R``. With several goals, such as ``("and", "or")``, the goal changes every ``period``
    steps (modularly varying goals: the parts stay, what is asked of them changes); the goal of the
    last steps is the one that the accuracy is of.

    *Network.* ReLU layers, trained with full-batch Adam on cross-entropy. Wired apart, which needs
    two heads, the halves are not connected and the neurons of each layer are shuffled.

    Args:
        goals: one goal, or several that take turns.
        wired_apart: keep the halves apart; by default when the goal is ``"heads"`` alone.
        hidden: units in each hidden layer; even.
        layers: number of hidden layers.
        period: steps between changes of the goal.
        penalty: factor of the mean size of the weights, which is added to the loss.
        steps: training steps.
        seed: seed of the first weights and of the shuffle.

    Returns:
        Case: ``numbers`` has the ``accuracy``, the share of images on which all readouts are right.

    Raises:
        InputError: an unknown goal, several that need different readouts, or a number out of range.

    Source: Kashtan and Alon, *Spontaneous evolution of modularity and network motifs*, PNAS 102
    (2005), figure 3, for task and goals. They evolve networks of thresholds; here they are trained.

    Example:
        >>> case = retina(steps=1)
        >>> case.inputs.shape, {name: len(members) for name, members in case.modules.items()}
        (torch.Size([256, 8]), {'left': 13, 'right': 13})
    """
    asked = (goals,) if isinstance(goals, str) else tuple(goals)
    for goal in asked:
        if goal not in GOALS:
            raise InputError(f"unknown goal {goal!r}: {nearest(goal, GOALS)}")
    apart = asked == ("heads",) if wired_apart is None else wired_apart
    if not asked or len({goal == "heads" for goal in asked}) > 1:
        raise InputError(f"goals must all have as many readouts; given {asked}")
    if apart and asked != ("heads",):
        raise InputError(
            "only the goal 'heads' can be wired apart: one readout joins both halves; given "
            f"{asked}"
        )
    if hidden < 2 or hidden % 2 or min(layers, period, steps) < 1:
        raise InputError(
            "hidden must be even and at least 2, layers, period and steps at least 1; given "
            f"hidden={hidden}, layers={layers}, period={period}, steps={steps}"
        )
    generator = torch.Generator().manual_seed(seed)
    images = all_bits(8)
    halves = torch.arange(2)
    owners = [halves.repeat_interleave(4)]
    for _ in range(layers):
        shuffled = torch.randperm(hidden, generator=generator)
        owners.append(halves.repeat_interleave(hidden // 2)[shuffled])
    owners.append(halves if asked[0] == "heads" else torch.zeros(1, dtype=torch.long))
    model = _network(wiring(owners, apart), generator)
    accuracy = _train(model, images, asked, steps, period, penalty)
    modules = live_units(model, images, owners[1:], ("left", "right")) if apart else None
    facts: tuple[Fact, ...] = ()
    if modules is not None:
        why = "no connection leads from one half to the other"
        facts = (exchanges(modules, 0.0, why, estimator="auto", tolerance=0.0),)
    return Case(
        name="retina" if apart else "retina_dense",
        model=model,
        inputs=images,
        modules=modules,
        facts=facts,
        doc=f"Objects in the halves of a retina, goals {', '.join(asked)}; "
        f"{'two halves that are not connected' if apart else 'one dense network'}; right on "
        f"{accuracy:.1%} of the images.",
        numbers=MappingProxyType({"accuracy": accuracy}),
    )


def objects(images: Tensor) -> Tensor:
    """Tell which halves hold an object, bool ``[image, half]``.

    Example:
        >>> objects(torch.tensor([[1., 0., 1., 0., 1., 0., 1., 0.]])).tolist()
        [[True, False]]
    """
    left, right = images[:, :4] > 0, images[:, 4:] > 0
    found = []
    for half, other_column in ((left, [1, 3]), (right, [0, 2])):
        count = half.sum(1)
        found.append((count >= 3) | ((count >= 1) & ~half[:, other_column].any(1)))
    return torch.stack(found, dim=1)


def _answers(images: Tensor, goal: str) -> Tensor:
    seen = objects(images)
    if goal == "heads":
        return seen.float()
    return (seen.all(1) if goal == "and" else seen.any(1)).float()[:, None]


def _network(masks: list[Tensor], generator: torch.Generator) -> nn.Sequential:
    model = nn.Sequential()
    layers = masked_layers(masks, generator)
    for depth, layer in enumerate(layers, start=1):
        last = depth == len(layers)
        model.add_module("readout" if last else f"linear{depth}", layer)
        if not last:
            model.add_module(f"hidden{depth}", nn.ReLU())
    return model


def _train(
    model: nn.Sequential,
    images: Tensor,
    goals: Sequence[str],
    steps: int,
    period: int,
    penalty: float,
) -> float:
    """Train, and return the share of images that the last goal is right on."""
    answers = {goal: _answers(images, goal) for goal in goals}
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    wanted = answers[goals[0]]
    weights = [layer.weight for layer in model if isinstance(layer, MaskedLinear)]
    with torch.enable_grad():
        for step in range(steps):
            wanted = answers[goals[step // period % len(goals)]]
            loss = nn.functional.binary_cross_entropy_with_logits(model(images), wanted)
            loss = loss + penalty * sum((weight.abs().mean() for weight in weights), loss * 0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for layer in model:
        if isinstance(layer, MaskedLinear):
            layer.prune()
    model.requires_grad_(False)
    model.eval()
    with torch.no_grad():
        right = (model(images) > 0) == (wanted > 0)
    return float(right.all(1).float().mean())
