"""Writes vae/ and pixels/: a tiny random KL coder, and what diffusers makes of the last latents.

    python pixels.py     # after make.py; torch 2.13.0, diffusers 0.42.1

As the authors' infer_dit.py decodes: latents by 0.18215, pixels to [0, 1], 255 times that, truncated.
"""

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
SEED = 67


def weight(generator, name, shape):
    draw = torch.randn(shape, generator=generator)
    if len(shape) == 1:
        draw = draw * 0.2 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    else:
        gain = 0.5 if name == "decoder.conv_out.weight" else 1.2
        draw = draw * gain / torch.tensor(shape[1:]).prod().sqrt()
    # Few significant bits: exact in bfloat16, and small once packed.
    step = 2.0 ** torch.floor(torch.log2(draw.abs().max()) - 5)
    return (torch.round(draw / step) * step).to(torch.bfloat16)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    levels = 4
    coder = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * levels,
                          up_block_types=("UpDecoderBlock2D",) * levels, block_out_channels=(4, 4, 8, 8),
                          layers_per_block=1, latent_channels=4, norm_num_groups=2,
                          sample_size=48).eval()
    generator = torch.Generator().manual_seed(SEED)
    state = {k: weight(generator, k, tuple(v.shape)) for k, v in sorted(coder.state_dict().items())}
    coder.load_state_dict({k: v.float() for k, v in state.items()})
    shutil.rmtree(HERE / "vae", ignore_errors=True)
    coder.save_config(HERE / "vae")
    save_file(state, HERE / "vae" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    found = load_file(HERE / "expected.safetensors")
    out = {}
    for name in ("published", "token"):
        decoded = coder.decode(found[f"{name}.samples"][-1:] / 0.18215).sample
        unit = ((decoded + 1.0) / 2.0).clamp(0.0, 1.0)
        out[f"{name}.pixels"] = decoded
        out[f"{name}.rgb"] = unit[0].mul(255).byte().permute(1, 2, 0)
        print(name, float(decoded.min()), float(decoded.max()))
    (HERE / "pixels").mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / "pixels" / "expected.safetensors")


if __name__ == "__main__":
    main()
