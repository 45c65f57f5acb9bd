"""Passages of a model of texts whose units are known: what is shown is what they say."""

import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.explain import canvas, channels, classes, passages
from actlab.explain.subject import Subject
from actlab.probes import probe
from actlab.report.passages import Reading, page, picture, strongest_tokens, write_numbers

TEXT = ("a", "b", " ", "\n", "<")
T = 8


@pytest.fixture
def subject():
    """Unit 0 is 10 where the token is 1, else its place in the text; unit 1 the number of the token before."""

    def apply(weights, x):
        place = jnp.arange(T, dtype=jnp.float32)
        before = jnp.concatenate([jnp.zeros_like(x[:, :1]), x[:, :-1]], 1).astype(jnp.float32)
        values = jnp.stack([jnp.where(x == 1, 10.0, place), before], -1)
        post = probe(probe(values, "a.pre") + weights, "a.post")
        return post.sum(1)

    own = {"token_text": TEXT, "vocabulary": len(TEXT)}
    return Subject("known", apply, jnp.float32(0), (T,), 0, 4, "text", ("first", "second"), **own)


@pytest.fixture
def x():
    return np.random.default_rng(0).integers(0, len(TEXT), (100, T)).astype(np.int32)


def test_places_are_those_of_the_scores(subject, x):
    found = passages(subject, channels(subject, "a", [0, 1]), x, 4, each=2, batch=33)
    place = np.broadcast_to(np.arange(T), x.shape)
    values = np.stack([np.where(x == 1, 10, place), np.concatenate([0 * x[:, :1], x[:, :-1]], 1)])
    unit = np.arange(2)[:, None]
    np.testing.assert_array_equal(values[unit, found.index, found.position], found.scores)
    np.testing.assert_array_equal(values[unit, found.index], found.values)
    assert found.bands[:4] == ("strongest",) * 4 and found.bands[-1] == "weakest"
    assert (x[found.index[0, :4], found.position[0, :4]] == 1).all()
    assert (found.scores[:, :4] == values.max((1, 2))[:, None]).all()
    assert len(set(found.index[0, :4])) == 4  # no text twice
    at = found.bands.index("50 %")
    np.testing.assert_allclose(found.scores[:, at], np.median(values.reshape(2, -1), 1), atol=0.5)
    np.testing.assert_allclose(found.means[1], [values[1][x == t].mean() for t in range(5)], rtol=1e-5)
    assert found.texts == (100, 100)


def test_a_page_marks_the_token_and_escapes_text(subject, x, tmp_path):
    target = channels(subject, "a", [0, 1])
    reading = Reading(
        subject, target, passages(subject, target, x, 3), x, "a <hundred> texts", "actlab explain"
    )
    text, drawn = page(reading), picture(reading)
    marks = text.count("<mark")
    assert marks == 2 * (3 + 2 * 5 + 2) and text.count(">b</mark>") >= 3
    assert "<hundred>" not in text + drawn and "<script" not in text
    assert strongest_tokens(reading, 0)[0] == ("b", 10.0)
    assert "↵" in text and 'stroke="#1b2129"' in drawn
    arrays = np.load(write_numbers(reading, tmp_path / "new" / "passages.npz"))
    assert arrays["text"].shape == arrays["scores"].shape == (2, 15)


def test_outputs_of_a_whole_text_have_no_token_to_mark(subject, x):
    target = classes(subject, [1])
    found = passages(subject, target, x, 3)
    assert (found.position == -1).all() and found.means.shape == (1, 0)
    reading = Reading(subject, target, found, x, "texts")
    assert "<mark" not in page(reading) and "one value for a whole text" in page(reading)
    assert picture(reading)


def test_what_cannot_be_is_told(subject, x):
    target = channels(subject, "a", [0])
    for wrong in (x[:, :4], x[:0], x.astype(np.float32)):
        with pytest.raises(InputError, match="known takes tokens"):
            passages(subject, target, wrong)
    with pytest.raises(InputError, match="known takes tokens: there is no optimum between two of them"):
        canvas(subject)
