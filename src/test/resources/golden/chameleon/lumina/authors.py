"""Lumina-mGPT's own prompts and logits processors on a CPU, with the vocabulary of ../hf.

The modules are loaded from a clone of Alpha-VLLM/Lumina-mGPT. Replaced are: "cuda" by "cpu"; the
published ids 4 to 8195 of the codes and 8804 of size 0 by the tiny vocabulary's, and 32 pixels of a
grid unit (16 of a code) by 4 (2), those of the tiny coder; the place of Meta's tokenizer folder; and
a class that transformers 5 has dropped. The model is transformers' Chameleon with its codes' logits
left as they are, which is what the authors' copy of it does.
"""

import sys
import types
from pathlib import Path

import torch
import transformers
from transformers import ChameleonForConditionalGeneration, LogitsProcessor
from transformers.generation import logits_process
from transformers.modeling_outputs import CausalLMOutputWithPast

UNIT = 4


class Model(ChameleonForConditionalGeneration):
    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, use_cache=True,
                position_ids=None, **_):
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache,
                         past_key_values=past_key_values, position_ids=position_ids)
        return CausalLMOutputWithPast(logits=self.lm_head(out.last_hidden_state),
                                      past_key_values=out.past_key_values)


def load(repository, meta_tokenizer, vocabulary, codes):
    """The modules data.item_processor and inference_solver of a clone."""
    repository = Path(repository)
    first = str(vocabulary["<reserved08800>"])
    replaced = {
        "item_processor.py": [
            ("self.patch_size = 32", f"self.patch_size = {UNIT}"),
            ("image.size[1] // 16, image.size[0] // 16",
             f"image.size[1] // {UNIT // 2}, image.size[0] // {UNIT // 2}"),
            ("image.size[1] // 16, 1", f"image.size[1] // {UNIT // 2}, 1"),
            ("8804", first), ('"cuda"', '"cpu"'), (".cuda()", ""),
            ("./ckpts/chameleon/tokenizer", str(meta_tokenizer))],
        "inference_solver.py": [
            ("8804", first), ('"cuda"', '"cpu"'),
            ("range(4, 8195 + 1)", f"range(4, {4 + codes})")],
    }

    def module(name, path, package=False):
        found = types.ModuleType(name)
        found.__file__ = str(repository / path)
        if package:
            found.__path__ = [str((repository / path).parent)]
        sys.modules[name] = found
        text = (repository / path).read_text(encoding="utf-8")
        # xllmx has an item_processor.py of its own, in which nothing is replaced
        for old, new in replaced.get(Path(path).name, []) if path.startswith("lumina") else []:
            assert old in text, f"{path} has no {old}"
            text = text.replace(old, new)
        exec(compile(text, found.__file__, "exec"), found.__dict__)
        return found

    sys.dont_write_bytecode = True
    logits_process.LogitsWarper = LogitsProcessor
    model = types.ModuleType("model")
    model.__path__ = [str(repository / "lumina_mgpt" / "model")]
    sys.modules["model"] = model
    chameleon = types.ModuleType("model.chameleon")
    chameleon.ChameleonForConditionalGeneration = Model
    sys.modules["model.chameleon"] = chameleon
    sys.path.insert(0, str(repository))
    for name in ("data", "xllmx.model.tokenizer"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["data"].__path__ = []
    # only its name is asked for: the tokenizer is given
    sys.modules["xllmx.model.tokenizer"].Tokenizer = object
    module("data.convertsation", "lumina_mgpt/data/convertsation.py")
    processor = module("data.item_processor", "lumina_mgpt/data/item_processor.py")
    solver = module("inference_solver", "lumina_mgpt/inference_solver.py")
    assert transformers.generation.logits_process is logits_process and torch.no_grad
    return processor, solver


class Tokenizer:
    """What xllmx/model/tokenizer.py is for a tokenizer of transformers."""

    def __init__(self, fast):
        self.tokenizer = fast

    def encode(self, text, bos, eos):
        ids = self.tokenizer.encode(text, truncation=False, add_special_tokens=False)
        return ([self.tokenizer.bos_token_id] if bos else []) + ids + (
            [self.tokenizer.eos_token_id] if eos else [])

    def encode_wo_prefix_space(self, text):
        return self.encode(text, False, False)
