"""A run on tokens and one on real targets: what is trained, what is recorded, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_runs
from flax import nnx

from actlab import models
from actlab.activations import make
from actlab.data import Dataset
from actlab.errors import InputError
from actlab.nn import Activation
from actlab.stats import StatsConfig
from actlab.train import train
from actlab.train.draws import noisy as noisy_labels
from actlab.train.folder import RunFolder
from actlab.train.losses import Loss
from actlab.train.setup import Setup


class Bigram(nnx.Module):
    """The next token from the present one."""

    def __init__(self, act, in_shape, outputs, *, vocabulary, dtype=jnp.float32, rngs):
        self.embedding = nnx.Embed(vocabulary, 8, rngs=rngs)
        self.act = Activation(act, (*in_shape, 8), site="act")
        self.head = nnx.Linear(8, outputs, rngs=rngs)

    def __call__(self, x, *, train=False, key=None):
        return self.head(self.act(self.embedding(x)))


def texts():
    """Tokens that count up, of 5 there are."""
    start = np.arange(300)[:, None] % 5
    tokens = (start + np.arange(5)) % 5
    x, y = tokens[:, :-1], tokens[:, 1:]
    return Dataset("counting", x[:200], y[:200], x[200:], y[200:], num_classes=5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return by task the run's rows, its other tables and how it ended."""
    found = {}
    for data, model, loss in (
        (texts(), Bigram, Loss()),
        (small_runs.line(), lambda *a, **k: models.MLP(*a, depth=1, width=8, **k), Loss("squared_error")),
    ):
        run = small_runs.small_run(
            act="tanh", model=model, eval_every=40, checkpoint_every=80, data=data, loss=loss,
            stats=StatsConfig("full", every=20),
        )  # fmt: skip
        with RunFolder(tmp_path_factory.mktemp(data.name)) as folder:
            outcome = train(run, folder)
            found[data.task] = run, {row[:3]: row[3] for row in folder.metrics().iter_rows()}, outcome
    return found


@pytest.mark.slow
def test_tokens_are_learnt_and_scored_by_position(runs):
    run, rows, outcome = runs["tokens"]
    assert outcome.scores["test accuracy"] == 1.0
    assert rows[0, "test", "loss"] == pytest.approx(np.log(5), abs=0.5)
    assert rows[80, "test", "loss"] < 0.5 * rows[0, "test", "loss"]
    state = run.program.init(run.numbers)
    x, y = jnp.asarray(run.setup.data.x_test), jnp.asarray(run.setup.data.y_test)
    logits = run.looks._outputs(state, x)
    p = jax.nn.log_softmax(logits)
    assert rows[0, "test", "accuracy"] == pytest.approx(float(jnp.mean(jnp.argmax(logits, -1) == y)))
    nll = -jnp.take_along_axis(p, y[..., None], -1).mean()
    assert rows[0, "test", "loss"] == pytest.approx(float(nll), rel=1e-5)


def test_rows_of_a_site_are_samples_and_positions(runs):
    run, rows, _ = runs["tokens"]
    program = run.program
    state = program.init(run.numbers)
    x = jnp.asarray(run.setup.data.x_train)
    index = program.batch(state, x, jnp.arange(len(x)))[1]  # of the samples, in the place of labels
    model = nnx.merge(program.graphdef, state.params, state.rest)
    pre = np.asarray(model.embedding(x[index]))
    assert pre.shape == (32, 4, 8)
    # The first look is of the whole batch: all samples and positions are rows, the last axis is units.
    assert rows[0, "act", "pre.mean"] == pytest.approx(pre.mean(), rel=1e-4)
    assert rows[0, "act", "pre.variance"] == pytest.approx(pre.var(), rel=1e-4)
    assert run.program.observer.units["act"] == (32, 8)
    slope = 1 - np.tanh(pre) ** 2
    assert rows[0, "act", "dead_share"] == (slope.reshape(-1, 8).max(0) < 0.01).mean()
    assert 0 < rows[0, "act", "selectivity"] <= 1


@pytest.mark.slow
def test_real_targets_have_a_loss_and_no_accuracy(runs):
    _, rows, outcome = runs["regression"]
    assert set(outcome.scores) == {"train loss", "test loss"}
    assert not any(q in ("accuracy", "selectivity") for _, _, q in rows)
    assert rows[80, "test", "loss"] < 0.3 * rows[0, "test", "loss"]
    assert (80, "blocks.0.act", "effective_rank") in rows


@pytest.mark.slow
def test_batches_of_an_evaluation_do_not_change_it(runs):
    run, rows, _ = runs["tokens"]
    looks = type(run.looks)(run.program)
    looks.at_once = 32  # of 100: a part is left over
    state = run.program.init(run.numbers)
    scores, _, _ = looks._evaluate(
        state, *map(jnp.asarray, (run.setup.data.x_test, run.setup.data.y_test)), False
    )
    for name, value in scores.items():
        assert float(value) == pytest.approx(rows[0, "test", name], rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"loss": Loss()},
            "loss=cross_entropy is of classes and line has real numbers to hit: set loss=squared",
        ),
        ({"loss": Loss("squared_error"), "label_noise": 0.1}, "label_noise=0.1 is of classes"),
    ],
)
def test_what_real_targets_do_not_go_with(fields, said):
    values = {
        n: None for n in Setup.__dataclass_fields__ if n not in ("stability", "parallel", "label_noise")
    }
    with pytest.raises(InputError, match=said):
        Setup(**(values | {"data": small_runs.line(), "batch_size": 8} | fields))


def test_tokens_want_a_model_that_takes_them(small_run):
    run = small_run(data=texts(), model=models.MLP)
    with pytest.raises(InputError, match="samples of counting are tokens: it wants a model that takes them"):
        _ = run.program


@pytest.mark.slow
def test_label_noise_replaces_tokens(small_run):
    program = small_run(data=texts(), model=Bigram, act=make("relu"), label_noise=0.5).program
    y = jnp.asarray(texts().y_train)
    noisy = noisy_labels(program.setup, program.init(program.own_numbers), y)
    assert noisy.shape == y.shape
    assert float((noisy != y).mean()) == pytest.approx(0.5 * 4 / 5, abs=0.06)
