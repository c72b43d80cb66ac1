"""Information from tables of probabilities, in bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from causalmod.queries.tables import Counts

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def mutual_information(joint: Array) -> float:
    """Return the mutual information of a joint table ``[row, column]``, in bits.

    Example:
        >>> import numpy as np
        >>> mutual_information(np.array([[0.5, 0.0], [0.0, 0.5]]))
        1.0
    """
    return divergence(joint, joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True))


def divergence(left: Array, right: Array) -> float:
    """Return ``Σ left log2(left / right)`` in bits; infinite where right is 0 and left is not.

    Example:
        >>> import numpy as np
        >>> divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
        inf
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(left > 0, left * np.log2(left / right), 0.0)
    return float(terms.sum())


def weights(counts: Counts, nodes: list[str]) -> Array:
    """Return ``P(nodes)`` as one list, in the order of a table with an axis for each node."""
    axes = [counts.names.index(node) for node in nodes]
    rest = [axis for axis in range(len(counts.names)) if axis not in axes]
    return counts.marginal(nodes).transpose([*axes, *rest]).reshape(-1)


def information_bits(kind: str, table: Array, source: Array, known: Array, target: Array) -> float:
    """Return information from ``P(target | do(source), known)``.

    ===============  ============================================================
    kind             bits
    ===============  ============================================================
    interventional   ``Σ_b P(b) KL(P(c | do(b)) ‖ Σ_b' P(b') P(c | do(b')))``
    literal          ``Σ_b P(b) KL(P(c | do(b)) ‖ P(c))``
    conditional      ``Σ_w P(w)`` of the first, given ``w``
    ===============  ============================================================

    Args:
        kind: the first word of a question's kind.
        table: ``[source, known, target]``.
        source: how likely each value is, as observed.
        known: the same.
        target: the same.
    """
    if kind == "literal":
        joint = source[:, None] * table[:, 0]
        return divergence(joint, source[:, None] * target)
    each = [mutual_information(source[:, None] * table[:, place]) for place in range(len(known))]
    return float(sum(w * bits for w, bits in zip(known, each, strict=True) if w > 0))
