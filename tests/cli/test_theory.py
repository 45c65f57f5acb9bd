"""`actlab theory`: the card says what the library says."""

import pytest


@pytest.mark.slow
def test_the_card(actlab):
    code, out, _ = actlab("theory", "tanh", "--sigma-b", "0.2", "--depth", "12")
    assert code == 0
    for said in (
        "tanh",
        "gain 1/sqrt(E f^2) = 1.59254",
        "sigma_w = 1.30415 at sigma_b = 0.2, q = 0.512079",
        "sigma_w = 1.30415 (critical), sigma_b = 0.2, plain",
        "q* = 0.512079, c* = 1, chi_1 = 1",
        "depth scales    variance 1.63546, correlation inf layers",
    ):
        assert said in out, out
    rows = [line.split() for line in out.splitlines()]
    assert ["0", "1", "0.5"] in [r[:3] for r in rows]
    assert [r for r in rows if r[:1] == ["12"] and r[-1] == "1"]
    assert "\u2800" < max(out) <= "\u28ff"
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.slow
def test_no_edge_parameters_and_weights_of_ones_own(actlab):
    _, out, _ = actlab("theory", "softplus", "beta=2", "--depth", "4")
    assert "none at sigma_b = 0: sigma_b^2 would have to be negative at every variance" in out
    assert "(the gain: there is no critical one)" in out
    _, out, _ = actlab("theory", "softplus", "--depth", "4", "--sigma-w", "9")
    assert "sigma_w = 9 (as asked)" in out
    assert "the variance explodes: none" in out


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["gleu"], "did you mean"),
        (["tanh", "--depth", "0"], "--depth must be from 1 to 1000, got 0"),
        (["tanh", "--sigma-w", "-1"], "sigma_w must be positive"),
        (["softmax"], "not elementwise"),
        ([], "name one activation"),
        (["tanh", "--table"], "none with --table"),
        (["swish", "beta"], "write a parameter as name=value"),
    ],
)
def test_bad_input(actlab, argv, told):
    code, out, err = actlab("theory", *argv)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
