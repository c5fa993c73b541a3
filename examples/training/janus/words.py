"""The demo's tokenizer: byte-level BPE in which every word of the picture world is one token."""

from __future__ import annotations

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import world

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
IMAGE = "<image_placeholder>"
BOI = "<begin_of_image>"
EOI = "<end_of_image>"
USER = "<|User|>"
ASSISTANT = "<|Assistant|>"
VOCABULARY = 512

def train() -> Tokenizer:
    rng = random.Random(5)
    corpus = []
    for scene in world.scenes(5, 6000, False, single=0.2):
        corpus.append(": " + world.prompt(scene, rng) + "\n\n")
        question, answer = world.question(scene, rng)
        corpus.append("\n" + question + "\n\n: " + answer)
        corpus.append("\n" + world.caption_question(rng) + "\n\n: " + world.caption(scene))
        corpus.append(": " + question)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, min_frequency=3, show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[BOS, EOS, PAD, IMAGE, BOI, EOI, USER, ASSISTANT],
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE, "boi_token": BOI, "eoi_token": EOI},
        model_max_length=1024, padding_side="left", clean_up_tokenization_spaces=False,
    )
