"""Networks that compute a formula, built part by part, so that the right modules are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import pi, sin, sqrt
from types import MappingProxyType

import torch
from torch import Tensor

from causalmod.errors import InputError, nearest
from causalmod.scm import StructuralCausalModel
from causalmod.zoo.blocks import entropy
from causalmod.zoo.case import Case, Fact, register
from causalmod.zoo.facts import Modules, exchanges
from causalmod.zoo.planted_layers import Layers

_DOCS = {
    "independent": "(x1 + x3) ** 3 and x2 ** 2 + sin(pi x4): two modules.",
    "tree": "sqrt((x1 - x2) ** 2 + (x3 - x4) ** 2): a tree.",
    "shared": "x1 ** 2, x1 ** 2 + x2 ** 2, x1 ** 2 + x2 ** 2 + x3 ** 2: squares that are shared.",
}


@dataclass(frozen=True)
class _Curve:
    """Units ``relu(z - knot)`` whose weighted sum is ``function`` at every knot.

    Attributes:
        knots: values of ``z`` at which the slope changes, ascending; each has a unit.
        slopes: what each unit is weighted with: the change of slope.
        start: value at the first knot.
    """

    knots: list[float]
    slopes: list[float]
    start: float

    @classmethod
    def through(cls, function: Callable[[float], float], values: Sequence[float]) -> _Curve:
        """Return the curve through a function's values."""
        knots = sorted(set(values))
        heights = [function(knot) for knot in knots]
        rises = [
            (heights[i + 1] - heights[i]) / (knots[i + 1] - knots[i]) for i in range(len(knots) - 1)
        ]
        bends = [round(rise - old, 9) for old, rise in zip([0.0, *rises], rises, strict=False)]
        bent = [i for i, bend in enumerate(bends) if bend]  # a unit without a slope does nothing
        return cls([knots[i] for i in bent], [bends[i] for i in bent], heights[0])


@register("formula_shared", kind="shared")
@register("formula_tree", kind="tree")
@register("formula_independent", kind="independent")
def formula(kind: str = "independent", *, levels: int = 4, seed: int = 0) -> Case:
    """A ReLU network that computes a formula of inputs on a grid, its neurons shuffled.

    Every function of one number, such as ``z -> z ** 2``, is a part of several hidden units
    ``relu(z - knot)`` whose weighted sum goes through the function at each value of z that the grid
    brings about. So the network is right on every row, and each part of the formula is a set of
    units. The rows are all combinations of ``levels`` values for each input.

    - ``"independent"``: ``(x1 + x3) ** 3`` and ``x2 ** 2 + sin(pi x4)``, x on a grid from -1 to 1.
      Two modules that no connection joins: their exchange is exactly 0, and that of any other two
      is not, for each of the two is connected.
    - ``"tree"``: ``sqrt((x1 - x2) ** 2 + (x3 - x4) ** 2)``, x whole numbers. Each square is a
      module, and the root, which reads their sum, is a third. The squares send each other nothing.
      The root takes in the sum of two independent squares, ``H(A' + B')`` bits; with one of the
      squares in its module it takes in the other, ``H(B')``.
    - ``"shared"``: ``x1 ** 2``, ``x1 ** 2 + x2 ** 2``, ``x1 ** 2 + x2 ** 2 + x3 ** 2``, x whole
      numbers from 0. All units are connected, so that no split is free. With each square next to
      the first output that reads it, the second module takes in ``H(A')`` bits and the third
      ``H(A' + B')``: the squares are shared down the chain.

    Args:
        kind: ``"independent"``, ``"tree"`` or ``"shared"``.
        levels: values of each input, 4 to 6.
        seed: seed of the shuffle of hidden units.

    Returns:
        Case: outputs in the order of the formulas. ``numbers`` has the largest ``error`` on a row.

    Raises:
        InputError: an unknown kind, or ``levels`` out of range.

    Source: Liu, Gan and Tegmark (2023), arXiv:2305.08746, section 3.1, for the formulas; the
    networks there are trained, and show these parts under their penalty on the length of wires.

    Example:
        >>> case = formula("tree")
        >>> {name: len(members) for name, members in case.modules.items()}
        {'left square': 6, 'right square': 6, 'root': 10}
        >>> [round(fact.expected, 4) for fact in case.facts]
        [3.0925, 1.9056, 1.0]
    """
    if kind not in _MAKERS:
        raise InputError(f"unknown kind {kind!r}: {nearest(str(kind), _MAKERS)}")
    if not 4 <= levels <= 6:
        raise InputError(f"levels must be from 4 to 6; given {levels}")
    return _MAKERS[kind](levels, torch.Generator().manual_seed(seed))


def _independent(levels: int, generator: torch.Generator) -> Case:
    grid = [2 * step / (levels - 1) - 1 for step in range(levels)]
    sums = sorted({round(a + b, 9) for a, b in product(grid, repeat=2)})
    curves = [
        _Curve.through(lambda z: z**3, sums),
        _Curve.through(lambda z: z**2, grid),
        _Curve.through(lambda z: sin(pi * z), grid),
    ]
    reads = [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    made = _one_layer(curves, reads, [[0], [1], [1]], [0, 1, 1], [0, 1])
    inputs = _rows(grid, 4)
    x1, x2, x3, x4 = inputs.double().T
    wanted = torch.stack([(x1 + x3) ** 3, x2**2 + torch.sin(pi * x4)], 1)
    made = _shuffled(made, generator)
    modules = made.modules(("cube", "square and sine"), inputs)
    apart = "no connection leads from one formula to the other"
    facts = (
        exchanges(modules, 0.0, apart),
        _pieces(2, "each formula's units are connected, and not to the other's"),
    )
    return _case("independent", made, inputs, wanted, modules, facts)


def _tree(levels: int, generator: torch.Generator) -> Case:
    grid = list(range(levels))
    gaps = [a - b for a, b in product(grid, repeat=2)]
    sums = [a * a + b * b for a, b in product(gaps, repeat=2)]
    square = _Curve.through(lambda z: z**2, gaps)
    root = _Curve.through(sqrt, sums)
    first = _one_layer([square] * 2, [[1, -1, 0, 0], [0, 0, 1, -1]], [[0], [0]], [0, 1], [2])
    sizes = len(root.knots)
    # what the root reads is the one sum that the first layer's readout would have been
    reads = first.weights[1].repeat(sizes, 1)
    biases = first.biases[1] - torch.tensor(root.knots)
    hidden = torch.full((sizes,), 2)
    made = Layers(
        (first.weights[0], reads, torch.tensor([root.slopes])),
        (first.biases[0], biases, torch.tensor([root.start])),
        (first.owners[0], first.owners[1], hidden, torch.tensor([2])),
        "relu",
    )
    inputs = _rows(grid, 4)
    x1, x2, x3, x4 = inputs.double().T
    wanted = ((x1 - x2) ** 2 + (x3 - x4) ** 2).sqrt()[:, None]
    made = _shuffled(made, generator)
    names = ("left square", "right square", "root")
    modules = made.modules(names, inputs)
    left, right, top = (modules[name] for name in names)
    facts = (
        exchanges(modules, _entropy_of(sums), "the root takes in their sum: H(A' + B')"),
        exchanges(
            {"left square and root": left + top, "right square": right},
            _entropy_of([gap * gap for gap in gaps]),
            "the root's module takes in the other square: H(B')",
        ),
        _pieces(1, "both squares are read by the root"),
    )
    return _case("tree", made, inputs, wanted, modules, facts)


def _shared(levels: int, generator: torch.Generator) -> Case:
    grid = list(range(levels))
    square = _Curve.through(lambda z: z**2, grid)
    reads = torch.eye(3).int().tolist()
    made = _one_layer([square] * 3, reads, [[0, 1, 2], [1, 2], [2]], [0, 1, 2], [0, 1, 2])
    inputs = _rows(grid, 3)
    wanted = (inputs.double() ** 2).cumsum(1)
    made = _shuffled(made, generator)
    modules = made.modules(("first", "second", "third"), inputs)
    squares = [value * value for value in grid]
    chain = _entropy_of(squares) + _entropy_of([a + b for a, b in product(squares, repeat=2)])
    facts = (
        exchanges(modules, chain, "H(A') into the second output, H(A' + B') into the third"),
        _pieces(1, "every square is read by the last output"),
    )
    return _case("shared", made, inputs, wanted, modules, facts)


_MAKERS: dict[str, Callable[[int, torch.Generator], Case]] = {
    "independent": _independent, "tree": _tree, "shared": _shared,
}  # fmt: skip


def _one_layer(
    curves: Sequence[_Curve],
    reads: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    owners: Sequence[int],
    readouts: Sequence[int],
) -> Layers:
    """Return curves next to each other, each of a sum of inputs, and outputs that add them up.

    Args:
        curves: the functions.
        reads: for each curve, the weights of the inputs in what it is a function of.
        outputs: for each curve, the outputs that it is added to.
        owners: module of each curve.
        readouts: module of each output.
    """
    sizes = torch.tensor([len(curve.knots) for curve in curves])
    first = torch.tensor(reads, dtype=torch.float32).repeat_interleave(sizes, 0)
    knots = torch.tensor([knot for curve in curves for knot in curve.knots])
    above, starts = torch.zeros(len(readouts), len(knots)), torch.zeros(len(readouts))
    ends = sizes.cumsum(0)
    for curve, end, size, read_by in zip(curves, ends, sizes, outputs, strict=True):
        for output in read_by:
            above[output, end - size : end] = torch.tensor(curve.slopes)
            starts[output] += curve.start
    return Layers(
        (first, above),
        (-knots, starts),
        (
            torch.zeros(len(reads[0]), dtype=torch.long),
            torch.tensor(owners).repeat_interleave(sizes),
            torch.tensor(readouts),
        ),
        "relu",
    )


def _shuffled(made: Layers, generator: torch.Generator) -> Layers:
    """Shuffle hidden units; outputs stay in the order of the formulas."""
    weights, biases, owners = list(made.weights), list(made.biases), list(made.owners)
    for depth in range(len(weights) - 1):
        order = torch.randperm(len(biases[depth]), generator=generator)
        weights[depth], biases[depth] = weights[depth][order], biases[depth][order]
        owners[depth + 1] = owners[depth + 1][order]
        weights[depth + 1] = weights[depth + 1][:, order]
    return Layers(tuple(weights), tuple(biases), tuple(owners), made.activation)


def _case(
    kind: str,
    made: Layers,
    inputs: Tensor,
    wanted: Tensor,
    modules: Modules,
    facts: tuple[Fact, ...],
) -> Case:
    model = made.network()
    with torch.no_grad():
        error = float((model(inputs) - wanted).abs().max())
    return Case(
        f"formula_{kind}",
        model,
        inputs,
        modules,
        facts,
        doc=_DOCS[kind],
        numbers=MappingProxyType({"error": error}),
    )


def _pieces(count: int, source: str) -> Fact:
    """Number of pieces that the units fall into when each edge between them joins two."""

    def compute(scm: StructuralCausalModel) -> float:
        import networkx as nx

        graph = scm.variable_graph(scm.units.sites).subgraph(scm.units.names)
        return float(nx.number_weakly_connected_components(graph))

    return Fact("connected pieces of the units", float(count), compute, source, 0.0)


def _rows(grid: Sequence[float], inputs: int) -> Tensor:
    return torch.tensor(list(product(grid, repeat=inputs)), dtype=torch.float32)


def _entropy_of(values: Sequence[int]) -> float:
    return entropy(*(values.count(value) / len(values) for value in set(values)))
