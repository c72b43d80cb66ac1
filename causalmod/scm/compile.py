"""compile: from a trained network and data to a structural causal model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from causalmod import compiler
from causalmod.bases import Choice
from causalmod.errors import CompileError
from causalmod.scm import checks
from causalmod.scm.model import StructuralCausalModel
from causalmod.variables import Site


def compile(
    model: nn.Module | str | os.PathLike[str] | torch.export.ExportedProgram,
    inputs: compiler.Inputs,
    sites: compiler.Choice | None = None,
    variables: compiler.Grains = "unit",
    basis: Choice | None = None,
    *,
    blocks: Mapping[str, Sequence[int]] | None = None,
    device: torch.device | str | None = None,
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
        basis: name or glob of sites → the basis to read them in, such as ``cm.bases.pca()``; their
            variables are then coordinates. See :meth:`StructuralCausalModel.with_basis`.
        blocks: name or glob of sites → sizes of blocks of coordinates that are one variable each.
        device: where the model is to live and all its work is done, such as ``"cuda"``: copies of
            the network and the inputs go there, the user's own stay where they are. By default
            where they are, which has to be one device. Values given later, as in
            :meth:`StructuralCausalModel.do`, are moved there; what the model returns is there.

    Raises:
        InputError: a site does not have the parts that ``variables`` asks for; a basis does not fit
            a site; the model is in
            training mode, or the inputs are NaN, infinite, too few, or of a
            shape or dtype that the model does not take; or network and inputs are on several
            devices, or on none that is there.
        CompileError: the network branches on tensor values, keeps state, mixes rows, or is
            otherwise impossible to trace; or an activation is NaN or infinite on the data.
        SelectorError: ``sites`` names no tensor of the network, or chooses nothing.

    Example:
        >>> import torch
        >>> from causalmod import compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> scm = compile(net.eval(), torch.eye(2))
        >>> torch.equal(scm.observe()["output"], net(torch.eye(2)))
        True
    """
    place = None if device is None else compiler.read_device(device)
    given = compiler.check_model(compiler.as_network(model, inputs, place))
    network = compiler.on_device(given, place)
    data = compiler.read_inputs(network, inputs, place)
    if isinstance(network, compiler.FileNetwork):
        network.check(data)
    result = compiler.first_run(network, data)
    expected = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
    checks.outputs(expected, data.rows, type(result).__name__)
    program = compiler.Program(compiler.trace(network, data))
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
    return scm if basis is None and blocks is None else scm.with_basis(basis, blocks=blocks)


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
