"""Writes what the authors' own generation code draws and says with the tiny checkpoint of ../meta.

    python make.py CHAMELEON     # a clone of facebookresearch/chameleon@dbbe47f; no network

torch 2.13.0, transformers 5.18.0, tokenizers 0.23.3. authors.py tells what of the clone is replaced
to run it on a CPU; README.md tells what is in which file.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

import authors

HERE = Path(__file__).parent
CHECKPOINT = HERE.parent / "meta" / "checkpoint"
# A smallest lead of the best token over the second that float32 sums in any order keep.
CLEAR = 2e-3


class Authors:
    def __init__(self, repository):
        self.chameleon, loader = authors.load(repository)
        self.model = loader.load_model(str(CHECKPOINT / "models" / "7b"))
        texts = CHECKPOINT / "tokenizer"
        self.tokens = self.chameleon.TokenManager(
            str(texts / "text_tokenizer.json"), str(texts / "vqgan.yaml"), str(texts / "vqgan.ckpt"),
            device="cpu")
        self.vocab = self.tokens.vocab
        self.rows = []
        adapter = self.chameleon.ChameleonModelAdapter
        forward = adapter.__call__

        def recorded(this, inputs):
            logits = forward(this, inputs)
            self.rows.append(logits[:, -1].clone())
            return logits

        adapter.__call__ = recorded

    def prompt(self, parts):
        """As the authors' viewer sends a turn: its parts and an end of turn."""
        ui = [dict(type="text" if isinstance(p, str) else "image", value=p) for p in parts]
        return self.tokens.tokens_from_ui(ui + [dict(type="sentinel", value="<END-OF-TURN>")])

    def options(self, text, image, penalty=1.2, scales=(3.0, 1.2), **more):
        """Greedy; temperature and top-p of 1, which change no argmax, keep the leads comparable."""
        o = self.chameleon.Options
        cfg = o.Image.CFG(guidance_scale_text=scales[0], guidance_scale_image=scales[1])
        return o(txt=o.Text(penalty, 1.0, 1.0, True) if text else False,
                 img=o.Image(cfg, 1.0, 1.0, True) if image else False, extra_eos_tokens=[], **more)

    def generate(self, ids, options):
        """-> the ids, and the smallest lead of a chosen token over the second."""
        self.rows.clear()
        out, lead = [], float("inf")
        for token in self.chameleon.Generator(self.model, self.vocab, options, [list(ids)]):
            out.append(int(token.id[0]))
            best = torch.topk(token.logits[0], 2).values
            lead = min(lead, float(best[0] - best[1]))
        assert lead > CLEAR, (ids, lead)
        return out, round(lead, 4)


def picture(seed):
    pixels = torch.randint(0, 256, (8, 8, 3), generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(pixels.to(torch.uint8).numpy(), "RGB")


def named(parts):
    """Parts as they are written: a text, or the pixels of a picture by row."""
    return [p if isinstance(p, str) else dict(width=p.width, height=p.height,
                                              rgb=list(p.tobytes())) for p in parts]


def drawn(they, arrays):
    cases = []
    for name, parts, scales in [
            ("text", ["a small green star"], (3.0, 1.2)),
            ("text-and-picture", ["what is in ", picture(40), "the picture?"], (3.0, 1.2)),
            ("text-and-picture-unguided", ["what is in ", picture(40), "the picture?"], (1.0, 1.0)),
            ("text-and-picture-mixed", ["what is in ", picture(40), "the picture?"], (5.0, 0.5)),
            ("two-pictures", [picture(41), picture(42), " a red circle"], (3.0, 1.2))]:
        ids = they.prompt(parts)
        out, lead = they.generate(ids, they.options(False, True, scales=scales))
        assert len(out) == authors.CODES
        codes = they.tokens.translation.convert_bpe2img(torch.tensor(out)).tolist()
        cases.append(dict(name=name, parts=named(parts), prompt=ids, guidance_text=scales[0],
                          guidance_image=scales[1], ids=out, codes=codes, lead=lead))
        for step in range(2):
            arrays[f"{name}.rows.{step}"] = they.rows[step].clone()
        print(name, codes, lead)
    return cases


def said(they):
    cases = []
    for name, parts, penalty, limit in [
            ("penalty", ["describe it, please."], 1.2, None),
            ("no-penalty", ["describe it, please."], 1.0, None),
            ("picture", ["what is in ", picture(40), "the picture?"], 1.2, None),
            ("context", ["describe it, please."], 1.2, 7)]:
        ids = they.prompt(parts)
        context = 4096 if limit is None else len(ids) + limit
        options = they.options(True, False, penalty, max_seq_len=context, max_gen_len=24)
        out, lead = they.generate(ids, options)
        cases.append(dict(name=name, parts=named(parts), prompt=ids, penalty=penalty,
                          context=context, max_tokens=24, ids=out, lead=lead))
        print(name, out, lead)
    return cases


def interleaved(they):
    """With a model that opens pictures: the row of that token in `output`, times 3."""
    begin, end = they.vocab.begin_image, they.vocab.end_image
    they.model.output.weight.data[begin] *= 3
    cases = []

    def case(name, text, penalty, context):
        ids = they.prompt([text])
        options = they.options(True, True, penalty, max_seq_len=context, max_gen_len=14)
        out, lead = they.generate(ids, options)
        pictures = out.count(begin)
        assert out.count(end) == pictures
        words = len(out) - pictures * (authors.CODES + 2)
        cases.append(dict(name=name, parts=[text], prompt=ids, penalty=penalty, context=context,
                          words=words, pictures=pictures, ids=out, lead=lead))
        print(name, pictures, "pictures", words, "words", lead)
        return ids + out

    case("penalty", "a draw draw", 1.2, 4096)
    case("penalty-more", "in 1", 1.2, 4096)
    case("no-penalty", "left sides", 1.0, 4096)
    whole = case("ended", "a red above a a green", 1.0, 4096)
    assert whole[-1] == they.vocab.eos_id
    # The begin of a picture is forbidden at positions from max_seq_len - 18 on.
    first = whole.index(begin)
    case("context-fits", "a red above a a green", 1.0, first + authors.CODES + 3)
    case("context-short", "a red above a a green", 1.0, first + authors.CODES + 2)
    they.model.output.weight.data[begin] /= 3
    return cases


def processed(they, arrays):
    """Probabilities behind the authors' own processors, for given logits."""
    generator = torch.Generator().manual_seed(43)
    size = they.model.args.vocab_size
    options = they.chameleon.Options(txt=True, img=True, extra_eos_tokens=[])
    seen = torch.randint(0, size, (1, 40), generator=generator)
    logits = torch.randn(1, size, generator=generator) * 2
    text = they.chameleon.TextDecoder.__new__(they.chameleon.TextDecoder)
    text.vocab, text.options = they.vocab, options
    scores = logits.clone()
    for processor in text._logits_processors():
        scores = processor(seen, scores)
    arrays.update({"text.logits": logits, "text.probabilities": scores.softmax(1)})
    # near each other, as the contexts of one picture are
    rows = torch.randn(1, size, generator=generator)
    rows = rows + torch.randn(3, size, generator=generator) * 0.2
    image = they.chameleon.ImageDecoder(they.model, they.vocab, options, [[they.vocab.bos_id]])
    scores = rows.clone()
    for processor in image.gen.logits_processors:
        scores = processor(seen, scores)
    arrays.update({"image.logits": rows, "image.probabilities": scores[:1].softmax(1)})
    for name in ("text", "image"):
        kept = arrays[name + ".probabilities"]
        print(name, int((kept > 0).sum()), "tokens kept")
    return dict(seen=seen[0].tolist(), allowed=sorted(text._allowed_tokens()))


def main(repository):
    torch.set_num_threads(1)
    they = Authors(repository)
    arrays = {}
    case = dict(drawn=drawn(they, arrays), said=said(they), interleaved=interleaved(they),
                processed=processed(they, arrays))
    text = json.dumps(case, ensure_ascii=False)
    for mark in ('{"name"', '"drawn"', '"said"', '"interleaved"', '"processed"'):
        text = text.replace(mark, "\n" + mark)
    (HERE / "case.json").write_text(text + "\n", encoding="utf-8")
    save_file({k: v.contiguous() for k, v in arrays.items()}, HERE / "expected.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
