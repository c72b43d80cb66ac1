"""The user's own network: built by their code, with weights and data that are only read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from causalmod.cli.data import read_data, read_safetensors
from causalmod.cli.user_code import imported, where
from causalmod.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from causalmod.cli.job import Job

_MOST_SHOWN = 8


def study_user_network(
    job: Job, network: str, data: Path, weights: Path | None, sites: list[str] | None
) -> None:
    """Build the network or read its file, load what was given, compile and search it."""
    import causalmod as cm

    inputs = read_data(data)
    if is_exported(network):
        model, source = read_exported(Path(network), weights), f"Read from {Path(network).name}"
    else:
        model = build(network)
        source = f"Built by {network} (untrained: no --weights were given)"
        if weights is not None:
            load_weights(model, weights)
            source = f"Built by {network} (weights {weights.name})"
    model.eval()
    inputs = _in_the_models_dtype(job, model, inputs)
    scm = cm.compile(model, inputs, sites=sites)
    job.study(network, f"{source}, studied on {data.name}.", scm)


def is_exported(network: str) -> bool:
    """Is a network given as a file, not as a factory?"""
    return network.lower().endswith(".pt2")


def read_exported(path: Path, weights: Path | None) -> nn.Module:
    """Read a network from a ``.pt2`` file, which cannot run code.

    Raises:
        InputError: there is no such file, it is damaged, or weights were given besides.
        CompileError: it holds what could run code, or cannot be replayed on any number of rows.
    """
    from causalmod.compiler import read_network

    if weights is not None:
        raise InputError(f"{path.name} holds its own weights; leave --weights {weights.name} out")
    return read_network(path)


def build(factory: str) -> nn.Module:
    """Import ``package.module:name`` and return the network that it makes.

    The current directory is on the path, as for ``python -m``.

    Raises:
        InputError: the text is no such name, it cannot be imported, or it makes no network.
    """
    from torch import nn

    found = imported(
        factory, "factory", "function, such as mymodels:small; or the path of a .pt2 file"
    )
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise InputError(f"{factory!r} is a {type(found).__name__}; expected a function or a class")
    try:
        model = found()
    except Exception as reason:
        raise InputError(
            f"{factory}() failed: {where(reason)}; it is called without arguments"
        ) from reason
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{factory}() returned a {type(model).__name__}; expected a torch.nn.Module"
        )
    return model


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a ``.safetensors`` file into a network; every tensor must fit and none be left over.

    Raises:
        InputError: the file is of another kind, or its tensors are not the network's.
    """
    if path.suffix.lower() != ".safetensors":
        raise InputError(
            f"cannot read {path}: weights are taken from .safetensors files only, since others "
            "can run code; write one with safetensors.torch.save_file(model.state_dict(), path)"
        )
    given, wanted = read_safetensors(path), model.state_dict()
    shared = {tensor.data_ptr() for name, tensor in wanted.items() if name in given}
    problems: dict[str, list[str]] = {
        "missing": [n for n, t in wanted.items() if n not in given and t.data_ptr() not in shared],
        "not in the network": [n for n in given if n not in wanted],
        "of another shape": [
            f"{n}: {tuple(t.shape)} in the file, {tuple(wanted[n].shape)} in the network"
            for n, t in given.items()
            if n in wanted and t.shape != wanted[n].shape
        ],
        "of another kind": [
            f"{n}: {t.dtype} in the file, {wanted[n].dtype} in the network"
            for n, t in given.items()
            if n in wanted and not _fits(t, wanted[n])
        ],
    }
    lines = [f"  {what}: {_listed(names)}" for what, names in problems.items() if names]
    if lines:
        raise InputError(
            f"the weights in {path} are not those of this network:\n" + "\n".join(lines)
        )
    model.load_state_dict(given, strict=False)  # only tied tensors, filled through their twin, lack


def _fits(given: Tensor, wanted: Tensor) -> bool:
    """Can one be stored in the other without losing digits?"""
    import torch

    return torch.promote_types(given.dtype, wanted.dtype) == wanted.dtype


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more


def _in_the_models_dtype(
    job: Job, model: nn.Module, inputs: Tensor | dict[str, Tensor]
) -> Tensor | dict[str, Tensor]:
    """Numbers with a fraction, in the precision of the network's own weights."""
    tensors = [*model.parameters(), *model.buffers()]
    wanted = next((t.dtype for t in tensors if t.is_floating_point()), None)

    def cast(tensor: Tensor) -> Tensor:
        if wanted is None or not tensor.is_floating_point() or tensor.dtype == wanted:
            return tensor
        given, target = (str(d).removeprefix("torch.") for d in (tensor.dtype, wanted))
        job.say(f"the data are {given}, the network computes in {target}: converted to {target}")
        return tensor.to(wanted)

    if isinstance(inputs, dict):
        return {name: cast(tensor) for name, tensor in inputs.items()}
    return cast(inputs)
