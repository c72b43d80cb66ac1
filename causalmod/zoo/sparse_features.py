"""More features than dimensions: the toy model of superposition."""

from __future__ import annotations

from itertools import product
from math import log2
from types import MappingProxyType

import torch
from torch import Tensor, nn

from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import entropy, fixed_linear
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import exchanges, sends

_SOURCE = "Elhage et al., Toy Models of Superposition, Transformer Circuits Thread (2022)"
_RATE, _BATCH, _STARTS = 0.02, 512, 4
_LARGEST_PAIRS = 5


def _network(embedding: Tensor, bias: Tensor) -> nn.Sequential:
    """``relu(W^T W x + b)`` with ``W`` as ``[dimension, feature]``."""
    model = nn.Sequential()
    model.add_module("hidden", fixed_linear(embedding))
    model.add_module("unembed", fixed_linear(embedding.T, bias))
    model.add_module("output", nn.ReLU())
    return model.eval()


@register("superposition")
def superposition(
    features: int = 5,
    dimensions: int = 2,
    *,
    sparsity: float = 0.9,
    rows: int = 512,
    steps: int = 1500,
    seed: int = 0,
) -> Case:
    """Sparse features squeezed into fewer dimensions, ``relu(W^T W x + b)``, trained in a second.

    A feature is 0 with probability ``sparsity``, else uniform on 0 to 1. The network is trained to
    give back what it reads, with Adam on fresh rows, from four starts, of which the best is kept.
    Sparse features are stored at angles to each other, which the ReLU and a negative bias keep
    apart: five of them in two dimensions form a pentagon (with seeds 0 to 5, all of those tried).
    So no hidden unit is a feature; the dimensionality of feature i,
    ``|W_i|^2 / sum_j (W_i . W_j / |W_i|)^2``, is a fraction, 2/5 for each corner of the pentagon.

    Args:
        features: number of features.
        dimensions: number of hidden units; below ``features``.
        sparsity: probability that a feature is 0.
        rows: number of rows of the case.
        steps: training steps.
        seed: seed of the first weights and of all rows.

    Returns:
        Case: ``numbers`` has the ``loss``, the mean squared error on the rows. There is a fact for
        five features in two dimensions only; fewer steps or a lower sparsity may end in another
        arrangement.

    Raises:
        InputError: numbers out of range.

    Source: Elhage et al., *Toy Models of Superposition*, Transformer Circuits Thread (2022), for
    model, pentagon and dimensionality.

    Example:
        >>> case = superposition(steps=1)
        >>> case.inputs.shape, case.modules
        (torch.Size([512, 5]), None)
    """
    if not 1 <= dimensions < features or not 0 <= sparsity < 1 or min(rows - 1, steps) < 1:
        raise InputError(
            "dimensions must be from 1 to features - 1, sparsity from 0 to below 1, rows at least "
            f"2 and steps at least 1; given features={features}, dimensions={dimensions}, "
            f"sparsity={sparsity}, rows={rows}, steps={steps}"
        )
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int) -> Tensor:
        values, chance = torch.rand(2, count, features, generator=generator)
        return torch.where(chance < sparsity, 0.0, values)

    embedding = torch.randn(_STARTS, dimensions, features, generator=generator) / dimensions**0.5
    bias = torch.zeros(_STARTS, 1, features)
    optimiser = torch.optim.Adam([embedding.requires_grad_(), bias.requires_grad_()], lr=_RATE)

    def losses(batch: Tensor) -> Tensor:
        read = torch.relu(batch @ embedding.mT @ embedding + bias)
        return ((read - batch) ** 2).mean((1, 2))

    with torch.enable_grad():
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (1 - step / steps)
            optimiser.zero_grad()
            losses(draw(_BATCH)).sum().backward()
            optimiser.step()
    with torch.no_grad():
        best = int(losses(draw(16 * _BATCH)).argmin())
    model, inputs = _network(embedding[best].detach(), bias[best, 0].detach()), draw(rows)
    with torch.no_grad():
        error = float(((model(inputs) - inputs) ** 2).mean())
    pentagon = (features, dimensions) == (5, 2)
    return Case(
        name="superposition",
        model=model,
        inputs=inputs,
        modules=None,
        facts=(_corners(2 / 5),) if pentagon else (),
        sites=("hidden", "output"),
        doc=f"{features} features, 0 with probability {sparsity:g}, in {dimensions} dimensions.",
        numbers=MappingProxyType({"loss": error}),
    )


def _corners(expected: float) -> Fact:
    """The dimensionality of the feature that is farthest from what each should have."""

    def compute(scm: StructuralCausalModel) -> float:
        names = scm.resolve("input")
        silent = dict.fromkeys(names, 0.0)
        base = scm.do(silent).observe()["hidden"][0]
        columns = torch.stack(
            [scm.do(silent | {name: 1.0}).observe()["hidden"][0] - base for name in names]
        ).double()
        lengths = columns.norm(dim=1)
        overlaps = columns @ columns.T / lengths[:, None]
        shares = lengths**2 / (overlaps**2).sum(1)
        return float(shares[(shares - expected).abs().argmax()])

    return Fact("dimensionality of a feature", expected, compute, _SOURCE, 0.01)


@register("superposition_pairs")
def superposition_pairs(pairs: int = 2) -> Case:
    """Two features in each dimension, one on either side of 0: superposition without error.

    ``h_j = x_{2j} - x_{2j + 1}``, and the outputs are ``relu(h_j)`` and ``relu(-h_j)``: exact where
    at most one feature of a pair is on, as on all rows here, which hold every combination of the
    three states (neither, the one, the other) of each pair, equally often.

    Each hidden unit and its two outputs are a module, and modules exchange nothing. A hidden unit
    sends each output whether its feature is on, ``H(1/3) = 0.9183`` bits, and both together
    ``log2 3 = 1.5850`` bits: one unit carries two features.

    Args:
        pairs: number of pairs, and of dimensions; 2 to 5.

    Raises:
        InputError: ``pairs`` out of range.

    Source: Elhage et al., *Toy Models of Superposition*, Transformer Circuits Thread (2022), on
    antipodal pairs.

    Example:
        >>> case = superposition_pairs()
        >>> [round(fact.expected, 4) for fact in case.facts]
        [0.9183, 0.9183, 0.0, 0.0, 3.1699]
    """
    if not 2 <= pairs <= _LARGEST_PAIRS:
        raise InputError(f"pairs must be from 2 to {_LARGEST_PAIRS}; given {pairs}")
    states = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    rows = [[value for pair in row for value in pair] for row in product(states, repeat=pairs)]
    embedding = torch.eye(pairs).repeat_interleave(2, 1) * torch.tensor([1.0, -1.0] * pairs)
    modules = {
        f"pair {j}": [f"hidden[{j}]", f"output[{2 * j}]", f"output[{2 * j + 1}]"]
        for j in range(pairs)
    }
    layers = {
        "embedding": [f"hidden[{j}]" for j in range(pairs)],
        "outputs": [f"output[{i}]" for i in range(2 * pairs)],
    }
    one = entropy(1 / 3, 2 / 3)
    on = "an output tells whether its feature is on: H(1/3)"
    return Case(
        name="superposition_pairs",
        model=_network(embedding, torch.zeros(2 * pairs)),
        inputs=torch.tensor(rows),
        modules=modules,
        facts=(
            sends("observational", "hidden[0]", "output[0]", one, on),
            sends("conditional", "hidden[0]", "output[0]", one, on),
            sends("conditional", "hidden[0]", "output[2]", 0.0, "another pair's output"),
            exchanges(modules, 0.0, "no pair reads another"),
            exchanges(layers, pairs * log2(3), "every pair has three states"),
        ),
        sites=("hidden", "output"),
        doc=f"{2 * pairs} features in {pairs} dimensions, two on either side of 0 in each.",
    )
