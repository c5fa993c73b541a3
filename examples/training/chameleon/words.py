"""The demo's tokenizer: the names that a Chameleon reads pictures by, then byte-level BPE in which
every word of the picture world is one token."""

from __future__ import annotations

import json
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import world

BOS, PAD, EOS, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
EOI, BOI, TURN, IMAGE = "<eoss>", "<racm3:break>", "<reserved08706>", "<image>"
CODES = 512
FIRST_CODE = 4
VOCABULARY = 1024


def code_name(code: int) -> str:
    """Decimal digits as letters: code 120 is IMGIMGBCAZ."""
    return "IMGIMG" + "".join(chr(ord("A") + int(d)) for d in str(code)) + "Z"


NAMES = [BOS, PAD, EOS, UNKNOWN] + [code_name(c) for c in range(CODES)] + [EOI, BOI, TURN, IMAGE]
ID = {name: i for i, name in enumerate(NAMES)}


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
    return found


def train() -> Tokenizer:
    """Learns the merges on the words, then puts the published names before the bytes."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(NAMES), min_frequency=3, show_progress=False,
        initial_alphabet=alphabet))
    learned = json.loads(learner.to_str())["model"]
    vocabulary = dict(ID)
    for piece, _ in sorted(learned["vocab"].items(), key=lambda e: e[1]):
        vocabulary[piece] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(m) for m in learned["merges"]]))
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, PAD, EOS, UNKNOWN, EOI, BOI, TURN, IMAGE])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, ID[BOS])])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, unk_token=UNKNOWN,
        sep_token=TURN,
        extra_special_tokens={"image_token": IMAGE, "boi_token": BOI, "eoi_token": EOI},
        model_max_length=1024, padding_side="left", clean_up_tokenization_spaces=False,
    )
