"""What MkDocs asks: the pages that are made from the package, and where they stand in the navigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from makers import commands, components, methods, metrics, published, python, studies, tasks
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
PICTURES = ("report.png", "claims.png", "guidance.png", "simulation.svg")  # README's, and of pages


def on_config(config: Any) -> Any:
    """Make the pages; `Gallery` and `Reference` of the navigation list them. Snippets are of the whole checkout."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(HERE.parent)]
    makers = (methods, components, studies, tasks, published, commands, python, metrics)
    config.extra["made"] = made = [page for maker in makers for page in maker.pages()]
    for section in ("Gallery", "Reference"):
        (entry,) = (entry for entry in config.nav if section in entry)
        entry[section] = _nav(made, section.lower())
    return config


def on_files(files: Files, config: Any) -> Files:
    """Put the pages and README's pictures beside those that are written by hand."""
    for path, _, text in config.extra["made"]:
        files.append(File.generated(config, path, content=text))
    for name in PICTURES:
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(HERE / name)))
    return files


def _nav(made: list[tuple[str, str, str]], section: str) -> list[dict[str, Any]]:
    """A page by its title; those in a folder of their own under the title of its index."""
    out: list[dict[str, Any]] = []
    for path, title, _ in made:
        top, *rest = path.split("/")
        if top != section:
            continue
        if len(rest) == 1:
            out.append({title: path})
        elif rest[-1] == "index.md":
            out.append({title: [path]})
        else:
            (inner,) = out[-1].values()
            inner.append({title: path})
    return out
