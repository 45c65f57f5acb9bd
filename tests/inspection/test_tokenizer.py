from pathlib import Path

import pytest

from actlab.errors import InputError
from actlab.inspection.json_tokenizer import read_tokenizer
from actlab.inspection.tokenizer import BYTES, bytes_of

MODELS = Path(__file__).parent / "models"
TEXTS = (
    "",
    "def f(x):\n\treturn x",
    "日本語 🙂👩‍👩‍👧",
    "\x00\u202eabc",
    "a" * 5000,
    "\ufffd",
    "العربية",
    "\r\n  \n",
)


@pytest.fixture(scope="module")
def tokens():
    return read_tokenizer(MODELS / "llama", {})


@pytest.mark.parametrize("text", TEXTS)
def test_there_and_back(tokens, text):
    ids = tokens.encode(text)
    assert tokens.decode(ids) == text
    pieces = tokens.pieces(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == text
    assert list(tokens.streamed(iter(ids))) == pieces


def test_a_character_belongs_to_the_token_that_completes_it(tokens):
    ids = tokens.encode("a🙂b")
    assert tokens.pieces(ids) == ["a", "", "", "", "🙂", "b"]
    assert [tokens.label(i) for i in ids] == ["a", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "b"]
    assert tokens.pieces(ids[:3]) == ["a", "", "\ufffd"]  # unfinished at the end
    assert (
        tokens.pieces(ids[3:]) == ["\ufffd", "\ufffd", "b"] == [*map(tokens.decode, ([i] for i in ids[3:]))]
    )
    assert tokens.decode(ids[:3]) == "a\ufffd"
    assert "".join(tokens.pieces(ids[2:])) == tokens.decode(ids[2:])


def test_marks_are_text_unless_told(tokens):
    text = "<|im_end|>a<|im_start|>"
    assert tokens.encode(text, special=True) == [2, *tokens.encode("a"), 1]
    assert not set(tokens.encode(text)) & tokens.marks
    assert tokens.decode(tokens.encode(text)) == text
    assert tokens.decode([2, *tokens.encode("a"), 1]) == text
    assert tokens.decode([2, *tokens.encode("a"), 1], special=False) == "a"
    assert tokens.label(2) == "<|im_end|>"


def test_what_the_folder_says(tokens):
    assert tokens.size == 300
    assert (tokens.eos, tokens.bos, tokens.marks) == ((2,), None, {0, 1, 2})
    assert tokens.names["bos_token"] == "<|im_start|>"
    ids = tokens.chat([{"role": "user", "content": "Hi"}])
    assert tokens.decode(ids) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert [i for i in ids if i in tokens.marks] == [1, 2, 1]


def test_no_characters(tokens):
    with pytest.raises(InputError, match="it holds half of a surrogate pair, which is no character"):
        tokens.encode("a\ud83d")
    for bad in (300, -1):
        with pytest.raises(InputError, match=f"token {bad} is none of 300"):
            tokens.decode([bad])


def test_every_byte_has_a_stand_in():
    assert sorted(BYTES.values()) == list(range(256))
    assert all(len(c) == 1 and c.isprintable() and not c.isspace() for c in BYTES)
    assert bytes_of("Ġa") == b" a"
    assert bytes_of("日") == "日".encode()  # none of them
