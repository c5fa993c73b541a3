"""Starts the Chameleon from what the Janus demo learned: `python from_janus.py JANUS_FOLDER OUT.pt`.

The VQ autoencoder is taken over as it is, under Chameleon's names. Its codebook rows are written
with unit length, so that the nearest row by distance is the nearest by angle, which Janus means.
Of the language model everything is taken that has a place: the words' rows by their pieces, the
codes' rows from Janus's generation aligner, the codes' output rows as the linear fit of its
generation head. Chameleon normalises queries and keys, so their gains are the sizes that Janus's
have on drawings. The sixth layer begins as nothing.
"""

from __future__ import annotations

import argparse
import random

import torch
import torch.nn.functional as F
from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

import model
import words
import world


def vq_state(janus: dict[str, torch.Tensor], levels: int) -> dict[str, torch.Tensor]:
    """Janus stores `decoder.up` in running order, Chameleon by level."""
    found = {}
    for name, tensor in janus.items():
        if name.startswith("decoder.up."):
            at, rest = name[len("decoder.up."):].split(".", 1)
            name = f"decoder.up.{levels - 1 - int(at)}.{rest}"
        found[name] = tensor
    rows = found["quantize.embedding.weight"].float()
    found["quantize.embedding.weight"] = F.normalize(rows, dim=-1)
    return found


@torch.no_grad()
def transfer(janus, janus_tokenizer, chameleon, vocabulary: dict[str, int], codes, prompts) -> None:
    """`codes` [B, 64] are pictures that `prompts` ask for; they show sizes and logits."""
    old, new = janus.model.language_model, chameleon.model
    batch = [janus_tokenizer.encode(f"<|User|>: {p}\n\n<|Assistant|>:<begin_of_image>") for p in prompts]
    length = max(map(len, batch))
    ids = torch.tensor([[janus_tokenizer.pad_token_id] * (length - len(b)) + b for b in batch])
    pictures = janus.prepare_embeddings_for_image_generation(codes)
    inputs = torch.cat([old.embed_tokens(ids), pictures], dim=1)
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        getattr(layer.self_attn, which).register_forward_hook(
            lambda m, i, o, key=(n, which): seen.__setitem__(key, o[:, length:]))
        for n, layer in enumerate(old.layers) for which in ("q_proj", "k_proj")]
    mask = torch.cat([(ids != janus_tokenizer.pad_token_id).long(), torch.ones_like(codes)], dim=1)
    hidden = old(inputs_embeds=inputs, attention_mask=mask).last_hidden_state[:, length - 1 : -1]
    for hook in hooks:
        hook.remove()

    for n, (a, b) in enumerate(zip(old.layers, new.layers)):
        b.load_state_dict(a.state_dict(), strict=False)
        for which, norm in (("q_proj", b.self_attn.q_norm), ("k_proj", b.self_attn.k_norm)):
            heads = seen[n, which].unflatten(-1, (-1, model.HEAD))
            norm.weight.copy_(heads.std(-1).mean((0, 1))[:, None].expand_as(norm.weight))
            norm.bias.copy_(heads.mean(-1).mean((0, 1))[:, None].expand_as(norm.bias))
    for layer in new.layers[len(old.layers):]:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    new.norm.load_state_dict(old.norm.state_dict())

    names = {words.BOS: "<｜begin▁of▁sentence｜>", words.EOS: "<｜end▁of▁sentence｜>",
             words.BOI: "<begin_of_image>", words.EOI: "<end_of_image>", words.TURN: "<|Assistant|>"}
    known = janus_tokenizer.get_vocab()
    taken = 0
    for piece, i in vocabulary.items():
        source = known.get(names.get(piece, piece))
        if source is not None:
            new.embed_tokens.weight[i] = old.embed_tokens.weight[source]
            chameleon.lm_head.weight[i] = janus.lm_head.weight[source]
            taken += 1
    rows = slice(words.FIRST_CODE, words.FIRST_CODE + words.CODES)
    new.embed_tokens.weight[rows] = janus.prepare_embeddings_for_image_generation(
        torch.arange(words.CODES)[None])[0]
    logits = janus.model.generation_head(hidden).flatten(0, 1)
    x = hidden.flatten(0, 1)
    ridge = 0.01 * x.square().mean() * len(x) * torch.eye(x.shape[1])
    fit = torch.linalg.solve(x.T @ x + ridge, x.T @ (logits - logits.mean(-1, keepdim=True)))
    chameleon.lm_head.weight[rows] = fit.T
    wanted = codes.flatten()
    print(f"{taken} words taken; drawing loss {F.cross_entropy(logits, wanted):.3f} of Janus,"
          f" {F.cross_entropy(x @ fit, wanted):.3f} with the linear head")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("janus")
    arguments.add_argument("out")
    args = arguments.parse_args()
    torch.manual_seed(17)
    vocabulary = words.train().get_vocab()
    chameleon = model.build(vocabulary)
    janus = JanusForConditionalGeneration.from_pretrained(args.janus, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.janus)
    vq = chameleon.model.vqmodel
    vq.load_state_dict(vq_state(janus.model.vqmodel.state_dict(), len(vq.decoder.up)))

    scenes = world.scenes(31, 256, False)
    rgb = torch.stack([torch.from_numpy(world.render(s)) for s in scenes])
    pixels = rgb.permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        z = F.normalize(janus.model.vqmodel.quant_conv(janus.model.vqmodel.encoder(pixels)), dim=1)
        book = F.normalize(janus.model.vqmodel.quantize.embedding.weight, dim=-1)
        theirs = (z.permute(0, 2, 3, 1) @ book.T).argmax(-1).flatten(1)
        ours = vq.quantize(vq.quant_conv(vq.encoder(pixels)))[2].view(-1, model.TOKENS)
        mean = janus.model.vqmodel.decode(theirs)
        same = vq.decoder(vq.post_quant_conv(
            vq.quantize.embedding(theirs).view(-1, 8, 8, 8).permute(0, 3, 1, 2)))
    print(f"{(ours != theirs).sum()} of {ours.numel()} codes differ;"
          f" pixels differ by at most {(mean - same).abs().max():.2e}")
    rng = random.Random(31)
    transfer(janus, tokenizer, chameleon, vocabulary, ours, [world.prompt(s, rng) for s in scenes])
    torch.save(chameleon.state_dict(), args.out)


if __name__ == "__main__":
    main()
