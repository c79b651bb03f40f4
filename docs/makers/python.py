"""The reference of the face in Python, from its docstrings: mkdocstrings fills in what each `:::` names."""

from __future__ import annotations

from collections.abc import Iterator

import dfkd_ray
from makers import markup

ABOUT = (
    "What `import dfkd_ray` offers; [how it is used](../python.md). Options that commands and functions share stand "
    "with [the commands](commands.md): `--trials 4` is `trials=4`, and a `-` in a name is a `_`."
)
OTHERS = ("register", "study")  # modules: of components, which the gallery lists, and of studies


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    names = [name for name in dfkd_ray.__all__ if name not in OTHERS]
    functions = sorted(name for name in names if name.islower())
    classes = sorted(name for name in names if name not in functions)
    paths = [f"dfkd_ray.{name}" for name in (*functions, *classes)]
    yield "reference/python.md", "Python", markup.page("Python", ABOUT, *(f"::: {path}" for path in (*paths, *MORE)))


MORE = ("dfkd_ray.api.results.Best", "dfkd_ray.runs.running.Plan")  # what these return
