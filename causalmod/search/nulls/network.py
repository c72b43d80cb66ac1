"""null_network: permute what every unit reads, in every kind of weighted operation."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from causalmod.compiler.ops import op_name
from causalmod.scm import StructuralCausalModel
from causalmod.search.nulls.permute import permuted
from causalmod.search.nulls.places import Places
from causalmod.search.nulls.protocol import OPERATIONS, Use

_KNOWN: WeakKeyDictionary[StructuralCausalModel, list[Use]] = WeakKeyDictionary()


def null_network(scm: StructuralCausalModel, seed: int) -> StructuralCausalModel | None:
    """Permute each unit's incoming weights among its live senders, within each matrix.

    ``w'_ij = w_i,pi(j) sd_pi(j) / sd_j`` in units of the senders' standard deviations, biases kept;
    a fresh permutation for each receiving unit, keyed by the ranks of live units. So neither ReLU
    rescaling nor inert units move the null.

    What a unit is follows the model's variables. A convolution permutes slices of input channels
    within its group; a recurrent layer permutes what its units read of the input and of each other,
    the same for all gates of a unit; an attention head permutes what its queries, keys and values
    read, each on its own, and whole heads trade places in the output projection; a flattened image
    is read channel by channel. So zeros that the architecture enforces (separate submodules, groups
    of a convolution) are zeros of every null network. In a submodel only its own units trade
    weights, and what it reads of its environment stays. Senders that vary on fewer than about ten
    of many rows keep their weights: how large they are cannot be told from how rare. A matrix that
    is used several times is permuted once, by what its senders vary by over all uses; one that is
    also used otherwise (as an embedding) is left as it is.

    Args:
        scm: the model.
        seed: seed of the permutations.

    Returns:
        A model with the new weights, or None when the network has no weights to permute;
        :func:`why_no_null` says why.

    Example:
        >>> from causalmod import zoo
        >>> scm = zoo.isolated().compile()
        >>> null = null_network(scm, seed=0)
        >>> before, after = (model.parameters["p_readout_weight"] for model in (scm, null))
        >>> bool((before == after).all()), bool(((before != 0).sum(1) == (after != 0).sum(1)).all())
        (False, True)
    """
    changed: dict[str, Tensor] = {}
    for place, use in enumerate(matrices(scm)):
        generator = torch.Generator().manual_seed(seed * 1009 + place)
        changed[use.weight] = permuted(scm.program.constants[use.weight], use, generator)
    return scm.with_parameters(changed) if changed else None


def why_no_null(scm: StructuralCausalModel) -> str | None:
    """Say why a model has no null networks; None when it has some.

    Example:
        >>> import torch, causalmod as cm
        >>> class Product(torch.nn.Module):
        ...     def forward(self, x):
        ...         return torch.tanh(x[:, :1] * x[:, 1:])
        >>> why_no_null(cm.compile(Product().eval(), torch.tensor([[1., 2.], [2., 3.]])))
        'the network has no matrix of weights to permute; it is made of mul, tanh'
    """
    if matrices(scm):
        return None
    nodes = [scm.program.nodes[name] for name in sorted(scm.program.informed)]
    views = {"slice", "select", "view", "getitem", "unsqueeze", "cat", "stack"}
    names = sorted({op_name(n) for n in nodes if n.op == "call_function"} - views)
    made = f"; it is made of {', '.join(names[:8])}" if names else ""
    return f"the network has no matrix of weights to permute{made}"


def matrices(scm: StructuralCausalModel) -> list[Use]:
    """Return the matrices by which units send to units, in the order of their first use.

    They are found once for a model, however many null networks it gets.
    """
    if scm not in _KNOWN:
        _KNOWN[scm] = _find(scm)
    return _KNOWN[scm]


def _find(scm: StructuralCausalModel) -> list[Use]:
    places = Places(scm)
    constants = scm.program.constants
    kinds = dict(OPERATIONS)
    found: dict[str, Use] = {}
    for name, node in scm.program.nodes.items():
        if node.op != "call_function" or name in constants or op_name(node) not in kinds:
            continue
        for use in kinds[op_name(node)](node, places):
            known = found.get(use.weight)
            found[use.weight] = use if known is None else known.joined(use)
    return [use for use in found.values() if _only_multiplies(scm, use.weight)]


def _only_multiplies(scm: StructuralCausalModel, weight: str) -> bool:
    """Is a matrix read by weighted operations only (where it meets data)?"""
    program = scm.program
    readers = [user for user in program.nodes[weight].users if user.op == "call_function"]
    return all(
        op_name(user) in OPERATIONS.names() or user.name in program.constants for user in readers
    )
