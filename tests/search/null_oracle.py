"""What a null network has to be, read off tensors of the network alone: no code of the package."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.search import null_network


def weights(scm: cm.StructuralCausalModel, ending: str) -> Tensor:
    """Return the parameter whose name ends so."""
    found = [value for name, value in scm.parameters.items() if name.endswith(ending)]
    assert len(found) == 1, list(scm.parameters)
    return found[0].detach().double()


def pair(
    model: nn.Module, data: Tensor, seed: int = 3, **how: object
) -> tuple[cm.StructuralCausalModel, cm.StructuralCausalModel]:
    """Compile a network; also its null network."""
    scm = cm.compile(model.eval(), data, **how)  # type: ignore[arg-type]
    null = null_network(scm, seed)
    assert null is not None
    return scm, null


def permutation_of(before: Tensor, after: Tensor, spread: Tensor) -> tuple[int, ...] | None:
    """Return by which permutation of senders one matrix became the other, by trying them all.

    Args:
        before: ``[sender, ...]`` weights of one receiver.
        after: likewise.
        spread: ``[sender]`` standard deviations.

    Returns:
        The permutation; None where there is none.
    """
    old = before.numpy() * spread.numpy().reshape(-1, *[1] * (before.ndim - 1))
    new = after.numpy() * spread.numpy().reshape(-1, *[1] * (before.ndim - 1))
    for order in itertools.permutations(range(len(old))):
        if np.allclose(old[list(order)], new, rtol=1e-4, atol=1e-6):
            return order
    return None


def heard(model: nn.Module, layer: nn.Module, data: Tensor) -> Tensor:
    """Return what a layer of a network reads, by a hook."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    with torch.no_grad():
        model(data)
    hook.remove()
    return torch.cat([each.flatten(0, -2) if each.ndim == 2 else each for each in seen]).double()


def random(*shape: int, seed: int = 0) -> Tensor:
    """Return normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(module: nn.Module, seed: int = 0, scale: float = 0.7) -> nn.Module:
    """Fill the parameters of a network with normal numbers, without the global generator."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module.eval()
