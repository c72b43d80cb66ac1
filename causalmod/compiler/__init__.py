"""From a ``torch.nn.Module`` to sites and mechanisms; nothing else touches the exporter."""

from causalmod.compiler.program import Patch, Program
from causalmod.compiler.sites import build_site, chosen_sites, default_sites, named_nodes
from causalmod.compiler.structure import direct_edges
from causalmod.compiler.ties import representatives
from causalmod.compiler.trace import trace

__all__ = [
    "Patch",
    "Program",
    "build_site",
    "chosen_sites",
    "default_sites",
    "direct_edges",
    "named_nodes",
    "representatives",
    "trace",
]
