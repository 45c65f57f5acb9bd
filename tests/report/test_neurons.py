"""Pages and atlases of units: what is in them is what was found, and nothing is fetched."""

import base64
import io
import re

import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.explain import Canvas, Examples, Optimum, Recipe, Subject, Target
from actlab.report.neurons import Sheet, atlas, page, write_arrays, write_atlas, write_page
from actlab.report.png import png
from actlab.report.thumbnails import pixels

Image = pytest.importorskip("PIL.Image", reason="reads the pictures back with Pillow")


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("shape", [(5, 7), (9, 4, 3), (64, 64, 3)])
def test_png_is_what_another_reader_sees(shape, rng):
    smooth = np.cumsum(rng.integers(0, 3, shape), 0).astype(np.uint8)
    for image in (rng.integers(0, 256, shape).astype(np.uint8), smooth):
        np.testing.assert_array_equal(opened(png(image)), image)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((3, 3, 4), np.uint8), np.zeros(3, np.uint8)])
def test_png_refuses_other_arrays(bad):
    with pytest.raises(ValueError, match="must be uint8"):
        png(bad)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


KINDS = {"image": (16, 16, 3), "signal": (40,), "vector": (6,)}


def sheet(kind, rng, *, units=3, variants=1, still=False):
    shape = KINDS[kind]
    subject = Subject("a <model>", lambda w, x: x.reshape(len(x), -1)[:, :4], {}, shape, -1.0, 1.0, kind)
    site = "logits"
    target = Target(site, "pre", np.eye(4, dtype=np.float32)[:units], ("one", "<two>", "three")[:units])
    inputs = rng.uniform(-1, 1, (units, variants, *shape)).astype(np.float32)
    scores = np.arange(units * variants, dtype=np.float32).reshape(units, variants) + 3
    optimum = Optimum(inputs, scores, scores - 2, scores[None], np.full(scores.shape, still))
    data = rng.uniform(-1, 1, (10, *shape)).astype(np.float32)
    index = np.tile(np.arange(4), (units, 1))
    examples = Examples(
        index, np.tile([2.5, 2, 1, 0.5], (units, 1)), index[:, 0], np.zeros(units), np.ones(units)
    )
    canvas = Canvas(shape, {"image": 2, "signal": 1, "vector": 0}[kind], -1.0, 1.0)
    return Sheet(
        subject, target, canvas, Recipe(7, variants=variants), optimum, examples, data, "ten <samples>"
    )


def pictures(text):
    return [opened(base64.b64decode(p)) for p in re.findall(r"data:image/png;base64,([^\"]+)", text)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_needs_no_network_and_no_script(kind, rng):
    text = page(sheet(kind, rng, variants=2))
    assert not re.findall(r"https?://", text.replace("http://www.w3.org", ""))
    assert "<script" not in text and "style=" not in text and "script-src" in text
    assert "&lt;two&gt;" in text and "<two>" not in text and "<samples>" not in text
    assert text.count('role="img"') == 3 * (2 + 4 + 1)


def test_the_page_shows_the_best_first_and_the_examples_as_they_are(rng):
    s = sheet("image", rng, variants=2)
    found = pictures(page(s))
    np.testing.assert_array_equal(found[0], pixels(s.subject, s.optimum.inputs[0, 1], 128))
    np.testing.assert_array_equal(found[2], pixels(s.subject, s.data[0], 48))
    grown = found[0]
    assert grown.shape == (128, 128, 3)
    np.testing.assert_array_equal(grown[::8, ::8], np.round(255 * (s.optimum.inputs[0, 1] + 1) / 2))
    text = page(s)
    assert "1.5 standard deviations above the strongest example" in text  # 4 against 2.5, deviation 1
    assert "3 of 3 optima score above all of them" in text


def test_a_unit_that_never_moved_is_told(rng):
    assert "No gradient arrived" in page(sheet("vector", rng, still=True))
    assert "No gradient arrived" not in page(sheet("vector", rng))


@pytest.mark.parametrize("kind", KINDS)
def test_the_atlas_is_a_picture_of_every_unit(kind, rng, tmp_path):
    s = sheet(kind, rng)
    assert atlas(s).count("<text") == 2 + 2 * 3
    picture = opened(write_atlas(s, tmp_path / "new" / "atlas.png", scale=1).read_bytes())[..., :3]
    tile = picture[56 + 30 : 56 + 30 + 128, 12 : 12 + 128]
    assert tile.std() > 5
    if kind == "image":
        shown = pixels(s.subject, s.optimum.inputs[0, 0], 128).astype(int)
        assert np.abs(tile.astype(int) - shown).mean() < 2


def test_arrays_are_written_as_the_model_takes_them(rng, tmp_path):
    s = sheet("signal", rng)
    arrays = np.load(write_arrays(s, tmp_path / "neurons.npz"))
    np.testing.assert_array_equal(arrays["inputs"], s.optimum.inputs)
    assert arrays["labels"].tolist() == ["one", "<two>", "three"]


def test_where_nothing_can_be_written_it_is_told(rng, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_page(sheet("vector", rng), tmp_path / "file" / "index.html")


def test_large_images_are_averaged_down_and_other_channels_become_grey():
    subject = Subject("m", lambda w, x: x, {}, (8, 8, 2), 0.0, 1.0, "image")
    x = np.zeros((8, 8, 2), np.float32)
    x[:4] = 1
    np.testing.assert_array_equal(pixels(subject, x, 4), np.repeat([[255], [255], [0], [0]], 4, 1))
    assert jnp.asarray(pixels(subject, x, 16)).shape == (16, 16)
