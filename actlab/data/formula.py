"""A formula as a data set: points drawn in a box, and the formula's value at each, to be regressed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from actlab.data.dataset import Dataset
from actlab.errors import InputError, suggest

FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh", "arctan", "sinh", "cosh", "sign")
}
CONSTANTS = {"pi": np.pi, "e": np.e}
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
}
MOST = 9  # inputs


def formula(
    expression: str = "exp(sin(pi * x1) + x2**2)",
    *,
    samples: int = 2000,
    low: float = -1.0,
    high: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Dataset:
    r"""Return points of a box, uniform in [low, high]^n, and what a formula says of each: x (N, n), y (N, 1).

    The default is the first example of the Kolmogorov-Arnold networks' paper (Liu et al. 2024, arXiv:2404.19756).

    Args:
        expression: in ``x1`` to ``x9``, as Python writes it: ``+ - * / **``, numbers, ``pi``, ``e`` and the functions
            sin, cos, tan, exp, log, sqrt, abs, tanh, arctan, sinh, cosh, sign. n is the greatest number in it.
        samples: N in all; half are for training.
        low, high: of every input.
        noise: standard deviation of what is added to the training targets; those of the test stay exact.
        seed: of the points, the same for every run.

    Raises:
        InputError: an expression that is none, says something else, or is not finite somewhere in the box; numbers
            that cannot be.

    >>> data = formula("x1 * x2", samples=4)
    >>> data.in_shape, data.task, bool(np.allclose(data.y_test[:, 0], data.x_test.prod(1)))
    ((2,), 'regression', True)
    """
    if samples < 4:
        raise InputError(f"samples={samples}: must be an integer >= 4")
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"low={low}, high={high}: must be two numbers, the lower first")
    if not 0 <= noise < np.inf:
        raise InputError(f"noise={noise}: must be a number >= 0")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed={seed}: must be in [0, 2**32)")
    tree = _parsed(expression)
    inputs = max(
        (int(n.id[1:]) for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_input(n.id)), default=0
    )
    if not inputs:
        raise InputError(f"expression={expression!r}: has no input, x1 to x{MOST}")
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.uniform(low, high, (samples, inputs))
    with np.errstate(all="ignore"):  # told below
        y = np.broadcast_to(_value(tree, x), samples).astype(np.float64)
    if bad := int(np.sum(~np.isfinite(y))):
        at = x[np.flatnonzero(~np.isfinite(y))[0]].round(3).tolist()
        raise InputError(
            f"expression={expression!r}: is not finite at {bad} of {samples} points, the first {at}"
        )
    half = samples - samples // 2
    given = y[:half] + noise * rng.standard_normal(half)
    x = x.astype(np.float32)
    return Dataset(
        "formula", x[:half], given[:, None].astype(np.float32), x[half:], y[half:, None].astype(np.float32)
    )


def _is_input(name: str) -> bool:
    return len(name) == 2 and name[0] == "x" and name[1] in "123456789"


def _parsed(expression: str) -> ast.expr:
    """Return the tree of an expression that holds nothing but what a formula may."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as e:
        raise InputError(f"expression={expression!r}: is no formula ({getattr(e, 'msg', e)})") from None
    known = [*FUNCTIONS, *CONSTANTS, *(f"x{i}" for i in range(1, MOST + 1))]
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            right = node.id in FUNCTIONS if id(node) in called else _is_input(node.id) or node.id in CONSTANTS
            if not right:
                raise InputError(f"expression={expression!r}: {node.id} is unknown{suggest(node.id, known)}")
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.keywords or len(node.args) != 1:
                raise InputError(f"expression={expression!r}: a function takes one argument, like sin(x1)")
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
                raise InputError(f"expression={expression!r}: {node.value!r} is no real number")
        elif not isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Load, *OPERATORS)):
            raise InputError(
                f"expression={expression!r}: {type(node).__name__} is no part of a formula: + - * / ** and functions"
            )
    return tree


def _value(node: ast.expr, x: np.ndarray) -> Any:
    """Return the value (N,) of a checked tree at points ``x`` (N, n), float64."""
    if isinstance(node, ast.Constant):
        return np.float64(node.value)
    if isinstance(node, ast.Name):
        return CONSTANTS[node.id] if node.id in CONSTANTS else x[:, int(node.id[1:]) - 1]
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](_value(node.args[0], x))
    if isinstance(node, ast.UnaryOp):
        return OPERATORS[type(node.op)](_value(node.operand, x))
    return OPERATORS[type(node.op)](_value(node.left, x), _value(node.right, x))
