"""Interface dimension: in how many directions one module moves another."""

from __future__ import annotations

import torch
from torch import Tensor

from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.choice import check_count, check_rows
from causalmod.exchange.coordinates import Coordinates
from causalmod.measures.gradients import direct_gradients
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

_NOTHING = 1e-12  # variance passed, in the receiver's own variances, under which there is none


def effective_rank(power: Tensor) -> float:
    """Number of directions that a positive semi-definite matrix spreads its trace over.

    ``exp( -sum p_i ln p_i )`` with ``p`` the eigenvalues over their sum; 0 for the zero matrix.

    Args:
        power: ``[n, n]`` symmetric.

    Source: Roy and Vetterli, *The effective rank*, EUSIPCO (2007), on eigenvalues in place of
    singular values.

    Example:
        >>> effective_rank(torch.eye(3, dtype=torch.float64)), effective_rank(torch.ones(3, 3))
        (3.0, 1.0)
    """
    values = torch.linalg.eigvalsh(power.double()).clamp_min(0)
    if float(values.sum()) <= _NOTHING:
        return 0.0
    share = values / values.sum()
    return round(float(torch.special.entr(share).sum().exp()), 9)


class InterfaceDimension:
    """Number of directions in which modules move each other, over ordered pairs.

    ``sum_{B, C} erank( S_B^1/2 · E_x[ sum_{i in C} g_i(x) g_i(x)^T / sd_i^2 ] · S_B^1/2 )``:
    ``g_i`` is the gradient of unit ``i`` by the units of ``B`` that it reads directly, so the
    expectation is the Gauss-Newton matrix of ``C`` in its own standard deviations; ``S_B`` is the
    covariance of ``B`` on the data, so that copies of one signal are one direction; ``erank`` is
    the effective rank. No unit (dimensions); 0 for modules that do not move each other.

    It counts directions, not bits: a faint one weighs little beside strong ones, but an interface
    that is faint throughout counts as much as a strong one. Gradients do not see steps: what a
    threshold or a rounding passes on has slope 0.

    Args:
        contexts: number of rows that are looked at, at most.

    Source: Bushnaq et al., *Using degeneracy in the loss landscape for mechanistic
    interpretability* (2024), arXiv:2405.10927, section 3, for what a linear interface passes on;
    Roy and Vetterli, EUSIPCO (2007), for the effective rank.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.copy_bit().compile()
        >>> InterfaceDimension()(scm, Partition({"b": ["b"], "c": ["output"]}))
        1.0
    """

    name = "interface_dimension"
    paper = "Bushnaq et al. (2024)"
    lower_is_modular = True

    def __init__(self, contexts: int = 64) -> None:
        self.contexts = check_count("contexts", contexts, 1)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the number of dimensions. The seed chooses the rows.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or too many coordinates.
        """
        labels, names = unit_labels(scm, partition_of(scm, partition))
        used = check_rows(rows, scm.rows)
        coordinates = Coordinates(scm)
        values = coordinates.observed().values[used].double().cpu()
        values = (values - values.mean(0)) / len(values) ** 0.5
        if len(used) > self.contexts:
            order = torch.randperm(len(used), generator=torch.Generator().manual_seed(seed))
            used = used[order[: self.contexts].sort()[0]]
        owner = labels[coordinates.unit_of]
        width = len(owner)
        power = torch.zeros(len(names), width, width, dtype=torch.float64)
        for found in direct_gradients(scm, used):
            slopes = found.slopes / found.scale
            power[labels[found.unit]] += slopes.T @ slopes / len(used)
        total = 0.0
        for sender in range(len(names)):
            own = owner == sender
            root = _root(values[:, own])
            for receiver in range(len(names)):
                if sender != receiver:
                    total += effective_rank(root @ power[receiver][own][:, own] @ root)
        return total


def _root(values: Tensor) -> Tensor:
    """Symmetric root of a covariance, from centred values ``[row, coordinate]``."""
    power, axes = torch.linalg.eigh(values.T @ values)
    return (axes * power.clamp_min(0).sqrt()) @ axes.T


MEASURES.register(InterfaceDimension.name)(InterfaceDimension())
