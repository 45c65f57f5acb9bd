"""`actlab show`: the card, its plot, and what is said of names that are not there."""

import io
import sys

import pytest
from rich.console import Console

from actlab.activations import make
from actlab.cli.plot import plot
from actlab.cli.show import card
from actlab.report.sampling import curves

USERS_MODULE = """
import jax.numpy as jnp
def step_and_bend(x, *, at=0.5): return jnp.where(x > at, jnp.tanh(x) + 2.0, 0.1 * x)
def flat(x): return jnp.round(x)
def broken(x): return x + jnp.zeros(7)
"""


def braille(lines):
    return [[0x2800 < ord(c) <= 0x28FF for c in line.plain] for line in lines]


def test_the_card_says_what_is_known(actlab):
    code, out, _ = actlab("show", "swish", "beta=2")
    assert code == 0
    assert out.splitlines()[0] == "swish  beta=2.0"
    for said in (
        "beta = 2 (default 1), in (-∞, ∞), learnable",
        "formula         x/(1+exp(-beta*x))",
        "range           [-0.139232, ∞)",
        "no, turns at -0.639232",
        "0 at -∞, ∞ at ∞",
        "f(0) = 0, f′(0) = 0.5",
        "second moment",
        "its input: 2 bytes a value in bfloat16",
        "jax.nn.swish",
        "swish(x, beta=2) = 0.5 silu(2 x)",
        "arXiv:1710.05941",
    ):
        assert said in out, out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 100
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_kinks_jumps_and_measured_errors(actlab):
    _, out, _ = actlab("show", "relu")
    assert "at 0: f′ is 0 on the left, 1 on the right; taken 0" in out
    assert "its output, which the next layer keeps anyway" in out
    assert "measured in float32, f and f′: actlab 0.00 and 0.00; jax.nn.relu" in out
    _, out, _ = actlab("show", "hard_shrink")
    assert "at -0.5: from -0.5 to 0; value 0" in out


def test_an_alias_shows_its_function(actlab):
    assert actlab("show", "gelu_exact")[1] == actlab("show", "gelu")[1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("softmax", "first output along the first of four inputs, the others 0"),
        ("swiglu", "along gate, with up = 1"),
        ("funnel_relu", "with context = 0"),
        ("spike_atan", "with surrogate f′"),
    ],
)
def test_what_is_not_elementwise_is_drawn_along_one_input(actlab, name, words):
    code, out, _ = actlab("show", name)
    assert code == 0
    assert words in out
    assert out.count("│") > 5


@pytest.mark.slow
def test_own_function_is_tried_and_measured(actlab, here):
    (here / "my_shown.py").write_text(USERS_MODULE)
    code, out, _ = actlab("show", "my_shown:step_and_bend", "at=0.25")
    assert code == 0, out
    assert "passed: keeps shape and dtype" in out
    assert "f at 0.25: 0.025 on the left, 2.24492 on the right" in out
    assert "f(0) = 0, f′(0) = 0.1" in out
    code, out, _ = actlab("show", "my_shown:flat")
    assert code == 0
    assert "has derivative 0 everywhere" in out
    code, out, _ = actlab("show", "my_shown:broken")
    assert code == 0
    assert "cannot be drawn" in out


def test_bibtex(actlab):
    code, out, _ = actlab("show", "gelu", "--bibtex")
    assert code == 0
    assert "@misc{hendrycks2016," in out


def test_colours_on_a_terminal_only(actlab):
    told = io.StringIO()
    card(make("tanh"), Console(file=told, force_terminal=True, width=120, color_system="standard"))
    assert "\x1b[" in told.getvalue()
    told = io.StringIO()
    card(make("tanh"), Console(file=told, force_terminal=True, width=40, color_system=None))
    assert "\x1b" not in told.getvalue()
    assert max(map(len, told.getvalue().splitlines())) <= 60


def test_where_there_is_no_unicode_it_is_ascii():
    told = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    card(make("mish"), Console(file=told, width=100, color_system=None, highlight=False))
    told.seek(0)
    out = told.read()
    assert "***" in out
    assert "f'(0) = 0.6" in out


def test_curves_are_where_they_belong():
    lines = plot(curves(make("relu")), 60, 16)
    assert len(lines) == 17
    margin = lines[0].plain.index("│") - 30
    dots = braille(lines)
    assert all(len(line.plain) <= margin + 60 for line in lines)
    assert dots[0][-1] or dots[1][-1]  # up at the right
    zero = next(i for i, line in enumerate(lines) if line.plain.lstrip().startswith("0 "))
    assert sum(dots[zero][margin : margin + 30]) == 30  # and along the axis at the left


def test_a_jump_is_no_vertical_line():
    lines = plot(curves(make("heaviside")), 60, 16)
    zero = next(i for i, line in enumerate(lines) if line.plain.lstrip().startswith("0 "))
    assert not any(any(row) for row in braille(lines)[2:zero])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("show gleu", "no activation is called 'gleu'; did you mean 'glu' or"),
        ("show swish bta=2", "swish has no parameter 'bta'; did you mean 'beta'?"),
        ("show elu alpha=-1", "elu: alpha must be in (0, inf), got -1"),
        ("show elu alpha=big", "elu: alpha must be a number, got 'big'"),
        ("show swish 2", "'2': write a parameter as name=value, like beta=2"),
        ("show users:nope", "cannot import users"),
        ("gallery tanhh", "no activation is called 'tanhh'; did you mean 'tanh'"),
    ],
)
def test_one_line(actlab, here, argv, message):
    sys.modules.pop("users", None)
    code, out, err = actlab(*argv.split())
    assert code == 2, err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert not list(here.iterdir())
