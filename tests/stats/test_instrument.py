"""Activations of models nobody wrote for us: found, named, and measured as by hand; nothing else is taken for one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from test_summary import assert_figures

import actlab
from actlab.errors import InputError
from actlab.stats import VALUE, instrument, value_and_grad, watch

rng = np.random.default_rng(3)
X = jnp.asarray(rng.normal(size=(8, 16)), jnp.float32)
SEQUENCE = jnp.asarray(rng.normal(size=(2, 5, 16)), jnp.float32)
IMAGES = jnp.asarray(rng.normal(size=(2, 6, 6, 3)), jnp.float32)
W = jnp.asarray(rng.normal(size=(16, 16)) / 4, jnp.float32)


def told(sites):
    return {s.name: s.activation for s in sites}


def assert_same(got, wanted):
    def plain(v):
        return jax.random.key_data(v) if jnp.issubdtype(v.dtype, jax.dtypes.prng_key) else v

    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(plain(a), plain(b))


# NNX ------------------------------------------------------------------------------------------------------------


class MLP(nnx.Module):
    def __init__(self, rngs, act=nnx.relu):
        self.first = nnx.Linear(16, 32, rngs=rngs)
        self.second = nnx.Linear(32, 16, rngs=rngs)
        self.act = act

    def __call__(self, x):
        return self.second(self.act(self.first(x)))


class Block(nnx.Module):
    def __init__(self, rngs, rate=0.1):
        self.norm = nnx.LayerNorm(16, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            2, 16, decode=False, dropout_rate=rate, deterministic=False, rngs=rngs
        )
        self.norm2 = nnx.RMSNorm(16, rngs=rngs)
        self.mlp = MLP(rngs, nnx.gelu)
        self.drop = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norm(x), mask=nnx.make_causal_mask(x[..., 0]))
        return x + self.drop(self.mlp(self.norm2(x)))


class Transformer(nnx.Module):
    """Token ids are clipped, positions are sines and cosines, the output is a log-softmax: no activations."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(11, 16, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])
        self.norm = nnx.LayerNorm(16, rngs=rngs)

    def __call__(self, ids):
        x = self.embed(jnp.clip(ids, 0, 10))
        angle = jnp.arange(ids.shape[1], dtype=jnp.float32)[:, None] * jnp.exp(-jnp.arange(8.0))
        x = x + jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)
        for block in self.blocks:
            x = block(x)
        return jax.nn.log_softmax(self.embed.attend(self.norm(x)))


class Scanned(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.vmap(lambda rngs: Block(rngs, 0.0))(rngs.split(3))

    def __call__(self, x):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        @nnx.remat
        def layer(block, x):
            return block(x)

        return layer(self.blocks, x)


class Conv(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 8, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.conv2 = nnx.Conv(8, 8, (3, 3), rngs=rngs)
        self.norm2 = nnx.GroupNorm(8, 4, rngs=rngs)
        self.squeeze = nnx.Linear(8, 8, rngs=rngs)

    def __call__(self, x):
        x = nnx.gelu(self.norm(self.conv(x)), approximate=False)
        y = nnx.relu(self.norm2(self.conv2(x)))
        return (x + y * nnx.sigmoid(self.squeeze(y.mean((1, 2))))[:, None, None, :]).mean((1, 2))


class Learnt(nnx.Module):
    """SwiGLU, PReLU with one slope and with one for each channel, swish with a learnt beta."""

    def __init__(self, rngs):
        self.up = nnx.Linear(16, 64, rngs=rngs)
        self.down = nnx.Linear(32, 16, rngs=rngs)
        self.prelu = nnx.PReLU()
        self.slopes = nnx.Param(jnp.linspace(0.0, 0.3, 16))
        self.beta = nnx.Param(jnp.float32(1.5))

    def __call__(self, x):
        gate, up = jnp.split(self.up(x), 2, -1)
        x = self.prelu(self.down(nnx.silu(gate) * up))
        x = x @ W
        x = jnp.where(x > 0, x, self.slopes[...] * x) @ W
        return self.up(x * nnx.sigmoid(self.beta[...] * x))


class Twice(nnx.Module):
    """One module called twice, beside a dict of modules and a method that is not __call__."""

    def __init__(self, rngs):
        self.mlp = MLP(rngs)
        self.heads = nnx.Dict(a=MLP(rngs, jnp.tanh))

    def encode(self, x):
        return nnx.silu(x)

    def __call__(self, x):
        return self.heads["a"](self.encode(self.mlp(self.mlp(x))))


class Cell(nnx.Module):
    def __init__(self, rngs):
        self.rnn = nnx.RNN(nnx.LSTMCell(16, 8, rngs=rngs))

    def __call__(self, x):
        return self.rnn(x)


IDS = jnp.arange(10).reshape(2, 5)
LSTM = dict(zip(("sigmoid.0", "sigmoid.1", "tanh.0", "sigmoid.2", "tanh.1"), "sstst", strict=True))
LSTM = {name: {"s": "sigmoid", "t": "tanh"}[letter] for name, letter in LSTM.items()}
NNX = {
    "mlp": (MLP, X, {"relu": "relu"}),
    "transformer": (
        Transformer,
        IDS,
        {
            f"blocks.{i}.{name}": what
            for i in range(2)
            for name, what in (("attention", "softmax"), ("mlp.gelu_tanh", "gelu_tanh"))
        },
    ),
    "scanned": (Scanned, SEQUENCE, {"blocks.attention": "softmax", "blocks.mlp.gelu_tanh": "gelu_tanh"}),
    "conv": (Conv, IMAGES, {"gelu": "gelu", "relu": "relu", "sigmoid": "sigmoid"}),
    "learnt": (
        Learnt,
        X,
        {
            "silu": "silu",
            "prelu.prelu": "prelu(negative_slope learnt)",
            "prelu": "prelu(negative_slope learnt)",
            "swish": "swish(beta learnt)",
        },
    ),
    "twice": (Twice, X, {"mlp.relu.0": "relu", "mlp.relu.1": "relu", "silu": "silu", "heads.a.tanh": "tanh"}),
    "lstm": (Cell, SEQUENCE, {f"rnn.cell.{name}": what for name, what in LSTM.items()}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NNX)
def test_nnx(kind):
    """Sites, and an output, state and gradients that are the bare model's to the last bit."""
    make, x, wanted = NNX[kind]
    model = make(nnx.Rngs(0))
    classes = [type(m) for _, m in nnx.iter_modules(model)]
    watched = instrument(model)
    assert told(watched.sites(x)) == wanted
    assert list(told(watched.sites(x))) == list(wanted)  # in order of the forward pass
    assert [type(m) for _, m in nnx.iter_modules(model)] == classes
    if kind in ("transformer", "conv"):  # long to compile: scanned has its block, conv a test of its own
        return
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def bare(params, rest):
        copy = nnx.merge(graph, params, rest, copy=True)
        y = copy(x)
        return jnp.sum(y**2), (y, nnx.state(copy))

    def marked(params, rest):
        y, state = watched.apply(nnx.merge_state(params, rest), x)
        return jnp.sum(y**2), (y, state)

    expected = jax.jit(jax.value_and_grad(bare, has_aux=True))(params, rest)
    assert_same(jax.jit(jax.value_and_grad(marked, has_aux=True))(params, rest), expected)


@pytest.mark.slow
def test_state_moves_on_as_in_a_call_of_the_model():
    bare, model = Conv(nnx.Rngs(0)), Conv(nnx.Rngs(0))
    watched = instrument(model)
    for _ in range(2):
        y, stats = watched(IMAGES)
        assert_same(y, bare(IMAGES))
    assert_same(nnx.state(model), nnx.state(bare))
    assert stats["gelu.pre"].count == 2 * 6 * 6 * 8


@pytest.mark.slow
def test_statistics_and_gradients_by_hand():
    model = MLP(nnx.Rngs(0))
    _, stats = instrument(model)(X)
    assert list(stats) == ["relu.pre", "relu.post", "relu"]
    w1, b1, w2 = (
        np.asarray(v[...], np.float64) for v in (model.first.kernel, model.first.bias, model.second.kernel)
    )
    pre = np.asarray(X, np.float64) @ w1 + b1
    post = np.maximum(pre, 0)
    assert_figures(stats["relu.pre"], pre)
    assert_figures(stats["relu.post"], post)
    np.testing.assert_allclose(stats["relu"].saturated, np.mean(pre <= 0), rtol=1e-6)
    np.testing.assert_allclose(stats["relu"].dead, np.mean(np.all(pre <= 0, 0)), atol=1e-7)

    def loss(model):
        return jnp.sum(instrument(model).function(model, X) ** 2)

    graph, params = nnx.split(model)
    (_, seen), _ = jax.jit(value_and_grad(lambda p: loss(nnx.merge(graph, p))))(params)
    g_post = 2 * (post @ w2) @ w2.T
    assert_figures(seen.gradients["relu.post"], g_post)
    assert_figures(seen.gradients["relu.pre"], g_post * (pre > 0))


@pytest.mark.slow
def test_dead_units_are_counted():
    model = MLP(nnx.Rngs(0), act=jnp.tanh)
    model.first.bias[...] = jnp.where(jnp.arange(32) < 8, 50.0, 0.0)
    _, stats = instrument(model)(X)
    assert stats["tanh"].dead == 0.25
    assert 0.25 <= stats["tanh"].saturated < 0.5


@pytest.mark.slow
def test_the_gradient_before_a_site_is_that_of_the_site_alone():
    """x + f(x): what flows past the function is not counted."""
    (_, seen), _ = value_and_grad(instrument(lambda x: jnp.sum(3 * x + jnp.tanh(x))).function)(X)
    assert_figures(seen.gradients["tanh.pre"], 1 - np.tanh(np.asarray(X, np.float64)) ** 2)


@pytest.mark.slow
def test_scanned_layers_have_an_axis():
    model = Scanned(nnx.Rngs(0))
    watched = instrument(model)
    site = watched.sites(SEQUENCE)[1]
    assert (site.shape, site.layers, site.kind) == ((2, 5, 32), (3,), "activation")
    graph, state = nnx.split(model)
    _, seen = jax.jit(lambda s: watch(watched.apply, reading=VALUE)(s, SEQUENCE))(state)
    _, stats = jax.jit(lambda s: instrument(nnx.merge(graph, s, copy=True))(SEQUENCE))(state)
    for i in range(3):
        pre = np.asarray(seen["blocks.mlp.gelu_tanh.pre"][i], np.float64)
        assert_figures(jax.tree.map(lambda leaf: leaf[i], stats["blocks.mlp.gelu_tanh.pre"]), pre)  # noqa: B023
        slope = np.asarray(jax.vmap(jax.grad(jax.nn.gelu))(seen["blocks.mlp.gelu_tanh.pre"][i].ravel()))
        share = np.mean(np.abs(slope) < 0.01 * actlab.gelu_tanh.spec.lipschitz)
        np.testing.assert_allclose(stats["blocks.mlp.gelu_tanh"].saturated[i], share, rtol=1e-5)
    scores = np.asarray(seen["blocks.attention.scores"])
    masked = ~np.tril(np.ones((5, 5), bool))
    assert scores.shape[0] == 3
    assert scores.shape[-3:] == (2, 5, 5)  # heads, queries, keys
    assert (scores[..., masked] < -1e30).all()
    assert (np.abs(scores[..., ~masked]) < 100).all()


@pytest.mark.slow
def test_in_the_users_own_training_step():
    model = Conv(nnx.Rngs(0))
    watched = instrument(model)

    def loss(model, x):
        return jnp.sum(watched.function(model, x) ** 2)

    grads = nnx.jit(nnx.grad(loss))(model, IMAGES)
    other = Conv(nnx.Rngs(0))
    assert_same(grads, nnx.jit(nnx.grad(lambda m, x: jnp.sum(m(x) ** 2)))(other, IMAGES))
    assert_same(nnx.state(model), nnx.state(other))


@pytest.mark.slow
def test_keys_given_as_an_argument_move_on():
    class Drop(nnx.Module):
        def __init__(self, rngs):
            self.mlp = MLP(rngs)
            self.drop = nnx.Dropout(0.5)

        def __call__(self, x, *, rngs):
            return self.drop(self.mlp(x), rngs=rngs)

    model, mine, theirs = Drop(nnx.Rngs(0)), nnx.Rngs(dropout=1), nnx.Rngs(dropout=1)
    watched = instrument(model)
    for _ in range(2):
        assert_same(watched(X, rngs=mine)[0], model(X, rngs=theirs))
    assert_same(nnx.state(mine), nnx.state(theirs))


def test_an_attribute_that_is_no_array_cannot_change():
    class Counting(MLP):
        calls = 0

        def __call__(self, x):
            self.calls += 1
            return super().__call__(x)

    with pytest.raises(InputError, match="Counting changes attributes that are no arrays"):
        instrument(Counting(nnx.Rngs(0)))(X)


# linen ----------------------------------------------------------------------------------------------------------


class Compact(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        for _ in range(2):
            x = nn.swish(nn.LayerNorm()(nn.Dense(16)(x)))
            x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.PReLU()(nn.Dense(16)(x))


class Residual(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):
        y = nn.Conv(self.features, (3, 3), use_bias=False)(x)
        y = nn.relu(nn.BatchNorm(use_running_average=False)(y))
        y = nn.BatchNorm(use_running_average=False)(nn.Conv(self.features, (3, 3), use_bias=False)(y))
        return nn.relu(nn.Conv(self.features, (1, 1))(x) + y)


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2))
        return nn.Dense(3)(nn.remat(Residual)(8, name="block")(x).mean((1, 2)))


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(2, dropout_rate=0.1, deterministic=False, name="attention")(y)
        return x + nn.Dense(16)(nn.gelu(nn.Dense(32)(nn.RMSNorm()(x)))), None


class Stack(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(
            nn.remat(Layer),
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            length=3,
        )
        return layers(name="layers")(x, None)[0]


class LSTM_(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.RNN(nn.LSTMCell(8), name="rnn")(x)


DROPOUT = {"rngs": {"dropout": jax.random.key(1)}}
LINEN = {
    "compact": (
        Compact(),
        (X, True),
        DROPOUT,
        {"silu.0": "silu", "silu.1": "silu", "PReLU_0.prelu": "prelu(negative_slope learnt)"},
    ),
    "resnet": (
        ResNet(),
        (IMAGES,),
        {"mutable": ["batch_stats"]},
        {"relu": "relu", "block.relu.0": "relu", "block.relu.1": "relu"},
    ),
    "stack": (
        Stack(),
        (SEQUENCE,),
        DROPOUT,
        {"layers.attention": "softmax", "layers.gelu_tanh": "gelu_tanh"},
    ),
    "lstm": (LSTM_(), (SEQUENCE,), {}, {f"LSTMCell_0.{name}": what for name, what in LSTM.items()}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEN)
def test_linen(kind):
    model, args, options, wanted = LINEN[kind]
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(2)}
    variables = jax.jit(lambda: model.init(keys, *args))()
    watched = instrument(model)
    assert told(watched.sites(variables, *args, **options)) == wanted

    def loss(apply):
        def of(variables):
            out = apply(variables, *args, **options)
            return jnp.sum(jax.tree.leaves(out)[-1] ** 2), out

        return jax.jit(jax.value_and_grad(of, has_aux=True))

    assert_same(loss(watched.apply)(variables), loss(model.apply)(variables))
    out, stats = jax.eval_shape(lambda v: watched(v, *args, **options), variables)
    assert set(stats) >= {
        f"{n}.{end}" for n, a in wanted.items() if a != "softmax" for end in ("pre", "post")
    }
    bare = jax.eval_shape(lambda v: model.apply(v, *args, **options), variables)
    assert jax.tree.structure(out) == jax.tree.structure(bare)


# Functions ------------------------------------------------------------------------------------------------------


def only(f, x=X):
    (site,) = instrument(lambda x: f(x @ W + W[0]) @ W).sites(x)
    return site.activation


BY_HAND = {
    "gelu": lambda x: 0.5 * x * (1 + jax.lax.erf(x / jnp.sqrt(2.0))),
    "gelu_tanh": jax.nn.gelu,
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "softplus": lambda x: jnp.log(1 + jnp.exp(x)),
    "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "relu_squared": lambda x: jnp.square(jnp.maximum(x, 0)),
    "leaky_relu": lambda x: jnp.maximum(x, 0.01 * x),
    "leaky_relu(negative_slope=0.2)": lambda x: jax.nn.leaky_relu(x, 0.2),
    "swish(beta=1.5)": lambda x: x * jax.nn.sigmoid(1.5 * x),
    "hard_tanh(min_val=-3.0, max_val=3.0)": lambda x: jnp.clip(x, -3, 3),
    "elu": lambda x: jax.nn.elu(x) + 1,
    "selu": jax.nn.selu,
    "hard_silu": jax.nn.hard_swish,
    "tanh": lambda x: 5 * jnp.tanh(x / 3),
    "snake": actlab.snake,
    "silu": jax.checkpoint(jax.nn.silu),
    "relu": lambda x: jnp.where(
        jax.random.bernoulli(jax.random.key(0), 0.5, x.shape), jax.nn.relu(x) / 0.5, 0.0
    ),
    "tanh_sin_integer_pow": lambda x: jnp.tanh(x) * jnp.sin(x) ** 2 + 0.1 * x,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_named_by_its_values(name):
    assert only(BY_HAND[name]) == name


@pytest.mark.slow
def test_what_is_known_of_a_function_does_not_rule_it_out():
    """The facts that spare a comparison hold for the functions they are of, at their values on the grid."""
    for name in (
        "sin",
        "leaky_relu",
        "soft_cap",
        "relu_n",
        "gaussian",
        "hard_sigmoid",
        "sign",
        "cos",
        "arctan",
    ):
        f = getattr(actlab, name)
        (site,) = instrument(lambda x, f=f: f(x @ W) @ W).sites(X)
        assert site.activation == name


def test_named_in_half_precision():
    half = X.astype(jnp.bfloat16)
    w = W.astype(jnp.bfloat16)
    for name, f in (("gelu_tanh", jax.nn.gelu), ("silu", jax.nn.silu), ("relu", jax.nn.relu)):
        (site,) = instrument(lambda x, f=f: f(x @ w) @ w).sites(half)
        assert (site.activation, site.dtype) == (name, "bfloat16")


def test_two_of_one_array():
    sites = instrument(lambda x: jnp.concatenate([jax.nn.relu(x @ W), jax.nn.relu(-(x @ W))], -1)).sites(X)
    assert [s.name for s in sites] == ["relu.0", "relu.1"]


@pytest.mark.parametrize("f", [jax.nn.glu, lambda x: jax.nn.sigmoid(x[:, 8:]) * x[:, :8]])
def test_a_gate_is_told(f):
    (site,) = instrument(lambda x: f(x @ W)).sites(X)
    assert (site.activation, site.kind) == ("sigmoid", "gate")


LABELS = jnp.arange(8)
LOSSES = {
    "cross entropy": lambda y: optax.softmax_cross_entropy_with_integer_labels(y, LABELS).mean(),
    "one-hot": lambda y: optax.softmax_cross_entropy(y, jax.nn.one_hot(LABELS, 16)).mean(),
    "binary": lambda y: optax.sigmoid_binary_cross_entropy(y, X).mean(),
    "huber": lambda y: optax.huber_loss(y, X).mean(),
    "squares": lambda y: jnp.mean((y - X) ** 2),
    "cosine": lambda y: optax.cosine_similarity(y, X).mean(),
    "clipped": lambda y: -jnp.mean(X * jnp.log(jnp.clip(jax.nn.softmax(y), 1e-7, 1.0))),
    "decay": lambda y: jnp.mean(jnp.abs(y - X)) + 1e-3 * jnp.sum(W**2),
    "rms": lambda y: jnp.sum(y * jax.lax.rsqrt(jnp.mean(y**2, -1, keepdims=True) + 1e-6)),
    "standardized": lambda y: jnp.sum(jax.nn.standardize(y) * X),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_else_is_taken_for_one(loss):
    assert told(instrument(lambda x: LOSSES[loss](jnp.tanh(x @ W) @ W)).sites(X)) == {"tanh": "tanh"}
    with pytest.raises(InputError, match="no activation is found in <lambda>"):
        instrument(lambda x: LOSSES[loss](x @ W)).sites(X)


def test_rotary_positions_are_none():
    def f(x, time):
        angle = time[:, None] * jnp.arange(1.0, 9.0)
        a, b = x[:, :8], x[:, 8:]
        return jax.nn.relu(jnp.concatenate([a * jnp.cos(angle) - b * jnp.sin(angle), a], -1) @ W)

    assert told(instrument(f).sites(X, jnp.arange(8.0))) == {"relu": "relu"}


WRAPPED = {
    "jit": jax.jit,
    "remat": jax.checkpoint,
    "cond": lambda f: lambda x: jax.lax.cond(x[0, 0] < 9, f, lambda x: x, x),
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, _: (f(c), None), x, None, length=2)[0],
    "vmap": jax.vmap,
    "jit called twice": lambda f: lambda x: jax.jit(f)(jax.jit(f)(x)),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_under_transformations(wrapper):
    def layer(x):
        with jax.named_scope("layer"):
            return jax.nn.gelu(x @ W)

    f = WRAPPED[wrapper](layer)
    y, stats = jax.jit(instrument(f))(X)
    np.testing.assert_array_equal(y, jax.jit(f)(X))
    names = [n for n in stats if n.endswith(".pre")]
    assert names == (
        [f"layer.gelu_tanh.{i}.pre" for i in (0, 1)] if "twice" in wrapper else ["layer.gelu_tanh.pre"]
    )
    first = jax.tree.map(lambda leaf: leaf[0], stats[names[0]]) if wrapper == "scan" else stats[names[0]]
    assert_figures(first, np.asarray(X, np.float64) @ np.asarray(W, np.float64))
    lanes = jax.vmap(instrument(f).function)(jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(lanes[1], f(2 * X), rtol=1e-5, atol=1e-6)
    grads = jax.grad(lambda x: jnp.sum(instrument(f).function(x)))(X)
    np.testing.assert_allclose(grads, jax.grad(lambda x: jnp.sum(f(x)))(X), rtol=1e-5, atol=1e-6)


def test_a_branch_not_taken_tells_nothing():
    f = instrument(lambda x: jax.lax.cond(x[0, 0] > 9, lambda x: jnp.tanh(x @ W), lambda x: x, x))
    _, stats = f(X)
    assert stats["tanh.pre"].count == 0
    assert np.isnan(stats["tanh"].dead) and np.isnan(stats["tanh"].saturated)


@pytest.mark.slow
def test_sharded_equals_unsharded():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    f = lambda x: jax.nn.relu(x @ W)  # noqa: E731
    sharded = jax.shard_map(f, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    y, stats = jax.jit(instrument(sharded))(X)
    _, wanted = jax.jit(instrument(f))(X)
    np.testing.assert_array_equal(y, jax.jit(sharded)(X))
    assert_figures(stats["relu.pre"], np.asarray(X, np.float64) @ np.asarray(W, np.float64))
    np.testing.assert_allclose(stats["relu"], wanted["relu"], rtol=1e-6)


def test_probes_of_the_model_stay():
    _, stats = instrument(lambda x: jnp.tanh(actlab.probe(x @ W, "mine")))(X)
    assert {"mine", "tanh.pre"} <= set(stats)


def test_sites_of_abstract_arguments_print_as_a_table():
    sites = instrument(lambda x: jax.nn.silu(x @ W)).sites(jax.ShapeDtypeStruct((4, 16), "float32"))
    assert repr(sites).splitlines() == [
        "site  activation  kind        input",
        "silu  silu        activation  float32[4,16]",
    ]


def test_what_cannot_be_is_told_in_one_line():
    with pytest.raises(InputError, match="give an instance, not the class"):
        instrument(MLP)
    with pytest.raises(InputError, match="instrument takes an NNX or linen module or a function, got 3"):
        instrument(3)
    with pytest.raises(InputError, match="MLP cannot be called with these arguments: TypeError: dot_general"):
        instrument(MLP(nnx.Rngs(0)))(X[:, :3])
    with pytest.raises(InputError, match="function takes the NNX model first"):
        instrument(MLP(nnx.Rngs(0))).function(X)
    with pytest.raises(InputError, match="no activation is found in Linear"):
        instrument(nnx.Linear(16, 2, rngs=nnx.Rngs(0)))(X)


def test_reached_from_actlab():
    assert actlab.stats.instrument is instrument
