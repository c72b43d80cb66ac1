"""Modules inside modules: the recursion, and the tree that it gives."""

from causalmod.hierarchy.build import hierarchy
from causalmod.hierarchy.result import Hierarchy, Node

__all__ = ["Hierarchy", "Node", "hierarchy"]
