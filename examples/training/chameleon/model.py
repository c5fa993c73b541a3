"""The shapes of the demo model: a Chameleon of 5.6 million parameters in transformers' own modules,
and the VQ decoder that transformers leaves out, under the names of CompVis' taming."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import ChameleonConfig, ChameleonForConditionalGeneration
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import (
    ChameleonVQVAEEncoderAttnBlock as Attention,
    ChameleonVQVAEEncoderResnetBlock as Residual,
)

import words

HIDDEN = 256
HEAD = 64
GRID = 8
TOKENS = GRID * GRID


def config(vocabulary: dict[str, int]) -> ChameleonConfig:
    vq = dict(
        embed_dim=8, num_embeddings=words.CODES, latent_channels=64, resolution=64, in_channels=3,
        base_channels=32, channel_multiplier=[1, 1, 2, 2], num_res_blocks=1, attn_resolutions=[GRID],
        double_latent=False, attn_type="vanilla", dropout=0.0)
    return ChameleonConfig(
        vocab_size=len(vocabulary), hidden_size=HIDDEN, intermediate_size=512, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=1024,
        rms_norm_eps=1e-5, bos_token_id=words.ID[words.BOS], eos_token_id=words.ID[words.EOS],
        pad_token_id=words.ID[words.PAD], swin_norm=False, tie_word_embeddings=False,
        vocabulary_map=dict(sorted(vocabulary.items(), key=lambda e: e[1])), vq_config=vq)


class Decoder(nn.Module):
    """[B, latent, y, x] -> [B, 3, Y, X]. `up` is stored by resolution level, as the encoder's
    `down`, and runs from the coarsest level to level 0."""

    def __init__(self, vq: ChameleonVQVAEConfig):
        super().__init__()
        wide = [vq.base_channels * m for m in vq.channel_multiplier]
        channels = wide[-1]
        self.conv_in = nn.Conv2d(vq.latent_channels, channels, 3, padding=1)
        self.mid = nn.Module()
        self.mid.block_1 = Residual(vq, channels, channels)
        self.mid.attn_1 = Attention(channels)
        self.mid.block_2 = Residual(vq, channels, channels)
        levels = []
        for level in reversed(range(len(wide))):
            up = nn.Module()
            up.block, up.attn = nn.ModuleList(), nn.ModuleList()
            for _ in range(vq.num_res_blocks + 1):
                up.block.append(Residual(vq, channels, wide[level]))
                channels = wide[level]
                if vq.resolution >> level in (vq.attn_resolutions or []):
                    up.attn.append(Attention(channels))
            if level > 0:
                up.upsample = nn.Module()
                up.upsample.conv = nn.Conv2d(channels, channels, 3, padding=1)
            levels.insert(0, up)
        self.up = nn.ModuleList(levels)
        self.norm_out = nn.GroupNorm(32, channels, eps=1e-6)
        self.conv_out = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        x = self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))
        for level in reversed(range(len(self.up))):
            up = self.up[level]
            for b, block in enumerate(up.block):
                x = block(x)
                if len(up.attn):
                    x = up.attn[b](x)
            if level > 0:
                x = up.upsample.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(x)))


def build(vocabulary: dict[str, int]) -> ChameleonForConditionalGeneration:
    """A fresh model; the usual 0.02 is for widths of thousands and starts a narrow model slowly."""
    chameleon = ChameleonForConditionalGeneration(config(vocabulary))
    vq = chameleon.model.vqmodel
    for name, module in chameleon.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.8 * module.in_features**-0.5)
    nn.init.normal_(chameleon.model.embed_tokens.weight, std=0.1)
    vq.decoder = Decoder(chameleon.config.vq_config)
    return chameleon


@torch.no_grad()
def encode(vq, rgb: torch.Tensor) -> torch.Tensor:
    """Pictures [B, 64, 64, 3] uint8 to codes [B, 64]."""
    found = []
    for part in rgb.split(128):
        pixels = part.permute(0, 3, 1, 2).float() / 127.5 - 1
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = vq.quant_conv(vq.encoder(pixels)).float()
        found.append(vq.quantize(z)[2].view(len(part), TOKENS))
    return torch.cat(found)


@torch.no_grad()
def decode(vq, codes: torch.Tensor) -> torch.Tensor:
    """Codes [B, 64] to pictures [B, 64, 64, 3] uint8."""
    found = []
    for part in codes.split(128):
        z = vq.quantize.embedding(part).view(-1, GRID, GRID, 8).permute(0, 3, 1, 2)
        pixels = vq.decoder(vq.post_quant_conv(z))
        found.append(((pixels + 1) * 127.5).clamp(0, 255).byte().permute(0, 2, 3, 1))
    return torch.cat(found)
