"""What probes see, under every transformation, against the same values laid open."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from test_summary import assert_figures

from actlab.errors import InputError
from actlab.probes import probe
from actlab.stats import VALUE, probe_names, summarize, value_and_grad, watch

rng = np.random.default_rng(1)
X = jnp.asarray(rng.normal(size=(16, 3)), jnp.float32)
W = jnp.asarray(rng.normal(size=(3, 3)), jnp.float32)
DEEP = jnp.asarray(rng.normal(size=(4, 3, 3)), jnp.float32)


def model(w, x):
    h = probe(x @ w, "pre")
    return jnp.sum(probe(jnp.tanh(h), "post") ** 2)


def by_hand(w, x):
    """Values and gradients at the probes, from a version that takes offsets there."""
    pre = x @ w
    post = jnp.tanh(pre)
    at_post = 2 * post
    return {"pre": pre, "post": post}, {"pre": at_post * (1 - post**2), "post": at_post}


def assert_seen(seen, w=W, x=X):
    values, gradients = by_hand(w, x)
    for name in ("pre", "post"):
        assert_figures(seen.values[name], values[name])
        assert_figures(seen.gradients[name], gradients[name])


def layers(depth_axis):
    """The deep model as a scan, whose probes have an axis of layers."""

    def body(h, w):
        return probe(jnp.tanh(probe(h @ w, "pre")), "post"), None

    def run(ws, x):
        h, _ = jax.lax.scan(body, x, ws)
        return jnp.sum(h**2)

    return run


def deep_by_hand(ws, x):
    hs, pres = [x], []
    for w in ws:
        pres.append(hs[-1] @ w)
        hs.append(jnp.tanh(pres[-1]))
    g, back = 2 * hs[-1], []
    for w, pre in zip(ws[::-1], pres[::-1], strict=True):
        at_pre = g * (1 - jnp.tanh(pre) ** 2)
        back.append((at_pre, g))
        g = at_pre @ w.T
    return pres, hs[1:], back[::-1]


WRAPPERS = {
    "plain": lambda f: f,
    "jit": jax.jit,
    "inner jit": lambda f: lambda w, x: jax.jit(f)(w, x),
    "remat": lambda f: jax.checkpoint(f),
    "remat with a policy": lambda f: jax.checkpoint(f, policy=jax.checkpoint_policies.dots_saveable),
    "cond": lambda f: lambda w, x: jax.lax.cond(x[0, 0] < 1e9, f, lambda w, x: 0.0 * x.sum(), w, x),
    "switch": lambda f: lambda w, x: jax.lax.switch(1, [lambda w, x: x.sum(), f, lambda w, x: w.sum()], w, x),
    "jit of remat of cond": lambda f: jax.jit(jax.checkpoint(WRAPPERS["cond"](f))),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_values_and_gradients(wrapper):
    f = WRAPPERS[wrapper](model)
    (value, seen), grads = jax.jit(value_and_grad(f, (0, 1)))(W, X)
    np.testing.assert_allclose(value, model(W, X), rtol=1e-5, atol=1e-6)
    for got, wanted in zip(grads, jax.grad(model, (0, 1))(W, X), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert_seen(seen)
    out, stats = watch(f)(W, X)
    np.testing.assert_allclose(out, model(W, X), rtol=1e-5, atol=1e-6)
    assert_figures(stats["pre"], X @ W)


@pytest.mark.slow
@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("unroll", [1, 2])
def test_scan_stacks_a_reading_for_each_layer(remat, unroll):
    def body(h, w):
        return probe(jnp.tanh(probe(h @ w, "pre")), "post"), h.sum()

    body = jax.checkpoint(body) if remat else body

    def run(ws, x):
        h, ys = jax.lax.scan(body, x, ws, unroll=unroll)
        return jnp.sum(h**2) + 0.0 * ys.sum()

    (_, seen), grads = jax.jit(value_and_grad(run))(DEEP, X)
    np.testing.assert_allclose(grads, jax.grad(run)(DEEP, X), rtol=1e-5, atol=1e-7)
    pres, posts, back = deep_by_hand(DEEP, X)
    for i in range(len(DEEP)):
        at = lambda s, i=i: jax.tree.map(lambda leaf: leaf[i], s)  # noqa: E731
        assert_figures(at(seen.values["pre"]), pres[i])
        assert_figures(at(seen.values["post"]), posts[i])
        assert_figures(at(seen.gradients["pre"]), back[i][0])
        assert_figures(at(seen.gradients["post"]), back[i][1])


def test_reversed_scan_reads_in_the_order_of_its_inputs():
    def run(xs):
        return jax.lax.scan(lambda c, x: (c + probe(x, "x"), None), 0.0, xs, reverse=True)[0]

    _, stats = watch(run)(jnp.arange(3.0))
    np.testing.assert_array_equal(stats["x"].mean, [0.0, 1.0, 2.0])


@pytest.mark.slow
def test_a_branch_not_taken_counts_nothing():
    def f(x, flag):
        return jax.lax.cond(flag, lambda x: probe(2 * x, "twice").sum(), lambda x: probe(x, "once").sum(), x)

    (_, seen), _ = value_and_grad(f)(X, jnp.bool_(False))
    assert seen.values["twice"].count == 0
    assert seen.gradients["twice"].count == 0
    assert np.isnan(seen.values["twice"].zero_share)
    assert_figures(seen.values["once"], X)
    assert seen.gradients["once"].mean == 1


@pytest.mark.slow
def test_vmap_gives_every_lane_its_own():
    ws = jnp.stack([W, 2 * W, -W])
    (_, seen), grads = jax.vmap(value_and_grad(model), in_axes=(0, None))(ws, X)
    for i, w in enumerate(ws):
        lane = jax.tree.map(lambda leaf: leaf[i], seen)  # noqa: B023
        assert_seen(lane, w)
        np.testing.assert_allclose(grads[i], jax.grad(model)(w, X), rtol=1e-5, atol=1e-6)


def test_vmap_inside_is_seen_whole():
    def f(w, x):
        return jax.vmap(lambda row: probe(row @ w, "h"))(x).sum()

    _, stats = watch(f)(W, X)
    assert stats["h"].count == X.shape[0] * W.shape[1]


@pytest.mark.slow
def test_under_grad_hessian_and_scan_of_the_watched_function():
    (_, stats), grads = jax.value_and_grad(watch(model), has_aux=True)(W, X)
    np.testing.assert_allclose(grads, jax.grad(model)(W, X), rtol=1e-5, atol=1e-6)
    assert_figures(stats["post"], jnp.tanh(X @ W))

    v = jnp.ones_like(W)
    through = jax.jvp(lambda w: value_and_grad(model)(w, X)[1], (W,), (v,))[1]
    np.testing.assert_allclose(
        through, jax.jvp(lambda w: jax.grad(model)(w, X), (W,), (v,))[1], rtol=1e-5, atol=1e-6
    )

    def step(w, x):
        (_, seen), g = value_and_grad(model)(w, x)
        return w - 0.1 * g, seen

    _, seen = jax.lax.scan(step, W, jnp.stack([X, 2 * X]))
    assert_seen(jax.tree.map(lambda leaf: leaf[0], seen))


@pytest.mark.slow
def test_sharded_by_jit_equals_unsharded():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    x = jax.device_put(X, NamedSharding(mesh, P("data")))
    (_, seen), grads = jax.jit(value_and_grad(model))(W, x)
    assert_seen(seen)
    np.testing.assert_allclose(grads, jax.grad(model)(W, X), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("check", [True, False])
def test_shard_map_equals_unsharded(check):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))

    def local(w, x):
        return jax.lax.psum(model(w, x), "data")

    f = jax.shard_map(local, mesh=mesh, in_specs=(P(), P("data")), out_specs=P(), check_vma=check)
    (value, seen), grads = jax.jit(value_and_grad(f))(W, X)
    np.testing.assert_allclose(value, model(W, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grads, jax.grad(f)(W, X), rtol=1e-5, atol=1e-6)
    if check:
        assert_seen(seen)
    else:
        assert_figures(seen.values["pre"], X @ W)


@pytest.mark.slow
def test_what_devices_of_a_shard_map_share_counts_once():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))

    def local(w, x):
        return jax.lax.psum(jnp.sum(x @ probe(w, "w")), "data")

    f = jax.shard_map(local, mesh=mesh, in_specs=(P(), P("data")), out_specs=P())
    (_, seen), _ = value_and_grad(f)(W, X)
    assert seen.values["w"].count == W.size
    assert_figures(seen.values["w"], W)
    assert_figures(seen.gradients["w"], jax.grad(lambda w: jnp.sum(X @ w))(W))


def test_values_as_they_are():
    out, seen = jax.jit(watch(model, reading=VALUE))(W, X)
    np.testing.assert_allclose(out, model(W, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen["pre"], X @ W, rtol=1e-5, atol=1e-6)
    (_, seen), _ = value_and_grad(model, reading=VALUE)(W, X)
    np.testing.assert_allclose(seen.gradients["pre"], by_hand(W, X)[1]["pre"], rtol=1e-5, atol=1e-6)


def test_a_probe_that_the_loss_does_not_depend_on():
    def f(x):
        return jnp.sum(x) + 0.0 * jnp.sum(jax.lax.stop_gradient(probe(2 * x, "h")))

    (_, seen), _ = value_and_grad(f)(X)
    assert seen.gradients["h"].count == X.size
    assert seen.gradients["h"].zero_share == 1
    assert seen.gradients["h"].rms == 0
    assert seen.gradients["h"].quantile(0.5) == 0


@pytest.mark.slow
def test_custom_derivatives_survive():
    @jax.custom_jvp
    def f(x):
        return x

    f.defjvp(lambda primals, tangents: (primals[0], 7 * tangents[0]))
    assert jax.grad(lambda x: watch(lambda x: f(probe(x, "x")))(x)[0])(1.0) == 7
    assert value_and_grad(lambda x: f(probe(x, "x")))(1.0)[1] == 7


@pytest.mark.slow
def test_auxiliary_output_keywords_and_constants_of_the_trace():
    def f(w, x, *, double, name="h"):
        y = probe(x @ w, name)
        return jnp.sum(2 * y if double else y), {"y": y}

    (value, aux, seen), grads = value_and_grad(f, has_aux=True)(W, X, double=True)
    np.testing.assert_allclose(value, 2 * jnp.sum(X @ W), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(aux["y"], X @ W, rtol=1e-5, atol=1e-6)
    assert seen.gradients["h"].mean == 2
    assert grads.shape == W.shape


@pytest.mark.slow
def test_whole_numbers_have_no_gradient():
    def f(x):
        return jnp.sum(x * probe(jnp.arange(3), "i").astype(jnp.float32))

    (_, seen), _ = value_and_grad(f)(jnp.ones(3))
    assert seen.values["i"].high == 2
    assert not seen.gradients


@pytest.mark.parametrize("transform", [jax.grad, lambda f: jax.grad(jax.checkpoint(f))])
def test_unwatched_probes_leave_no_trace_in_the_program(transform):
    def bare(w, x):
        return jnp.sum(jnp.tanh(x @ w) ** 2)

    def text(f):
        lowered = jax.jit(transform(f)).lower(W, X).as_text()
        return lowered.replace("jit_model", "jit_bare")

    assert text(model) == text(bare)


def test_order_of_names():
    assert probe_names(model)(W, X) == ["pre", "post"]
    assert probe_names(lambda x: jax.lax.scan(lambda c, _: (probe(c, "a"), None), x, None, 2)[0])(1.0) == [
        "a"
    ]


def test_a_name_used_twice():
    with pytest.raises(InputError, match="probe name 'a' is used twice"):
        watch(lambda x: probe(probe(x, "a"), "a"))(X)
    with pytest.raises(InputError, match="probe name 'a' is used twice"):
        watch(lambda x: jax.jit(lambda x: probe(x, "a"))(probe(x, "a")))(X)


@jax.custom_jvp
def ruled(x):
    return probe(x, "a")


ruled.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
HIDDEN = {
    "while": (lambda x: jax.lax.while_loop(lambda c: c < 3, lambda c: probe(c + 1, "a"), x), "a while loop"),
    "rule": (ruled, "a derivative rule of its own"),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_probe_that_cannot_be_seen_is_told(kind):
    hidden, words = HIDDEN[kind]
    with pytest.raises(InputError, match=f"probe 'a' sits inside .*{words}"):
        watch(hidden)(1.0)


def test_raw_values_in_shard_map_are_refused():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    f = jax.shard_map(lambda x: probe(x, "a"), mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    with pytest.raises(InputError, match="take summaries"):
        watch(f, reading=VALUE)(X)


@pytest.mark.slow
def test_two_names_of_unlike_shape_in_branches():
    def f(x):
        return jax.lax.cond(x[0, 0] > 0, lambda x: probe(x, "a").sum(), lambda x: probe(x[0], "a").sum(), x)

    assert watch(f)(X)[1]["a"].count > 0  # summaries agree
    with pytest.raises(InputError, match="another shape in another branch"):
        watch(f, reading=VALUE)(X)


def test_summary_is_what_summarize_gives():
    _, stats = watch(model)(W, X)
    for name, value in summarize(X @ W).figures().items():
        np.testing.assert_allclose(stats["pre"].figures()[name], value, rtol=1e-5, err_msg=name)
