import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import Encoder, Transformer, ViT
from actlab.models.vit import patched
from actlab.nn import rotate, sites
from actlab.stats import VALUE, watch

GELU = make("gelu_tanh")
SMALL = {"depth": 2, "width": 8, "heads": 2}
LLAMA = {"mlp": "gated", "norm": "rms", "position": "rope", "bias": False, "tied": False, "qk_norm": True}
TOKENS = jax.random.randint(jax.random.key(1), (3, 6), 0, 11)


def build(cls, *args, **kwargs):
    """Build a model in one compiled program, unoptimised: several times faster than eagerly."""

    def make_state():
        return nnx.to_pure_dict(nnx.state(cls(*args, rngs=nnx.Rngs(0), **kwargs)))

    graphdef, _ = nnx.split(nnx.eval_shape(lambda: cls(*args, rngs=nnx.Rngs(0), **kwargs)))
    return nnx.merge(graphdef, jax.jit(make_state, compiler_options={"xla_backend_optimization_level": 0})())


def decoder(act=GELU, **options):
    return build(Transformer, act, (6,), 11, vocabulary=11, **(SMALL | options))


def array(variable):
    return np.asarray(variable[...], np.float64)


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def by_hand(model, x, llama):
    """The same network in NumPy."""

    def norm(n, h):
        centred = h if llama else h - h.mean(-1, keepdims=True)
        h = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * array(n.scale)
        return h if llama else h + array(n.bias)

    def linear(f, h):
        return h @ array(f.kernel) + (0 if f.bias is None else array(f.bias))

    def turned(v):
        t = np.arange(6)[:, None] * 10_000.0 ** (-np.arange(v.shape[-1] // 2) * 2 / v.shape[-1])
        z = (v[..., : v.shape[-1] // 2] + 1j * v[..., v.shape[-1] // 2 :]) * np.exp(1j * t)
        return np.concatenate([z.real, z.imag], -1)

    h = array(model.tokens.embedding)[x]
    if not llama:
        h = h + array(model.positions.embedding)
    for block in model.blocks:
        a = block.attention
        z = norm(block.norm1, h)
        q, k, v = (linear(f, z).reshape(3, 6, 2, 4).swapaxes(1, 2) for f in (a.query, a.key, a.value))
        if llama:
            q, k = turned(norm(a.query_norm, q)), turned(norm(a.key_norm, k))
        s = q @ k.swapaxes(-1, -2) / 2.0
        s = np.where(np.tril(np.ones((6, 6))) > 0, s, -np.inf)
        h = h + linear(a.out, (softmax(s) @ v).swapaxes(1, 2).reshape(3, 6, 8))
        z, mlp = norm(block.norm2, h), block.mlp
        if llama:
            g = linear(mlp.gate, z)
            h = h + linear(mlp.down, g / (1 + np.exp(-g)) * linear(mlp.up, z))
        else:
            u = linear(mlp.up, z)
            g = 0.5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))
            h = h + linear(mlp.down, g)
    h = norm(model.norm, h)
    return h @ (array(model.head.kernel) if llama else array(model.tokens.embedding).T)


@pytest.mark.slow
@pytest.mark.parametrize("llama", [False, True], ids=["gpt2", "llama"])
def test_it_is_its_formula(llama):
    model = decoder(make("silu"), **LLAMA) if llama else decoder()
    assert model(TOKENS).shape == (3, 6, 11)
    np.testing.assert_allclose(model(TOKENS), by_hand(model, np.asarray(TOKENS), llama), rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_a_position_sees_none_after_it():
    model = decoder(**LLAMA)
    changed = TOKENS.at[:, 4].set((TOKENS[:, 4] + 1) % 11)
    a, b = model(TOKENS), model(changed)
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert (jnp.abs(a[:, 4:] - b[:, 4:]).max(-1) > 0).all()


@pytest.mark.slow
def test_turned_scores_depend_on_the_distance():
    q, k = jax.random.normal(jax.random.key(0), (2, 4))

    def score(x, y, at, before):
        tables = jnp.zeros((2, 9, 1, 4)).at[0, at, 0].set(x).at[1, before, 0].set(y)
        return float(rotate(tables)[0, at, 0] @ rotate(tables)[1, before, 0])

    assert score(q, k, 3, 1) == pytest.approx(score(q, k, 8, 6), rel=1e-5)
    assert score(q, k, 3, 1) != pytest.approx(score(q, k, 4, 1), rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"remat": True, "dropout": 0.2, **LLAMA}], ids=["plain", "all of it"]
)
def test_a_scan_gives_what_layers_apart_give(options):
    act = make("swish", learn=["beta"], per="channel")
    apart, scanned = (decoder(act, scan_layers=scan, **options) for scan in (False, True))
    (graph, params, rest), (other, *_) = (nnx.split(m, nnx.Param, ...) for m in (apart, scanned))

    def loss(graph, params):
        logits = nnx.merge(graph, params, rest)(TOKENS, train=True, key=jax.random.key(3))
        return jnp.square(logits).mean()

    a, b = (jax.jit(jax.value_and_grad(lambda p, g=g: loss(g, p)))(params) for g in (graph, other))
    assert sites(apart).keys() == sites(scanned).keys() == {"blocks.0.mlp.act", "blocks.1.mlp.act"}
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=2e-4, atol=1e-6), a, b)
    assert all(jnp.abs(v).max() > 0 for v in jax.tree.leaves(a[1]["blocks"][1]["mlp"]))


@pytest.mark.slow
def test_bfloat16_inside_float32_parameters():
    model = decoder(dtype=jnp.bfloat16, scan_layers=True, **LLAMA)
    with jax.numpy_dtype_promotion("standard"):  # flax's norms mix bfloat16 with float32
        logits, seen = watch(lambda x: model(x), reading=VALUE)(TOKENS)
    assert logits.dtype == jnp.bfloat16
    assert seen["blocks.*.mlp.act.pre"].dtype == jnp.bfloat16
    assert seen["blocks.*.attention.scores"].dtype == jnp.float32
    assert {v.dtype for v in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype(jnp.float32)}


PATCHED = {
    "signal": ((40,), {"patch": 8}, 5),
    "image": ((8, 8), {"patch": 4, "position": "rope"}, 4),
    "colour": ((8, 8, 3), {"patch": 4, "norm": "none", "mlp": "gated"}, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", PATCHED)
def test_images_and_signals_as_patches(kind):
    shape, options, count = PATCHED[kind]
    model = build(ViT, GELU, shape, 3, pool="mean", **(SMALL | options))
    x = jax.random.normal(jax.random.key(0), (2, *shape))
    logits, seen = watch(lambda x: model(x), reading=VALUE)(x)
    assert logits.shape == (2, 3)
    assert seen["blocks.1.mlp.act.post"].shape[:2] == (2, count)
    assert seen["blocks.0.attention.scores"].shape == (2, 2, count, count)
    assert jnp.isfinite(seen["blocks.0.attention.scores"]).all()  # it looks both ways


@pytest.mark.slow
def test_an_encoder_of_texts():
    model = build(Encoder, GELU, (6,), 3, vocabulary=11, **SMALL)
    logits, seen = watch(lambda x: model(x), reading=VALUE)(TOKENS)
    assert logits.shape == (3, 3)
    assert jnp.isfinite(seen["blocks.0.attention.scores"]).all()  # it looks both ways


def test_patches_are_squares_of_the_image():
    x = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    got = patched(x, 2)
    assert got.shape == (2, 6, 12)
    np.testing.assert_array_equal(got[1, 4], x[1, 2:, 2:4].ravel())


@pytest.mark.parametrize(
    ("cls", "shape", "options", "said"),
    [
        (Transformer, (6,), {"heads": 3}, "heads=3: must be a divisor of width=8"),
        (Transformer, (6,), {"heads": 8, "position": "rope"}, "heads of 1 numbers cannot be turned"),
        (Transformer, (6,), {"norm": "rsm"}, "norm='rsm' is unknown; did you mean 'rms'"),
        (Transformer, (6,), {"norm": "none", "qk_norm": True}, "qk_norm=true takes its kind from norm"),
        (Transformer, (6,), {"vocabulary": 9}, "9 tokens go in and 11 come out: tied=false"),
        (Transformer, (6,), {"vocabulary": None}, "a transformer takes texts of tokens"),
        (
            Encoder,
            (6,),
            {"vocabulary": None},
            r"an encoder takes texts of tokens, .* shape \(6,\): take a vit",
        ),
        (Encoder, (8, 8), {}, "an encoder takes texts of tokens"),
    ],
)
def test_what_cannot_be(cls, shape, options, said):
    given = SMALL | {"vocabulary": 11} | options
    with pytest.raises(InputError, match=said):
        nnx.eval_shape(lambda: cls(GELU, shape, 11, rngs=nnx.Rngs(0), **given))


def test_gated_functions_want_no_second_gate():
    with pytest.raises(InputError, match="swiglu takes two operands: mlp=gated makes the product itself"):
        nnx.eval_shape(lambda: ViT(make("swiglu"), (40,), 3, rngs=nnx.Rngs(0), **SMALL))


def test_more_positions_than_it_has_are_refused():
    model = Transformer(make("gelu"), (12,), 17, vocabulary=17, depth=1, width=8, heads=2, rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match="24 positions, and the model was made for 12"):
        model(jnp.zeros((1, 24), jnp.int32))
