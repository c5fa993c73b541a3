"""Turns whose texts begin or end with odd white space, or hold nothing: what the reference's
templates make of them, on the tiny checkpoints beside this folder.

    python make.py JANUS        # JANUS: a checkout of deepseek-ai/Janus@1daa72f

hf/        rendered by transformers from chat_template.jinja
original/  janus/utils/conversation.py as VLChatProcessor calls it

ids hold one placeholder for each picture; transformers 5.18.0, tokenizers 0.23.3.
"""

import importlib.util
import json
import sys
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer

HERE = Path(__file__).parent
IMAGE = "<image_placeholder>"
WORDS = ["hi", "a  b\n", "", " ", " \n\t ", "\u00a0hi\u00a0", "\u0085hi\u0085", "\u001chi\u001f",
         "\u2007hi\u202f", "\u3000红\u3000", "\u200bhi\u200b", "\ufeffhi\ufeff", "\u180ehi\u180e",
         "\u2028hi\u2029", "\n\nhi\n\n", "\u0000hi\u0000", "hi \u00a0\n", "\u00a0", "😀 "]


def turns():
    for word in WORDS:
        yield [word]
        yield [None, word]
        yield [word, None]
        yield [None, word, None]
    yield [None]
    yield [None, None]
    yield [None, "first", None, "second"]
    yield ["one", "two"]
    yield [" one ", " two "]
    yield ["one", None, "two", "three"]


def hf(turn):
    content = [{"type": "image"} if p is None else {"type": "text", "text": p} for p in turn]
    rendered = HF.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=TEMPLATE, tokenize=False,
        add_generation_prompt=True)
    return HF_BARE.encode(rendered, add_special_tokens=False).ids


def original(turn):
    """A picture stands on a line of its own, as the README and the demos write it, unless the
    text beside it brings white space of its own."""
    content = ""
    for i, part in enumerate(turn):
        if part is None:
            content += "\n" if i and not (turn[i - 1] or "")[-1:].isspace() else ""
            content += IMAGE
            after = turn[i + 1:i + 2]
            content += "\n" if after and not (after[0] or "")[:1].isspace() else ""
        else:
            content += (" " if i and turn[i - 1] is not None else "") + part
    conversation = CONVERSATION.get_conv_template("deepseek")
    conversation.set_system_message("")
    conversation.append_message("<|User|>", content.strip())
    conversation.append_message("<|Assistant|>", "")
    return ORIGINAL.encode(conversation.get_prompt().strip(), add_special_tokens=False).ids


checkpoint = HERE.parent / "hf" / "checkpoint"
TEMPLATE = (checkpoint / "chat_template.jinja").read_text("utf-8")
HF = transformers.PreTrainedTokenizerFast(tokenizer_file=str(checkpoint / "tokenizer.json"))
HF_BARE = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
ORIGINAL = Tokenizer.from_file(
    str(HERE.parent / "original" / "janus-1.3b" / "checkpoint" / "tokenizer.json"))
spec = importlib.util.spec_from_file_location(
    "conversation", Path(sys.argv[1]) / "janus" / "utils" / "conversation.py")
CONVERSATION = importlib.util.module_from_spec(spec)
sys.modules["conversation"] = CONVERSATION
spec.loader.exec_module(CONVERSATION)

cases = [{"parts": turn, "hf": hf(turn), "original": original(turn)} for turn in turns()]
(HERE / "case.json").write_text(json.dumps(
    {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
     "turns": cases}, ensure_ascii=True).replace('}, {"parts"', '},\n{"parts"') + "\n", "utf-8")
