"""The shapes of the demo model: a Transfusion of 4.3 million parameters in transformers' LlamaModel,
whose patch layers are linear, and its KL coder in diffusers' AutoencoderKL."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import nn
from transformers import LlamaConfig, LlamaModel

import words

HIDDEN = 256
HEAD = 64
GRID = 8
PATCHES = GRID * GRID
CHANNELS = 8
FREQUENCIES = 256
THETA = 10000.0
EPSILON = 1e-6


def config(vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=512, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=4, head_dim=HEAD, max_position_embeddings=1024,
        rms_norm_eps=EPSILON, bos_token_id=words.ID[words.BOS], eos_token_id=words.ID[words.EOS],
        pad_token_id=words.ID[words.PAD], tie_word_embeddings=False)


class PatchIn(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(CHANNELS, HIDDEN)
        self.position_embedding = nn.Embedding(PATCHES, HIDDEN)


class PatchOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(HIDDEN, CHANNELS)


class Transfusion(nn.Module):
    """One transformer with a language head and a head that predicts noise - data. The mask is
    causal, and full inside a picture's patches."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.model = LlamaModel(config(vocabulary))
        self.lm_head = nn.Linear(HIDDEN, vocabulary, bias=False)
        self.frequencies = Timesteps(FREQUENCIES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embed = TimestepEmbedding(FREQUENCIES, HIDDEN)
        self.patch_in = PatchIn()
        self.patch_out = PatchOut()

    def patches(self, latents: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Vectors [B, 64, D] of latents [B, 64, C] at times [B] in [0, 1000]."""
        time = self.time_embed(self.frequencies(times))
        return self.patch_in.proj(latents) + time[:, None] + self.patch_in.position_embedding.weight

    def forward(self, embeddings: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Final hidden states [B, T, D] of embeddings [B, T, D]. `picture` [B, T] numbers the
        pictures of a row from 0 and has -1 at words."""
        length = picture.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        inside = (picture[:, :, None] == picture[:, None, :]) & (picture[:, :, None] >= 0)
        mask = torch.where(causal | inside, 0.0, torch.finfo(embeddings.dtype).min)[:, None]
        return self.model(inputs_embeds=embeddings, attention_mask=mask.to(embeddings.dtype),
                          use_cache=False).last_hidden_state


def build(vocabulary: int) -> Transfusion:
    """A fresh model; the usual 0.02 is for widths of thousands and starts a narrow model slowly."""
    transfusion = Transfusion(vocabulary)
    for module in transfusion.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.8 * module.in_features**-0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
    nn.init.zeros_(transfusion.patch_out.proj.weight)
    return transfusion


def build_vae(scale: float = 1.0, shift: float = 0.0) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 64, 64), layers_per_block=1, latent_channels=CHANNELS,
        norm_num_groups=32, sample_size=64, scaling_factor=scale, shift_factor=shift,
        use_quant_conv=False, use_post_quant_conv=False, force_upcast=False)


@torch.no_grad()
def encode(vae, rgb: torch.Tensor) -> torch.Tensor:
    """Pictures [B, 64, 64, 3] uint8 to scaled latents [B, 64, C], the encoder's means."""
    found = []
    for part in rgb.split(128):
        pixels = part.permute(0, 3, 1, 2).float() / 127.5 - 1
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        z = vae.encode(pixels).latent_dist.mean.float()
        found.append(((z - vae.config.shift_factor) * vae.config.scaling_factor).flatten(2).transpose(1, 2))
    return torch.cat(found)


@torch.no_grad()
def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Scaled latents [B, 64, C] to pictures [B, 64, 64, 3] uint8."""
    found = []
    for part in latents.split(128):
        z = part.transpose(1, 2).reshape(-1, CHANNELS, GRID, GRID)
        pixels = vae.decode(z / vae.config.scaling_factor + vae.config.shift_factor).sample
        found.append(((pixels + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1))
    return torch.cat(found)
