"""Every peer that a spec names, called and compared; ``pytest -s tests/conformance`` prints where they differ."""

import importlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import peers
import pytest
from disagreements import DISAGREEMENTS, VERSIONS

import actlab

# Public functions that are no activations of one tensor, or helpers of such; or what is left out, and why.
LEFT_OUT = {
    "jax.nn": {
        "dot_product_attention": "attention",
        "get_scaled_dot_general_config": "products of low precision",
        "scaled_dot_general": "products of low precision",
        "scaled_matmul": "products of low precision",
        "initializers": "weights",
        "log1mexp": "a helper of probabilities",
        "logmeanexp": "logsumexp less log n",
        "one_hot": "an encoding",
        "standardize": "a normalisation by mean and variance",
    },
    "torch.nn.functional": {
        "multiheadattention": "attention",
        "softmax2d": "softmax along another axis",
    },
    "keras.activations": {
        "deserialize": "a look-up",
        "get": "a look-up",
        "serialize": "a look-up",
    },
    "timm.layers": {
        "hard_mish": "experimental, by its docstring",
    },
}


PAIRS = peers.pairs()
RUNS_ON = {"keras": "jax", "timm": "torch", "entmax": "torch"}


@pytest.fixture(scope="module")
def seen():
    """What is found, printed in the end."""
    found = {}
    yield found
    for name, package in sorted(found):
        print(f"\n\n{name}: {dict(actlab.registry()[name].spec.peers)[package]}", end="")
        for aspect, what in found[name, package].items():
            who, why = DISAGREEMENTS.get((name, package), {}).get(aspect, ("not listed", ""))
            print(f"\n  {aspect:24} {what}\n{' ' * 27}{who}: {why}", end="")
    print()


@pytest.mark.parametrize(("name", "package"), PAIRS, ids=map("-".join, PAIRS))
def test_differs_where_it_is_known_to_and_nowhere_else(name, package, seen):
    needs(package)
    found = peers.differences(name, package)
    if found:
        seen[name, package] = found
    listed = DISAGREEMENTS.get((name, package), {})
    wrong = [f"{a}: {what}, which is not listed" for a, what in found.items() if a not in listed]
    wrong += [f"{a}: listed, and no longer found" for a in listed if a not in found]
    versions = {p: peers.version(p) for p in {package, RUNS_ON.get(package, package)}}
    if wrong and versions.items() - VERSIONS.items():
        pytest.skip(f"with {versions}, listed for {VERSIONS}: {'; '.join(wrong)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_masks_are_as_in_jax(name):
    full = jnp.asarray(peers.ORDINARY, jnp.float32)
    keep = jnp.asarray(np.random.default_rng(0).random(full.shape) < 0.6).at[0].set(False)  # a row of nothing

    def both(f, x):
        return f(x, where=keep, axis=-1)

    cotangent = jnp.asarray(peers.ORDINARY[::-1] / 50, jnp.float32)
    for x in (full, jnp.where(keep, full, jnp.inf)):
        y, pull = jax.vjp(partial(both, getattr(actlab, name)), x)
        other, pull_other = jax.vjp(partial(both, getattr(jax.nn, name)), x)
        np.testing.assert_allclose(y, other, rtol=1e-5, atol=1e-6)
        given = cotangent[..., 0] if y.ndim == 1 else jnp.where(jnp.isfinite(y), cotangent, 0)
        np.testing.assert_allclose(pull(given)[0][1:], pull_other(given)[0][1:], rtol=1e-5, atol=1e-5)


def test_what_is_listed_has_a_peer():
    assert DISAGREEMENTS.keys() <= set(peers.pairs())


@pytest.mark.parametrize("namespace", LEFT_OUT)
def test_no_public_activation_is_forgotten(namespace):
    package = namespace.partition(".")[0]
    needs(package)
    public = functions(namespace)
    named = {
        name
        for activation in actlab.names()
        for key, text in actlab.registry()[activation].spec.peers
        if key == package and text.startswith(f"{namespace}.")
        for name in [text.removeprefix(f"{namespace}.").partition("(")[0]]
    }
    if package == "torch":
        named = {name.replace("_", "") for name in named}
    named |= {
        name for name, fn in public.items() if fn in [public.get(n) for n in named]
    }  # under another name
    assert not public.keys() - named - LEFT_OUT[namespace].keys(), "neither a peer of a function nor left out"
    assert not named & LEFT_OUT[namespace].keys(), "left out, and a peer all the same"
    assert LEFT_OUT[namespace].keys() <= public.keys(), "left out, and not there"


def functions(namespace):
    """The public functions of a namespace by name."""
    if (
        namespace == "torch.nn.functional"
    ):  # which holds everything; the modules are listed, and say what there is
        listed = importlib.import_module("torch.nn.modules.activation").__all__
        return {name.lower(): object() for name in (*listed, "GumbelSoftmax")}
    if namespace == "timm.layers":
        module = peers.roots("timm")["timm"].layers
        return {
            n: f
            for n, f in vars(module).items()
            if n.islower() and getattr(f, "__module__", "") == module.__name__
        }
    module = importlib.import_module(namespace)
    return {name: f for name, f in vars(module).items() if not name.startswith("_")}


def needs(package):
    if not peers.installed(package):
        pytest.skip(f"{package} is not installed")
