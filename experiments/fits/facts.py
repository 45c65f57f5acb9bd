"""Writes the facts of all listed activations at their defaults to actlab/theory/known.json, in half a minute.

python experiments/fits/facts.py
"""

import json

import actlab
from actlab.theory import facts
from actlab.theory.known import FILE, encode, of

if __name__ == "__main__":
    lines = []
    for name in sorted(actlab.names()):
        act = actlab.make(name)
        if act.elementwise:
            record = {"of": of(act), "facts": encode(facts(act))}
            lines.append(f"{json.dumps(name)}: {json.dumps(record)}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(lines)} functions, {FILE.stat().st_size / 1024:.0f} KiB")
