"""The two batches of interventions that are timed, in plain torch: who is asked what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SEED = 0


@dataclass(frozen=True)
class Intervention:
    """Columns of the input or output of a module, and what they become.

    Attributes:
        module: path of the module.
        side: ``"input"`` or ``"output"`` of the module.
        columns: the columns of the last dimension that are set.
        value: what they become, ``[rows, ..., columns]``: their values on permuted rows.
        selector: the same variables, as causalmod names them.
    """

    module: str
    side: str
    columns: slice
    value: Tensor
    selector: str


@dataclass(frozen=True)
class Task:
    """A network on data, interventions, and what is recorded for each.

    Attributes:
        name: name of the task.
        model: the network, in eval mode.
        inputs: its input.
        keywords: further arguments of its ``forward``.
        interventions: what is set, each alone.
        record: paths of the modules whose outputs are recorded, besides the network's own output.
        sites: the sites that causalmod compiles; None for its default.
        products: computes the matrix products downstream of all interventions and nothing else.
        error: largest accepted difference from naive hooks.
    """

    name: str
    model: nn.Module
    inputs: Tensor
    keywords: dict[str, Any]
    interventions: list[Intervention]
    record: tuple[str, ...]
    sites: list[str] | None
    products: Callable[[], None]
    error: float

    def output(self) -> Tensor:
        """Run the network as it is, and return its output."""
        return read(self.model(self.inputs, **self.keywords))


def read(output: Any) -> Tensor:
    """Return the tensor in what a network returns."""
    return output if isinstance(output, Tensor) else output.logits


def mlp() -> Task:
    """512 neurons of a 64-256-256-256-10 network on 1,024 rows, each alone set to other rows."""
    torch.manual_seed(SEED)
    sizes = [(64, 256), (256, 256), (256, 256), (256, 10)]
    layers = [part for pair in sizes for part in (nn.Linear(*pair), nn.ReLU())][:-1]
    model = nn.Sequential(*layers).eval()
    data = torch.randn(1024, 64)
    donors = permutation(1024)
    seen = run_recorded(model, data, {}, [f"{at}" for at in range(7)])
    interventions = [
        Intervention(str(at), "output", slice(j, j + 1), seen[str(at), "output"][donors, j : j + 1],
                     f"{at}[{j}]")
        for at in (1, 3) for j in range(256)
    ]  # fmt: skip
    maps = [_map(model, str(at)) for at in (2, 4, 6)]
    read_by = [seen[at, "output"] for at in ("1", "3", "5")]

    def products() -> None:
        for made in interventions:
            first = 0 if made.module == "1" else 1
            for activation, (weight, bias) in zip(read_by[first:], maps[first:], strict=True):
                F.linear(activation, weight, bias)

    return Task(
        "mlp", model, data, {}, interventions, ("5",), None, products, error=1e-5
    )  # fmt: skip


def gpt2() -> Task:
    """All 16 heads and 4 MLPs of a small GPT-2 on 64 × 32 tokens, each alone set to other rows."""
    model = gpt2_model(n_layer=4, n_embd=128, n_head=4, vocab_size=1000, n_positions=32)
    torch.manual_seed(SEED)
    data = torch.randint(0, 1000, (64, 32))
    donors = permutation(64)
    blocks = [f"transformer.h.{at}" for at in range(4)]
    linears = [f"{block}.{part}" for block in blocks for part in
               ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")]  # fmt: skip
    seen = run_recorded(model, data, {"use_cache": False}, [*linears, "lm_head"])
    interventions: list[Intervention] = []
    for block in blocks:
        heads = seen[f"{block}.attn.c_proj", "input"][donors]
        for head in range(4):
            columns = slice(32 * head, 32 * head + 32)
            interventions.append(
                Intervention(f"{block}.attn.c_proj", "input", columns, heads[..., columns],
                             f"{block}.attn.heads[{head}]")
            )  # fmt: skip
        output = seen[f"{block}.mlp.c_proj", "output"][donors]
        interventions.append(
            Intervention(f"{block}.mlp.c_proj", "output", slice(0, 128), output,
                         f"{block}.mlp.c_proj")
        )  # fmt: skip
    return Task(
        "gpt2", model, data, {"use_cache": False}, interventions, (),
        ["transformer.h.*.attn.heads", "transformer.h.*.mlp.c_proj"],
        partial(_run_all, list(_gpt2_products(model, blocks, seen, interventions))),
        error=1e-4,
    )  # fmt: skip


TASKS: dict[str, Callable[[], Task]] = {"mlp": mlp, "gpt2": gpt2}


def _run_all(calls: list[Callable[[], Any]]) -> None:
    for call in calls:
        call()


def _gpt2_products(
    model: nn.Module,
    blocks: list[str],
    seen: dict[tuple[str, str], Tensor],
    interventions: list[Intervention],
) -> Iterator[Callable[[], Any]]:
    """Yield the products downstream of each intervention, as calls on recorded activations."""

    def linear(path: str) -> Callable[[], Any]:
        weight, bias = _map(model, path)
        return partial(_affine, bias, seen[path, "input"].flatten(0, 1), weight)

    def attention(block: str) -> list[Callable[[], Any]]:
        parts = seen[f"{block}.attn.c_attn", "output"].view(64, 32, 3, 4, 32)
        query, key, value = parts.permute(2, 0, 3, 1, 4).reshape(3, 256, 32, 32).unbind()
        weights = torch.softmax(query @ key.mT / 32**0.5, -1)
        return [partial(torch.bmm, query, key.mT), partial(torch.bmm, weights, value)]

    final = seen["lm_head", "input"].flatten(0, 1)
    unembedding = model.get_parameter("lm_head.weight")
    for made in interventions:
        at = next(place for place, block in enumerate(blocks) if made.module.startswith(block))
        if made.side == "input":
            tail = ("attn.c_proj", "mlp.c_fc", "mlp.c_proj")
            yield from [linear(f"{blocks[at]}.{part}") for part in tail]
        for block in blocks[at + 1 :]:
            yield linear(f"{block}.attn.c_attn")
            yield from attention(block)
            yield from [linear(f"{block}.{p}") for p in ("attn.c_proj", "mlp.c_fc", "mlp.c_proj")]
        yield partial(F.linear, final, unembedding)


def _map(model: nn.Module, path: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of an affine module."""
    return model.get_parameter(f"{path}.weight"), model.get_parameter(f"{path}.bias")


def _affine(bias: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    return torch.addmm(bias, value, weight)


def gpt2_model(**sizes: Any) -> nn.Module:
    """Return a Hugging Face GPT-2 with random weights."""
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(SEED)
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, use_cache=False)
    return transformers.GPT2LMHeadModel(config).eval()


def permutation(rows: int) -> Tensor:
    """Return the donors that ``causalmod.resample(0)`` draws, so that all set the same values."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(SEED))


def run_recorded(
    model: nn.Module, data: Tensor, keywords: dict[str, Any], paths: list[str]
) -> dict[tuple[str, str], Tensor]:
    """Return (module, ``"input"`` or ``"output"``) → what it read or returned on the data."""
    seen: dict[tuple[str, str], Tensor] = {}

    def keep(path: str, _: nn.Module, given: tuple[Tensor, ...], returned: Tensor) -> None:
        seen[path, "input"], seen[path, "output"] = given[0], returned

    handles = [model.get_submodule(p).register_forward_hook(partial(keep, p)) for p in paths]
    model(data, **keywords)
    for handle in handles:
        handle.remove()
    return seen
