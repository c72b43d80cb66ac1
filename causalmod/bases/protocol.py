"""What a basis is, and what it is fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from causalmod import compiler
from causalmod._registry import Registry
from causalmod.errors import InputError
from causalmod.variables import FittedBasis, Site


class Basis(Protocol):
    """A choice of basis, to be fitted to a site of a model.

    Implementations are small frozen dataclasses of options, one file each, registered under the
    name by which ``cm.bases`` offers them.

    Attributes:
        name: the name that it is registered under.
        paper: its source.
    """

    name: ClassVar[str]
    paper: ClassVar[str]

    def fit(self, at: SiteData) -> FittedBasis:
        """Find the matrix for one site.

        Args:
            at: the site: its activations, its linear readers, its gradients.

        Returns:
            FittedBasis: of ``at.features`` features, in double precision.

        Raises:
            InputError: what is needed is not there (too few rows, no linear reader).
        """
        ...


#: Name → class of each kind of basis.
BASES: Registry[type[Basis]] = Registry("basis", "causalmod.bases", {"fit": ("self", "at")})


class Network(Protocol):
    """What a basis may ask of a model: the network on its data, with no basis in it."""

    @property
    def rows(self) -> int:
        """Number of data rows."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's outputs."""
        ...

    @property
    def program(self) -> compiler.Program:
        """The exported program."""
        ...

    def site(self, name: str) -> Site:
        """The site of that name, read by its features."""
        ...

    def node_of(self, name: str) -> str:
        """Graph node that holds a site."""
        ...

    def recorded(self, node: str) -> Tensor:
        """A node's value on the data."""
        ...

    def replay(
        self,
        rows: Tensor,
        patches: Mapping[str, compiler.Patch],
        wanted: Iterable[str] | None = None,
        clamp: bool = True,
        *,
        differentiable: bool = False,
    ) -> dict[str, Tensor]:
        """Run the network on some rows with nodes patched, and return nodes' values by site."""
        ...


class SiteData:
    """A site on its data, as a basis sees it.

    Args:
        network: the network on its data.
        name: the site, without a basis.
        later: bases that were fitted for later sites already, by name, in network order.

    Attributes:
        name: name of the site.
        later: as given.
    """

    def __init__(
        self, network: Network, name: str, later: Mapping[str, FittedBasis] | None = None
    ) -> None:
        self.network, self.name = network, name
        self.site = network.site(name)
        self.later = dict(later or {})
        axis = self.site.feature_axis
        self._axis = -1 if axis is None else axis

    @property
    def features(self) -> int:
        """Number of features of the site."""
        return self.site.shape[self._axis]

    @cached_property
    def rows_first(self) -> Tensor:
        """Activations ``[row, *position, feature]`` on the data, in the network's dtype."""
        tensor = self.network.recorded(self.network.node_of(self.name))
        return self.site.rows_first(tensor).detach().movedim(self._axis + 1, -1)

    @cached_property
    def activations(self) -> Tensor:
        """Activations ``[sample, feature]`` in double precision; each position is a sample."""
        return self.rows_first.reshape(-1, self.features).double().cpu()

    @cached_property
    def readers(self) -> Tensor:
        """Weights ``[output, feature]`` of all linear maps that read the site directly.

        Raises:
            InputError: none does.
        """
        program, node = self.network.program, self.network.node_of(self.name)
        found = [
            weight.T.double().cpu()
            for _, weight in compiler.LinearReaders(program, node, self.site).by_feature()
        ]
        if not found:
            raise InputError(
                f"nothing linear reads site {self.name!r} directly, so there are no weights to "
                "find a basis by; choose the tensor that a linear layer reads (an activation, not "
                "what stands before it)"
            )
        return torch.cat(found)

    def gradients(
        self,
        targets: Sequence[str] | None = None,
        *,
        rows: int = 256,
        probes: int = 64,
        seed: int = 0,
        weigh: Any = None,
    ) -> Tensor:
        """Gradients of later sites with respect to this one, ``[probe, sample, feature]``.

        ``gradients.square().sum(0)`` is, per sample, the diagonal of ``J.T J``, where ``J`` is the
        Jacobian of everything in the targets: a probe is one of their numbers, or, where there are
        more than ``probes``, a random sum of them with independent signs over ``sqrt(probes)``.

        Args:
            targets: names of sites or outputs; the network's outputs by default.
            rows: number of data rows, drawn at random where there are more.
            probes: most probes.
            seed: seed of rows and signs.
            weigh: function from the targets' values ``[row, number]`` to what is differentiated,
                of the same rows; the values themselves by default.
        """
        names = list(self.network.outputs if targets is None else targets)
        generator = torch.Generator().manual_seed(seed)
        picked = torch.randperm(self.network.rows, generator=generator)[:rows].sort().values
        leaf: list[Tensor] = []

        def own(blocks: Tensor) -> Tensor:
            leaf.append(blocks.detach().requires_grad_())
            return leaf[0]

        found = self.network.replay(picked, {self.name: own}, names, False, differentiable=True)
        with torch.enable_grad():
            values = torch.cat([found[name].flatten(1) for name in names], dim=1)
            values = values if weigh is None else weigh(values)
        made: list[Tensor] = []
        for probe in _probes(values.shape[1], probes, len(picked), generator):
            given = probe.to(values.device, values.dtype)
            (gradient,) = torch.autograd.grad(
                values, leaf[0], given.expand_as(values), retain_graph=True, allow_unused=True
            )
            made.append(torch.zeros_like(leaf[0]) if gradient is None else gradient)
        stacked = torch.stack([self._by_sample(each) for each in made])
        return stacked.double().cpu()

    def _by_sample(self, blocks: Tensor) -> Tensor:
        """From ``[row, variable, coordinate]`` of the site to ``[sample, feature]``."""
        values = self.site.paste(blocks).movedim(self._axis + 1, -1)
        return values.reshape(-1, self.features)


def _probes(size: int, most: int, rows: int, generator: torch.Generator) -> Iterable[Tensor]:
    """Unit vectors of the targets' numbers ``[1, number]``, or random signs ``[row, number]``."""
    if size <= most:
        yield from torch.eye(size)[:, None]
        return
    for _ in range(most):
        signs = torch.randint(0, 2, (rows, size), generator=generator) * 2.0 - 1.0
        yield signs / most**0.5
