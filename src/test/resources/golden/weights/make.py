"""Checkpoints written by the reference libraries, for the readers in dev.diptych.core.weights.

Made with Python 3.11, torch 2.13.0, safetensors 0.8.0, transformers 5.18.0; seed 0.
Run in this folder: python make.py

Every X.bin or X.ckpt has an X.safetensors beside it, written by the safetensors library: the same
tensors, contiguous. refused/ holds files that real tools write and that must be refused.
"""

import collections
import os
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


def both(name, saved, tensors):
    torch.save(saved, HERE / name)
    same = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(same, HERE / (name.rsplit(".", 1)[0] + ".safetensors"), metadata={"format": "pt"})


def types():
    state = collections.OrderedDict()
    for dtype in FLOATS:
        state[str(dtype)] = torch.randn(3, 5).to(dtype)
    for dtype in INTEGERS:
        state[str(dtype)] = torch.randint(-100, 100, (2, 3)).to(dtype)
    state["bool"] = torch.tensor([True, False, True])
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.empty(0, 3)
    state["schlüssel.☃"] = torch.ones(1)
    return state


def views():
    base = torch.arange(240, dtype=torch.float32)
    cube = base[:120].reshape(4, 5, 6)
    half = torch.randn(6, 8).to(torch.bfloat16)
    return {
        "cube": cube,
        "permuted": cube.permute(2, 0, 1),
        "transposed": cube[0].t(),
        "offset": base[7:19].reshape(3, 4),
        "stepped": base[3:200:7],
        "column": cube[:, 2, 3],
        "every_other": cube[::2, 1::2, ::3],
        "one": base[100],
        "broadcast_of_one": base[5:6].expand(1, 1),
        "half": half,
        "half_transposed": half.t(),
        "half_rows": half[2:5],
        "int8_transposed": torch.arange(12, dtype=torch.int8).reshape(3, 4).t(),
        "int64_stepped": torch.arange(20)[::3],
        "empty_strided": cube[:, :, 3:3].transpose(0, 1),
    }


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(3)
        self.proj = torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.proj(self.norm(x))


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name, state in {"types.bin": types(), "views.bin": views()}.items():
        both(name, state, state)

    block = Block()
    both("module.bin", block.state_dict(), block.state_dict())
    both("parameters.bin", dict(block.named_parameters()), dict(block.named_parameters()))
    wrapped = {
        "epoch": 3,
        "lr": 1e-3,
        "name": "run",
        "done": None,
        "large": 2**40,
        "negative": -(2**40),
        "history": [1, 2.5, (True, False)],
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
        "state_dict": {"module." + k: v for k, v in block.state_dict().items()},
    }
    both("wrapped.ckpt", wrapped, block.state_dict())

    save_file(
        {
            "f8_e4m3": torch.ones(4, dtype=torch.float8_e4m3fn),
            "f8_e5m2": torch.ones(4, dtype=torch.float8_e5m2),
            "u16": torch.ones(3, dtype=torch.uint16),
            "u64": torch.ones(3, dtype=torch.uint64),
            "weight": torch.arange(4, dtype=torch.float32),
        },
        HERE / "rare_types.safetensors",
    )

    sharded = HERE / "sharded"
    shutil.rmtree(sharded, ignore_errors=True)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=32,
        tie_word_embeddings=False)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(sharded, max_shard_size="6KB")
    os.remove(sharded / "generation_config.json")

    refused = HERE / "refused"
    refused.mkdir(exist_ok=True)
    torch.save(block.state_dict(), refused / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.jit.script(block).save(str(refused / "torchscript.pt"))
    torch.save(block, refused / "whole_module.bin")
    torch.save({"a": torch.ones(2, dtype=torch.uint16)}, refused / "uint16.bin")
    torch.save({"a": torch.ones(2, dtype=torch.float8_e4m3fn)}, refused / "float8.bin")
    torch.save({"a": torch.zeros(1).expand(1000, 1000)}, refused / "broadcast.bin")
    torch.save({"a": torch.ones(2), "n": 3}, refused / "not_only_tensors.bin")
    torch.save(torch.ones(2), refused / "bare_tensor.bin")
    torch.save({"a": torch.complex(torch.ones(2), torch.ones(2))}, refused / "complex.bin")
    negated = torch.complex(torch.ones(2), torch.ones(2)).conj().imag
    torch.save({"a": negated}, refused / "negated.bin")
    torch.save({"a": torch.eye(3).to_sparse()}, refused / "sparse.bin")
    torch.save({"a": torch.ones(2)}, refused / "protocol_5.bin", pickle_protocol=5)


if __name__ == "__main__":
    main()
