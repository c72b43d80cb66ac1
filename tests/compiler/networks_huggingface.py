"""Transformers of the Hugging Face library, made from configurations, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.compiler.networks_basic import Inputs, network, rows

SIZES: dict[str, Any] = {
    "vocab_size": 11, "hidden_size": 8, "intermediate_size": 10, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 8, "pad_token_id": None,
    "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}  # grouped-query attention


def tokens() -> Tensor:
    return torch.arange(24).reshape(6, 4) * 7 % 11


def padded() -> dict[str, Tensor]:
    lengths = torch.tensor([4, 4, 3, 2, 4, 1])
    return {"input_ids": tokens(), "attention_mask": (torch.arange(4) < lengths[:, None]).long()}


def gpt2(kind: str, attention: str, **settings: Any) -> nn.Module:
    sizes: dict[str, Any] = {
        "vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2,
        "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    return model(kind, "GPT2Config", attention, **sizes, **settings)


def model(kind: str, config: str, attention: str, **settings: Any) -> nn.Module:
    import transformers

    made = getattr(transformers, config)(**settings, attn_implementation=attention)
    return getattr(transformers, kind)(made)


@network
def gpt2_sdpa() -> tuple[nn.Module, Inputs]:
    """Weights of embedding and output are tied; the cache is on, as it is by default."""
    return gpt2("GPT2LMHeadModel", "sdpa"), {"input_ids": tokens()}


@network
def gpt2_eager() -> tuple[nn.Module, Inputs]:
    return gpt2("GPT2LMHeadModel", "eager", use_cache=False), padded()


@network
def gpt2_hidden_states() -> tuple[nn.Module, Inputs]:
    return gpt2("GPT2Model", "eager", output_hidden_states=True, output_attentions=True), tokens()


@network
def gpt2_tuple() -> tuple[nn.Module, Inputs]:
    return gpt2("GPT2Model", "sdpa", return_dict=False), tokens()


@network
def bert_sdpa() -> tuple[nn.Module, Inputs]:
    return model("BertModel", "BertConfig", "sdpa", **SIZES), padded()


@network
def bert_eager() -> tuple[nn.Module, Inputs]:
    inputs = {**padded(), "token_type_ids": tokens() % 2}
    return model("BertForSequenceClassification", "BertConfig", "eager", **SIZES), inputs


@network
def llama_sdpa() -> tuple[nn.Module, Inputs]:
    return model("LlamaForCausalLM", "LlamaConfig", "sdpa", **GROUPED), {"input_ids": tokens()}


@network
def llama_eager() -> tuple[nn.Module, Inputs]:
    return model("LlamaModel", "LlamaConfig", "eager", **GROUPED), padded()


@network
def qwen() -> tuple[nn.Module, Inputs]:
    """Normalised queries and keys, in bfloat16."""
    qwen = model("Qwen3ForCausalLM", "Qwen3Config", "sdpa", **GROUPED, head_dim=2)
    return qwen.bfloat16(), {"input_ids": tokens()}


@network
def gemma() -> tuple[nn.Module, Inputs]:
    """Layers with a sliding window between those without."""
    settings = {**GROUPED, "head_dim": 4, "sliding_window": 2}
    return model("Gemma3ForCausalLM", "Gemma3TextConfig", "eager", **settings), padded()


@network
def neox() -> tuple[nn.Module, Inputs]:
    """Attention and MLP side by side."""
    return model("GPTNeoXForCausalLM", "GPTNeoXConfig", "sdpa", **SIZES), padded()


@network
def vit() -> tuple[nn.Module, Inputs]:
    settings = {k: v for k, v in SIZES.items() if k in {"hidden_size", "intermediate_size"}}
    vit = model(
        "ViTModel", "ViTConfig", "sdpa", **settings, num_hidden_layers=1, num_attention_heads=2,
        image_size=4, patch_size=2, num_channels=1,
    )  # fmt: skip
    return vit, rows(1, 4, 4)
