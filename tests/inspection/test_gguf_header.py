import random
import struct
import tracemalloc

import gguf
import numpy as np
import pytest
from made_gguf import small_bpe, small_llama, write_gguf

from actlab.errors import InputError
from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.gguf_header import read_header

SIZES = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small file with everything in it."""
    path = tmp_path_factory.mktemp("gguf") / "x.gguf"
    metadata = {"general.name": "small", "list.of": [1.5, 2.5], "is.it": True, "pair.of": ["a", "b\u00e9"]}
    a, weights = small_llama()
    return write_gguf(
        path, a, weights, "llama", kind="Q8_0", tokens=small_bpe, metadata=metadata
    ).read_bytes()


@pytest.fixture
def read(tmp_path):
    """A reader of bytes as a file."""

    def read(content, reader=read_gguf):
        (tmp_path / "x.gguf").write_bytes(content)
        return reader(tmp_path / "x.gguf")

    return read


def test_it_is_what_others_read(whole, read, tmp_path):
    header = read(whole, lambda path: read_header(path, SIZES))
    other = gguf.GGUFReader(tmp_path / "x.gguf")
    fields = {k: f.contents() for k, f in other.fields.items() if not k.startswith("GGUF.")}
    assert header.metadata.keys() == fields.keys()
    for key, value in fields.items():
        found = header.metadata[key]
        assert (list(found) if isinstance(found, tuple | np.ndarray) else found) == value, key
    assert header.metadata["list.of"].dtype == np.float32
    assert list(header.tensors) == [t.name for t in other.tensors]
    for t in other.tensors:
        stored = header.tensors[t.name]
        assert (stored.kind, stored.offset, stored.size) == (t.tensor_type, t.data_offset, t.n_bytes)
        assert stored.shape == tuple(t.shape[::-1].tolist())


def said(read, content):
    """Return the one line that refuses some bytes, None where they are read."""
    try:
        read(bytes(content))
    except InputError as e:
        assert "\n" not in str(e) and len(str(e)) < 500
        return str(e)
    return None


def test_cut_short_anywhere(whole, read):
    for end in (*range(0, 400, 7), *range(400, len(whole), 331), len(whole) - 1):
        assert said(read, whole[:end]), end


def test_damaged_anywhere(whole, read):
    rng = random.Random(0)
    start = whole.index(b"output_norm") - 200
    refused = 0
    for n in range(240):
        content = bytearray(whole)
        at = rng.randrange(4, start if n % 2 else 900)
        if n % 3:
            content[at] = rng.randrange(256)
        else:
            content[at : at + 8] = struct.pack(
                "<Q", rng.choice((0, 1 << 21, 1 << 31, 1 << 40, 2**63, 2**64 - 1))
            )
        refused += said(read, content) is not None
    assert refused > 60  # the others changed a number or a name that means nothing


def test_counts_that_are_no_reason_to_take_memory(whole, read):
    tokens = whole.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens")
    width = whole.index(b"token_embd.weight") + len("token_embd.weight") + 4
    name = whole.index(b"general.architecture") - 8
    tracemalloc.start()
    for at, value, why in (
        (8, 2**40, "it speaks of 1,099,511,627,776 tensors"),
        (16, 2**64 - 1, "it speaks of 18,446,744,073,709,551,615 keys"),
        (8, 1 << 17, "has 0 axes|cut short or damaged|has shape|axes"),
        (tokens + 8, 2**62, "it speaks of 4,611,686,018,427,387,904 strings"),
        (tokens + 8, 1 << 21, "cut short or damaged"),
        (width, 2**60, "cut short or damaged: tensor 'token_embd.weight' is to end at byte"),
        (width, 2**60 + 1, "rows are blocks of 32"),
        (width, 0, "its rows are blocks of 32"),
        (name, 2**62, "a name of 4,611,686,018,427,387,904 bytes"),
    ):
        content = bytearray(whole)
        content[at : at + 8] = struct.pack("<Q", value)
        with pytest.raises(InputError, match=why):
            read(content)
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def test_a_model_that_is_larger_than_the_machine(tmp_path):
    """Of a file with a hole in it, which takes no room."""
    a, weights = small_llama(vocabulary=1)
    path = write_gguf(tmp_path / "x.gguf", a, weights, "llama")
    content = bytearray(path.read_bytes())
    infos = content.index(b"blk.0.attn_norm.weight") - 8
    first = content.index(b"token_embd.weight") + len("token_embd.weight")
    rows, offset = first + 4 + 8, first + 4 + 16 + 4
    assert struct.unpack_from("<Q", content, rows)[0] == 1 and infos > first
    end = -(-(len(content) + 64) // 64) * 64
    start = read_header(path, SIZES).tensors["token_embd.weight"].offset
    struct.pack_into("<Q", content, rows, 2**33)  # by 32 numbers of 4 bytes: 1 TiB
    struct.pack_into("<Q", content, offset, end - start)
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(end + 2**40)
    with pytest.raises(InputError, match=r"x.gguf: as float32 it takes 1,02\d GiB, this machine has"):
        read_gguf(path)


def test_files_of_other_kinds(whole, read, tmp_path):
    big_endian = whole[:4] + struct.pack(">I", 3) + whole[8:]
    for content, why in (
        (b"", "not a GGUF file"),
        (b"PK\x03\x04" + whole, "not a GGUF file"),
        (whole[:4] + struct.pack("<I", 1) + whole[8:], "GGUF of version 1: versions 2 and 3 can be read"),
        (big_endian, "written on a big-endian machine"),
    ):
        with pytest.raises(InputError, match=why):
            read(content)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_gguf(tmp_path)


def described(*tensors, keys=()):
    """Return a file's bytes: tensors as (name, shape, kind, offset), keys as (name, type, bytes)."""
    text = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))]
    for name, kind, value in keys:
        text += [struct.pack("<Q", len(name)), name, struct.pack("<I", kind), value]
    for name, shape, kind, offset in tensors:
        text += [struct.pack("<Q", len(name)), name, struct.pack("<I", len(shape))]
        text += [struct.pack("<Q", n) for n in shape] + [struct.pack("<IQ", kind, offset)]
    return b"".join(text) + bytes(512)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (described((b"a", (32,), 0, 0), (b"a", (32,), 0, 128)), "tensor 'a' is there twice"),
        (described((b"a", (64,), 0, 0), (b"b", (64,), 0, 0), (b"c", (64,), 0, 0)), "lie over one another"),
        (described((b"a", (32,), 0, 7)), "tensor 'a' is to end at byte"),
        (described((b"a", (32,), 99, 0)), "tensor 'a' has type 99, which is not known"),
        (described((b"a", (), 0, 0)), "tensor 'a' has 0 axes"),
        (described((b"a", (1,) * 5, 0, 0)), "tensor 'a' has 5 axes"),
        (described((b"a", (2**32, 2**32), 0, 0)), "is to end at byte 73,786,976,"),
        (described((b"\xff", (32,), 0, 0)), "is not UTF-8"),
        (described(keys=[(b"k", 4, bytes(4)), (b"k", 4, bytes(4))]), "key 'k' is there twice"),
        (described(keys=[(b"k", 77, b"")]), "a value of type 77"),
        (described(keys=[(b"k", 9, struct.pack("<IQ", 9, 1))]), "an array of values of type 9"),
        (
            described(keys=[(b"general.alignment", 4, struct.pack("<I", 24))]),
            "alignment=24: must be a power of",
        ),
        (
            described(keys=[(b"general.alignment", 4, struct.pack("<I", 0))]),
            "alignment=0: must be a power of",
        ),
    ],
)
def test_what_a_header_cannot_say(content, why, read):
    with pytest.raises(InputError, match=why):
        read(content, lambda path: read_header(path, SIZES))
