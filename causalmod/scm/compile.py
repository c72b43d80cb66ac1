"""compile: from a trained network and data to a structural causal model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from causalmod import compiler
from causalmod.errors import CompileError
from causalmod.scm.model import StructuralCausalModel


def compile(
    model: nn.Module,
    inputs: compiler.Inputs,
    sites: compiler.Choice | None = None,
    variables: compiler.Grains = "unit",
) -> StructuralCausalModel:
    """Compile a trained network and data into a structural causal model.

    Args:
        model: the network, in eval mode. Its parameters are copied; the model is left as it is.
        inputs: a tensor, a tuple of tensors (positional) or a dict (keyword); dimension 0 is rows.
            They are copied too.
        sites: the tensors that become variables: names, globs (``"h.*.attn.heads"``), or a function
            that is given each :class:`Site` and says whether to take it. The inputs always do. By
            default one per nonlinear step, with the named tensor that it starts from; the queries,
            keys, values and heads of each attention; the residual stream before and after each
            block around one; every ``nn.Identity`` (a hook point); and the network's outputs.
        variables: what one variable is. ``"unit"``: a coordinate of a vector, a channel of an
            image, a feature of a sequence, a head of an attention. ``"channel"``, ``"head"``,
            ``"position"`` or ``"element"`` (a single number) cut the sites so that have such
            parts. A dict from names or globs to these says it site by site.

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
    compiler.check_model(model)
    data = compiler.read_inputs(model, inputs)
    result = compiler.first_run(model, data)
    expected = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
    _check_outputs(expected, data.rows, type(result).__name__)
    program = compiler.Program(compiler.trace(model, data))
    scm = _assemble(program, data, sites, variables)
    _check_activations(scm)
    _check_replay(scm, expected)
    _check_rows_apart(scm)
    return scm


def _assemble(
    program: compiler.Program,
    data: compiler.Data,
    sites: compiler.Choice | None,
    variables: compiler.Grains,
) -> StructuralCausalModel:
    catalogue = compiler.Catalogue(program)
    built = catalogue.choose(sites, variables)
    outputs = program.trace.outputs
    unread = [label for label, node in outputs.items() if program.rows_at.get(node) != 0]
    if unread:
        raise CompileError(
            f"{unread[0]!r} does not have the rows of the data in its first dimension, whatever "
            "their number; each row must give its own output"
        )
    readouts = catalogue.readouts([n for n in dict.fromkeys(outputs.values()) if n not in built])
    return StructuralCausalModel(
        program,
        dict(zip(program.trace.inputs.values(), data.tensors, strict=True)),
        {site.name: site for site in built.values()},
        {site.name: node for node, site in {**built, **readouts}.items()},
        {site.name: site for site in readouts.values()},
    )


def _check_outputs(outputs: list[Tensor], rows: int, kind: str) -> None:
    if not outputs:
        raise CompileError(
            f"the network returns no tensor that can be found in its result ({kind}); return a "
            "tensor, or a tuple, list or dict of them"
        )
    for output in outputs:
        if output.is_complex():
            raise CompileError("an output of the model is complex; return torch.view_as_real(...)")
        if output.ndim == 0 or output.shape[0] != rows:
            raise CompileError(
                f"an output of the model has shape {tuple(output.shape)} for {rows} rows of data; "
                "each row must give its own output: return tensors whose first dimension is the "
                "rows"
            )


def _check_activations(scm: StructuralCausalModel) -> None:
    for name, values in scm.observe().items():
        if values.is_floating_point() and not torch.isfinite(values).all():
            bad = compiler.bad_rows(values)
            raise CompileError(
                f"the activations of site {name!r} are NaN or infinite on {len(bad)} of {scm.rows} "
                f"rows, first on row {bad[0]}; check the weights before it and those rows"
            )


def _check_replay(scm: StructuralCausalModel, expected: list[Tensor]) -> None:
    for node, output in zip(scm.program.trace.outputs.values(), expected, strict=True):
        if not torch.equal(scm.recorded(node), output.detach()):
            raise CompileError(
                "the compiled network does not reproduce the model's own output bit for bit; is "
                "some operation random, or dependent on state outside the inputs?"
            )


def _check_rows_apart(scm: StructuralCausalModel) -> None:
    """Check that what a site holds on one row does not depend on the other rows.

    Half of the rows are replaced by copies of the other half, and the other way round; their number
    stays, so that a difference is no matter of rounding.
    """
    rows = torch.arange(scm.rows)
    for keep in (rows[0::2], rows[1::2]):
        picked = keep.repeat(2)[: scm.rows]
        for name, blocks in scm.rerun(picked).items():
            expected = scm.blocks(name)[picked]
            if blocks.is_floating_point():
                scale = expected.abs().amax()
                slack = torch.finfo(blocks.dtype).eps ** 0.5
                same = bool(((blocks - expected).abs() <= slack * scale).all())
            else:
                same = torch.equal(blocks, expected)
            if not same:
                raise CompileError(
                    f"what site {name!r} holds on one row changes when other rows are replaced (a "
                    "batch statistic, attention across the batch, randomness?); a structural "
                    "causal model needs a network that treats rows one by one"
                )
