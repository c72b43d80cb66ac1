"""Many parities in one network, and a switch that says which of them is asked for."""

from __future__ import annotations

from itertools import combinations
from math import comb

import torch

from causalmod.errors import InputError
from causalmod.zoo.blocks import all_bits, entropy
from causalmod.zoo.case import Case, register
from causalmod.zoo.facts import exchanges, takes_in
from causalmod.zoo.planted_layers import Layers

_ROWS = 4096


@register("sparse_parity")
def sparse_parity(tasks: int = 3, size: int = 2, *, bits: int = 5, seed: int = 0) -> Case:
    """Multitask sparse parity: the parity of a few bits, of other ones for each task.

    An input is a one-hot switch with a place for each task, then the bits. Task ``t`` has a subset
    of ``size`` bits of its own; subsets differ, and may overlap. The output is the parity of the
    subset of the task that is switched on. The rows are all bits under all switches.

    Each task has a module of ReLU units: ``relu(s - j)`` of the sum ``s`` of its bits, for ``j``
    below ``size``, with which parity is ``relu(s) - 2 relu(s - 1) + 2 relu(s - 2) - ...``, and a
    gate ``relu(parity + switch - 1)`` that is the parity if the task is on, else 0. The output adds
    up the gates. Neurons of a layer are shuffled.

    Task modules send each other nothing, though they read the same bits and never are on together.
    The readout, a module by itself, takes in the sum of independent gates, each 1 with probability
    ``p = 1 / (2 tasks)``: ``H(Binomial(tasks, p))`` bits. On the data that sum is never above 1.

    Args:
        tasks: number of tasks.
        size: bits in a subset; at least 2.
        bits: number of bits.
        seed: seed of the subsets and of the shuffle.

    Returns:
        Case: modules ``task 0``, ... and ``readout``.

    Raises:
        InputError: fewer than two tasks, a size below 2, more tasks than subsets, or more than 4096
            rows.

    Source: Michaud, Liu, Girit and Tegmark (2023), arXiv:2303.13506, section 3, for the task; the
    network is built here, not trained.

    Example:
        >>> case = sparse_parity()
        >>> case.inputs.shape, case.modules["readout"]
        (torch.Size([96, 8]), ['output[0]'])
        >>> round(case.facts[0].expected, 4)
        1.2897
    """
    if tasks < 2 or size < 2 or tasks > comb(max(bits, 0), size) or tasks * 2**bits > _ROWS:
        raise InputError(
            "tasks and size must be at least 2, with no more tasks than subsets of the bits, and "
            f"at most {_ROWS} rows; given tasks={tasks}, size={size}, bits={bits}"
        )
    generator = torch.Generator().manual_seed(seed)
    subsets = list(combinations(range(bits), size))
    chosen = torch.randperm(len(subsets), generator=generator)[:tasks].tolist()
    read = torch.zeros(tasks, bits)
    for task, pick in enumerate(chosen):
        read[task, list(subsets[pick])] = 1.0
    numbers = torch.arange(tasks)
    sums = torch.cat([torch.zeros(tasks, tasks), read], 1).repeat_interleave(size, 0)
    switches = torch.cat([torch.eye(tasks), torch.zeros(tasks, bits)], 1)
    alternating = torch.tensor([1.0] + [2.0 * (-1) ** j for j in range(1, size)])
    gates = torch.cat([torch.block_diag(*[alternating] * tasks), torch.eye(tasks)], 1)
    made = Layers(
        (torch.cat([sums, switches]), gates, torch.ones(1, tasks)),
        (
            torch.cat([-torch.arange(float(size)).repeat(tasks), torch.zeros(tasks)]),
            -torch.ones(tasks),
            torch.zeros(1),
        ),
        (
            torch.zeros(tasks + bits, dtype=torch.long),
            torch.cat([numbers.repeat_interleave(size), numbers]),
            numbers,
            torch.tensor([tasks]),
        ),
        "relu",
    ).shuffled(generator)
    every = all_bits(bits)
    inputs = torch.cat(
        [torch.eye(tasks).repeat_interleave(len(every), 0), every.repeat(tasks, 1)], 1
    )
    names = [f"task {task}" for task in range(tasks)]
    modules = made.modules([*names, "readout"], inputs)
    p = 1 / (2 * tasks)
    received = entropy(*(comb(tasks, k) * p**k * (1 - p) ** (tasks - k) for k in range(tasks + 1)))
    why = "the sum of independent gates is binomial"
    return Case(
        name="sparse_parity",
        model=made.network(),
        inputs=inputs,
        modules=modules,
        facts=(
            exchanges(modules, received, f"{why}; nothing leads to a task's module"),
            takes_in(modules, "readout", received, why),
            takes_in(modules, "task 0", 0.0, "no connection leads from one task to another"),
        ),
        doc=f"The parity of {size} of {bits} bits, for each of {tasks} tasks; a switch says which.",
    )
