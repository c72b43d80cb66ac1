"""Networks of every kind that the compiler takes, with data, and forward hooks to check by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import causalmod as cm
from causalmod import compiler
from tests.compiler import (
    networks_basic,
    networks_huggingface,
    networks_sequences,
    networks_vision,
)
from tests.compiler.networks_basic import BUILDERS, Inputs, Net

__all__ = ["BUILDERS", "FAMILIES", "Change", "Inputs", "Net", "built", "call", "compiled", "hooked"]
__all__ += ["laid_open", "other_data", "outputs", "tensors"]

FAMILIES = (networks_basic, networks_vision, networks_sequences, networks_huggingface)
Change = Callable[[Tensor], Tensor]


# --- compiled once ------------------------------------------------------------------------------


@cache
def built(name: str) -> tuple[nn.Module, Inputs]:
    """Return a network in eval mode, and its data, the same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(list(BUILDERS).index(name))
        with torch.no_grad():
            model, inputs = BUILDERS[name]()
    return model.eval(), inputs


@cache
def compiled(name: str) -> cm.StructuralCausalModel:
    """Return a network compiled with its default sites; the network itself must not change."""
    model, inputs = built(name)
    call(model, inputs)  # some models set hooks of their own when they first run
    before = state(model)
    scm = cm.compile(model, inputs)
    after = state(model)
    for key, value in before.items():
        held = after[key]
        equal = torch.equal(held, value) if isinstance(value, Tensor) else held == value
        assert equal, f"{name}: {key} has changed"
    return scm


@cache
def laid_open(name: str) -> cm.StructuralCausalModel:
    """Return a network compiled with every tensor that can be a site; it is traced only once."""
    traced = compiled(name).program.trace
    with mock.patch.object(compiler, "trace", return_value=traced):
        return cm.compile(*built(name), sites="*")


def state(model: nn.Module) -> dict[str, Any]:
    """Return copies of all that a network holds, and what else a compilation might change."""
    held = {key: value.clone() for key, value in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    config = getattr(model, "config", None)
    settings = config.to_dict() if config is not None else {}
    numbers = torch.get_rng_state()
    return {**held, " flags": flags, " hooks": hooks, " config": settings, " random": numbers}


def rows_first(scm: cm.StructuralCausalModel, site: str, tensor: Tensor) -> Tensor:
    """Return a module's own tensor with the rows first, as the model hands it out."""
    found = scm[site]
    assert isinstance(found, cm.Site)
    return found.rows_first(tensor)


# --- forward hooks ------------------------------------------------------------------------------


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Run a network on copies of the inputs."""
    with torch.no_grad(), no_fast_path():
        if isinstance(inputs, Mapping):
            return model(**{name: value.clone() for name, value in inputs.items()})
        return model(*(x.clone() for x in (inputs if isinstance(inputs, tuple) else (inputs,))))


def tensors(inputs: Inputs) -> list[Tensor]:
    """Return the tensors that a network is called on, in order."""
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return list(inputs) if isinstance(inputs, tuple) else [inputs]


def other_data(inputs: Inputs, count: int) -> Inputs:
    """Return data of the same kind with another number of rows.

    Floating-point numbers are new; whole numbers and masks are rows of what there was.
    """
    generator = torch.Generator().manual_seed(count)
    picked = torch.randint(len(tensors(inputs)[0]), (count,), generator=generator)

    def other(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x[picked]
        return torch.randn(count, *x.shape[1:], generator=generator).to(x.dtype)

    return pytree.tree_map(other, inputs)


def outputs(result: Any) -> dict[str, Tensor]:
    """Lay a nested result out by name, as the documentation names them."""
    found = dict(_laid_out(result, "output"))
    return {"output": next(iter(found.values()))} if len(found) == 1 else found


def _laid_out(result: Any, label: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(result, Tensor):
        yield label, result
        return
    if isinstance(result, Mapping):
        pairs: Any = result.items()
    elif is_dataclass(result):
        pairs = [(field.name, getattr(result, field.name)) for field in fields(result)]
    elif hasattr(result, "_fields"):  # a namedtuple
        pairs = zip(result._fields, result, strict=True)
    else:
        pairs = enumerate(result) if isinstance(result, (tuple, list)) else ()
    for key, part in pairs:
        yield from _laid_out(part, f"{label}.{key}")


def hooked(
    model: nn.Module, inputs: Inputs, changes: Mapping[str, Change] | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Run a network with forward hooks: what each module returned, and the outputs.

    Args:
        model: the network.
        inputs: what it is called on.
        changes: ``path`` (``path@2`` for a second call, ``path.0`` for the first of several
            results) → what becomes of the module's output.
    """
    seen: dict[str, Tensor] = {}
    calls: dict[str, int] = {}
    handles = []
    for path, module in model.named_modules():

        def hook(_: nn.Module, __: Any, result: Any, path: str = path) -> Any:
            calls[path] = calls.get(path, 0) + 1
            name = path if calls[path] == 1 else f"{path}@{calls[path]}"
            leaves, spec = pytree.tree_flatten(result)
            places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
            for place in places:
                label = name if len(places) == 1 else f"{name}.{place}"
                leaves[place] = (changes or {}).get(label, torch.clone)(leaves[place].clone())
                seen[label] = leaves[place].clone()
            changed = any(label.startswith(name) for label in changes or {})
            return pytree.tree_unflatten(leaves, spec) if changed else None

        if path:
            handles.append(module.register_forward_hook(hook))
    try:
        result = call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen, outputs(result)


@contextmanager
def no_fast_path() -> Iterator[None]:
    """Run ``nn.TransformerEncoder`` by its parts, as it runs when gradients are wanted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
