"""The demo's tokenizer: byte-level BPE in which every word of the picture world is one token."""

from __future__ import annotations

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import world

BOS, PAD, EOS, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
BOI, EOI, SEP = "<boi>", "<eoi>", "<sep>"
NAMES = [BOS, PAD, EOS, UNKNOWN, BOI, EOI, SEP]
ID = {name: i for i, name in enumerate(NAMES)}
VOCABULARY = 512


def corpus() -> list[str]:
    rng = random.Random(5)
    found = []
    for scene in world.scenes(5, 6000, False, single=0.2):
        question, answer = world.question(scene, rng)
        found += [world.prompt(scene, rng), question, answer, world.caption_question(rng),
                  world.caption(scene)]
    for story in world.stories(6, 3000, False):
        found.append(world.story_prompt(story, rng))
        lines = story.lines()
        found += [lines[0]] + [" " + line for line in lines[1:]]
    for edit in world.edits(7, 3000, False):
        found.append(world.edit_prompt(edit, rng))
    return found


def train() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=3, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=NAMES))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, ID[BOS])])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, unk_token=UNKNOWN,
        sep_token=SEP, extra_special_tokens={"boi_token": BOI, "eoi_token": EOI},
        model_max_length=1024, padding_side="left", clean_up_tokenization_spaces=False,
    )
