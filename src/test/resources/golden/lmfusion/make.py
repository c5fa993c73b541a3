"""Writes a tiny random LLaVAFusion checkpoint, and what public code computes with it.

    python make.py     # torch 2.13.0, transformers 5.18.0, diffusers 0.42.1; no network

There are no published weights of LMFusion. The reference is put together of what others wrote: two of
transformers' Llamas, of whose norms and projections every row takes those of its own modality, with
transformers' attention over all rows between; what reads pictures is transformers'
LlavaForConditionalGeneration with the first of the two Llamas; patches, picture coder and schedulers are
those of ../transfusion/make.py, whose coder and tokenizer this checkpoint shares. README.md tells what is
in which file.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, LlamaForCausalLM, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb, eager_attention_forward

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("shared", HERE.parent / "transfusion" / "make.py")
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
BOS, EOS, BOI, EOI, PAD = shared.BOS, shared.EOS, shared.BOI, shared.EOI, shared.PAD
TOWER = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
             image_size=28, patch_size=7, projection_dim=8, hidden_act="quick_gelu")
READ = (28 // 7) ** 2


class Fusion(shared.Transfusion):
    def __init__(self, vocabulary):
        super().__init__(False, vocabulary)
        self.image = LlamaForCausalLM(self.llama.config).model

    def hidden(self, items):
        h, picture, kept = self.embed(items)
        drawn = (picture >= 0)[None, :, None]
        length = len(h)
        seen = torch.ones(length, length, dtype=torch.bool).tril()
        seen |= (picture[:, None] == picture[None]) & (picture[:, None] >= 0)
        mask = torch.zeros(1, 1, length, length).masked_fill(~seen, torch.finfo(torch.float32).min)

        def route(text, image, x):
            return torch.where(drawn, image(x), text(x))

        x = h[None]
        turn = self.llama.model.rotary_emb(x, torch.arange(length)[None])
        for t, i in zip(self.llama.model.layers, self.image.layers):
            n = route(t.input_layernorm, i.input_layernorm, x)
            q, k, v = [route(getattr(t.self_attn, name), getattr(i.self_attn, name), n)
                       .view(1, length, -1, t.self_attn.head_dim).transpose(1, 2)
                       for name in ("q_proj", "k_proj", "v_proj")]
            q, k = apply_rotary_pos_emb(q, k, *turn)
            out, _ = eager_attention_forward(t.self_attn, q, k, v, mask, scaling=t.self_attn.scaling,
                                             dropout=0.0)
            x = x + route(t.self_attn.o_proj, i.self_attn.o_proj, out.reshape(1, length, -1))
            n = route(t.post_attention_layernorm, i.post_attention_layernorm, x)
            x = x + route(t.mlp, i.mlp, n)
        return route(self.llama.model.norm, self.image.norm, x)[0], seen, kept


class Case(shared.Case):
    def __init__(self, seed):
        self.unet, self.name, self.tokenizer, self.tensors = False, "llava", shared.tokenizer(), {}
        self.sep = [shared.SEP]
        vocabulary = self.tokenizer.get_vocab_size()
        torch.manual_seed(seed)
        self.model = Fusion(vocabulary).eval()
        self.vae = AutoencoderKL.from_pretrained(HERE.parent / "transfusion" / "linear" / "vae").eval()
        self.llava = LlavaForConditionalGeneration(LlavaConfig(
            vision_config=CLIPVisionConfig(**TOWER), text_config=self.model.llama.config,
            image_token_index=PAD, image_seq_length=READ)).eval()
        self.llava.model.language_model = self.model.llama.model
        self.llava.lm_head = self.model.llama.lm_head
        towers = (self.llava.model.vision_tower, self.llava.model.multi_modal_projector)
        for part, gain in ((self.model, 1.5), *((tower, 1.4) for tower in towers)):
            for key, tensor in part.named_parameters():
                if tensor.dim() == 1 and "norm" in key and key.endswith("weight"):
                    made = 1 + 0.2 * torch.randn_like(tensor)
                elif tensor.dim() == 1:
                    made = 0.2 * torch.randn_like(tensor)
                elif "embed" in key and "time" not in key and "patch" not in key:
                    made = 0.8 * torch.randn_like(tensor)
                else:
                    made = gain / tensor[0].numel() ** 0.5 * torch.randn_like(tensor)
                tensor.copy_(made.bfloat16().float())
        self.said = torch.zeros(vocabulary, dtype=torch.bool)
        self.said[len(shared.SPECIAL):] = True
        self.said[EOS] = True

    def greedy(self, logits, ids):
        """24 words by what gives the logits of a sequence's last row."""
        ids, found, least = list(ids), [], 1e9
        while len(found) < shared.NEW_TOKENS:
            row = logits(ids).masked_fill(~self.said, -torch.inf)
            top = torch.topk(row, 2).values
            least = min(least, float(top[0] - top[1]))
            ids.append(int(row.argmax()))
            found.append(ids[-1])
            if found[-1] == EOS:
                break
        assert least > 1e-3, least
        return ids, found

    def save(self):
        state = {}
        for key, tensor in self.model.state_dict().items():
            if key.startswith("image."):
                key = key.removeprefix("image.")
                if key.startswith("embed_tokens"):
                    continue
                head, name = key.rsplit(".", 1)
                if ".mlp." in head:
                    head = head.replace(".mlp.", ".mlp_image.")
                else:
                    head += "_image"
                state[f"model.{head}.{name}"] = tensor
            else:
                state[key.removeprefix("llama.")] = tensor
        for key, tensor in self.llava.model.vision_tower.state_dict().items():
            state["vision_tower.vision_model." + key.removeprefix("vision_model.")] = tensor
        for key, tensor in self.llava.model.multi_modal_projector.state_dict().items():
            state["multi_modal_projector." + key] = tensor
        stored = {k: v.bfloat16().contiguous().clone() for k, v in state.items()}
        assert all(torch.equal(v.float(), state[k]) for k, v in stored.items())
        folder = HERE / self.name
        folder.mkdir(exist_ok=True)
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((HERE.parent / "transfusion" / "linear" / "config.json").read_text())
        config.update(model_type="lmfusion", vision_config=dict(TOWER, model_type="clip_vision_model"),
                      vision_feature_layer=-2, vision_feature_select_strategy="default",
                      projector_hidden_act="gelu", multimodal_projector_bias=True, image_seq_length=READ)
        shared.write_json(folder / "config.json", config)
        save_file(self.tensors, folder / "expected.safetensors")


def composed(case):
    """With the same weights twice, what is put together here is transformers' own Llama."""
    own = {k: v.clone() for k, v in case.model.image.state_dict().items()}
    case.model.image.load_state_dict(case.model.llama.model.state_dict())
    z = torch.randn(shared.CHANNELS, shared.SIZE, shared.SIZE)
    items = [BOS] + case.text("hi") + case.picture(z) + case.text("there")
    here, there = case.model.hidden(items)[0], shared.Transfusion.hidden(case.model, items)[0]
    assert torch.allclose(here, there, atol=1e-5), float((here - there).abs().max())
    case.model.image.load_state_dict(own)


def main():
    case = Case(7)
    composed(case)
    generator = torch.Generator().manual_seed(5)
    noise = torch.randint(-64, 65, (2, 10, shared.CHANNELS, shared.SIZE, shared.SIZE),
                          generator=generator) / 32.0
    rgb = np.random.default_rng(3).integers(
        0, 256, (shared.SIZE * shared.FACTOR, shared.SIZE * shared.FACTOR, 3), dtype=np.uint8)
    case.keep("noise", noise)
    case.keep("picture.rgb", torch.from_numpy(rgb))
    z = case.encode(rgb)
    case.keep("picture.latents", z)
    facts = dict(words=dict(draw="a red dot", edit="make it blue"))

    # Words alone: the Llama that the words' weights are of.
    llama = case.model.llama
    said = [BOS] + case.text("hello, you") + case.sep
    case.keep("text.logits", llama(torch.tensor([said])).logits[0])
    facts["text"] = dict(words="hello, you", prompt=said, ids=case.greedy(
        lambda ids: llama(torch.tensor([ids])).logits[0, -1], said)[1])

    # Pictures, denoised and clean, by their own weights; words behind them by theirs.
    prompts = {"draw": [BOS] + case.text("a red dot") + case.sep,
               "edit": [BOS] + case.picture(z) + case.text("make it blue") + case.sep}
    steps = shared.SCHEDULERS["ddpm"][0]
    for prompt, items in prompts.items():
        rows = case.rows(items)
        case.keep(prompt + ".outputs", torch.stack([case.model.output(r, noise[1, 0], 250.5) for r in rows]))
        after = case.draw(items, noise[0, :steps + 1], "ddpm")
        case.keep(f"{prompt}.ddpm", after)
        case.keep(f"{prompt}.ddpm.rgb", case.decode(after[-1]))
        drawn = items + case.picture(after[-1]) + [EOS] + case.text("and this?") + case.sep
        facts[prompt] = dict(behind="and this?", ids=case.say(drawn)[1])

    # Pictures that are read: LLaVA 1.5, its chat form, two turns.
    wide = np.random.default_rng(4).integers(0, 256, (40, 33, 3), dtype=np.uint8)
    case.keep("read.rgb", torch.from_numpy(wide))
    processor = CLIPImageProcessorPil(size=dict(shortest_edge=28), crop_size=dict(height=28, width=28))
    pixels = torch.as_tensor(np.asarray(processor(Image.fromarray(wide))["pixel_values"][0]))[None].float()
    case.keep("read.pixel_values", pixels[0])
    features = case.llava.get_image_features(pixel_values=pixels, vision_feature_layer=-2,
                                             vision_feature_select_strategy="default").pooler_output[0]
    assert features.shape == (READ, shared.WIDTH), features.shape
    case.keep("read.features", features)
    asked = [BOS] + case.text("USER: ") + [PAD] * READ + case.text("\nwhat is it? ASSISTANT:")

    def logits(ids):
        return case.llava(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0, -1]

    case.keep("read.logits", logits(asked))
    ids, first = case.greedy(logits, asked)
    _, second = case.greedy(logits, ids + case.text("USER: sure? ASSISTANT:"))
    other = case.greedy(lambda i: case.llava(input_ids=torch.tensor([i]), pixel_values=-pixels).logits[0, -1],
                        asked)[1]
    assert other != first, "the picture counts for nothing"
    facts["read"] = dict(words=["what is it?", "sure?"], ids=[first, second])
    (HERE / "llava").mkdir(exist_ok=True)
    processor.save_pretrained(HERE / "llava")
    case.save()
    shared.write_json(HERE / "llava" / "case.json", facts)
    print(facts)


if __name__ == "__main__":
    main()
