import json
import shutil
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from actlab.errors import InputError
from actlab.inspection.gguf_tokenizer import _merges
from actlab.inspection.json_tokenizer import read_tokenizer

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path):
    """A copy of a folder's tokenizer that may be spoilt."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(HERE / "models" / "llama" / name, tmp_path)
    return tmp_path


def change(path, **keys):
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | keys))


@pytest.mark.parametrize("scheme", ["prepend", "metaspace"])
def test_sentencepieces_as_json(tmp_path, scheme):
    """As Llama 2's and Mistral's folders have them."""
    kept = json.loads((HERE / "sentencepiece.json").read_text())
    ids = {token: i for i, token in enumerate(kept["tokens"])}
    usable = {t: s for t, s, k in zip(kept["tokens"], kept["scores"], kept["kinds"], strict=True) if k == 1}
    model = models.BPE(ids, list(_merges(usable, ids)), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    made = tokenizers.Tokenizer(model)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    if scheme == "prepend":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(steps)
    made.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", 1)])
    made.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    made.enable_truncation(4)
    made.save(str(tmp_path / "tokenizer.json"))
    change(tmp_path / "tokenizer_config.json", eos_token={"content": "</s>"})
    found = read_tokenizer(tmp_path, {})
    made.no_truncation()
    assert (found.bos, found.eos) == (1, (2,))
    for text, want in kept["strings"]:
        if "<" in text:
            continue
        assert found.encode(text) == made.encode(text).ids
        if scheme == "prepend" or not text.startswith((" ", "▁")):  # to which metaspace adds none
            assert found.encode(text) == [1, *want]
        assert found.decode(want) == made.decode(want) == "".join(found.pieces(want))


def test_ends_of_all_files(folder):
    change(folder / "generation_config.json", eos_token_id=[0, 2, 50256])
    assert read_tokenizer(folder, {"eos_token_id": 5}).eos == (0, 2, 5)


def test_bos_by_the_settings(folder):
    change(folder / "tokenizer_config.json", add_bos_token=True)
    assert read_tokenizer(folder, {}).encode("")[0] == 1
    change(folder / "tokenizer_config.json", add_bos_token=False)
    assert read_tokenizer(folder, {}).bos is None


def test_templates(folder):
    assert read_tokenizer(folder, {}).template.startswith("{% for message in messages %}")
    (folder / "chat_template.jinja").unlink()
    assert read_tokenizer(folder, {}).template is None
    change(folder / "tokenizer_config.json", chat_template="one")
    assert read_tokenizer(folder, {}).template == "one"
    several = [{"name": "tool_use", "template": "two"}, {"name": "default", "template": "three"}]
    change(folder / "tokenizer_config.json", chat_template=several)
    assert read_tokenizer(folder, {}).template == "three"


FAR = {"type": "BPE", "vocab": {"a": 2**31}, "merges": []}


def word_piece(folder):
    made = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    made.decoder = decoders.WordPiece()
    made.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer.json is no JSON"),
        (lambda f: (f / "tokenizer.json").write_text("[]"), "tokenizer.json holds no keys with values"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json: "),
        (lambda f: (f / "tokenizer.json").write_text("[" * 10**5), "tokenizer.json is nested too deeply"),
        (lambda f: (f / "tokenizer.json").write_bytes(b'{"a": "\xff"}'), "tokenizer.json is not UTF-8: byte 0xff at"),
        (lambda f: change(f / "tokenizer.json", model=FAR), "tokens up to 2,147,483,649, 2,097,152 at most"),
        (lambda f: change(f / "tokenizer.json", model={"type": "Nothing"}), "tokenizer.json: "),
        (word_piece, "a decoder of WordPiece is not supported"),
        (lambda f: (f / "chat_template.jinja").write_bytes(b"\xff"), "chat_template.jinja is not UTF-8"),
        (lambda f: change(f / "generation_config.json", eos_token_id="2"), "must be whole numbers"),
        (lambda f: ((f / "tokenizer.json").unlink(), (f / "tokenizer.model").touch()), "has tokenizer.model but no"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(folder, spoil, said):
    spoil(folder)
    with pytest.raises(InputError, match=said) as told:
        read_tokenizer(folder, {})
    assert "\n" not in str(told.value)


def test_a_pattern_that_takes_too_long(folder, capfd):
    """What the library raises then is no Exception."""
    kept = json.loads((folder / "tokenizer.json").read_text())
    slow = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    kept["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [slow, kept["pre_tokenizer"]]}
    (folder / "tokenizer.json").write_text(json.dumps(kept))
    found = read_tokenizer(folder, {})
    with pytest.raises(InputError, match="the text has no tokens: .*retry-limit"):
        found.encode("a" * 40 + "b")
    assert found.decode(found.encode("baa")) == "baa"
    capfd.readouterr()  # Rust's own words on standard error


def test_none(tmp_path):
    assert read_tokenizer(tmp_path, {}) is None
