"""The basis of the neurons: the features as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from causalmod.bases.protocol import BASES, SiteData
from causalmod.variables import FittedBasis


@BASES.register("neuron")
@dataclass(frozen=True)
class Neuron:
    """The features themselves; useful with ``blocks=``, and to take a basis off again.

    ``coordinates = features``, bit for bit.

    Example:
        >>> import torch, causalmod as cm
        >>> net = torch.nn.Linear(2, 4).eval()
        >>> scm = cm.compile(net, torch.eye(2), basis={"output": cm.bases.neuron()},
        ...                  blocks={"output": [2, 2]})
        >>> scm.sites["output"].variables, scm.sites["output"].basis.labels
        (('output[0]', 'output[1]'), ('0:2', '2:4'))
    """

    name: ClassVar[str] = "neuron"
    paper: ClassVar[str] = "none"

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        one = torch.eye(at.features, dtype=torch.float64)
        return FittedBasis(self.name, one, one, torch.zeros(at.features, dtype=torch.float64))
