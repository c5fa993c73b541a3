"""Starts the transformer from what the demo Janus learned: the layers of its language model, the
words' rows by their pieces, and of its picture codes the linear map that comes nearest to them from
latents. The sixth layer begins as nothing."""

from __future__ import annotations

import torch
from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

import model
import words
import world


@torch.no_grad()
def from_janus(folder: str, transfusion: model.Transfusion, vocabulary: dict[str, int], vae) -> None:
    janus = JanusForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    known = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    old, new = janus.model.language_model, transfusion.model
    for a, b in zip(old.layers, new.layers):
        b.load_state_dict(a.state_dict())
    for layer in new.layers[len(old.layers):]:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    new.norm.load_state_dict(old.norm.state_dict())
    names = {words.BOS: "<｜begin▁of▁sentence｜>", words.EOS: "<｜end▁of▁sentence｜>",
             words.BOI: "<begin_of_image>", words.EOI: "<end_of_image>", words.SEP: "<|Assistant|>"}
    taken = 0
    for piece, i in vocabulary.items():
        source = known.get(names.get(piece, piece))
        if source is not None:
            new.embed_tokens.weight[i] = old.embed_tokens.weight[source]
            transfusion.lm_head.weight[i] = janus.lm_head.weight[source]
            taken += 1
    rgb = torch.stack([torch.from_numpy(world.render(s)) for s in world.scenes(31, 256, False)])
    vq = janus.model.vqmodel
    z = torch.nn.functional.normalize(
        vq.quant_conv(vq.encoder(rgb.permute(0, 3, 1, 2).float() / 127.5 - 1)), dim=1)
    book = torch.nn.functional.normalize(vq.quantize.embedding.weight, dim=-1)
    codes = (z.permute(0, 2, 3, 1) @ book.T).argmax(-1).flatten(1)
    wanted = janus.prepare_embeddings_for_image_generation(codes).flatten(0, 1)
    latents = model.encode(vae, rgb).flatten(0, 1)
    x = torch.cat([latents, torch.ones(len(latents), 1)], dim=1)
    fit = torch.linalg.lstsq(x, wanted).solution
    rest = (x @ fit - wanted).square().mean() / wanted.var(0).mean()
    transfusion.patch_in.proj.weight.copy_(fit[:-1].T)
    transfusion.patch_in.proj.bias.copy_(fit[-1])
    transfusion.patch_in.position_embedding.weight.mul_(0.1)
    print(f"{taken} words taken; {1 - rest:.0%} of the codes' embeddings follow from latents", flush=True)
