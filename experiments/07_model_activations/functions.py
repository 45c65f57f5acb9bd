"""Write code.txt: 32 functions of Python's standard library, a paragraph each, for `actlab inspect concept`."""

import ast
import sysconfig
from pathlib import Path

found: list[str] = []
for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-j]*.py")):
    source = path.read_text(encoding="utf-8")
    parts = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    texts = [ast.get_source_segment(source, node) or "" for node in parts]
    found += [t for t in texts if 200 < len(t) < 1500 and "\n\n" not in t][:2]
Path("code.txt").write_text("\n\n".join(found[:32]) + "\n", encoding="utf-8")
