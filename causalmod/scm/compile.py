"""compile: from a trained network and data to a structural causal model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from causalmod import compiler
from causalmod.errors import CompileError
from causalmod.scm import checks
from causalmod.scm.model import StructuralCausalModel
from causalmod.variables import Site


def compile(
    model: nn.Module | str | os.PathLike[str] | torch.export.ExportedProgram,
    inputs: compiler.Inputs,
    sites: compiler.Choice | None = None,
    variables: compiler.Grains = "unit",
) -> StructuralCausalModel:
    """Compile a trained network and data into a structural causal model.

    Args:
        model: the network, in eval mode. Its parameters are copied; the model is left as it is. Or
            the path of a .pt2 file of ``torch.export.save``, which is read so that it cannot run
            code (see :func:`causalmod.load`); or the exported program itself.
        inputs: a tensor, a tuple of tensors (positional) or a dict (keyword); dimension 0 is rows.
            They are copied too.
        sites: the tensors that become variables: names, globs (``"h.*.attn.heads"``), or a function
            that is given each :class:`Site` and says whether to take it. The inputs always do.
            What a glob or a function takes is left out where it is not finite on the data, such as
            a mask of minus infinity. By default one per nonlinear step, with the named tensor that
            it starts from; the queries, keys, values and heads of each attention; the residual
            stream before and after each block around one; every ``nn.Identity`` (a hook point); and
            the network's outputs.
        variables: what one variable is. ``"unit"``: a coordinate of a vector, a channel of an
            image, a feature of a sequence, a head of an attention. ``"channel"``, ``"head"``,
            ``"position"`` or ``"element"`` (a single number) cut those sites so that have such
            parts; the others keep their units. A dict from names or globs to these says it site by
            site, and a site without such parts is then an error.

    Raises:
        InputError: a site does not have the parts that ``variables`` asks for; the model is in
            training mode, or the inputs are NaN, infinite, too few, or of a
            shape or dtype that the model does not take.
        CompileError: the network branches on tensor values, keeps state, mixes rows, or is
            otherwise impossible to trace; or an activation is NaN or infinite on the data.
        SelectorError: ``sites`` names no tensor of the network.

    Example:
        >>> import torch
        >>> from causalmod import compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> scm = compile(net.eval(), torch.eye(2))
        >>> torch.equal(scm.observe()["output"], net(torch.eye(2)))
        True
    """
    model = compiler.check_model(compiler.as_network(model, inputs))
    data = compiler.read_inputs(model, inputs)
    if isinstance(model, compiler.FileNetwork):
        model.check(data)
    result = compiler.first_run(model, data)
    expected = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
    checks.outputs(expected, data.rows, type(result).__name__)
    program = compiler.Program(compiler.trace(model, data))
    catalogue = compiler.Catalogue(program)
    if isinstance(sites, Iterable) and not isinstance(sites, str):
        sites = list(sites)
    chosen = catalogue.choose(sites, variables)
    scm = _assemble(program, data, catalogue, chosen)
    problems = checks.not_finite(scm)
    for name, problem in problems.items():
        if name in scm.outputs or _is_asked_for(scm.sites[name], sites):
            raise CompileError(problem)
    if problems:  # masks of minus infinity, say
        chosen = {node: site for node, site in chosen.items() if site.name not in problems}
        scm = _assemble(program, data, catalogue, chosen)
    checks.replay(scm, expected)
    checks.rows_apart(scm)
    return scm


def _is_asked_for(site: Site, sites: compiler.Choice | None) -> bool:
    """True when a site was named, or chosen by default; False when it only fits a pattern."""
    if sites is None:
        return True
    names = [sites] if isinstance(sites, str) else () if callable(sites) else sites
    return any(name in names for name in (site.name, *site.aliases))


def _assemble(
    program: compiler.Program,
    data: compiler.Data,
    catalogue: compiler.Catalogue,
    chosen: Mapping[str, Site],
) -> StructuralCausalModel:
    outputs = program.trace.outputs
    alone = [label for label, node in outputs.items() if node not in program.informed]
    if alone:
        raise CompileError(
            f"{alone[0]!r} does not depend on the inputs; leave it out of what the network returns"
        )
    unread = [label for label, node in outputs.items() if node not in program.rows_at]
    if unread:
        raise CompileError(
            f"{unread[0]!r} does not have the rows of the data as a dimension of its own, whatever "
            "their number; each row must give its own output: return tensors that have the rows as "
            "their first dimension"
        )
    readouts = catalogue.readouts([n for n in dict.fromkeys(outputs.values()) if n not in chosen])
    return StructuralCausalModel(
        program,
        dict(zip(program.trace.inputs.values(), data.tensors, strict=True)),
        {site.name: site for site in chosen.values()},
        {site.name: node for node, site in {**chosen, **readouts}.items()},
        {site.name: site for site in readouts.values()},
    )
