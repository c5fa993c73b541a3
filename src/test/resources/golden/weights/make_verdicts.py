"""What the safetensors library itself says of right, wrong and randomly damaged files.

Made with Python 3.11, safetensors 0.8.0, torch 2.13.0; seed 0. Run in this folder:
python make_verdicts.py

verdicts.json: a list of [name, file as base64, whether safetensors.torch.load accepts it].
"""

import base64
import json
import pathlib
import random
import struct

from safetensors.torch import load

HERE = pathlib.Path(__file__).parent


def file(header, data=b"", length=None):
    if not isinstance(header, bytes):
        header = header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape="[2]", offsets="[0,8]", extra=""):
    return '{"dtype":"%s","shape":%s,"data_offsets":%s%s}' % (dtype, shape, offsets, extra)


def one(data=8, **fields):
    return file('{"a":%s}' % entry(**fields), bytes(data))


def two(first, second, data):
    return file('{"a":%s,"b":%s}' % (entry("I8", "[%d]" % (first[1] - first[0]), str(list(first))),
                                     entry("I8", "[%d]" % (second[1] - second[0]),
                                           str(list(second)))), bytes(data))


def systematic():
    good = one()
    yield "good", good
    for n in range(0, 9):
        yield f"{n} bytes", good[:n]
    yield "one byte short", good[:-1]
    yield "one byte long", good + b"\0"
    yield "empty object", file("{}")
    yield "empty object and data", file("{}", b"\0")
    yield "empty header", file("")
    yield "padded header", file('{"a":%s}   ' % entry(), bytes(8))
    yield "leading space", file('  {"a":%s}' % entry(), bytes(8))
    yield "leading newline", file('\n{"a":%s}' % entry(), bytes(8))
    yield "leading nul", file('\0{"a":%s}' % entry(), bytes(8))
    yield "trailing text", file('{"a":%s}x' % entry(), bytes(8))
    yield "array", file("[]")
    yield "string", file('"a"')
    yield "null", file("null")
    yield "number", file("1")
    yield "not utf-8", file(b'{"a\xff":%s}' % entry().encode(), bytes(8))
    yield "utf-8 name", file('{"ä☃𝄞":%s}' % entry(), bytes(8))
    yield "escaped name", file('{"\\u00e4\\n":%s}' % entry(), bytes(8))
    yield "empty name", file('{"":%s}' % entry(), bytes(8))
    yield "raw control character", file('{"a\n":%s}' % entry(), bytes(8))
    yield "byte order mark", file('\ufeff{"a":%s}' % entry(), bytes(8))
    yield "comment", file('{/**/"a":%s}' % entry(), bytes(8))
    yield "trailing comma", file('{"a":%s,}' % entry(), bytes(8))
    yield "single quotes", file(("{'a':%s}" % entry()), bytes(8))
    yield "duplicate tensor", file('{"a":%s,"a":%s}' % (entry(), entry()), bytes(8))
    yield "duplicate field", one(extra=',"dtype":"F32"')
    yield "unknown field", one(extra=',"x":1')
    yield "no dtype", file('{"a":{"shape":[2],"data_offsets":[0,8]}}', bytes(8))
    yield "no shape", file('{"a":{"dtype":"F32","data_offsets":[0,8]}}', bytes(8))
    yield "no offsets", file('{"a":{"dtype":"F32","shape":[2]}}', bytes(8))
    yield "entry is null", file('{"a":null}')
    yield "entry is array", file('{"a":[]}')
    for dtype in ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "U16",
                  "U32", "U64", "F8_E4M3", "F8_E5M2"]:
        yield f"dtype {dtype} of no bytes", one(0, dtype=dtype, shape="[0]", offsets="[0,0]")
    for dtype in ["f32", "float32", "F31", "", "STRING", "F32 "]:
        yield f"dtype '{dtype}'", one(dtype=dtype)
    yield "dtype number", file('{"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}', bytes(8))
    for shape in ["[1,2]", "[2,1,1,1]", "[]", "[3]", "[-2]", "[2.0]", "[2e0]", '["2"]', "[null]",
                  "2", "[[2]]", "[true]", "[02]", "[+2]", "[0]", "[18446744073709551616]",
                  "[9223372036854775808]", "[4294967296,4294967296]", "[4611686018427387904,4]",
                  "[4611686018427387904,4,0]", "[0,4611686018427387904]", "[4611686018427387906]"]:
        yield f"shape {shape}", one(shape=shape)
    yield "scalar", one(4, shape="[]", offsets="[0,4]")
    yield "empty tensor", one(0, shape="[0,5]", offsets="[0,0]")
    yield "empty tensor after", file('{"a":%s,"b":%s}' % (entry(), entry(
        shape="[0]", offsets="[8,8]")), bytes(8))
    yield "empty tensor inside", file('{"a":%s,"b":%s}' % (entry(), entry(
        shape="[0]", offsets="[4,4]")), bytes(8))
    for offsets in ["[0,7]", "[0,9]", "[1,9]", "[8,0]", "[-8,0]", "[0.0,8]", "[0,8.0]", "[0,8e0]",
                    '["0","8"]', "[0]", "[0,8,8]", "[]", "null", "[null,8]", "[0,08]",
                    "[0,18446744073709551615]", "[18446744073709551608,18446744073709551616]"]:
        yield f"offsets {offsets}", one(offsets=offsets)
    yield "two in order", two((0, 3), (3, 8), 8)
    yield "two out of order", two((3, 8), (0, 3), 8)
    yield "overlap", two((0, 5), (3, 8), 8)
    yield "same place", two((0, 8), (0, 8), 8)
    yield "hole", two((0, 3), (4, 8), 8)
    yield "hole at begin", two((1, 3), (3, 8), 8)
    yield "hole at end", two((0, 3), (3, 7), 8)
    yield "metadata", file('{"__metadata__":{"k":"v"},"a":%s}' % entry(), bytes(8))
    yield "metadata last", file('{"a":%s,"__metadata__":{}}' % entry(), bytes(8))
    for value in ["null", "[]", '"x"', "1", '{"k":1}', '{"k":null}', '{"k":{}}', '{"k":["v"]}']:
        yield f"metadata {value}", file('{"__metadata__":%s,"a":%s}' % (value, entry()), bytes(8))
    yield "metadata twice", file('{"__metadata__":{},"__metadata__":{},"a":%s}' % entry(), bytes(8))
    yield "metadata key twice", file(
        '{"__metadata__":{"k":"v","k":"w"},"a":%s}' % entry(), bytes(8))
    for length in [2**63, 2**64 - 1, 100_000_001, 2**31, 2**32]:
        yield f"header length {length}", file("{}", b"", length)
    yield "header length + 1", file('{"a":%s}' % entry(), bytes(8), len('{"a":%s}' % entry()) + 1)
    yield "header past the end", file("{}", b"", 3)
    yield "deep", file("[" * 200 + "]" * 200)
    yield "deep in metadata", file('{"__metadata__":%s}' % ("[" * 300 + "]" * 300))


def damaged(count):
    random.seed(0)
    header = '{"__metadata__":{"f":"pt"},"w.a":%s,"b":%s}' % (
        entry("F16", "[2,2]", "[0,8]"), entry("I64", "[1]", "[8,16]"))
    good = file(header, bytes(16))
    for i in range(count):
        bad = bytearray(good)
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            in_header = random.random() < 0.9
            at = random.randrange(8, 8 + len(header)) if in_header else random.randrange(8)
            kind = random.random()
            if kind < 0.5:
                bad[at] = random.choice(b'0123456789[]{},:"-.eE \\\nFIBU')
            elif kind < 0.7:
                bad[at] ^= 1 << random.randrange(8)
            elif kind < 0.85:
                del bad[at]
            else:
                bad.insert(at, random.choice(b'0123456789[]{},:" '))
        if len(bad) != len(good) and random.random() < 0.8:
            bad[:8] = struct.pack("<Q", len(header) + len(bad) - len(good))
        yield f"damaged {i}", bytes(bad)


def accepted(raw):
    try:
        load(raw)
        return True
    except Exception:
        return False


def main():
    rows = [[name, base64.b64encode(raw).decode(), accepted(raw)]
            for name, raw in [*systematic(), *damaged(300)]]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "verdicts.json").write_text("[\n" + lines + "\n]\n")
    print(len(rows), "files,", sum(row[2] for row in rows), "accepted")


if __name__ == "__main__":
    main()
