"""Matrix products with constant weights."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, fx

from causalmod.search.nulls.places import Places
from causalmod.search.nulls.protocol import OPERATIONS, Use, matrix_use


@OPERATIONS.register("linear")
def linear(node: fx.Node, places: Places) -> Iterator[Use]:
    """``x W.T + b`` with ``W [receiver, sender]``."""
    yield from _product(places, node, node.args[1], node.args[0], ("rs", "s", "r"))


@OPERATIONS.register("addmm")
def addmm(node: fx.Node, places: Places) -> Iterator[Use]:
    """``b + x W`` with ``W [sender, receiver]``, as ``Conv1D`` of GPT-2 has it; or ``b + W x``."""
    yield from _product(places, node, node.args[2], node.args[1], ("sr", "s", "r"))
    yield from _product(places, node, node.args[1], node.args[2], ("rs", "sx", "rx"))


@OPERATIONS.register("mm")
@OPERATIONS.register("matmul")
def matmul(node: fx.Node, places: Places) -> Iterator[Use]:
    """``x W`` or ``W x``, side by side where the weights have a third dimension."""
    first, second = node.args[0], node.args[1]
    yield from _product(places, node, second, first, ("sr", "s", "r"))
    yield from _product(places, node, first, second, ("rs", "sx", "rx"))
    yield from _product(places, node, second, first, ("gsr", "gxs", "gxr"))
    yield from _product(places, node, first, second, ("grs", "gsx", "grx"))


@OPERATIONS.register("bmm")
def bmm(node: fx.Node, places: Places) -> Iterator[Use]:
    """Several products side by side, ``x[g] W[g]`` or ``W[g] x[g]``."""
    yield from matmul(node, places)


@OPERATIONS.register("baddbmm")
def baddbmm(node: fx.Node, places: Places) -> Iterator[Use]:
    """``b[g] + x[g] W[g]`` or ``b[g] + W[g] x[g]``."""
    first, second = node.args[1], node.args[2]
    yield from _product(places, node, second, first, ("gsr", "gxs", "gxr"))
    yield from _product(places, node, first, second, ("grs", "gsx", "grx"))


@OPERATIONS.register("einsum")
def einsum(node: fx.Node, places: Places) -> Iterator[Use]:
    """A sum of products of two tensors, one of them weights."""
    equation, operands = node.args[0], node.args[1]
    if not isinstance(equation, str) or not isinstance(operands, (list, tuple)):
        return
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != 2 or not arrow or len(operands) != 2:
        return
    plain = [each.replace("...", "") for each in (*terms, result)]  # what stands first may repeat
    if any("..." in each and not each.startswith("...") for each in (*terms, result)):
        return
    yield from _product(places, node, operands[1], operands[0], (plain[1], plain[0], plain[2]))
    yield from _product(places, node, operands[0], operands[1], (plain[0], plain[1], plain[2]))


def _product(
    places: Places, node: fx.Node, weight: object, read: object, letters: tuple[str, str, str]
) -> Iterator[Use]:
    if not isinstance(weight, fx.Node) or not isinstance(read, fx.Node):
        return
    held = places.program.constants.get(weight.name)
    if isinstance(held, Tensor) and held.ndim == len(letters[0]):
        yield from matrix_use(places, node, weight, read, letters)
