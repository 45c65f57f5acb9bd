"""The server of ``actlab inspect`` with a small random model, on a port of its own."""

import dataclasses
import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from actlab.cli.inspect_desk import Desk
from actlab.cli.inspect_server import make_app
from actlab.inspection import LanguageModel, read_checkpoint

FOLDER = Path(__file__).parents[1] / "inspection" / "models" / "llama"
CONTEXT = 512  # the file says 64: too short to be stopped midway; its angles know no limit


def small_model():
    checkpoint = read_checkpoint(FOLDER)
    longer = dataclasses.replace(checkpoint.architecture, context=CONTEXT)
    return LanguageModel.of(dataclasses.replace(checkpoint, architecture=longer))


class Served:
    """A running server: its model, and how to ask it."""

    def __init__(self, desk, port):
        self.desk, self.port = desk, port
        self.host = f"127.0.0.1:{port}"

    def open(self, method, path, body=None, headers=None):
        """Send a request as it is; return the connection and its response, of which nothing has been read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        told = {"Host": self.host, **({"Content-Type": "application/json"} if body is not None else {})}
        told |= headers or {}
        if body is not None:
            told["Content-Length"] = str(len(body))
        for name, value in told.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, headers=None):
        """Return a request's status and what it says, JSON where it is."""
        connection, response = self.open(method, path, body, headers)
        text = response.read().decode()
        connection.close()
        kind = response.getheader("content-type") or ""
        return response.status, json.loads(text) if kind == "application/json" else text

    def generate(self, **asked):
        """Return the status and the events of a run, or what was wrong."""
        status, told = self.ask("POST", "/api/generate", json.dumps(asked).encode())
        return status, [json.loads(x) for x in told.splitlines()] if status == 200 else told["error"]

    def idle(self, seconds=60):
        """Wait until nobody is at the model."""
        end = time.monotonic() + seconds
        while self.desk.waiting:
            assert time.monotonic() < end, "the model works on"
            time.sleep(0.01)


@contextmanager
def serving(load=small_model):
    """Yield a server whose model is there, or could not be loaded."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    desk = Desk(load)
    config = uvicorn.Config(
        make_app(desk, port), loop="asyncio", http="h11", ws="none", lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    desk.open()
    end = time.monotonic() + 300
    while not server.started or (desk.model is None and desk.state != "failed"):
        assert time.monotonic() < end
        time.sleep(0.05)
    yield Served(desk, port)
    server.should_exit = True
    thread.join(20)
    bound.close()
