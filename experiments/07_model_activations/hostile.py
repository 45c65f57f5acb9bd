"""Ask a running `actlab inspect` for what cannot be; print what it answered, and its memory before and after.

actlab inspect --no-browser --port 8766 &  python hostile.py 8766 $!
"""

import http.client
import json
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

PORT, PROCESS = sys.argv[1], sys.argv[2]
HOST = f"127.0.0.1:{PORT}"


def memory():
    """Return the server's resident memory in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{PROCESS}/status").read_text())[1]) // 1024


def begin(method, path, body=None, **headers):
    """Send a request as it is; return the connection and the response, unread."""
    connection = http.client.HTTPConnection("127.0.0.1", int(PORT), timeout=600)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    told = {"Host": HOST, "Content-Type": "application/json", "Content-Length": str(len(body or b""))}
    for name, value in (told | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        connection.putheader(name, value)
    connection.endheaders(body or b"")
    return connection, connection.getresponse()


def ask(method, path, body=None, **headers):
    """Return a request's status and what was said, in short."""
    connection, response = begin(method, path, body, **headers)
    said = response.read().decode()
    connection.close()
    if response.status == 200:
        events = [json.loads(x) for x in said.splitlines()] if said.startswith('{"event"') else []
        return 200, f"{len(events)} lines" if events else f"{len(said)} characters"
    return response.status, json.loads(said)["error"] if said.startswith("{") else said


def row(name, answer):
    """Print a row of the table."""
    status, said = answer
    print(f"| {name} | {status} | {said} |", flush=True)


def post(name, value=None, raw=None, **headers):
    """Ask for a run and print what came."""
    body = raw if raw is not None else json.dumps(value).encode()
    row(name, ask("POST", "/api/generate", body, **headers))


def short(**settings):
    """Return a small request with some settings."""
    return {"prompt": "a", "max_new_tokens": 0, **settings}


before = memory()
print("| asked | status | answer |\n|---|---|---|")
post("prompt of 1 MB", {"prompt": "a" * (1 << 20)})
post("60 KB of prompt", {"prompt": "many words " * 5400})
post("empty prompt", {"prompt": ""})
post("control characters", short(prompt="\x00\x1b[2J\r\n\x7f"))
post("right to left, overrides", short(prompt="\u202eשלום مرحبا\u2066"))
post("emoji, joined", short(prompt="👩‍👩‍👧‍👦🏴‍☠️"))
post("half a surrogate pair", short(prompt="\ud83d"))
post("temperature -1", short(temperature=-1))
post("temperature NaN", raw=b'{"prompt": "a", "temperature": NaN}')
post("temperature 1e9", short(temperature=1e9))
post("10^9 new tokens", {"prompt": "a", "max_new_tokens": 10**9})
post("unknown field", short(temprature=1))
post("a path as model", short(model="../../etc/passwd"))
post("a module as activation", short(swap="os:system"))
post("a unit that is none", short(ablate={"blocks.0.mlp.act": [10**6]}))
post("60,000 brackets", raw=b"[" * 60000)
post("Host of another", short(), Host="evil.example")
post("Origin of another", short(), Origin="http://evil.example")
post("Origin null", short(), Origin="null")
post("another site's request", short(), Sec_Fetch_Site="cross-site")
post("a form's content type", short(), Content_Type="text/plain")
for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/../../etc/passwd"):
    row(f"GET {path}", ask("GET", path))

answers = []
threads = [
    threading.Thread(
        target=lambda: answers.append(ask("POST", "/api/generate", json.dumps(short()).encode())[0])
    )
    for _ in range(50)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
row("50 at once", (dict(Counter(answers)), "429: the model is busy and others wait already"))

connection, response = begin(
    "POST", "/api/generate", json.dumps({"prompt": "a", "max_new_tokens": 200}).encode()
)
response.readline()
response.close()
connection.close()
start = time.monotonic()
status = ask("POST", "/api/generate", json.dumps(short()).encode())
row(
    "gone after the first line of 200 tokens, then asked again",
    (status[0], f"answered after {time.monotonic() - start:.1f} s"),
)
row("still there", ask("GET", "/api/model"))
print(f"\nMemory of the server: {before} MiB before, {memory()} MiB after.")
