"""The shapes of the demo model: a Janus of five million parameters, in transformers' own modules."""

from __future__ import annotations

import torch
from transformers import JanusConfig, JanusForConditionalGeneration
from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig
from transformers.models.llama.configuration_llama import LlamaConfig

HIDDEN = 256
CODES = 512
GRID = 8
TOKENS = GRID * GRID


def vq_config() -> JanusVQVAEConfig:
    return JanusVQVAEConfig(
        embed_dim=8, num_embeddings=CODES, latent_channels=64, base_channels=32,
        channel_multiplier=[1, 1, 2, 2], num_res_blocks=1, num_patches=GRID,
        projection_dim=HIDDEN, image_token_embed_dim=HIDDEN, num_hidden_layers=2,
    )


def config(vocabulary: int, ids: dict[str, int]) -> JanusConfig:
    text = LlamaConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=512, num_hidden_layers=5,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=1024,
        rms_norm_eps=1e-6, bos_token_id=ids["bos"], eos_token_id=ids["eos"], pad_token_id=ids["pad"],
    )
    vision = JanusVisionConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=4, image_size=64, patch_size=8,
        mlp_ratio=4.0, projection_dim=HIDDEN, depth=2, num_image_tokens=TOKENS,
    )
    return JanusConfig(
        text_config=text, vision_config=vision, vq_config=vq_config(), image_token_id=ids["image"],
        tie_word_embeddings=False,
    )


def build(vocabulary: int, ids: dict[str, int]) -> JanusForConditionalGeneration:
    """A fresh model; the usual 0.02 is for widths of thousands and starts a narrow model slowly."""
    janus = JanusForConditionalGeneration(config(vocabulary, ids))
    for module in janus.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.8 * module.in_features**-0.5)
        elif isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.1)
    return janus
