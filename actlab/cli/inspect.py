"""``actlab inspect``: look inside a language model while it writes; as a page that is served, or as a file."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.cli.explaining import Parser
from actlab.cli.inspect_model import HELP, load_model
from actlab.errors import InputError, suggest

if TYPE_CHECKING:
    from actlab.inspection import Capture, LanguageModel, Trace

KINDS = (".html", ".json", ".npz")
LONGEST_FILE = 1 << 20  # bytes of --text FILE: far more than any context takes


def main(argv: list[str]) -> int:
    """Run ``actlab inspect``, or ``actlab inspect neurons|concept|swap``; return its exit code."""
    if argv and not argv[0].startswith("-"):
        return _kind(argv[0])(argv[1:])
    arguments = _arguments(argv)
    from actlab.cli.runtime import prepare, warnings_told

    with warnings_told():
        prepare()
        if arguments.prompt is None and arguments.text is None:
            return _serve(arguments)
        return _write(arguments, shlex.join(["actlab", "inspect", *argv]))


def _kind(name: str) -> Callable[[list[str]], int]:
    if name == "neurons":
        from actlab.cli.inspect_neurons import main as command
    elif name == "concept":
        from actlab.cli.inspect_concept import main as command
    elif name == "swap":
        from actlab.cli.inspect_swap import main as command
    else:
        known = ("neurons", "concept", "swap")
        raise InputError(
            f"inspect: {name!r} is unknown{suggest(name, known)}; a text goes after --prompt, a model after --model"
        )
    return command


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="actlab inspect",
        description="Look inside a language model while it writes: what every layer, head and unit does, token by "
        "token. Without --prompt or --text a page is served for this machine's browser; with one of them a file is "
        "written that needs no server.",
        epilog='example: actlab inspect --prompt "The capital of France is" --out page.html. Also: actlab inspect '
        "neurons (units over many texts), concept (what tells two kinds of text apart), swap (another activation).",
    )
    add = parser.add_argument
    add("--model", default="smollm2", metavar="MODEL", help=HELP)
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights in memory")
    what = parser.add_argument_group("a file").add_mutually_exclusive_group()
    what.add_argument("--prompt", help="text to go on with")
    what.add_argument(
        "--text", type=Path, metavar="FILE", help="given text to read; nothing is written after it"
    )
    add("--out", type=Path, metavar="FILE", help="page.html, x.json or x.npz; default: inspect.html")
    add("--chat", action="store_true", help="--prompt is a message of a chat, by the model's template")
    add("--max-new-tokens", type=int, default=32, metavar="N", help="so many at most, default: 32")
    add("--temperature", type=float, default=0.0, help="0 is greedy, the default")
    add("--top-k", type=int, default=0, metavar="K", help="only the K likeliest; 0 all")
    add("--top-p", type=float, default=1.0, metavar="P", help="only the fewest likeliest that sum to P")
    add(
        "--min-p",
        type=float,
        default=0.0,
        metavar="P",
        help="only those at least P times as likely as the likeliest",
    )
    add("--seed", type=int, default=0)
    add(
        "--lens",
        nargs="?",
        const="all",
        metavar="BLOCKS",
        help="logit lens after these blocks, like 0,10,20; alone: all",
    )
    add(
        "--rows",
        nargs="?",
        const="all",
        metavar="BLOCKS",
        help="keep the rows of attention of these blocks; alone: all",
    )
    add("--ablate", action="append", default=[], metavar="SITE:UNITS",
        help="a second run beside the first, with units silenced: blocks.3.mlp.act:17,912")  # fmt: skip
    add(
        "--swap",
        metavar="ACTIVATION",
        help="a second run beside the first, with another activation in all blocks",
    )
    server = parser.add_argument_group("the server")
    server.add_argument("--port", type=int, default=None, help="default: any that is free")
    server.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument("--open", action="store_true", help="open the file that was written")
    arguments = parser.parse_args(argv)
    if arguments.prompt is None and arguments.text is None:
        for name in ("out", "chat", "lens", "rows", "ablate", "swap", "open"):
            if getattr(arguments, name) not in (None, False, []):
                raise InputError(f"inspect: --{name} goes with --prompt or --text")
        if arguments.port is not None and not 0 <= arguments.port <= 65535:
            raise InputError(f"inspect: --port {arguments.port}: must be 0 to 65535")
        return arguments
    if arguments.port is not None or arguments.no_browser:
        raise InputError("inspect: --port and --no-browser are the server's, without --prompt or --text")
    arguments.out = arguments.out or Path("inspect.html")
    if arguments.out.suffix not in KINDS:
        raise InputError(f"inspect: --out {arguments.out}: must end in {', '.join(KINDS)}")
    if not arguments.out.resolve().parent.is_dir():
        raise InputError(f"inspect: --out {arguments.out}: there is no such folder")
    if arguments.chat and arguments.prompt is None:
        raise InputError("inspect: --chat goes with --prompt")
    if (arguments.ablate or arguments.swap) and arguments.out.suffix != ".html":
        raise InputError("inspect: two runs beside one another are for a page: --out something.html")
    return arguments


def _serve(arguments: argparse.Namespace) -> int:
    import socket
    import webbrowser

    try:
        import uvicorn

        from actlab.cli.inspect_server import make_app
    except ModuleNotFoundError as error:
        raise InputError(f"the page's server needs {error.name}: pip install 'actlab[lm]'") from error
    from actlab.cli.inspect_desk import Desk
    from actlab.cli.inspect_request import LONGEST
    from actlab.inspection import Sampling

    sampling = Sampling(**_sampling(arguments))  # says what cannot be
    if not 0 <= arguments.max_new_tokens <= LONGEST:
        raise InputError(f"--max-new-tokens {arguments.max_new_tokens}: must be 0 to {LONGEST} on the page")
    form = {"max_new_tokens": arguments.max_new_tokens, **dataclasses.asdict(sampling)}

    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", arguments.port or 0))
        except OSError as error:
            raise InputError(f"port {arguments.port} cannot be had: {error.strerror}") from error
        port = bound.getsockname()[1]
        desk = Desk(lambda: load_model(arguments.model, arguments.dtype), arguments.dtype)
        config = uvicorn.Config(
            make_app(desk, port, form),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=128,
            timeout_graceful_shutdown=3,
        )
        print(f"http://127.0.0.1:{port}/  (Ctrl+C ends it)", flush=True)
        desk.open()
        if not arguments.no_browser:
            webbrowser.open(f"http://127.0.0.1:{port}/")
        uvicorn.Server(config).run(sockets=[bound])
    return 0


def _write(arguments: argparse.Namespace, command: str) -> int:
    from actlab.activations import make

    given, ablate = _given(arguments), _ablated(arguments.ablate)
    swap = {"act": make(arguments.swap)} if arguments.swap else {}
    model = load_model(arguments.model, arguments.dtype)
    capture = _capture(arguments, model)
    new = 0 if arguments.text is not None else arguments.max_new_tokens
    settings = _sampling(arguments)
    traces = [("as it is", model.generate(given, max_new_tokens=new, capture=capture, **settings))]
    if arguments.ablate or arguments.swap:
        label = ", ".join(
            [*([f"with {arguments.swap}"] if swap else []), *(f"without {a}" for a in arguments.ablate)]
        )
        changed = model.generate(
            given, max_new_tokens=new, capture=capture, ablate=ablate, swap=swap, **settings
        )
        traces.append((label, changed))
    _save(arguments.out, traces, command)
    _tell(traces)
    print(arguments.out)
    if arguments.open:
        import webbrowser

        webbrowser.open(arguments.out.resolve().as_uri())
    return 0


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("temperature", "top_k", "top_p", "min_p", "seed")}


def _given(arguments: argparse.Namespace) -> Any:
    if arguments.text is None:
        return [{"role": "user", "content": arguments.prompt}] if arguments.chat else arguments.prompt
    path = arguments.text
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise InputError(f"--text {path}: longer than {LONGEST_FILE >> 20} MiB")
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"--text {path}: is no UTF-8 text, at byte {error.start}") from error


def _capture(arguments: argparse.Namespace, model: LanguageModel) -> Capture:
    from actlab.inspection import Capture

    a = model.architecture

    def blocks(name: str) -> tuple[int, ...]:
        told = getattr(arguments, name)
        if told in (None, "all"):
            return tuple(range(a.depth)) if told else ()
        return tuple(_numbers(told, f"--{name}"))

    # whole vectors belong into a file for other programs
    values = ("mlp.act.*",) if arguments.out.suffix == ".npz" else ()
    units, candidates = min(8, a.hidden), min(10, a.vocabulary)
    return Capture(
        units=units, candidates=candidates, values=values, rows=blocks("rows"), lens=blocks("lens")
    )


def _ablated(told: list[str]) -> dict[str, list[int]]:
    units: dict[str, list[int]] = {}
    for one in told:
        site, colon, numbers = one.rpartition(":")
        if not colon:
            raise InputError(f"--ablate {one}: write blocks.3.mlp.act:17,912")
        units.setdefault(site, []).extend(_numbers(numbers, f"--ablate {site}"))
    return units


def _numbers(told: str, where: str) -> list[int]:
    try:
        return [int(part) for part in told.split(",")]
    except ValueError:
        raise InputError(f"{where}: {told!r} must be integers, like 0,10,20") from None


def _save(out: Path, traces: list[tuple[str, Trace]], command: str) -> None:
    if out.suffix == ".html":
        from actlab.report.inspect_page import write_inspection

        write_inspection(out, traces, command=command)
    elif out.suffix == ".npz":
        traces[0][1].save(out)
    else:
        from actlab.files import write_atomic
        from actlab.report.inspect_payload import exported

        write_atomic(out, exported(traces[0][1]))


def _tell(traces: list[tuple[str, Trace]]) -> None:
    for label, trace in traces:
        name = f"{label}: " if len(traces) > 1 else ""
        written = "".join(trace.pieces[trace.prompt :])
        drawn = len(trace) - trace.prompt
        words = f"{name}{trace.prompt} tokens given, {drawn} drawn; mean surprisal {trace.loss:.4g} nats"
        print(words + (f": {written}" if drawn else ""), file=sys.stdout)
