"""Writes small tokenizers of the kinds that published checkpoints use, and what the reference
makes of texts with them.

    python make.py        # tokenizers 0.23.3; seed 20, no network

Each folder holds tokenizer.json (and the files beside it that matter) and case.json:
  texts       text -> ids of the whole text as the reference encodes it with every special token
              read as text (encode_special_tokens), and those of the same text behind a control token
  templates   template -> ids with special tokens recognised
  sequences   ids -> text, with special tokens and without them
"""

import json
import random
import sys
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
JANUS = [
    BOS, EOS, PAD, "<image_placeholder>", "<patch_placeholder>", "<begin_of_image>",
    "<end_of_image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<|User|>",
    "<|Assistant|>",
]

CORPUS = [
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks.",
    "What is in the picture? Describe the picture, please. It shows a large red circle above a "
    "small blue square; there's a green triangle to the left of a yellow star.",
    "User: Hello!\n\nAssistant: Hi, I'm here. I've 12,345.67 reasons, and they'll don't can't.",
    "Die Straße führt über die Brücke zum Schloß. Où est l'élève? El niño comió piñas.",
    "İstanbul'da ılık bir gün, ışık ve iğne. I i İ ı.",
    "红色的圆形在蓝色的方块上面。图片里有什么？请描述这张图片。日本語のテキストです。",
    "Красный круг над синим квадратом. Что на картинке?",
    "مرحبا بالعالم، ما في الصورة؟ שלום עולם, מה בתמונה?",
    "def f(x):\n\treturn x ** 2  # square\n\n    if x:\n        pass\r\n",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️",
] * 4

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello, world!", "hello  world   and    more",
    "\n", "\n\n", "\r\n", "\t\tx", " \n \n x \n", "trailing   ", "   leading", "a\n\n\nb\n",
    "What is in the picture?", "What's this? I'm sure they'll don't.", "12345 and 1,234.5678",
    "İstanbul'da ILIK ıiIİ", "Straße Où élève", "e\u0301 vs \u00e9, n\u0303, A\u030a\u0301\u0302",
    "红色的圆形在蓝色的方块上面。", "日本語のテキスト、カタカナ ｶﾀｶﾅ ！", "한국어 문장입니다.",
    "Красный круг", "مرحبا بالعالم، ما في الصورة؟", "שלום עולם‏ abc", "हिन्दी में लिखा",
    "😀", "👍🏽👍", "👨‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "❤️ vs ❤", "🫠𝕏𝒜 𐍈", "x\u0000y", "\u0000",
    "\ufeffbom", "\u200b zero \u200d width", "\u00a0nbsp\u3000ideographic\u2028line\u2029para",
    "\ufffd replacement", "\ufdd0\uffff\U0010ffff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ø ö ÷ À ÿ õ", "tab\tand\u000bvt\u000cff", "def f(x):\n\treturn x ** 2  # square\n    pass",
    "<s>", "</s>", "<unk>", "<s>[INST] hi [/INST]</s>", "<0x41>", "▁under▁score", "##ing Ġword Ċ",
    "<|User|>: hi<|Assistant|>:", "<begin_of_image>", "a<image_placeholder>b", BOS + "x" + EOS,
    "<|User|><|User|>", " <end_of_image> ", "<begin_of_image", "begin_of_image>", "<｜▁pad▁｜>",
]


def bytelevel(trainer_size, pre, alphabet=True, **model):
    tok = Tokenizer(models.BPE(**model))
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=trainer_size, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else []))
    return tok


def cased():
    """Ranges of the letters that have a case, as the published expression lists them."""
    points = [c for c in range(0x1E944) if unicodedata.category(chr(c)) in ("Lu", "Ll", "Lt")]
    ranges = []
    for c in points:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return "".join(chr(a) if a == b else chr(a) + "-" + chr(b) for a, b in ranges)


def deepseek():
    """DeepSeek-LLM's tokenizer in form: the splits of the published file, and its letters that
    were added as words because UTF-8 never has the bytes that they stand for."""
    cjk = "[一-龥ࠀ-一가-퟿]+"
    letters = r"\s?[" + cased() + "]+"
    punctuation = r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
    iso = "isolated"
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[\r\n]"), iso), pre_tokenizers.Split(Regex(letters), iso),
        pre_tokenizers.Split(Regex(punctuation), iso), pre_tokenizers.Split(Regex(r"\s+$"), iso),
        pre_tokenizers.Split(Regex(cjk), iso), pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    never = "ÀÁõö÷øùúûüýþÿ"
    # The bytes C0, C1 and F5 to FF never occur in UTF-8: train without their letters.
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c not in never]
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Sequence([])
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=480, show_progress=False, initial_alphabet=alphabet))
    tok.add_special_tokens([AddedToken(t, normalized=True, special=True) for t in JANUS[:2]])
    tok.add_tokens([AddedToken(t, normalized=True) for t in never])
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in JANUS[2:]])
    return tok, BOS


def llama3():
    split = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
             r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tok = bytelevel(460, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), ignore_merges=True)
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in
                            ["<|begin_of_text|>", "<|end_of_text|>", *JANUS[3:]]])
    return tok, "<|begin_of_text|>"


def qwen2():
    split = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    tok = bytelevel(440, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))
    tok.normalizer = normalizers.NFC()
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in
                            ["<|endoftext|>", *JANUS[3:]]])
    return tok, "<|endoftext|>"


def gpt2():
    """GPT-2's own splits, with the runs of spaces that CodeGen and Phi added as words."""
    tok = bytelevel(430, pre_tokenizers.ByteLevel(add_prefix_space=False))
    tok.add_special_tokens(["<|endoftext|>"])
    tok.add_tokens([AddedToken(" " * n, normalized=True) for n in range(8, 1, -1)])
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in JANUS[3:]])
    return tok, "<|endoftext|>"


def llama(mark):
    """Llama 2's tokenizer in form; the mark before the first word in the old way (a normalizer)
    and in the new one (prepend_scheme)."""
    base = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    base.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    alphabet = sorted(set("".join(CORPUS[:5])) - {" "})
    base.train_from_iterator(CORPUS[:5], trainers.BpeTrainer(
        vocab_size=420, show_progress=False, limit_alphabet=90, initial_alphabet=alphabet[:0],
        special_tokens=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]))
    tok = base
    spec = json.loads(base.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    if mark == "first":
        spec["normalizer"] = None
        spec["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁",
                                 "prepend_scheme": "first", "split": False}
    else:
        spec["pre_tokenizer"] = None
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    tok = Tokenizer.from_str(json.dumps(spec))
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in JANUS[3:]])
    return tok, "<s>"


def unigram():
    """A Unigram model in the way of T5, whose vocabulary holds its control tokens as pieces."""
    tok = Tokenizer(models.Unigram())
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    tok.train_from_iterator(CORPUS[:5], trainers.UnigramTrainer(
        vocab_size=250, show_progress=False, unk_token="<unk>",
        special_tokens=["<pad>", "</s>", "<unk>"]))
    return tok, "</s>"


def prefixes(text, tok, control):
    """The ids of the text behind a control token, every special token in it read as text."""
    parts = Tokenizer.from_str(tok.to_str())
    spec = json.loads(parts.to_str())
    marker = "\x00marker\x00"
    for token in spec["added_tokens"]:
        if token["content"] not in spec["model"]["vocab"] and token["special"]:
            token["content"] = marker if token["content"] == control else "\x00" + str(token["id"])
            token["normalized"] = False
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not (
        t["special"] and t["content"] in spec["model"]["vocab"])]
    spec["post_processor"] = None
    ids = Tokenizer.from_str(json.dumps(spec)).encode(marker + text, add_special_tokens=False).ids
    assert ids[0] == tok.token_to_id(control), (text, ids)
    return ids[1:]


def write(name, tok, bos, behind, templates):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    if name in ("deepseek",):
        tok.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tok.token_to_id(bos))])
    # Truncation and padding of the file must not matter.
    if name == "llama3":
        tok.enable_truncation(8)
        tok.enable_padding(length=8, pad_id=0, pad_token="!")
    (folder / "tokenizer.json").write_text(tok.to_str(pretty=name == "llama-first"), "utf-8")
    tok.no_truncation()
    tok.no_padding()
    plain = Tokenizer.from_str(tok.to_str())
    plain.encode_special_tokens = True
    texts = []
    for text in TEXTS:
        entry = {"text": text, "ids": plain.encode(text, add_special_tokens=False).ids}
        if behind:
            entry["behind"] = prefixes(text, tok, behind)
        texts.append(entry)
    templates = [{"template": t, "ids": tok.encode(t, add_special_tokens=False).ids}
                 for t in templates]
    rng = random.Random(20)
    size = tok.get_vocab_size()
    lists = [t["ids"] for t in texts] + [t["ids"] for t in templates]
    lists += [[rng.randrange(size) for _ in range(rng.randrange(1, 40))] for _ in range(120)]
    # Bytes in no order, with halves of characters: mostly what is not UTF-8.
    some = [i for i in range(size) if len(tok.id_to_token(i)) == 1
            or tok.id_to_token(i).startswith("<0x")]
    lists += [[rng.choice(some) for _ in range(rng.randrange(1, 60))] for _ in range(120)]
    high = [tok.token_to_id("<0x%02X>" % b) for b in
            (0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xC3, 0xA9, 0x20)]
    if high[0] is not None:
        lists += [[rng.choice(high) for _ in range(rng.randrange(1, 12))] for _ in range(200)]
        lists += [high[:3], high[3:7], high[:3] + high[3:7], high[:3] + high[:1], high[:2]]
    else:
        letters = {b: c for b, c in zip(*byte_letters())}
        high = [tok.token_to_id(letters[b]) for b in
                (0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xC3, 0xA9, 0xF4, 0x90, 0xE0)]
        if None not in high:
            lists += [[rng.choice(high) for _ in range(rng.randrange(1, 12))] for _ in range(300)]
    sequences = [{"ids": ids, "shown": tok.decode(ids, skip_special_tokens=False),
                  "skipped": tok.decode(ids, skip_special_tokens=True)} for ids in lists]
    case = {"made_by": "make.py", "tokenizers": tokenizers.__version__, "python": sys.version[:6],
            "vocab_size": size, "behind": behind, "texts": texts, "templates": templates,
            "sequences": sequences}
    (folder / "case.json").write_text(
        json.dumps(case, ensure_ascii=True, separators=(",", ":")).replace('},{"', '},\n{"') + "\n",
        "utf-8")


def byte_letters():
    """GPT-2's letters for bytes."""
    same = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in same]
    return same + rest, [chr(b) for b in same] + [chr(256 + i) for i in range(len(rest))]


def templates(bos, eos):
    system = CORPUS[0] + " \n\n"
    return [
        f"{bos}{system}<|User|>: <image_placeholder>\nWhat is it?\n\n<|Assistant|>:",
        f"{bos}User: <begin_of_image><image_placeholder><image_placeholder><end_of_image>\nhi 😀\n\n"
        f"Assistant: a circle.{eos}User: and now?\n\nAssistant:",
        f"<|User|>: draw  a red circle\n\n<|Assistant|>:<begin_of_image>",
        f"x <|User|> y <|User|>z  <|User|>  ", f"{bos}", f" {bos} ", "plain text", "",
        f"<|User|><|Assistant|><|User|", "a\n<|ref|>\n\n<|/ref|> ø ÷ <|det|>", f"{eos}  two  {eos}",
    ]


for name, (tok, bos) in {
        "deepseek": deepseek(), "llama3": llama3(), "qwen2": qwen2(), "gpt2": gpt2(),
        "llama-prepend": llama("always"), "llama-first": llama("first"),
        "unigram": unigram()}.items():
    eos = {"deepseek": EOS, "llama3": "<|end_of_text|>"}.get(name, bos)
    if name == "unigram":
        write(name, tok, bos, None, [f"a circle{eos}", f"{eos} two {eos}{eos}x"])
    else:
        write(name, tok, bos, "<|User|>", templates(bos, eos))
