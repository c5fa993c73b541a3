"""Writes a training checkpoint as a folder that Diptych loads, in bfloat16.

`python export.py VAE.pt CHECKPOINT.pt FOLDER [--raw]`; the averaged weights are taken unless --raw.
There is no published layout of a Transfusion: names and config are Llama's where it is Llama, the
folders `vae` and `scheduler` are diffusers'.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import save_file

import model
import words


def write(file: pathlib.Path, settings: dict) -> None:
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("vae")
    arguments.add_argument("checkpoint")
    arguments.add_argument("folder")
    arguments.add_argument("--raw", action="store_true")
    arguments.add_argument("--guidance", type=float, default=2.0)
    arguments.add_argument("--image-guidance", type=float, default=1.0)
    arguments.add_argument("--steps", type=int, default=25)
    arguments.add_argument("--shift", type=float, default=1.0)
    args = arguments.parse_args()

    folder = pathlib.Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = words.train()
    saved = torch.load(args.checkpoint)
    transfusion = model.build(tokenizer.get_vocab_size())
    transfusion.load_state_dict(saved["model"])
    if not args.raw:
        with torch.no_grad():
            torch._foreach_copy_(list(transfusion.parameters()), saved["average"])
    save_file({n: t.bfloat16().contiguous() for n, t in transfusion.state_dict().items()},
              folder / "model.safetensors", metadata={"format": "pt"})
    llama = transfusion.model.config
    ids = dict(bos_token_id=words.ID[words.BOS], eos_token_id=words.ID[words.EOS],
               pad_token_id=words.ID[words.PAD])
    write(folder / "config.json", dict(
        **ids, model_type="transfusion", architectures=["Transfusion"], dtype="bfloat16",
        boi_token_id=words.ID[words.BOI], eoi_token_id=words.ID[words.EOI],
        sep_token_id=words.ID[words.SEP],
        latent_channels=model.CHANNELS, latent_size=model.GRID, patch_size=1, patch_layers="linear",
        time_frequencies=model.FREQUENCIES, position_embedding=True, rope_theta=model.THETA,
        **{k: getattr(llama, k) for k in (
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
            "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
            "rms_norm_eps", "tie_word_embeddings")}))
    write(folder / "generation_config.json", dict(
        **ids, do_sample=False, temperature=1.0, top_p=1.0, max_new_tokens=320,
        guidance_scale=args.guidance, image_guidance_scale=args.image_guidance,
        num_inference_steps=args.steps,
        think=True))  # it says what an edit leads to before it draws it
    words.wrap(tokenizer).save_pretrained(folder)
    saved_vae = torch.load(args.vae)
    vae = model.build_vae(saved_vae["scale"], saved_vae["shift"])
    vae.load_state_dict(saved_vae["model"])
    vae.to(torch.bfloat16).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=args.shift).save_pretrained(folder / "scheduler")
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    print(f"step {saved['step']}: {sum(f.stat().st_size for f in files)} bytes")
    for file in files:
        print(f"  {file.stat().st_size:>9} {file.relative_to(folder)}")


if __name__ == "__main__":
    main()
