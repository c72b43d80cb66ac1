"""Where a network lives: a device by its name, and a copy of a network on it."""

from __future__ import annotations

import copy

import torch
from torch import nn

from causalmod.errors import InputError


def read_device(device: torch.device | str | int) -> torch.device:
    """Return a device that is there, with its number if it has one.

    Raises:
        InputError: there is no such device.
    """
    try:
        found = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"device={device!r} cannot be used: {first}; expected 'cpu', or an accelerator that "
            "torch finds on this machine, such as 'cuda' or 'cuda:1'"
        ) from None
    if found.type == "meta":
        raise InputError("device='meta' holds no values; give 'cpu' or 'cuda', say")
    return found


def devices_of(model: nn.Module) -> dict[torch.device, str]:
    """Return device → the first parameter or buffer on it."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return {value.device: name for name, value in reversed(held)}


def on_device(model: nn.Module, device: torch.device | None) -> nn.Module:
    """Return a network on a device: itself if it is there, else a copy.

    Args:
        model: the network, which stays where it is.
        device: where it is to be; None for where it is.

    Raises:
        InputError: its parameters are on several devices, or without values; or it cannot be
            copied.
    """
    places = devices_of(model)
    shown = ", ".join(f"{name!r} is on {place}" for place, name in places.items())
    empty = next((name for place, name in places.items() if place.type == "meta"), None)
    if empty is not None:
        raise InputError(
            f"the model's {empty!r} is on the meta device, which holds no values; give a model "
            f"that holds its weights ({shown})"
        )
    if device is None:
        if len(places) > 1:
            raise InputError(
                f"the model's parameters are on several devices ({shown}): move them to one, or "
                "give device= to have a copy of them there"
            )
        return model
    if set(places) <= {device}:
        return model
    try:
        return copy.deepcopy(model).to(device)
    except Exception as error:  # whatever the parts of a user's module may raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the model cannot be copied to device={str(device)!r}: {type(error).__name__}: "
            f"{first}; move it there yourself, model.to({str(device)!r}), and leave device= out"
        ) from error
