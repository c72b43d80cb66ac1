"""Cheap measures against the true one: how well do they rank partitions, and at what cost?"""

from causalmod.proxies.compare import proxies
from causalmod.proxies.result import Proxies, Proxy

__all__ = ["Proxies", "Proxy", "proxies"]
