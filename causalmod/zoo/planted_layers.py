"""Layered networks in which units belong to blocks, and changes that leave what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from causalmod.errors import InputError, nearest
from causalmod.scm.facts import is_constant
from causalmod.zoo.blocks import fixed_linear

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh, "gelu": nn.GELU, "relu": nn.ReLU,
}  # fmt: skip
INERT = -1  # owner of a unit that belongs to no block
_GAIN = 1.5  # keeps tanh units between linear and saturated
_FAR_BELOW = -1e6
_HUGE = 1e3
_SATURATED = 20.0  # tanh is 1 there, in single precision


@dataclass(frozen=True)
class Layers:
    """Weights of a multilayer perceptron, and which block each unit belongs to.

    Attributes:
        weights: ``[unit, unit below]`` of each layer, the readouts last.
        biases: ``[unit]`` of each layer.
        owners: block of each input, and of each unit of each layer; -1 for units of none.
        activation: name of the nonlinearity.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    owners: tuple[Tensor, ...]
    activation: str

    def network(self) -> nn.Sequential:
        """Make the network: ``linear1``, ``hidden1``, ..., ``readout``."""
        model = nn.Sequential()
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            last = depth == len(self.weights)
            model.add_module("readout" if last else f"linear{depth}", fixed_linear(weight, bias))
            if not last:
                model.add_module(f"hidden{depth}", ACTIVATIONS[self.activation]())
        return model.eval()

    def modules(self, names: Sequence[str], inputs: Tensor) -> dict[str, list[str]]:
        """Return the live units of each block, by the names of the blocks."""
        return live_units(self.network(), inputs, self.owners[1:], names)

    # --- changes that leave the function --------------------------------------------------------

    def shuffled(self, generator: torch.Generator) -> Layers:
        """Shuffle the units of each layer, readouts too."""
        weights, biases, owners = list(self.weights), list(self.biases), list(self.owners)
        for depth in range(len(weights)):
            order = torch.randperm(len(biases[depth]), generator=generator)
            weights[depth], biases[depth] = weights[depth][order], biases[depth][order]
            owners[depth + 1] = owners[depth + 1][order]
            if depth + 1 < len(weights):
                weights[depth + 1] = weights[depth + 1][:, order]
        return replace(self, weights=tuple(weights), biases=tuple(biases), owners=tuple(owners))

    def rescaled(self, generator: torch.Generator) -> Layers:
        """Multiply what each hidden unit reads by ``c`` and divide what it sends: ReLU only.

        Raises:
            InputError: another activation.
        """
        if self.activation != "relu":
            raise InputError(
                f"rescaled=True needs activation='relu', which scales with what it reads; given "
                f"{self.activation!r}"
            )
        weights, biases = list(self.weights), list(self.biases)
        for depth in range(len(weights) - 1):
            scale = 10 ** (2 * torch.rand(len(biases[depth]), generator=generator) - 1)
            weights[depth] = weights[depth] * scale[:, None]
            biases[depth] = biases[depth] * scale
            weights[depth + 1] = weights[depth + 1] / scale
        return replace(self, weights=tuple(weights), biases=tuple(biases))

    def flipped(self, generator: torch.Generator) -> Layers:
        """Flip the sign of what some hidden units read and of what they send: tanh only.

        Raises:
            InputError: another activation.
        """
        if self.activation != "tanh":
            raise InputError(
                f"signs can be flipped where activation='tanh', which is odd; given "
                f"{self.activation!r}"
            )
        weights, biases = list(self.weights), list(self.biases)
        for depth in range(len(weights) - 1):
            sign = 1.0 - 2.0 * torch.randint(2, (len(biases[depth]),), generator=generator)
            weights[depth] = weights[depth] * sign[:, None]
            biases[depth] = biases[depth] * sign
            weights[depth + 1] = weights[depth + 1] * sign
        return replace(self, weights=tuple(weights), biases=tuple(biases))

    def relayed(self, depth: int) -> Layers:
        """Insert a layer of units that each pass on one unit of hidden layer ``depth``: ReLU only.

        Args:
            depth: hidden layer, the first being 0.

        Raises:
            InputError: another activation.
        """
        if self.activation != "relu":
            raise InputError(
                f"units can be passed on unchanged where activation='relu'; given "
                f"{self.activation!r}"
            )
        count = len(self.biases[depth])
        owners = list(self.owners)
        owners.insert(depth + 2, owners[depth + 1])
        weights, biases = list(self.weights), list(self.biases)
        weights.insert(depth + 1, torch.eye(count))
        biases.insert(depth + 1, torch.zeros(count))
        return replace(self, weights=tuple(weights), biases=tuple(biases), owners=tuple(owners))

    def with_duplicates(self, count: int, generator: torch.Generator) -> Layers:
        """Split ``count`` units of each hidden layer into two that each send half."""
        made = self
        for depth in range(len(self.weights) - 1):
            picks = torch.randperm(len(self.biases[depth]), generator=generator)[:count]
            above = made.weights[depth + 1].clone()
            above[:, picks] /= 2
            made = made._appended(
                depth,
                made.weights[depth][picks],
                made.biases[depth][picks],
                made.owners[depth + 1][picks],
                above[:, picks],
                above,
            )
        return made

    def with_dead(self, count: int, generator: torch.Generator) -> Layers:
        """Add units that are always 0, though they send with huge weights."""
        bias = 0.0 if self.activation == "tanh" else _FAR_BELOW
        return self._with_inert(count, bias, _HUGE, generator)

    def with_saturated(self, count: int, generator: torch.Generator) -> Layers:
        """Add units that are always 1, the limit of tanh; what reads them is shifted back.

        Raises:
            InputError: another activation.
        """
        if self.activation != "tanh":
            raise InputError(
                f"saturated units need activation='tanh', which has a limit; given "
                f"{self.activation!r}"
            )
        made = self._with_inert(count, _SATURATED, 1.0, generator)
        biases = list(made.biases)
        for depth in range(1, len(biases)):
            biases[depth] = biases[depth] - made.weights[depth][:, -count:].sum(1)
        return replace(made, biases=tuple(biases)) if count else made

    def with_unread(self, count: int, generator: torch.Generator) -> Layers:
        """Add units that read everything and that nothing reads."""
        return self._with_inert(count, 0.1, 0.0, generator)

    def _with_inert(
        self, count: int, bias: float, sends: float, generator: torch.Generator
    ) -> Layers:
        made = self
        for depth in range(len(self.weights) - 1 if count else 0):
            below = made.weights[depth].shape[1]
            quiet = self.activation == "tanh" and bias == 0.0  # 0 only if nothing comes in
            incoming = torch.randn(count, below, generator=generator) / below**0.5
            live = (made.owners[depth] != INERT).float()
            incoming = incoming * live * (0.0 if quiet else 1.0)
            outgoing = torch.randn(len(made.biases[depth + 1]), count, generator=generator) * sends
            made = made._appended(
                depth, incoming, torch.full((count,), bias), torch.full((count,), INERT), outgoing
            )
        return made

    def _appended(
        self,
        depth: int,
        incoming: Tensor,
        bias: Tensor,
        owner: Tensor,
        outgoing: Tensor,
        above: Tensor | None = None,
    ) -> Layers:
        weights, biases, owners = list(self.weights), list(self.biases), list(self.owners)
        above = weights[depth + 1] if above is None else above
        weights[depth] = torch.cat([weights[depth], incoming])
        biases[depth] = torch.cat([biases[depth], bias])
        owners[depth + 1] = torch.cat([owners[depth + 1], owner])
        weights[depth + 1] = torch.cat([above, outgoing], dim=1)
        return replace(self, weights=tuple(weights), biases=tuple(biases), owners=tuple(owners))


def live_units(
    model: nn.Sequential, inputs: Tensor, owners: Sequence[Tensor], names: Sequence[str]
) -> dict[str, list[str]]:
    """Return the units of each block that vary, and reach a readout through others that do.

    Args:
        model: linear layers with activations between them; the last layer is ``readout``.
        inputs: the data.
        owners: block of each unit of each layer.
        names: names of the blocks.
    """
    varies: list[Tensor] = []
    sites: list[str] = []
    values = inputs
    for name, layer in model.named_children():
        with torch.no_grad():
            values = layer(values)
        if not name.startswith("linear"):
            varies.append(~is_constant(values[..., None]))
            sites.append("output" if name == "readout" else name)
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    read = torch.ones(len(weights[-1]), dtype=torch.bool)
    live = [varies[-1]]
    for weight, varying in zip(weights[:0:-1], varies[-2::-1], strict=True):
        read = (weight[read & live[0]] != 0).any(0)
        live.insert(0, read & varying)
    found: dict[str, list[str]] = {name: [] for name in names}
    for site, owner, alive in zip(sites, owners, live, strict=True):
        blocks: list[int] = owner.tolist()
        for unit, block in enumerate(blocks):
            if block != INERT and alive[unit]:
                found[names[block]].append(f"{site}[{unit}]")
    return found


def draw_layers(
    owners: Sequence[Tensor], leaks: Tensor, activation: str, generator: torch.Generator
) -> Layers:
    """Draw normal weights: full within a block, scaled by the leak between blocks.

    A weight within a block has standard deviation ``1.5 / sqrt(senders in the block)``; one from
    another block is drawn alike and multiplied by the leak between the two.

    Args:
        owners: block of each input, and of each unit of each layer.
        leaks: ``[block, block]`` factor of the weights from one to the other; 1 on the diagonal.
        activation: ``"tanh"``, ``"gelu"`` or ``"relu"``.
        generator: source of the draws.

    Raises:
        InputError: an unknown activation.
    """
    if activation not in ACTIVATIONS:
        raise InputError(f"unknown activation {activation!r}: {nearest(activation, ACTIVATIONS)}")
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    for below, above in pairwise(owners):
        own = torch.bincount(below, minlength=len(leaks))[above].clamp_min(1)
        draws = torch.randn(len(above), len(below), generator=generator)
        scale = _GAIN / own.sqrt()[:, None] * leaks[above][:, below]
        weights.append(draws * scale)
        biases.append(0.1 + 0.2 * torch.randn(len(above), generator=generator))
    return Layers(tuple(weights), tuple(biases), tuple(owners), activation)
