"""compile: from a trained network and data to a structural causal model."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from causalmod import compiler
from causalmod.compiler.inputs import (
    Inputs,
    check_model,
    check_rows_independent,
    first_run,
    read_inputs,
)
from causalmod.errors import CompileError
from causalmod.scm.model import StructuralCausalModel


def compile(  # the field's word; shadows the builtin only inside this module
    model: nn.Module, inputs: Inputs, sites: Iterable[str] | None = None
) -> StructuralCausalModel:
    """Compile a trained network and data into a structural causal model.

    Args:
        model: the network, in eval mode. Its parameters are copied; the model is left as it is.
        inputs: a tensor, a tuple of tensors (positional) or a dict (keyword); dimension 0 is rows.
        sites: names or globs of the tensors that become variables (:attr:`StructuralCausalModel.sites`
            lists them). By default one per nonlinear step, with the named tensor that it starts
            from, and the network's inputs and outputs, which are always included.

    Raises:
        InputError: the model is in training mode, or the inputs are NaN, infinite, too few, or of a
            shape or dtype that the model does not take.
        CompileError: the network branches on tensor values, keeps state, mixes rows, or is otherwise
            impossible to trace; or an activation is NaN or infinite on the data.
        SelectorError: ``sites`` names no tensor of the network.

    Example:
        >>> import torch
        >>> from causalmod import compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> scm = compile(net.eval(), torch.eye(2))
        >>> torch.equal(scm.observe()["output"], net(torch.eye(2)))
        True
    """
    check_model(model)
    args, kwargs, labels = read_inputs(model, inputs)
    expected = [
        leaf
        for leaf in pytree.tree_leaves(first_run(model, args, kwargs))
        if isinstance(leaf, Tensor)
    ]
    check_rows_independent(model, args, kwargs, expected)
    few = min(4, (args or tuple(kwargs.values()))[0].shape[0])
    short = {name: value[:few] for name, value in kwargs.items()}
    traced = compiler.trace(model, tuple(a[:few] for a in args), short, labels)
    program = compiler.Program(traced, {n: c.clone() for n, c in traced.constants.items()})
    data = dict(zip(traced.inputs.values(), [*args, *kwargs.values()], strict=True))
    names = compiler.named_nodes(program)
    if sites is None:
        chosen = compiler.default_sites(program)
    else:
        ends = set(traced.outputs.values())
        picked = compiler.chosen_sites(program, names, [sites] if isinstance(sites, str) else sites)
        chosen = program.in_order({*picked, *(n for n in ends if program.by_row[n])})
    built = [compiler.build_site(program, node, names[node]) for node in chosen]
    scm = StructuralCausalModel(
        program,
        data,
        {site.name: site for site in built},
        {site.name: node for site, node in zip(built, chosen, strict=True)},
    )
    _check_activations(scm)
    _check_replay(scm, expected)
    return scm


def _check_activations(scm: StructuralCausalModel) -> None:
    for name, values in scm.observe().items():
        if values.is_floating_point() and not torch.isfinite(values).all():
            bad = (~torch.isfinite(values)).reshape(values.shape[0], -1).any(-1).nonzero().flatten()
            raise CompileError(
                f"the activations of site {name!r} are NaN or infinite on {len(bad)} of {scm.rows} "
                f"rows, first on row {int(bad[0])}; check the weights before it and those rows"
            )


def _check_replay(scm: StructuralCausalModel, expected: list[Tensor]) -> None:
    nodes = scm.program.trace.outputs.values()
    scm.record(nodes)
    for node, output in zip(nodes, expected, strict=True):
        if not torch.equal(scm._recorded[node], output.detach()):
            raise CompileError(
                "the compiled network does not reproduce the model's own output bit for bit; is "
                "some operation random or dependent on state outside the inputs?"
            )
