"""What a network has to fulfil before its model is handed out, checked once, on the data."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from causalmod import compiler
from causalmod.errors import CompileError
from causalmod.scm.model import StructuralCausalModel

_ROWS = 512  # as many show whether a network mixes rows


def outputs(found: list[Tensor], rows: int, kind: str) -> None:
    """Check that a network returns tensors that have the rows of the data.

    Args:
        found: the tensors in its result.
        rows: number of rows of the data.
        kind: the class of the result.

    Raises:
        CompileError: there are none, or one has no dimension for the rows or is complex.
    """
    if not found:
        raise CompileError(
            f"the network returns no tensor that can be found in its result ({kind}); return a "
            "tensor, or a tuple, list, dict or dataclass of them"
        )
    for output in found:
        if output.is_complex():
            raise CompileError("an output of the model is complex; return torch.view_as_real(...)")
        if output.is_meta:
            raise CompileError(
                "an output of the model is on the meta device, which holds no values; give a model "
                "that holds its weights"
            )
        if rows not in output.shape:
            raise CompileError(
                f"an output of the model has shape {tuple(output.shape)} for {rows} rows of data; "
                "each row must give its own output: return tensors that have the rows as their "
                "first dimension"
            )


def not_finite(scm: StructuralCausalModel) -> dict[str, str]:
    """Run the traced network, and say of each site that is NaN or infinite on how many rows it is.

    Raises:
        CompileError: an operation does not run on its own.
    """
    try:
        names = dict.fromkeys((*scm.sites, *scm.outputs))
        bad = {name: _bad_rows(scm.blocks(name)) for name in names}
    except Exception as error:  # whatever an operation may raise
        first = (str(error).strip().splitlines() or [""])[0]
        raise CompileError(
            f"the network could be traced, but not be replayed: {type(error).__name__}: {first}"
        ) from error
    return {
        name: f"the activations of site {name!r} are NaN or infinite on {len(rows)} of {scm.rows} "
        f"rows, first on row {rows[0]}; check the weights before it and those rows"
        for name, rows in bad.items()
        if rows
    }


def _bad_rows(values: Tensor) -> list[int]:
    if not values.is_floating_point() or bool(torch.isfinite(values).all()):
        return []
    return compiler.bad_rows(values)


def replay(scm: StructuralCausalModel, expected: list[Tensor]) -> None:
    """Check that the model gives what the network itself gave, bit for bit.

    Raises:
        CompileError: it does not.
    """
    for node, output in zip(scm.program.trace.outputs.values(), expected, strict=True):
        if not torch.equal(scm.recorded(node), output.detach()):
            raise CompileError(
                "the compiled network does not reproduce the model's own output bit for bit; is "
                "some operation random, or dependent on state outside the inputs?"
            )


def rows_apart(scm: StructuralCausalModel) -> None:
    """Check that what a site holds on one row does not depend on the other rows.

    Half of the rows are replaced by copies of the other half, and the other way round; their number
    stays, so that a difference is no matter of rounding.

    Raises:
        CompileError: it does; the first operation that mixes rows is named.
    """
    if scm.rows > _ROWS:
        scm = scm.with_rows(torch.linspace(0, scm.rows - 1, _ROWS).long())
    for picked in _halves(scm.rows):
        for name, blocks in scm.rerun(picked).items():
            if not _same(blocks, scm.blocks(name)[picked]):
                culprit = _first_mixing(scm, picked)
                raise CompileError(
                    f"what site {name!r} holds on one row changes when other rows are replaced "
                    f"({culprit}: a batch statistic, attention across the batch?); a structural "
                    "causal model needs a network that treats rows one by one"
                )


def _halves(rows: int) -> Iterator[Tensor]:
    every = torch.arange(rows)
    for keep in (every[0::2], every[1::2]):
        yield keep.repeat(2)[:rows]


def _same(values: Tensor, expected: Tensor) -> bool:
    if torch.equal(values, expected):
        return True
    if not values.is_floating_point():
        return False
    slack = torch.finfo(values.dtype).eps ** 0.5 * expected.abs().amax()
    difference = (values - expected).abs_().nan_to_num_(0.0)  # of one infinity to the same
    return bool(difference.amax() <= slack)


def _first_mixing(scm: StructuralCausalModel, picked: Tensor) -> str:
    """Describe the first operation whose result on one row depends on others."""
    program, inputs = scm.program, scm.program.trace.inputs
    nodes = [n for n in program.in_order(program.rows_at) if n in program.informed]
    data = {node: scm.recorded(node) for node in inputs.values()}
    replaced = {node: value[picked] for node, value in data.items()}
    before = program.run(data, nodes, rows=scm.rows)
    after = program.run(replaced, nodes, rows=scm.rows)
    for node in nodes:
        expected = before[node].index_select(program.rows_at[node], picked.to(before[node].device))
        if not _same(after[node], expected):
            return compiler.describe(program.nodes[node])
    return "an operation that is no site"
