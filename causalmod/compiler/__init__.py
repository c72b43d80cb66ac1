"""From a ``torch.nn.Module`` to sites and mechanisms; nothing else touches the exporter."""

from causalmod.compiler.catalogue import Catalogue
from causalmod.compiler.devices import on_device, read_device
from causalmod.compiler.grains import Grain, Grains
from causalmod.compiler.inputs import Data, Inputs, bad_rows, check_model, first_run, read_inputs
from causalmod.compiler.lineage import Lineage
from causalmod.compiler.linear_readers import LinearReaders, Update
from causalmod.compiler.program import Patch, Program, Route, View
from causalmod.compiler.pt2 import FileNetwork, as_network, read_network
from causalmod.compiler.refusal import describe
from causalmod.compiler.roles import stream
from causalmod.compiler.routes import find_route
from causalmod.compiler.rows import take_rows
from causalmod.compiler.sites import Choice
from causalmod.compiler.structure import direct_edges, influences, site_edges
from causalmod.compiler.ties import representatives
from causalmod.compiler.trace import Trace, trace

__all__ = [
    "Catalogue",
    "Choice",
    "Data",
    "FileNetwork",
    "Grain",
    "Grains",
    "Inputs",
    "Lineage",
    "LinearReaders",
    "Patch",
    "Program",
    "Route",
    "Trace",
    "Update",
    "View",
    "as_network",
    "bad_rows",
    "check_model",
    "describe",
    "direct_edges",
    "find_route",
    "first_run",
    "influences",
    "on_device",
    "read_device",
    "read_inputs",
    "read_network",
    "representatives",
    "site_edges",
    "stream",
    "take_rows",
    "trace",
]
