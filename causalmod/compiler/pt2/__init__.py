"""Networks from .pt2 files, read so that a file from a stranger cannot run code.

What is done, and why, stands in :mod:`causalmod.compiler.pt2.network`.
"""

from causalmod.compiler.pt2.network import FileNetwork, as_network, read_exported, read_network

__all__ = ["FileNetwork", "as_network", "read_exported", "read_network"]
