"""Local specialisation: what is lost without a cluster, against random clusters of its size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import torch
from torch import Tensor

from causalmod.exchange import partition_of, unit_labels
from causalmod.exchange.choice import check_count, check_rows
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

_ALL = 100  # clusters of one size in a layer up to which all of them are gone through


@dataclass(frozen=True)
class Lesion:
    """What a cluster's units of one layer do for the outputs, found by setting them to 0.

    Attributes:
        module: name of the module.
        layer: depth of the layer.
        units: names of the units.
        importance: mean over outputs of the damage, ``E[(y - y')^2] / Var(y)``.
        coherence: range of the damage over outputs, in units of its mean, at most the number of
            outputs: high for what is of use for some of them and not for others.
        p_importance: share of clusters of the same size, itself and random ones of its layer, that
            are at least as important.
        p_coherence: the same for coherence; None with one output, where there is no range.
    """

    module: str
    layer: int
    units: tuple[str, ...]
    importance: float
    coherence: float
    p_importance: float
    p_coherence: float | None


class LocalSpecialisation:
    """How surely modules are more important and more coherent than random units are.

    Each module's units of each hidden layer are *lesioned*: set to 0. *Importance* is the mean over
    outputs of what that moves, ``E[(y - y')^2] / Var(y)``; *coherence* is its range over outputs,
    divided by that mean. Each is compared with random units of the same layer, as many:
    ``p = (1 + #{random >= own}) / (1 + random)``. All these p-values are combined by Fisher's
    method, ``-2 sum ln p ~ chi^2``. The value is the combined p-value, from 0 to 1: small where
    modules are specialised. 1 where no module parts a hidden layer. Where a layer has few clusters
    of a size (up to 100), all of them are gone through.

    The paper measures the loss of accuracy and its range over classes; a model here knows outputs
    and no labels, so the damage to each output takes the place of the loss in each class; as it has
    no upper limit, unlike a loss of accuracy, its range is read in units of its mean. The p-values
    share lesions of one network, so the combined one is a score rather than a test.

    It sees use, not talk: two modules that each read all of the other can be specialised. Setting a
    unit to 0 is another change for a tanh than for a sigmoid, and it depends on biases; random
    clusters are few, so with small layers no p-value can be small.

    Args:
        random: number of random clusters for each one, in layers with many.

    Source: Hod, Filan, Casper, Critch and Russell, *Quantifying local specialization in deep neural
    networks* (2022), arXiv:2110.08058, sections 3 and 4; Fisher, *Statistical methods for research
    workers* (1932), section 21.1.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.planted()
        >>> LocalSpecialisation()(case.compile(), case.partition) < 0.05
        True
    """

    name = "local_specialisation"
    paper = "Hod et al. (2022)"
    lower_is_modular = True

    def __init__(self, random: int = 39) -> None:
        self.random = check_count("random", random, 1)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the combined p-value.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be.
        """
        from scipy.stats import combine_pvalues

        found = self.lesions(scm, partition, rows=rows, seed=seed)
        values = [each.p_importance for each in found]
        values += [each.p_coherence for each in found if each.p_coherence is not None]
        if not values:
            return 1.0
        combined: Any = combine_pvalues(values, method="fisher")  # its type stub has no fields
        return float(combined.pvalue)

    def lesions(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> tuple[Lesion, ...]:
        """Lesion each module's units in each hidden layer that it shares with others.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be.

        Example:
            >>> from causalmod import zoo
            >>> case = zoo.planted()
            >>> found = LocalSpecialisation().lesions(case.compile(), case.partition)
            >>> {each.module for each in found} == set(case.modules)
            True
        """
        labels, names = unit_labels(scm, partition_of(scm, partition))
        surgery = _Surgery(scm, check_rows(rows, scm.rows))
        read = torch.tensor([scm.units.sites[s] in scm.outputs for s in scm.units.site.tolist()])
        found: list[Lesion] = []
        for layer in scm.units.layer.unique().tolist():
            here = ((scm.units.layer == layer) & ~read).nonzero().flatten()
            for module, name in enumerate(names):
                own = here[labels[here] == module]
                if not 0 < len(own) < len(here):
                    continue
                others = self._rivals(here, own, seed * 1009 + layer)
                found.append(_compare(scm, surgery, (name, layer), own, others))
        return tuple(found)

    def _rivals(self, layer: Tensor, own: Tensor, seed: int) -> list[Tensor]:
        """Other clusters of a layer, as large; the same ones whatever the module is called."""
        if comb(len(layer), len(own)) <= _ALL:
            every = (torch.tensor(each) for each in combinations(layer.tolist(), len(own)))
            return [each for each in every if not torch.equal(each, own)]
        generator = torch.Generator().manual_seed(seed)
        return [
            layer[torch.randperm(len(layer), generator=generator)[: len(own)]]
            for _ in range(self.random)
        ]


def _compare(
    scm: StructuralCausalModel,
    surgery: _Surgery,
    place: tuple[str, int],
    own: Tensor,
    others: list[Tensor],
) -> Lesion:
    damage = surgery.damage(own)[None]
    rivals = torch.stack([surgery.damage(each) for each in others])

    def share(value: Tensor, rival: Tensor) -> float:
        reached = rival >= value - 1e-9 * value.abs()  # equal up to rounding is equal
        return (1 + int(reached.sum())) / (1 + len(others))

    spread = _relative_range(damage)[0]
    return Lesion(
        module=place[0],
        layer=place[1],
        units=tuple(scm.units.names[unit] for unit in own.tolist()),
        importance=float(damage.mean()),
        coherence=float(spread),
        p_importance=share(damage.mean(), rivals.mean(1)),
        p_coherence=share(spread, _relative_range(rivals)) if damage.shape[1] > 1 else None,
    )


def _relative_range(damage: Tensor) -> Tensor:
    """Range over outputs over their mean ``[lesion]``, of ``[lesion, output]``; 0 for no damage."""
    mean = damage.mean(1)
    return torch.where(mean > 0, (damage.amax(1) - damage.amin(1)) / mean.clamp_min(1e-30), 0.0)


class _Surgery:
    """Runs a model with some units set to 0, and reads the outputs that vary."""

    def __init__(self, scm: StructuralCausalModel, rows: Tensor) -> None:
        self._scm, self._rows = scm, rows
        whole = self._outputs({name: scm.blocks(name)[rows] for name in scm.outputs})
        spread = whole.var(0, unbiased=False)
        size = whole.abs().amax(0).clamp_min(1e-30)
        self._keep = spread.sqrt() > 1e-6 * size
        self._whole, self._spread = whole[:, self._keep], spread[self._keep]

    def damage(self, units: Tensor) -> Tensor:
        """``E[(y - y')^2] / Var(y)`` of each output ``[output]`` without some units."""
        known = self._scm.units
        cut: dict[str, list[int]] = {}
        for unit in units.tolist():
            cut.setdefault(known.sites[int(known.site[unit])], []).append(int(known.index[unit]))

        def silence(blocks: Tensor, places: list[int]) -> Tensor:
            silent = blocks.clone()
            silent[:, places] = 0.0
            return silent

        patches = {s: (lambda blocks, p=p: silence(blocks, p)) for s, p in cut.items()}
        found = self._outputs(self._scm.replay(self._rows, patches, self._scm.outputs))
        return (found[:, self._keep] - self._whole).square().mean(0) / self._spread

    def _outputs(self, blocks: dict[str, Tensor]) -> Tensor:
        parts = [blocks[name].flatten(1).double().cpu() for name in self._scm.outputs]
        return torch.cat(parts, dim=1)


MEASURES.register(LocalSpecialisation.name)(LocalSpecialisation())
