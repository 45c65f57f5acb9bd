"""``actlab theory``: what an activation makes of a signal in a wide random network, on one screen."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from actlab.theory import Critical, Maps

_WIDTH = 100
_LABEL = 16
_DEEPEST = 1_000  # layers; one costs some milliseconds
_PLOT = (40, 10)  # characters


def main(argv: list[str]) -> int:
    """Run ``actlab theory``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab theory",
        description="Moments, gain, edge of chaos, depth scales and the maps of variance and correlation of an "
        "activation, in a wide random network; computed, nothing is trained.",
        epilog="example: actlab theory gelu --depth 64",
    )
    parser.add_argument(
        "name", nargs="?", help="a name from `actlab list`, or your own function as my_module:my_fn"
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="the moments and gain of every listed activation instead, a line each",
    )
    parser.add_argument(
        "parameters", nargs="*", metavar="parameter=value", help="other values than the defaults"
    )
    parser.add_argument("--depth", type=int, default=32, help="layers followed (default 32)")
    parser.add_argument("--sigma-w", type=float, help="standard deviation of the weights times sqrt(fan-in)")
    parser.add_argument(
        "--sigma-b", type=float, default=0.0, help="standard deviation of the biases (default 0)"
    )
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.depth <= _DEEPEST:
        raise InputError(f"--depth must be from 1 to {_DEEPEST}, got {arguments.depth}")

    if (arguments.name is None) != arguments.table:
        raise InputError("name one activation, like `actlab theory gelu`, or none with --table")
    if arguments.table:
        return gains()

    from rich.console import Console

    from actlab.activations import make
    from actlab.cli.show import pair

    given = dict(pair(text) for text in arguments.parameters)
    if ":" in arguments.name:
        sys.path.append(os.getcwd())  # where users' modules are
    terminal = sys.stdout.isatty()
    colours = "auto" if terminal and not os.environ.get("NO_COLOR") else None
    console = Console(highlight=False, width=None if terminal else _WIDTH, color_system=colours)
    card(make(arguments.name, **given), arguments.sigma_w, arguments.sigma_b, arguments.depth, console)
    return 0


def gains() -> int:
    """Print mean, second moments and gain of every activation that has them, and why the others have none."""
    from actlab.activations import make, names
    from actlab.theory import gain, moments

    print(f"{'activation':24} {'E f':>14} {'E f^2':>14} {'E f_prime^2':>14} {'gain':>14}")
    for name in names():
        act = make(name)
        try:
            found = gain(act)
        except InputError as e:
            print(f"{name:24} none: {str(e).removeprefix('gain: ')}")
            continue
        told = moments(act) if act.elementwise else None  # a gated one has two inputs
        cells = (told.mean, told.second_moment, told.slope_second_moment) if told else ("", found**-2, "")
        row = (*cells, found)
        print(f"{name:24}" + "".join(f" {v:>14.9f}" if v != "" else f" {'':14}" for v in row), flush=True)
    return 0


def card(act: Any, sigma_w: float | None, sigma_b: float, depth: int, console: Console) -> None:
    """Print the theory of an activation: at ``sigma_w``, or where that is None at its edge of chaos or its gain."""
    from rich.text import Text

    from actlab.theory import critical, maps, moments

    edge = critical(act, sigma_b)
    told = moments(act)
    if sigma_w is not None:
        chosen, why = sigma_w, "as asked"
    elif edge.sigma_w is not None:
        chosen, why = edge.sigma_w, "critical"
    else:
        chosen, why = told.gain, "the gain: there is no critical one"
    net = maps(act, chosen, sigma_b)

    params = ", ".join(f"{name}={value}" for name, value in act.params)
    console.print(Text(act.name, style="bold").append(f"  {params}" if params else "", style="not bold dim"))
    console.print()
    rows = [
        ("unit normal z", f"E f = {_n(told.mean)}, E f^2 = {_n(told.second_moment)}"),
        ("", f"E f'^2 = {_n(told.slope_second_moment)}, gain 1/sqrt(E f^2) = {_n(told.gain)}"),
        ("edge of chaos", _edge(edge)),
        ("network", f"sigma_w = {_n(chosen)} ({why}), sigma_b = {_n(sigma_b)}, plain"),
        *_fixed(net),
    ]
    for label, text in rows:
        console.print(Text(f"{label:{_LABEL}}", style="dim").append(text, style="not dim"), soft_wrap=True)
    console.print()
    for line in _through(net, depth):
        console.print(line, soft_wrap=True)
    for line in _pictures(net, console):
        console.print(line, soft_wrap=True)


def _edge(edge: Critical) -> str:
    if edge.sigma_w is None:
        return f"none at sigma_b = {_n(edge.sigma_b)}: {edge.reason}"
    where = f"sigma_w = {_n(edge.sigma_w)} at sigma_b = {_n(edge.sigma_b)}, q = {_n(edge.q)}"
    return f"{where}; {edge.reason}" if edge.reason else where


def _fixed(net: Maps) -> list[tuple[str, str]]:
    q = net.fixed_q()
    if q == 0 or math.isinf(q):
        return [("fixed points", f"the variance {'vanishes' if q == 0 else 'explodes'}: none")]
    c = net.fixed_c(q)
    return [
        ("fixed points", f"q* = {_n(q)}, c* = {_n(c)}, chi_1 = {_n(net.chi(q))}"),
        ("depth scales", f"variance {_n(net.xi_q)}, correlation {_n(net.xi_c)} layers"),
    ]


def _through(net: Maps, depth: int) -> list[str]:
    deep = net.depth(depth, q=1.0, c=0.5)
    at = sorted({0, *(2**k for k in range(10) if 2**k < depth), depth})
    lines = [f"{'layer':>7} {'variance q':>12} {'correlation c':>14} {'gradient':>12}"]
    lines += [f"{i:7} {_n(deep.q[i]):>12} {_n(deep.c[i]):>14} {_n(deep.gradient[i]):>12}" for i in at]
    return [
        *lines,
        "(started at q = 1, c = 0.5; gradient: its variance there over that at the last layer)",
        "",
    ]


def _pictures(net: Maps, console: Console) -> list[Any]:
    import numpy as np

    from actlab.cli.plot import plot

    q = net.fixed_q()
    q = q if 0 < q < math.inf else 1.0
    c = np.linspace(-1.0, 1.0, 25)
    log = np.linspace(-3.0, 3.0, 31)
    with np.errstate(all="ignore"):
        above = np.log10([net.q(10.0**v) for v in log])
    try:
        "⠿│".encode(console.encoding)
        unicode = True
    except (UnicodeEncodeError, LookupError):
        unicode = False
    lines: list[Any] = [f"next layer's correlation against this one's, at q = {_n(q)}; dashed: no change"]
    lines += plot(_curves(c, np.array([net.c(v, q) for v in c]), 1.0), *_PLOT, unicode=unicode)
    lines += ["", "log10 of the next layer's variance against this one's; dashed: no change"]
    return lines + plot(_curves(log, above, 3.0), *_PLOT, unicode=unicode)


def _curves(x: np.ndarray, y: np.ndarray, reach: float) -> Any:
    """Return a map and the diagonal in a square window, for `plot`."""
    import numpy as np

    from actlab.report.sampling import Curves

    y = np.clip(np.nan_to_num(y, nan=2 * reach, neginf=-2 * reach), -2 * reach, 2 * reach)
    return Curves(x, np.stack([y, x, x]), (0,), (), reach, (-reach, reach), (0, 1), "")


def _n(value: float) -> str:
    return f"{float(value):.6g}"
