"""Units that take no part: appended to a network, they must change no answer."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.zoo.blocks import fixed_linear
from causalmod.zoo.case import Case, register
from causalmod.zoo.isolated_blocks import isolated

_FAR_BELOW = -1e6
_HUGE = 1e3


@register("isolated_with_inert_units")
def isolated_with_inert_units(seed: int = 0) -> Case:
    """:func:`isolated`, with dead and unread units; every fact holds as it did.

    Example:
        >>> scm = isolated_with_inert_units().compile()
        >>> len(scm.units), sorted(set(scm.units.inert.values()))
        (10, ['constant on the data', 'influences no output'])
    """
    return replace(with_inert_units(isolated(seed), seed=seed), name="isolated_with_inert_units")


def with_inert_units(case: Case, dead: int = 2, unread: int = 2, seed: int = 0) -> Case:
    """Return a case with units that take no part, appended to each hidden layer.

    *Dead* units never vary, though their outgoing weights are huge; *unread* units vary, and their
    outgoing weights are zero. The appended units come after the others, so the names of the others
    stay, and so should every figure, label and score.

    Args:
        case: a case whose network is an ``nn.Sequential`` of linear layers and activations.
        dead: dead units for each hidden layer.
        unread: unread units for each hidden layer.
        seed: seed of the weights of the appended units.

    Raises:
        InputError: the network is of another kind, or an activation is nowhere 0, so that a dead
            unit would shift what comes after it.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.with_inert_units(zoo.isolated(), dead=1, unread=0)
        >>> case.compile().units.inert
        {'hidden1[4]': 'constant on the data', 'hidden2[4]': 'constant on the data'}
    """
    if not isinstance(case.model, nn.Sequential):
        raise InputError(
            "inert units can be appended to an nn.Sequential of linear layers and activations; "
            f"given {type(case.model).__name__}"
        )
    generator = torch.Generator().manual_seed(seed)
    layers = dict(case.model.named_children())
    linears = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    wider = nn.Sequential()
    columns = torch.zeros(0)  # outgoing weight of each unit appended to the layer before
    for name, layer in layers.items():
        if not isinstance(layer, nn.Linear):
            wider.add_module(name, layer)
            continue
        last = name == linears[-1]
        weight, bias = layer.weight.detach(), layer.bias.detach()
        weight = torch.cat([weight, columns.expand(len(weight), -1)], dim=1)
        columns = torch.zeros(0)
        if not last:
            rest, silent = _silencing_bias(_following(layers, name))
            rows = torch.randn(dead + unread, weight.shape[1], generator=generator)
            rows[:dead] *= float(rest)
            rows[:, layer.in_features :] = 0.0
            weight = torch.cat([weight, rows])
            bias = torch.cat([bias, torch.full((dead,), silent), torch.zeros(unread)])
            columns = torch.cat([torch.full((dead,), _HUGE), torch.zeros(unread)])
        wider.add_module(name, fixed_linear(weight, bias))
    note = f" With {dead} dead and {unread} unread units in each hidden layer."
    return replace(
        case, name=f"{case.name}_with_inert_units", model=wider.eval(), doc=case.doc + note
    )


def _following(layers: dict[str, nn.Module], name: str) -> nn.Module:
    names = [*layers, name]
    return layers[names[names.index(name) + 1]]


def _silencing_bias(activation: nn.Module) -> tuple[bool, float]:
    """May a dead unit have incoming weights, and the bias at which the activation is exactly 0."""

    def at(value: float) -> Tensor:
        return activation(torch.tensor([value]))

    if not isinstance(activation, nn.Linear):
        if float(at(_FAR_BELOW)) == 0.0:
            return True, _FAR_BELOW
        if float(at(0.0)) == 0.0:
            return False, 0.0
    raise InputError(
        f"a dead unit needs an activation that is 0 somewhere, such as ReLU or tanh; given "
        f"{type(activation).__name__}"
    )
