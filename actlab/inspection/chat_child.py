"""Renders one template: a job from standard input, JSON, its text or error to standard output. See `chat`."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    try:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        json.dump({"error": "needs jinja2: pip install 'actlab[lm]'"}, sys.stdout)
        return
    _bound(job["seconds"], job["memory"])

    def refuse(message: object) -> None:
        raise TemplateError(str(message))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    try:
        text = environment.from_string(job["template"]).render(**job["names"])
        if len(text) > job["longest"]:
            raise TemplateError(f"it makes {len(text):,} characters, {job['longest']:,} at most are taken")
        answer = json.dumps({"text": text})
    except Exception as e:  # whatever a template provokes: it is a program
        answer = json.dumps({"error": str(e)[:1000] or type(e).__name__})
    sys.stdout.write(answer)


def _bound(seconds: int, memory: int) -> None:
    """Give this process an end; where the system knows no limits, whoever started it ends it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, value in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory)):
        resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main()
