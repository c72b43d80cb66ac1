"""Graphs and tables for other programs: GML text, and a frame of all activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.errors import InputError
from causalmod.scm import StructuralCausalModel

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

ROW = "U"


def to_gml(graph: StructuralCausalModel | nx.DiGraph) -> str:
    """Return a causal graph as GML, which Gephi, Cytoscape, yEd and igraph read.

    Nodes carry ``site``, ``index`` and ``exogenous``.

    Raises:
        InputError: neither a compiled model nor a directed graph.

    Source: Himsolt, *GML: a portable graph file format* (1997); written by networkx.

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.xor()
        >>> print(to_gml(cm.compile(case.model, case.inputs))[:27])
        graph [
          directed 1
          node
    """
    import networkx as nx

    held = graph.graph if isinstance(graph, StructuralCausalModel) else graph
    if not isinstance(held, nx.DiGraph):
        raise InputError(
            f"expected a compiled model or a networkx.DiGraph; given {type(graph).__name__}"
        )
    return "\n".join(nx.generate_gml(held))


def to_frame(scm: StructuralCausalModel) -> pd.DataFrame:
    """Return the activations as a frame: ``U``, the number of the row, and every variable.

    Raises:
        InputError: a variable holds several numbers (a channel, a head).

    Example:
        >>> import causalmod as cm
        >>> case = cm.zoo.xor()
        >>> print(to_frame(cm.compile(case.model, case.inputs)).head(2).to_string(index=False))
         U  input[0]  input[1]  a[0]  b[0]  output[0]
         0       0.0       0.0   0.0   0.0        0.0
         1       0.0       1.0   0.0   1.0        1.0
    """
    import pandas as pd

    scalars(scm)
    columns = {ROW: range(scm.rows)}
    frame = pd.DataFrame(columns)
    parts = [
        pd.DataFrame(scm.blocks(name)[..., 0].double().cpu().numpy(), columns=site.variables)
        for name, site in scm.sites.items()
    ]
    return pd.concat([frame, *parts], axis=1)


def scalars(scm: StructuralCausalModel) -> None:
    """Check that a compiled model was given, in which every variable is one number.

    Raises:
        InputError: it was not, or one is not.
    """
    if not isinstance(scm, StructuralCausalModel):
        raise InputError(
            "expected a compiled model, scm = cm.compile(network, data); given "
            f"{type(scm).__name__}"
        )
    for site in scm.sites.values():
        if site.width != 1:
            raise InputError(
                f"{site.variables[0]} holds {site.width} numbers; other libraries have variables "
                "of one number. Choose other sites: compile(..., sites=[...])"
            )
