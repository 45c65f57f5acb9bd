import numpy as np
import pytest

from actlab.data import picture, psnr, signal
from actlab.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image", reason="pictures need pillow (extra: data)")
    monkeypatch.chdir(tmp_path)
    rows = np.zeros((8, 12, 3), np.uint8)
    rows[:4, :, 0] = 255  # the upper half is red, the columns left of the middle are blue besides
    rows[:, :6, 2] = 255
    image.fromarray(rows).save("mine.png")
    image.new("RGBA", (4, 4)).save("clear.png")
    image.new("I;16", (4, 4)).save("deep.png")
    (tmp_path / "text.png").write_text("no image")


def test_colours_lie_where_the_coordinates_say():
    data = picture("mine.png", size=4)
    assert data.task == "regression"
    assert (data.x_train.shape, data.y_train.shape) == ((16, 2), (16, 3))
    row, column = data.x_train.T
    np.testing.assert_array_equal(data.y_train[:, 0], np.where(row < 0, 1, -1))
    np.testing.assert_array_equal(data.y_train[:, 2], np.where(column < 0, 1, -1))
    np.testing.assert_array_equal(data.y_test, data.y_train)
    assert (data.x_train.min(), data.x_train.max()) == (-1, 1)
    assert picture("mine.png", size=4, grey=True).outputs == 1


def test_what_is_transparent_is_white():
    assert (picture("clear.png", size=4).y_train == 1).all()


def test_photographs_come_with_scikit_learn():
    pytest.importorskip("sklearn", reason="photographs come with scikit-learn (extra: data)")
    china, flower = picture("china.jpg", size=16), picture("flower.jpg", size=16)
    assert china.y_train.mean() > flower.y_train.mean() + 0.1  # a bright sky, dark leaves
    assert china.y_train.std() > 0.3


def test_signals_by_their_values():
    chirp = signal("chirp", size=1000)
    crossings = np.sum(np.diff(np.sign(chirp.y_train[:, 0])) != 0)
    assert crossings == pytest.approx(32, abs=1)  # 16 periods
    np.testing.assert_array_equal(np.unique(signal("square").y_train), [-1, 1])
    assert len(np.unique(signal("steps").y_train)) == 8


def test_psnr():
    """Half the range wrong everywhere is 6.02 dB: 20 log10(2)."""
    assert psnr(1.0) == pytest.approx(6.0206, abs=1e-4)
    assert psnr(0.25, peak=1.0) == pytest.approx(6.0206, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: picture("chima.jpg"), "chima.jpg does not exist; did you mean 'china.jpg'"),
        (lambda: picture("text.png"), "text.png is no image that Pillow can read"),
        (lambda: picture("deep.png", size=4), "deep.png has mode I;16: images of 8 bits a channel"),
        (lambda: picture(".", size=4), "data.path=. is a folder: must be an image file"),
        (lambda: picture("mine.png", size=9), "size=9: mine.png has 12 x 8 pixels"),
        (lambda: picture("mine.png", size=1), "size=1: must be an integer >= 2"),
        (lambda: signal("sine"), "name='sine' is unknown; "),
    ],
)
def test_what_cannot_be_is_told(make, message):
    with pytest.raises(InputError) as e:
        make()
    assert message in str(e.value)
