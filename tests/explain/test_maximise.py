"""Optima exceed the data, hold without the transforms, and are where they are known to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.explain import (
    Recipe,
    Transforms,
    canvas,
    channels,
    classes,
    directions,
    maximise,
    neurons,
    strongest,
)
from actlab.explain.maximise import likeness
from actlab.explain.subject import of_run
from actlab.explain.transforms import NONE

STEPS = 80


def scores_by_hand(trained, site, x):
    """Mean values over positions at a site, from the network's own modules."""
    run, state = trained
    from flax import nnx

    model = nnx.merge(run.program.graphdef, state.params, state.rest)
    h = jnp.asarray(x)[..., None]
    for i, block in enumerate(model.blocks):
        pre = block.linear(h)
        if f"blocks.{i}.act" == site:
            return np.asarray(pre.mean((1, 2)))
        h = jax.nn.relu(pre)
    return np.asarray(model.head(h.reshape(len(h), -1)))


@pytest.fixture(scope="module")
def found(subject):
    target = channels(subject, "blocks.1.act", range(8))
    return target, maximise(subject, target, canvas(subject), Recipe(STEPS))


@pytest.mark.slow
def test_optima_exceed_the_data_and_hold_without_the_transforms(trained, subject, found):
    _, optimum = found
    assert subject.kind == "image" and optimum.inputs.shape == (8, 1, 8, 8)
    data = trained[0].setup.data.x_train
    shown = scores_by_hand(trained, "blocks.1.act", optimum.inputs[:, 0])[range(8), range(8)]
    np.testing.assert_allclose(optimum.scores[:, 0], shown, rtol=1e-4, atol=1e-4)
    most = scores_by_hand(trained, "blocks.1.act", data).max(0)
    assert (shown > most).all(), (shown, most)
    assert optimum.inputs.min() >= data.min() - 1e-5 and optimum.inputs.max() <= data.max() + 1e-5
    assert (optimum.scores > optimum.start).all() and not optimum.still.any()


@pytest.mark.slow
def test_a_unit_finds_the_same_alone_in_company_and_in_rounds(known, rng):
    subject = known(rng.normal(size=(5, 3)))
    target = channels(subject, "a", range(3))
    once, rounds = (
        maximise(subject, target, canvas(subject), Recipe(5, variants=2), batch=n) for n in (3, 2)
    )
    assert once.course.shape == (5, 3, 2)
    for name in ("inputs", "scores", "start", "course", "still"):
        np.testing.assert_allclose(getattr(rounds, name), getattr(once, name), rtol=1e-5, atol=1e-6)
    alone = maximise(subject, channels(subject, "a", [0]), canvas(subject), Recipe(5, variants=2))
    np.testing.assert_allclose(alone.inputs[0], once.inputs[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="batch=0"):
        maximise(subject, target, canvas(subject), batch=0)


@pytest.mark.slow
def test_a_diverged_run_is_told(trained):
    run, state = trained
    broken = state._replace(params=jax.tree.map(lambda a: a * jnp.nan, state.params))
    with pytest.raises(InputError, match="parameters that are not finite"):
        of_run(run, broken, "it")


@pytest.mark.slow
def test_the_strongest_examples_are_those_of_the_whole_data(trained, subject, found):
    target, _ = found
    data = trained[0].setup.data.x_train[:150]
    by_hand = scores_by_hand(trained, "blocks.1.act", data)
    examples = strongest(subject, target, data, 5, batch=64)  # the last batch is not full
    np.testing.assert_array_equal(examples.index, np.argsort(-by_hand, 0)[:5].T)
    np.testing.assert_allclose(examples.scores, -np.sort(-by_hand, 0)[:5].T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(examples.mean, by_hand.mean(0), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_of_a_linear_unit_the_optimum_is_the_corner_of_the_bounds(known, rng):
    w = rng.normal(size=(5, 3)).astype(np.float32)
    low, high = np.full(5, -1, np.float32), np.arange(1, 6, dtype=np.float32)
    subject = known(w, low, high)
    best = np.where(w > 0, high[:, None], low[:, None])
    optimum = maximise(subject, channels(subject, "a", range(3)), canvas(subject), Recipe(400, 0.1))
    np.testing.assert_allclose(optimum.scores[:, 0], (w * best).sum(0), rtol=0.02)
    np.testing.assert_allclose(optimum.inputs[:, 0], best.T, atol=0.3)


@pytest.mark.slow
def test_of_a_linear_unit_of_signals_the_optimum_is_its_weights(known):
    wave = np.sin(np.linspace(0, 4 * np.pi, 40))
    subject = known(wave[:, None], kind="signal", radius=3.0)
    optimum = maximise(subject, channels(subject, "a", [0]), canvas(subject), Recipe(150, 0.1, NONE))
    assert np.corrcoef(optimum.inputs[0, 0], wave)[0, 1] > 0.98
    assert optimum.scores[0, 0] == pytest.approx(3 * np.linalg.norm(wave), rel=0.03)


@pytest.mark.slow
def test_values_before_a_relu_lead_out_of_its_flat_part_and_those_after_do_not(known):
    subject = known(np.eye(2) * 5 - 4, act=lambda v: jax.nn.relu(v - 3.0))
    before = maximise(subject, channels(subject, "a", [0, 1]), canvas(subject), Recipe(100, 0.2))
    after = maximise(subject, channels(subject, "a", [0, 1], side="post"), canvas(subject), Recipe(100, 0.2))
    assert not before.still.any() and (before.scores > 4).all()
    assert after.still.all() and (after.scores == 0).all()
    np.testing.assert_array_equal(after.scores, after.start)


@pytest.mark.slow
def test_optima_found_on_the_move_bear_moving_better_than_those_found_still(subject):
    target = channels(subject, "blocks.0.act", range(8))
    read = subject.read("blocks.0.act", "pre")
    moving = Transforms(0.2, 0.2, 20)
    keys = jax.random.split(jax.random.key(5), 24)

    @jax.jit
    def moved(x):
        moved = jax.vmap(lambda key: moving(key, x, 2, float(subject.low)))(keys)
        values = jax.vmap(lambda v: read(subject.weights, v))(moved)
        return jnp.diagonal(values.mean((0, 2, 3)))

    middle = (subject.low + subject.high) / 2
    assert middle > subject.low
    still, robust = (
        maximise(subject, target, canvas(subject), Recipe(STEPS, transforms=t)).inputs[:, 0]
        for t in (NONE, moving)
    )
    assert np.mean(moved(jnp.asarray(robust)) > moved(jnp.asarray(still))) > 0.5


@pytest.mark.slow
def test_variants_differ_more_where_they_are_asked_to(known, rng):
    w = rng.normal(size=(12, 6)).astype(np.float32)
    subject = known(w)
    target = channels(subject, "a", range(6))

    def found(diversity):
        recipe = Recipe(150, variants=3, diversity=diversity)
        optimum = maximise(subject, target, canvas(subject), recipe)
        return optimum.scores, np.asarray(likeness(jnp.asarray(optimum.inputs @ w)))

    (plain, alike), (varied, unlike) = found(0.0), found(1.0)
    assert (unlike < alike + 1e-3).all() and unlike.mean() < alike.mean() - 0.2
    assert varied.mean() < plain.mean() and (varied.mean(1) > 0).all()  # it is paid for, and not with all


@pytest.mark.parametrize("shape", [(2, 3, 2, 2, 7), (2, 3, 4, 4, 3)])
def test_likeness_is_the_mean_cosine_of_gram_matrices(shape, rng):
    values = rng.normal(size=shape).astype(np.float32)
    flat = values.reshape(*shape[:2], -1, shape[-1])
    grams = np.einsum("uvpc,uvpd->uvcd", flat, flat).reshape(*shape[:2], -1)
    grams /= np.linalg.norm(grams, axis=-1, keepdims=True)
    cosines = np.einsum("uic,ujc->uij", grams, grams)
    expected = [np.mean([c[i, j] for i in range(3) for j in range(3) if i != j]) for c in cosines]
    np.testing.assert_allclose(likeness(jnp.asarray(values)), expected, rtol=1e-4)


@pytest.mark.slow
def test_logits_become_the_largest(trained, subject):
    target = classes(subject, [3, 7])
    optimum = maximise(subject, target, canvas(subject), Recipe(STEPS))
    logits = scores_by_hand(trained, "logits", optimum.inputs[:, 0])
    assert np.argmax(logits, 1).tolist() == [3, 7]
    assert target.labels == ("3", "7")


@pytest.mark.slow
def test_a_neuron_is_one_position_and_a_direction_takes_the_whole_vector(subject, trained, rng):
    x = trained[0].setup.data.x_train[:4]
    values = np.asarray(subject.read("blocks.0.act", "pre")(subject.weights, jnp.asarray(x)))
    neuron = neurons(subject, "blocks.0.act", [2, 5], at=(1, 3))
    np.testing.assert_allclose(
        neuron.score(neuron.vector(jnp.asarray(values))[:, None], neuron.directions[None]),
        values[:, 1, 3, [2, 5]],
        rtol=1e-5,
    )
    assert neurons(subject, "blocks.0.act", [0]).at == (2, 2)
    rows = rng.normal(size=(2, 8))
    along = directions(subject, "blocks.0.act", rows, power=2)
    v, d = values.mean((1, 2)), rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = (v @ d.T) / np.linalg.norm(v, axis=1, keepdims=True)
    np.testing.assert_allclose(
        along.score(along.vector(jnp.asarray(values))[:, None], along.directions[None]),
        (v @ d.T) * np.maximum(cosine, 0.1) ** 2,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda s: channels(s, "blocks.l.act", [0]), "no site 'blocks.l.act'; did you mean 'blocks.1.act'"),
        (lambda s: channels(s, "blocks.1.act", [3, 8]), "has no channel 8: it has 8, 0 to 7"),
        (lambda s: channels(s, "blocks.1.act", []), "at least one channel"),
        (lambda s: classes(s, [10]), "has no output 10: it has 10"),
        (lambda s: neurons(s, "blocks.0.act", [0], at=(4, 0)), "positions of 4 x 4: 4,0 is none"),
        (lambda s: neurons(s, "blocks.0.act", [0], at=(1,)), "1 is none"),
        (lambda s: neurons(s, "logits", [0]), "has no positions"),
        (lambda s: directions(s, "blocks.1.act", np.ones((2, 3))), r"\(2, 3\): blocks.1.act has 8 channels"),
        (lambda s: directions(s, "blocks.1.act", np.zeros((1, 8))), "zero or not finite"),
        (lambda s: canvas(s, size=2), "size=2"),
        (lambda s: canvas(s, magnitude_of=np.ones((3, 9, 9))), r"shape \(9, 9\), the canvas \(8, 8\)"),
        (lambda s: Recipe(0), "steps=0"),
        (lambda s: Recipe(learning_rate=0), "learning_rate=0"),
        (lambda s: Recipe(diversity=-1), "diversity=-1"),
        (lambda s: Transforms(rotate=200), "rotate=200"),
        (
            lambda s: strongest(s, channels(s, "logits", [0]), np.ones((0, 8, 8))),
            r"examples of shape \(0, 8, 8\)",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(subject, ask, told):
    with pytest.raises(InputError, match=told) as e:
        ask(subject)
    assert "\n" not in str(e.value)


def test_what_is_not_finite_is_told(known):
    broken = known([[np.inf], [1.0]])
    target = channels(broken, "a", [0])
    with pytest.raises(InputError, match=r"channel 0 of a is not finite where the ascent led"):
        maximise(broken, target, canvas(broken), Recipe(1, transforms=NONE))
    with pytest.raises(InputError, match=r"a of linear is not finite for 2 of 3 examples"):
        strongest(
            known([[3e38]]), channels(known([[3e38]]), "a", [0]), np.array([[1.0], [2.0], [-4.0]], np.float32)
        )


def test_the_deviation_of_large_scores_does_not_overflow(known):
    large = known([[1e30]])
    found = strongest(large, channels(large, "a", [0]), np.array([[1.0], [-1.0]], np.float32))
    assert found.mean[0] == 0 and found.deviation[0] == pytest.approx(1e30)
