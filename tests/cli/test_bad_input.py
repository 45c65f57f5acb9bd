"""Bad input: exit code 2, one line that names what is wrong and what would be right, nothing left behind."""

import pytest

from .conftest import SMALL

BARE = "~model.depth ~model.width ~model.norm ~model.residual ~model.dropout ~model.init ~model.gain"
USERS_MODULE = """
import jax.numpy as jnp, numpy as np
def fine(x, *, steepness=1.0): return jnp.tanh(steepness * x)
def shrinks(x): return x[..., :1]
def not_jax(x): return np.maximum(x, 0)
def flat(x): return jnp.round(x)
from flax import nnx
from actlab.data import Dataset
def no_data(): raise RuntimeError("the disk is gone")
def arrays(n): return np.zeros((n, 2), np.float32), np.full(n, 3, np.int32)
def empty(): return Dataset("empty", *arrays(0), *arrays(0), num_classes=4)
def real(): return Dataset("real", *[np.zeros((500, 2), np.float32)] * 4)
def texts(): return Dataset("texts", *[np.zeros((500, 2), np.int32)] * 4, num_classes=3)
def labels(): return Dataset("labels", *arrays(500), *arrays(500), num_classes=3)
class Plain(nnx.Module):
    def __init__(self, act, in_shape, num_classes, *, dtype, rngs):
        self.head = nnx.Linear(in_shape[0], num_classes, rngs=rngs)
    def __call__(self, x): return self.head(x)
def no_train(*args, dtype, rngs): return Plain(*args, dtype=dtype, rngs=rngs)
class Keeps(nnx.Module):
    def __init__(self, act, in_shape, num_classes, *, dtype, rngs):
        self.head = nnx.Linear(in_shape[0], num_classes, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
    def __call__(self, x, *, train=False, key=None): return self.dropout(self.head(x), deterministic=not train)
"""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("trian", "unknown command 'trian'; did you mean 'train'?"),
        ("train activation=gellu", "activation=gellu: there is no such activation; did you mean 'gelu'"),
        ("train activation=swiglu", "activation=swiglu: swiglu takes two operands, gate and up: it cannot"),
        (
            "train activation=fourier_features",
            "fourier_features changes the shape: it cannot stand at a site",
        ),
        ("train activation=quiet_softmax", "this alias is written activation=softmax_one"),
        ("train activation=entmax activation.learn=[alpha] activation.per=channel", "with per=tensor"),
        ("train activation.name=gellu", "activation: no activation is called 'gellu'; did you mean 'gelu'"),
        ("train activation.transform=tatt", "activation: transform='tatt'; did you mean 'tat'?"),
        ("train activation=softplus model.init=critical", "model: softplus has no critical weights: "),
        ("train data=mnist", "data=mnist: there is no such data; did you mean 'mnist1d'"),
        ("train +experiment=mnist1d_mpl", "did you mean 'mnist1d_mlp'"),
        (
            "train activation=leaky_relu activation.negative_slop=1",
            "no parameter 'negative_slop'; did you mean 'negative_slope'?",
        ),
        ("train activation=elu activation.alpha=-1", "alpha must be in (0, inf), got -1"),
        ("train activation=swish activation.learn=[bta]", "cannot learn 'bta'; did you mean 'beta'?"),
        ("train activation=swish activation.learn=beta", "activation.learn='beta': must be a list"),
        ("train activation=swish activation.per=chanel", "per must be one of 'tensor', 'channel', 'unit'"),
        ("train model.widht=3", "unknown key model.widht; did you mean width?"),
        ("train +experiment=planar model=siren", "Siren does not take it: leave it out with ~model.init"),
        ("explain choose --activations relu,nosuch", "activation=nosuch: there is no such activation"),
        ("train widht=3", "unknown key widht; did you mean model.width?"),
        ("train model.learning_rate=3", "did you mean optimizer.learning_rate?"),
        ("train +optimizer.foo=1", "unknown key optimizer.foo; known: b1"),
        ("train +foo=1", "unknown key foo; known: "),
        ("train seed=abc", "seed='abc': must be an integer"),
        ("train seed=1.5", "seed=1.5: must be an integer"),
        ("train steps=", "steps='': must be an integer"),
        ("train steps=0", "steps=0: must be an integer >= 1"),
        ("train model.width=-3", "model: width=-3: must be an integer >= 1"),
        ("train model.norm=bach", "model.norm='bach': must be one of none, layer, batch"),
        ("train model.residual=3", "model.residual=3: must be true or false"),
        ("train model._target_=actlab.models.MLPP", "model._target_=actlab.models.MLPP: cannot be imported"),
        ("train optimizer.learning_rate=-1", "optimizer: learning_rate=-1.0: must be a number > 0"),
        ("train optimizer.learning_rate=fast", "optimizer.learning_rate='fast': must be a number"),
        ("train optimizer.warmup_steps=5000", "warmup_steps=5000: must be fewer than steps=2000"),
        ("train batch_size=5000", "batch_size=5000 is larger than mnist1d's 4000 training samples"),
        ("train dtype=float16", "dtype='float16' is unknown; did you mean"),
        ("train stats.every=30", "eval_every=100 must be a multiple of stats.every=30: 120, say"),
        ("train model=convnet model.depth=9 model.padding=0", "leaves no positions"),
        ("train --config-dir nowhere", "--config-dir nowhere: there is no such folder"),
        ("train --foo", "unknown flag --foo"),
        ("train --foo=1", "unknown flag --foo=1"),
        ("train -m --foo", "unknown flag --foo"),
        ("train --config-dir", "expected one argument"),
        ("train ~steps", "steps is missing: it must be set"),
        ("train ~optimizer", "optimizer=None: must be a group of keys"),
        ("train steps=${nope}", "Interpolation key 'nope' not found"),
        ("train model.depth=${oc.env:NOPE_NOPE}", "NOPE_NOPE"),
        ("train =3", "=3: Config group override must be a string"),
        ("train data._target_=builtins.dict", "data._target_: <class 'dict'> cannot be called with a config"),
        ("train data._target_=users.no_data", "data: RuntimeError: the disk is gone"),
        ("train data._target_=users.empty", "empty: 0 train samples"),
        ("train data._target_=users.labels", "labels: train labels must be in [0, 3)"),
        (
            "train data._target_=users.real",
            "loss=cross_entropy is of classes and real has real numbers to hit: set loss=squared_error objective=",
        ),
        (
            "train data._target_=users.real loss=squared_error",
            "objective='test accuracy': real has no classes to get right, take 'test loss'",
        ),
        ("train data._target_=users.texts", "samples of texts are tokens: it wants a model that takes them"),
        (
            "train model=transformer",
            "a transformer takes texts of tokens, this data has samples of shape (40,)",
        ),
        ("train data=text data.path=users.py data.context=9999", "users.py: its training part has "),
        (f"train model._target_=users.no_train {BARE}", "model: TypeError: "),
        (f"train model._target_=users.Keeps {BARE}", "is a random key kept in the model"),
        (
            "train optimizer=sgd optimizer.learning_rate=1e39",
            "learning_rate=1e+39: must be a number > 0, finite",
        ),
        ("train resume=. --config-dir x", "is not a run folder"),
        ("train --cfg job -m seed=1,2", "Only one of --run, --multirun, --cfg"),
        ("train activation.name=users:nope", "has no 'nope'"),
        ("train activation.name=user:fine", "cannot import user"),
        ("train activation.name=users:fine activation.steepnes=2", "did you mean 'steepness'?"),
        ("train activation.name=users:shrinks", "turns shape (6, 8) into (6, 1), it must keep the shape"),
        ("train activation.name=users:not_jax", "write it with jax.numpy"),
        ("train activation.name=users:flat", "has derivative 0 everywhere"),
        ("train resume=nowhere", "resume=nowhere: does not exist"),
        ("train resume=.", "is not a run folder"),
        ("train hydra.run.dir=/proc/nowhere/run", "No such file or directory: /proc/nowhere"),
        ("report .", "is not a run"),
        ("list --family rectifed", "unknown family 'rectifed'; did you mean 'rectified'?"),
        ("completion fsh", "no completion for shell 'fsh'"),
    ],
)
def test_one_line(actlab, here, argv, message):
    (here / "users.py").write_text(USERS_MODULE)
    code, out, err = actlab(*argv.split())
    assert code == 2, err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert {p.name for p in here.iterdir()} <= {"users.py", "__pycache__"}


def test_debug_shows_the_traceback(actlab):
    code, _, err = actlab("train", "seed=abc", "--debug")
    assert code == 2
    assert "Traceback" in err


@pytest.mark.slow
def test_a_folder_that_holds_a_run_is_not_overwritten(actlab, here):
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text("{}")
    code, _, err = actlab("train", "hydra.run.dir=run")
    assert code == 2
    assert "run already holds a run: resume=run goes on with it" in err
    assert [p.name for p in (here / "run").iterdir()] == ["run.json"]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [2, 40], ids=["before training", "at a checkpoint"])
def test_full_disk(process, here, limit):
    """Files may not grow beyond some KiB: Hydra's config, or the checkpoint, cannot be written."""

    environment = {"ACTLAB_CACHE": str(here / "cache")}
    argv = ["train", "steps=40", *SMALL, "model.width=100", "hydra.run.dir=run"]
    p = process(
        *argv, prefix=["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash"], environment=environment
    )
    _, err = p.communicate(timeout=300)
    lines = [line for line in err.strip().splitlines() if "cannot keep" not in line]
    assert p.returncode == 2, err
    assert len(lines) == 1, err
    assert "File too large" in lines[0]
    for part in (here / "run").rglob(".*.parquet.*"):
        pytest.fail(f"half-written file left: {part}")
