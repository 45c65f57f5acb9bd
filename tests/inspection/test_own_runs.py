import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_decoder
import pytest
import small_runs
from flax import nnx

from actlab import make
from actlab.data import text
from actlab.errors import InputError
from actlab.inspection.own_runs import from_model, from_run, of_spelling
from actlab.models import MLP, Transformer
from actlab.values import Bound

STORY = "the cat sat on the mat,\nand the rat sat on the cat.\n" * 20


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    path = tmp_path_factory.mktemp("story") / "story.txt"
    path.write_text(STORY)
    return str(path)


def numbers_for(shapes):
    """Return random numbers in the shapes of a state, near 1 where they scale."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3 + (x.ndim < 2), jnp.float32), shapes
    )


def trained(act, data, **options):
    """Return a model as if it had learnt something: its structure, and its parameters."""
    made = functools.partial(
        Transformer, act, data.in_shape, data.outputs, vocabulary=data.vocabulary, depth=2, width=16, heads=2,
        **options,
    )  # fmt: skip
    graphdef, state = nnx.split(nnx.eval_shape(lambda: made(rngs=nnx.Rngs(0))))
    return graphdef, numbers_for(state)


LLAMA = {"mlp": "gated", "norm": "rms", "position": "rope", "bias": False, "tied": False, "qk_norm": True}
NUMBER = {"norm": "layer", "position": "none", "qk_norm": True}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "act", "options"),
    [
        ("char", make("gelu"), {}),
        ("bpe", make("swish", learn=["beta"]), LLAMA),
        ("char", make("leaky_relu", negative_slope=0.3), NUMBER),
        ("char", make("tanh"), {"norm": "none", "hidden": 24}),
    ],
)
def test_it_says_what_the_model_says(story, level, act, options):
    data = text(path=story, level=level, vocabulary=264, context=8)
    graphdef, state = trained(act, data, **options)
    model = nnx.merge(graphdef, state)
    found = from_model(model, data, source="runs/x")
    ids = np.asarray(data.x_test[0])
    logits = numpy_decoder.logits(found.architecture, found.weights, ids)
    said = jax.jit(lambda state, ids: nnx.merge(graphdef, state)(ids))(state, ids[None])
    np.testing.assert_allclose(logits, said[0], atol=3e-5)
    assert found.tokenizer.encode(found.tokenizer.decode(ids)) == ids.tolist()
    assert STORY.count(found.tokenizer.decode(ids))
    assert found.architecture.context == 8
    for i, one in enumerate(found.architecture.act):
        assert not one.learn
        values = model.blocks[i].mlp.act.bound()  # a number it was given counts as well
        assert len(values) == (options in (LLAMA, NUMBER))
        assert all(dict(one.params)[name] == float(value) for name, value in values.items())


@pytest.mark.slow
def test_a_run(story):
    data = text(path=story, context=8, size=400)
    model = Bound.of(Transformer, depth=1, width=8, heads=1)
    run = small_runs.small_run(
        act="relu", model=model, data=data, batch_size=8, eval_every=10, checkpoint_every=10
    )
    state = numbers_for(jax.eval_shape(run.program.init, run.numbers))
    found = from_run(run, state, source="run:runs/x")
    assert (found.name, found.source) == ("transformer, story.txt (char)", "run:runs/x")
    np.testing.assert_array_equal(found.weights["tokens"], state.params["tokens"]["embedding"])
    down = state.params["blocks"][0]["mlp"]["down"]["kernel"]
    np.testing.assert_array_equal(found.weights["blocks.0.down.kernel"], np.asarray(down).T)


def test_characters_that_were_not_in_the_text(story):
    data = text(path=story, context=8)
    tokens = of_spelling(data.spelling)
    assert tokens.encode("the\ncat") and tokens.pieces(tokens.encode("a\nt")) == ["a", "\n", "t"]
    with pytest.raises(InputError, match="was trained on a text without 'é': it knows 15 characters"):
        tokens.encode("caté")
    assert of_spelling(None) is None


@pytest.mark.slow
def test_what_writes_no_text(story):
    data = text(path=story, context=8)
    with pytest.raises(
        InputError, match="runs/x: a MLP writes no text: train a transformer, model=transformer"
    ):
        other = nnx.eval_shape(lambda: MLP(make("relu"), (2,), 3, rngs=nnx.Rngs(0)))
        from_model(other, data, source="runs/x")
    each = make("swish", learn=["beta"], per="channel")
    with pytest.raises(
        InputError, match="blocks.0.mlp.act learnt beta for each channel, which is not supported"
    ):
        from_model(nnx.merge(*trained(each, data)), data, source="runs/x")
