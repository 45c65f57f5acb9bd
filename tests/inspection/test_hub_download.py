"""A real download by ``huggingface_hub``, from a stand-in of the hub on this machine that speaks its protocol."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

pytest.importorskip("huggingface_hub", reason="needs the extra hub: huggingface_hub")

MODEL = Path(__file__).parent / "models" / "llama"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNWANTED = {"pytorch_model.bin": b"a pickle", "modeling_tiny.py": b"raise SystemExit", "README.md": b"# Tiny"}
FILES = {p.name: p.read_bytes() for p in MODEL.iterdir() if p.suffix != ".npz"} | UNWANTED
READ = """
import sys
from actlab.errors import InputError
from actlab.inspection.load import read_checkpoint
try:
    found = read_checkpoint(sys.argv[1])
    print(found.name, sum(x.size for x in found.weights.values()), found.tokenizer is not None)
except InputError as e:
    print("told:", e)
"""
COMMAND = "import sys; from actlab.cli import main; sys.exit(main())"


class Hub(BaseHTTPRequestHandler):
    """One public repository, org/tiny, and one behind a licence, org/gated."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Print nothing."""

    def do_GET(self):
        self.server.asked.append((self.command, path := urlsplit(self.path).path))
        parts = path.removeprefix("/api/models").strip("/").split("/")
        match ["api" if path.startswith("/api/") else "file", *parts]:
            case [_, "org", "gated", *_]:
                self.answer(403, b"", {"X-Error-Code": "GatedRepo"})
            case ["api", "org", "tiny", "revision", "main" | "v1"] | ["api", "org", "tiny"]:
                siblings = [{"rfilename": name} for name in FILES]
                self.answer_json({"id": "org/tiny", "sha": COMMIT, "private": False, "siblings": siblings})
            case ["api", "org", "tiny", "tree", of] if of in ("main", "v1", COMMIT):
                ids = {name: hashlib.sha1(x).hexdigest() for name, x in FILES.items()}
                files = [{"type": "file", "path": n, "size": len(x), "oid": ids[n]} for n, x in FILES.items()]
                self.answer_json(files)
            case ["api", "org", "tiny", *_]:
                self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            case ["file", "org", "tiny", "resolve", _, name] if name in FILES:
                mark = hashlib.sha1(FILES[name]).hexdigest()
                self.answer(200, FILES[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{mark}"'})
            case _:
                self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def answer_json(self, said):
        self.answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def hub():
    """Serve the stand-in; give its address and the list of what it was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        server.server_close()


def command(address, home, *line):
    own = ("HF_", "HUGGING", "TRANSFORMERS_")  # the user's token, cache and settings stay out of this
    env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(own)}
    env |= {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.run([sys.executable, *line], env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_model_is_fetched_once_and_nothing_of_it_that_is_not_read(tmp_path):
    with hub() as (address, asked):
        first = command(address, tmp_path, "-c", READ, "hf:org/tiny@v1")
        fetched = {path.rpartition("/")[2] for way, path in asked if way == "GET" and "/resolve/" in path}
        assert first.stdout.split()[0] == "org/tiny@v1" and first.stdout.split()[2] == "True", first.stderr
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
        assert fetched.isdisjoint(UNWANTED)
        assert not [p for p in tmp_path.rglob("*") if p.name in UNWANTED]
    gone = command(address, tmp_path, "-c", READ, "hf:org/tiny@v1")  # nobody listens there now
    assert gone.stdout == first.stdout


@pytest.mark.slow
def test_what_the_hub_refuses_is_one_line(tmp_path):
    with hub() as (address, _):
        for name, said in (
            ("org/none", "hf:org/none: there is no such model, or it is not for everyone to see"),
            ("org/tiny@v2", "hf:org/tiny@v2: org/tiny has no revision 'v2'"),
            ("org/gated", "hf:org/gated wants its licence agreed to on huggingface.co"),
        ):
            told = command(address, tmp_path, "-c", READ, f"hf:{name}")
            assert told.stdout.startswith(f"told: {said}"), (told.stdout, told.stderr)
            assert told.stdout.count("\n") == 1


@pytest.mark.slow
def test_a_page_of_a_model_of_the_hub(tmp_path):
    page = tmp_path / "page.html"
    with hub() as (address, _):
        done = command(
            address, tmp_path, "-c", COMMAND, "inspect", "--model", "hf:org/tiny", "--prompt", "ab",
            "--max-new-tokens", "3", "--out", str(page),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "org/tiny" in page.read_text()
