"""Writes what Lumina-mGPT's own prompts and logits processors draw with the weights of ../hf.

    python make.py LUMINA     # a clone of Alpha-VLLM/Lumina-mGPT@104abe4; no network

torch 2.13.0, transformers 5.18.0, tokenizers 0.23.3. authors.py tells what of the clone is replaced
to run it on a CPU with tiny pictures; README.md tells what is in case.json.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from transformers import (GenerationConfig, LogitsProcessor, LogitsProcessorList,
                          PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList)

import authors

HERE = Path(__file__).parent
HF = HERE.parent / "hf" / "checkpoint"
CODES = 64
# Three units of 4 pixels: 9 units, of which 4 x 2 is twice as wide as high.
TARGET = 12
# A smallest lead of the best token over the second that float32 sums in any order keep.
CLEAR = 2e-3


class Allowed(LogitsProcessor):
    """Words outside of pictures, a size of the list behind a picture's begin: the authors leave both
    to the model, which has learned them."""

    def __init__(self, they, prompt_length):
        self.they, self.prompt_length = they, prompt_length

    def __call__(self, input_ids, scores):
        ids = input_ids[0].tolist()
        begin, end = self.they.id("<racm3:break>"), self.they.id("<eoss>")
        if ids.count(begin) == ids.count(end):
            allowed = self.they.words + [self.they.id("<reserved08706>"), begin]
        else:
            header = ids[len(ids) - 1 - ids[::-1].index(begin):][1:]
            if len(header) >= 2:
                return scores
            sizes = [(self.they.size(h), self.they.size(w)) for w, h in self.they.sizes]
            allowed = [s[len(header)] for s in sizes if list(s[:len(header)]) == header]
        masked = torch.full_like(scores, float("-inf"))
        masked[:, allowed] = scores[:, allowed]
        return masked


class Lead(LogitsProcessor):
    """Remembers the smallest distance of the best score from the second."""
    least = float("inf")

    def __call__(self, input_ids, scores):
        best = torch.topk(scores[0], 2).values
        self.least = min(self.least, float(best[0] - best[1]))
        return scores


class Words(StoppingCriteria):
    """Ends behind so many words."""

    def __init__(self, they, prompt_length, most):
        self.they, self.prompt_length, self.most = they, prompt_length, most

    def __call__(self, input_ids, scores, **_):
        return torch.tensor([self.they.count(input_ids[0, self.prompt_length:].tolist())[0]
                             >= self.most])


class Authors:
    def __init__(self, repository):
        self.vocabulary = json.loads((HF / "config.json").read_text())["vocabulary_map"]
        meta = HERE.parent / "meta" / "checkpoint" / "tokenizer"
        data, solver = authors.load(repository, meta, self.vocabulary, CODES)
        fast = PreTrainedTokenizerFast(tokenizer_file=str(HF / "tokenizer.json"), bos_token="<s>",
                                       eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
        self.solver = solver.FlexARInferenceSolver.__new__(solver.FlexARInferenceSolver)
        self.solver.item_processor = data.FlexARItemProcessor(
            authors.Tokenizer(fast), target_size=TARGET)
        self.solver.model = authors.Model.from_pretrained(HF, dtype=torch.float32).eval()
        self.sizes = [(w // authors.UNIT, h // authors.UNIT)
                      for w, h in self.solver.item_processor.crop_size_list]
        self.words = [i for n, i in self.vocabulary.items()
                      if not n.startswith("IMGIMG") and (not n.startswith("<") or n == "<")]

    def id(self, name):
        return self.vocabulary[name]

    def size(self, units):
        return self.id(self.solver.item_processor.get_n_grids_token(units))

    def prompt(self, text, images):
        return self.solver.item_processor.process_item(
            dict(image=images, conversations=[{"from": "human", "value": text},
                                              {"from": "gpt", "value": None}]))

    def count(self, ids):
        """-> words and pictures that are whole."""
        words, pictures, inside = 0, 0, False
        for i in ids:
            inside = inside or i == self.id("<racm3:break>")
            words += not inside
            if i == self.id("<eoss>"):
                inside, pictures = False, pictures + 1
        return words, pictures

    @torch.no_grad()
    def generate(self, prompt, cfg, free=False, **more):
        lead = Lead()
        processors = self.solver.create_logits_processor(cfg=cfg, image_top_k=2000, text_top_k=10)
        processors = LogitsProcessorList(
            processors + ([Allowed(self, len(prompt))] if free else []) + [lead])
        config = GenerationConfig(do_sample=False, top_k=None, temperature=None, max_length=None,
                                  eos_token_id=[self.id("<reserved08706>")], pad_token_id=1, **more)
        stop = StoppingCriteriaList([Words(self, len(prompt), 14)] if free else [])
        out = self.solver.model.generate(
            torch.tensor([prompt]), config, logits_processor=processors, stopping_criteria=stop)
        assert lead.least > CLEAR, (prompt, lead.least)
        return out[0, len(prompt):].tolist(), round(lead.least, 4)


def picture(width, height, seed):
    pixels = torch.randint(0, 256, (height, width, 3),
                           generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(pixels.to(torch.uint8).numpy(), "RGB")


def named(parts):
    """Parts as they are written: a text, or the pixels of a picture by row."""
    return [p if isinstance(p, str) else dict(width=p.width, height=p.height,
                                              rgb=list(p.tobytes())) for p in parts]


def drawn(they):
    cases = []
    for name, words, grids, cfg in [("square", "a red circle", (3, 3), 4.0),
                                    ("wide", "a red circle", (4, 2), 4.0),
                                    ("wide-unguided", "a red circle", (4, 2), 1.0),
                                    ("high", "a small green star", (2, 4), 3.0),
                                    ("wide-edited", [picture(16, 8, 50), " a blue star"], (4, 2), 4.0)]:
        w, h = grids
        width, height = w * authors.UNIT, h * authors.UNIT
        if isinstance(words, str):
            parts = [words]
            text = (f"Generate an image of {width}x{height} according to the following prompt:\n"
                    f"{words}")
            prompt = they.prompt(text, [])
        else:
            parts = words
            prompt = they.prompt("<|image|>" + words[1], words[:1])
        header = [they.id("<racm3:break>"), they.size(h), they.size(w)]
        out, lead = they.generate(prompt + header, cfg, max_new_tokens=2 * h * (2 * w + 1) + 1)
        assert out[-1] == they.id("<eoss>")
        image = they.solver.decode_image(header[1:] + out[:-1])
        assert image.size == (width, height)
        codes = [i - 4 for i in out if 4 <= i < 4 + CODES]
        cases.append(dict(name=name, parts=named(parts), width=width, height=height, guidance=cfg,
                          prompt=prompt, ids=header + out, codes=codes, lead=lead,
                          rgb=list(image.tobytes())))
        print(name, codes, lead)
    return cases


def interleaved(they):
    """With a model that opens pictures: the row of that token in `lm_head`, times 3."""
    begin = they.id("<racm3:break>")
    they.solver.model.lm_head.weight.data[begin] *= 3
    cases = []
    for name, parts, cfg in [("guided", ["1 red"], 4.0),
                             ("unguided", ["3 sides 1 the is"], 1.0),
                             ("picture", ["red ", picture(8, 16, 51), "star"], 3.0)]:
        text = "".join(p if isinstance(p, str) else "<|image|>" for p in parts)
        prompt = they.prompt(text, [p for p in parts if not isinstance(p, str)])
        out, lead = they.generate(prompt, cfg, free=True, max_new_tokens=400)
        words, pictures = they.count(out)
        cases.append(dict(name=name, parts=named(parts), guidance=cfg, prompt=prompt, words=words,
                          pictures=pictures, ids=out, lead=lead))
        print(name, words, "words", pictures, "pictures", lead)
    they.solver.model.lm_head.weight.data[begin] /= 3
    return cases


def main(repository):
    torch.set_num_threads(1)
    they = Authors(repository)
    case = dict(target=TARGET, sizes=[[w * authors.UNIT, h * authors.UNIT] for w, h in they.sizes],
                drawn=drawn(they), interleaved=interleaved(they))
    text = json.dumps(case, ensure_ascii=False)
    for mark in ('{"name"', '"drawn"', '"interleaved"', '"sizes"'):
        text = text.replace(mark, "\n" + mark)
    (HERE / "case.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
