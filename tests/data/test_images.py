import io

import numpy as np
import pytest

from actlab.data.images import Photo, bundled_photos, centre, class_index, crops, read_photo, read_photos
from actlab.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="needs the extra vision: Pillow")


def saved(path, mode="RGB", size=(48, 40), **options):
    Image.new(mode, size, **options).save(path)
    return path


def test_grey_palettes_and_transparency_become_rgb(tmp_path):
    for mode in ("1", "L", "LA", "P", "RGBA"):
        photo = read_photo(saved(tmp_path / f"{mode}.png", mode))
        assert photo.pixels.shape == (40, 48, 3) and photo.pixels.dtype == np.uint8
    clear = read_photo(saved(tmp_path / "clear.png", "RGBA", color=(255, 0, 0, 0)))
    assert (clear.pixels == 255).all()
    assert [p.name for p in read_photos(tmp_path)] == sorted(
        f"{m}.png" for m in ("1", "L", "LA", "P", "RGBA", "clear")
    )


def cut(path):
    content = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(content, "JPEG")
    path.write_bytes(content.getvalue()[:700])
    return path


BAD = {
    "text.png": (lambda p: p.write_text("not an image"), "is no image that Pillow can read"),
    "empty.jpg": (lambda p: p.touch(), "is no image that Pillow can read"),
    "cut.jpg": (cut, "is damaged"),
    "small.png": (lambda p: saved(p, size=(31, 90)), "is 31 x 90: sides must be 32 to 20,000"),
    "deep.tif": (lambda p: saved(p, "I;16"), "has mode I;16: images of 8 bits"),
    "real.tif": (lambda p: saved(p, "F"), "has mode F"),
    "inks.jpg": (lambda p: saved(p, "CMYK"), "has mode CMYK"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_told_in_one_line(name, tmp_path):
    make, told = BAD[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=told) as e:
        read_photos(tmp_path)
    assert name in str(e.value) and "\n" not in str(e.value)


def test_more_pixels_than_pillow_takes_are_told_without_a_warning(tmp_path, monkeypatch):
    path = saved(tmp_path / "large.png", size=(60, 40))
    for limit in (1500, 1000):  # 2,400 pixels: Pillow warns above its limit and raises above twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(
            InputError, match=f"large.png is too large: {limit:,} pixels in all are read at most"
        ):
            read_photo(path)


def test_folders_without_images_are_told(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds no images"):
        read_photos(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read_photos(tmp_path / "none")


def test_crops_cover_the_photo_and_overlap():
    ramp = np.broadcast_to(np.arange(0, 96, dtype=np.uint8)[None, :, None], (32, 96, 3))
    found = crops([Photo("ramp", np.ascontiguousarray(ramp))], 16, shares=(1.0,))
    assert found.shape == (5, 16, 16, 3)
    edges = found[:, 8, [0, -1], 0].astype(int)
    assert edges[0, 0] <= 2 and edges[-1, 1] >= 93
    assert (edges[1:, 0] - edges[:-1, 0] <= 17).all()
    assert abs(int(centre(Photo("ramp", ramp), 16)[8, 8, 0]) - 48) <= 2


def test_the_bundled_photographs_are_there():
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    assert [(p.name, p.pixels.shape) for p in bundled_photos()] == [
        ("china.jpg", (427, 640, 3)),
        ("flower.jpg", (427, 640, 3)),
    ]


def test_classes_by_name_and_number():
    names = ["tench", "palace", "daisy"]
    assert [class_index(n, names) for n in ("daisy", "Palace", "0")] == [2, 1, 0]
    with pytest.raises(InputError, match="'dasiy'; did you mean 'daisy'"):
        class_index("dasiy", names)
    with pytest.raises(InputError, match="'crane' is the name of 0 and 2"):
        class_index("crane", ["crane", "palace", "crane"])
    with pytest.raises(InputError, match="class 3: there are 3, from 0 to 2"):
        class_index("3", names)
