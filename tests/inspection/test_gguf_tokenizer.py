import json
from pathlib import Path

import numpy as np
import pytest

from actlab.errors import InputError
from actlab.inspection.gguf_tokenizer import tokenizer_of
from actlab.inspection.tokenizer import BYTES

HERE = Path(__file__).parent


def of_bytes(pre, words=(), merges=(), **more):
    """Return the tokenizer of all bytes and some words under a way of cutting text."""
    tokens = ("<|end|>", *BYTES, *words)
    kinds = np.array([3] + [1] * (len(tokens) - 1), np.int32)
    return tokenizer_of(
        {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": pre,
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": kinds,
            "tokenizer.ggml.merges": merges if merges is None else tuple(merges),
            **{
                f"tokenizer.{'' if name == 'chat_template' else 'ggml.'}{name}": value
                for name, value in more.items()
            },
        }
    )


@pytest.fixture(scope="module")
def pieces():
    return json.loads((HERE / "sentencepiece.json").read_text())


def of_pieces(pieces, **more):
    return tokenizer_of(
        {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": tuple(pieces["tokens"]),
            "tokenizer.ggml.scores": np.array(pieces["scores"], np.float32),
            "tokenizer.ggml.token_type": np.array(pieces["kinds"], np.int32),
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 2,
            **{f"tokenizer.ggml.{name}": value for name, value in more.items()},
        }
    )


# Where a text is cut, as the tokenizers named do by their own patterns: contractions, digits, spaces, line ends.
CUT = "I'M 2024½, a  b!\n\n c"
CUTS = {
    "gpt-2": ["I", "'", "M", " 2024½", ",", " a", " ", " b", "!", "\n\n", " c"],
    "smollm": ["I", "'", "M", " ", "2", "0", "2", "4", "½", ",", " a", " ", " b", "!", "\n\n", " c"],
    "llama-bpe": ["I", "'M", " ", "202", "4½", ",", " a", " ", " b", "!\n\n", " c"],
    "qwen2": ["I", "'M", " ", "2", "0", "2", "4", "½", ",", " a", " ", " b", "!\n\n", " c"],
}


@pytest.mark.parametrize("pre", CUTS)
def test_where_a_text_is_cut(pre):
    made = of_bytes(pre)
    cuts = [CUT[a:b] for _, (a, b) in made.plain.pre_tokenizer.pre_tokenize_str(CUT)]
    assert cuts == CUTS[pre]
    assert made.decode(made.encode(CUT)) == CUT


def test_words_are_merged_by_rank_and_not_across_cuts():
    made = of_bytes("gpt-2", ["ab", "Ġab", "bc"], ["b c", "a b", "Ġ ab"])
    assert made.pieces(made.encode("abc ab")) == ["a", "bc", " ab"]
    assert made.pieces(made.encode("a bc")) == ["a", " ", "bc"]


def test_whole_words_need_no_merges_in_llama():
    words, merges = ["abc", "ab"], ["a b"]
    assert of_bytes("llama-bpe", words, merges).pieces(
        [*of_bytes("llama-bpe", words, merges).encode("abc")]
    ) == ["abc"]
    assert of_bytes("gpt-2", words, merges).pieces(of_bytes("gpt-2", words, merges).encode("abc")) == [
        "ab",
        "c",
    ]


def test_qwen_composes_characters():
    assert of_bytes("qwen2").encode("e\u0301") == of_bytes("qwen2").encode("é")
    assert of_bytes("smollm").encode("e\u0301") != of_bytes("smollm").encode("é")


def test_bos():
    end = of_bytes("gpt-2").size - 1
    assert of_bytes("gpt-2", bos_token_id=end).encode("a")[0] != end
    assert of_bytes("gpt-2", bos_token_id=end, add_bos_token=True).encode("a")[0] == end
    assert of_bytes("llama-bpe", bos_token_id=end).encode("a")[0] == end
    assert of_bytes("llama-bpe", bos_token_id=end).encode("a", bos=False)[0] != end
    assert of_bytes("llama-bpe", bos_token_id=end, add_bos_token=False).bos is None
    ends = of_bytes("gpt-2", eos_token_id=3, eot_token_id=7)
    assert (ends.eos, ends.names["eos_token"]) == ((3, 7), ends.raw[3].decode())


def test_sentencepiece(pieces):
    made = of_pieces(pieces)
    assert len(pieces["strings"]) > 30
    for text, ids in pieces["strings"]:
        assert made.encode(text) == [1, *ids], text
        spelt = text.replace("▁", " ")  # which that kind takes for a space
        assert made.decode(ids) == spelt
        assert "".join(made.pieces(ids)) == spelt
    assert made.bos == 1
    assert of_pieces(pieces, add_bos_token=False).encode("a") == made.encode("a", bos=False)


def test_marks_among_sentencepieces(pieces):
    made = of_pieces(pieces)
    a = made.encode("a", bos=False)
    assert made.encode("a</s>a", special=True) == [1, *a, 2, *a]
    assert 2 not in made.encode("a</s>a")
    assert made.decode(made.encode("a</s>a", bos=False)) == "a</s>a"
    assert of_pieces(pieces, add_space_prefix=False).decode(a) == " a"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "rwkv"}, "a tokenizer of kind 'rwkv' is not supported; known: 'gpt2', 'llama'"),
        (
            {"pre": "tekken"},
            "tokenizer.ggml.pre='tekken' is not supported; known: gpt-2, llama-bpe, qwen2, smollm",
        ),
        ({"model": np.ones(2)}, r"tokenizer.ggml.model=\[1. 1.\]: must be text"),
        ({"pre": np.ones(2)}, r"tokenizer.ggml.pre='\[1. 1.\]' is not supported"),
        ({"pre": "gpt2"}, "did you mean 'gpt-2'"),
        ({"tokens": ("a", "a")}, "no list of different tokens"),
        ({"tokens": 7}, "no list of different tokens"),
        ({"token_type": np.ones(3, np.int32)}, "does not have a number for each of 257 tokens"),
        ({"merges": None}, "tokenizer.ggml.merges is missing"),
        ({"merges": ("a nowhere",)}, "its tokenizer cannot be built"),
        ({"merges": ("",)}, "its tokenizer cannot be built"),
        ({"eos_token_id": 257}, "eos token 257 is none of 257 tokens"),
        ({"eos_token_id": "2"}, "bos, eos or template are no numbers and text"),
        ({"eot_token_id": np.ones(2)}, "bos, eos or template are no numbers and text"),
        ({"bos_token_id": np.ones(2), "add_bos_token": True}, "bos, eos or template are no numbers and text"),
        ({"chat_template": 3}, "bos, eos or template are no numbers and text"),
    ],
)
def test_what_makes_no_sense(changes, said):
    with pytest.raises(InputError, match=said):
        of_bytes(changes.pop("pre", "gpt-2"), **changes)


def test_sentencepieces_that_make_no_sense(pieces):
    with pytest.raises(InputError, match="has no token for every byte"):
        of_pieces(pieces | {"kinds": [1 if k == 6 else k for k in pieces["kinds"]]})
    with pytest.raises(InputError, match="scores does not have a number for each of 500"):
        of_pieces(pieces | {"scores": [0.0]})
    with pytest.raises(InputError, match="cannot be built"):
        of_pieces(pieces | {"kinds": [6] * 500})


def test_none():
    assert tokenizer_of({}) is None
    assert tokenizer_of({"tokenizer.ggml.model": "no_vocab"}) is None
