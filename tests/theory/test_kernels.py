"""Kernels: the closed form and the quadrature are one, and a finite network's samples agree."""

import math

import numpy as np
import pytest

from actlab import make
from actlab.errors import InputError
from actlab.theory import kernel
from actlab.theory.kernels import Kernel

X = np.array([[1.0, 0.5, -0.3], [0.2, -1.4, 0.7], [0.9, 0.6, -0.2]])


@pytest.mark.parametrize("name", ["leaky_relu", "erf", "gelu"])
def test_quadrature_does_as_the_closed_form(name):
    act = make(name)
    assert kernel(act).exact
    for a, b in zip(
        kernel(act).network(X, 2, 1.4, 0.2), Kernel(act, exact=False).network(X, 2, 1.4, 0.2), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_relu_network():
    nngp, ntk = kernel("relu").network(np.eye(2), depth=1, sigma_w=2**0.5)
    np.testing.assert_allclose(nngp, [[1.0, 1 / math.pi], [1 / math.pi, 1.0]], rtol=1e-14)
    np.testing.assert_allclose(ntk, [[2.0, 1 / math.pi], [1 / math.pi, 2.0]], rtol=1e-14)
    deep, tangent = kernel("identity").network(X, 3, 1.0)
    np.testing.assert_allclose(deep, X @ X.T / 3, rtol=1e-14)
    np.testing.assert_allclose(tangent, 4 * X @ X.T / 3, rtol=1e-13)


@pytest.mark.parametrize("name", ["gelu", "mish"])
def test_against_samples(name):
    nngp, _ = kernel(name).network(X, 1, 1.5, 0.1)
    assert kernel(name).exact is (name == "gelu")
    rng = np.random.default_rng(0)
    h = rng.normal(size=(400_000, 3)) @ (X.T * 1.5 / 3**0.5) + 0.1 * rng.normal(size=(400_000, 1))
    y = np.asarray(make(name)(h.astype(np.float32)), float)
    pairs = y[:, :, None] * y[:, None, :]
    sampled, error = 1.5**2 * pairs.mean(0) + 0.01, 1.5**2 * pairs.std(0) / 400_000**0.5
    assert (np.abs(sampled - nngp) < 4 * error).all()


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (lambda k: k.step([[1.0, 2.0], [2.0, 1.0]]), "not a covariance"),
        (lambda k: k.step([1.0, 2.0]), "square matrix"),
        (lambda k: k.step([[0.0]]), "input 0 has variance 0"),
        (lambda k: k.step(np.eye(100)), "4950 pairs, and mish has no closed form"),
        (lambda k: k.network(np.ones(3), 1, 1.0), "shape \\(n, d\\)"),
        (lambda k: k.network(X, -1, 1.0), "whole number of activations"),
        (lambda k: k.network(X, 1, -1.0), "sigma_w must be positive"),
    ],
)
def test_what_cannot_be(bad, told):
    with pytest.raises(InputError, match=told):
        bad(kernel("mish"))
