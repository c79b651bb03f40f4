"""Run a benchmark by its name: `python -m benchmarks NAME ...`, from the root of a checkout.

`python -m benchmarks --keep NAME ...` puts what it prints into its block of RESULTS.md as well.
"""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from difflib import get_close_matches
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


def known() -> dict[str, str]:
    """The benchmarks by name, and the first line of what each says of itself."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in text and path != Path(__file__):
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def keep(words: list[str], title: str) -> int:
    """Run it in a process of its own, and keep what it prints on stdout, unless it fails; its exit code."""
    from all import KEEP
    from machine import machine
    from results import block, kept

    command, lines = [sys.executable, "-m", "benchmarks", *words], list[str]()
    with subprocess.Popen(command, env={**os.environ, KEEP: "yes"}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode == 0 and words[0] != "all":  # what that starts is kept by itself
        new = block(words, machine(), "".join(lines))
        RESULTS.write_text(kept(RESULTS.read_text(encoding="utf-8"), words, new, title), encoding="utf-8")
    return process.returncode


def main(words: list[str]) -> None:
    there = known()
    keeps = words[:1] == ["--keep"]
    words = words[keeps:]
    name = words[0] if words else ""
    if name not in there:
        near = get_close_matches(name, there, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        listed = "\n".join(f"  {each:<10} {said}" for each, said in there.items())
        asked = f"no benchmark {name!r}{hint}\n" if name and not name.startswith("-") else ""
        print(f"{asked}python -m benchmarks [--keep] NAME ...\n{listed}", file=sys.stderr)
        sys.exit(0 if name in ("-h", "--help") else 2)
    sys.path.insert(0, str(HERE))
    if keeps:
        sys.exit(keep(words, there[name]))
    sys.argv = [str(HERE / f"{name}.py"), *words[1:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
