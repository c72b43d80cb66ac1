"""Small networks whose right answer is known in closed form, or by construction.

Each function returns a :class:`Case`: a network, its inputs, the modules that are in it, and facts
(figures with their derivation) that the package must reproduce. ``names()`` lists what can be made
by name, ``get(name)`` makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from causalmod.zoo.carrying_counters import nested_counters
from causalmod.zoo.case import ZOO, Case, Checked, Fact
from causalmod.zoo.common_cause import fork
from causalmod.zoo.constant_channels import closed_channel
from causalmod.zoo.digits import two_digits
from causalmod.zoo.formulas import formula
from causalmod.zoo.gates import and_gate, copy_bit, xor
from causalmod.zoo.gaussian_tracks import linear_tracks
from causalmod.zoo.grouped_convolution import planted_convolution
from causalmod.zoo.hidden_parity import equal_bits, majority, xor_bridge
from causalmod.zoo.inert_units import isolated_with_inert_units, with_inert_units
from causalmod.zoo.isolated_blocks import isolated
from causalmod.zoo.lookup_table import lookup
from causalmod.zoo.nested_blocks import planted_nested
from causalmod.zoo.number_and_part import sum_of_parts
from causalmod.zoo.one_to_many import broadcast
from causalmod.zoo.planted_blocks import planted, random_dense
from causalmod.zoo.residual_streams import planted_streams
from causalmod.zoo.retina_task import retina
from causalmod.zoo.separate_heads import planted_heads
from causalmod.zoo.separate_tracks import ducks_and_shadows
from causalmod.zoo.sparse_features import superposition, superposition_pairs
from causalmod.zoo.symmetric import mean_field
from causalmod.zoo.task_parity import sparse_parity
from causalmod.zoo.threshold_unit import threshold
from causalmod.zoo.turned_basis import rotated_basis
from causalmod.zoo.twin_units import planted_twins

__all__ = [
    "Case",
    "Checked",
    "Fact",
    "and_gate",
    "broadcast",
    "closed_channel",
    "copy_bit",
    "ducks_and_shadows",
    "equal_bits",
    "fork",
    "formula",
    "get",
    "isolated",
    "isolated_with_inert_units",
    "linear_tracks",
    "lookup",
    "majority",
    "mean_field",
    "names",
    "nested_counters",
    "planted",
    "planted_convolution",
    "planted_heads",
    "planted_nested",
    "planted_streams",
    "planted_twins",
    "random_dense",
    "retina",
    "rotated_basis",
    "sparse_parity",
    "sum_of_parts",
    "superposition",
    "superposition_pairs",
    "threshold",
    "two_digits",
    "with_inert_units",
    "xor",
    "xor_bridge",
]


def names() -> tuple[str, ...]:
    """Return the name of every case that :func:`get` makes.

    Example:
        >>> "xor" in names()
        True
    """
    return ZOO.names()


def get(name: str) -> Case:
    """Make the case of that name, with its default options.

    Raises:
        InputError: no case has that name; the nearest is suggested.

    Example:
        >>> get("xor_correlated")
        Case(xor_correlated: 2 rows, no modules, 3 facts)
    """
    return ZOO.get(name)()


def __getattr__(name: str) -> Callable[..., Any]:
    """Find the constructor of a case whose file is not among the imports above."""
    for _, listed in ZOO:
        constructor = getattr(listed, "func", listed)
        if constructor.__name__ == name:
            return constructor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
