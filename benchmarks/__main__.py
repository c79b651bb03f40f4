"""Run a benchmark by its name: `python -m benchmarks NAME ...`, from the root of a checkout."""

from __future__ import annotations

import ast
import runpy
import sys
from difflib import get_close_matches
from pathlib import Path

HERE = Path(__file__).parent


def known() -> dict[str, str]:
    """The benchmarks by name, and the first line of what each says of itself."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in text and path != Path(__file__):
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def main(words: list[str]) -> None:
    there = known()
    name = words[0] if words else ""
    if name not in there:
        near = get_close_matches(name, there, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        listed = "\n".join(f"  {each:<10} {said}" for each, said in there.items())
        asked = f"no benchmark {name!r}{hint}\n" if name and not name.startswith("-") else ""
        print(f"{asked}python -m benchmarks NAME ...\n{listed}", file=sys.stderr)
        sys.exit(0 if name in ("-h", "--help") else 2)
    sys.path.insert(0, str(HERE))
    sys.argv = [str(HERE / f"{name}.py"), *words[1:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
