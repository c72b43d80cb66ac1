"""How a network is run, both for reference and while it is traced: by its parts, plainly."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


@contextlib.contextmanager
def plain_mode(model: nn.Module) -> Iterator[None]:
    """Switch off what hides parts of a network, or returns what is no activation.

    That is the fused kernel of ``nn.TransformerEncoder``, and the cache of keys and values that a
    Hugging Face model returns for the next token (``config.use_cache``). Neither changes the rest.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}
    caching = [c for c in configs.values() if getattr(c, "use_cache", None) is True]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for config in caching:
            config.use_cache = False
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for config in caching:
            config.use_cache = True


def plain_result(result: Any) -> Any:
    """Turn the dataclasses in a result into dicts by field; torch knows all else."""

    def opened(leaf: Any) -> Any:
        if not _is_record(leaf):
            return leaf
        return {each.name: plain_result(getattr(leaf, each.name)) for each in fields(leaf)}

    return pytree.tree_map(opened, result)


def replace_tensors(result: Any, change: Callable[[int, int, Tensor], Tensor]) -> Any:
    """Return a result of the same kind with each tensor in it changed.

    Args:
        result: what a module returned.
        change: function of the place of a tensor in it, the number of tensors and the tensor.
    """
    plain = pytree.tree_leaves(plain_result(result))
    count = sum(isinstance(leaf, Tensor) for leaf in plain)
    places = iter(range(len(plain)))

    def replaced(leaf: Any) -> Any:
        if _is_record(leaf):
            new = copy.copy(leaf)
            for each in fields(leaf):
                value = pytree.tree_map(replaced, getattr(leaf, each.name))
                object.__setattr__(new, each.name, value)
            return new
        place = next(places)
        return change(place, count, leaf) if isinstance(leaf, Tensor) else leaf

    return pytree.tree_map(replaced, result)


def _is_record(leaf: Any) -> bool:
    return is_dataclass(leaf) and not isinstance(leaf, type)
