"""The published tables that the package has as data, with what they claim."""

from __future__ import annotations

from collections.abc import Iterator

from dfkd_ray.study import published
from dfkd_ray.study.published import PublishedTable
from makers import markup


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    about = (
        "Numbers of the papers, each with its place; `dfkd-ray reproduce TABLE` runs a table again where that is "
        "possible: see [published tables](../concepts/reproduce.md)."
    )
    yield (
        "gallery/published.md",
        "Published tables",
        markup.page("Published tables", about, *map(_entry, published.names())),
    )


def _entry(name: str) -> str:
    table = published.load(name)
    facts = [
        f"## `{name}`",
        f"{markup.text(table.title)} ({table.number}; {markup.text(table.source.citation)}{_arxiv(table)}). "
        f"{markup.text(_sentence(table.metric))}",
        _numbers(table),
        _marked(table),
        f"Of the best epoch on the split it reports: {markup.text(table.best_on_test)}." if table.best_on_test else "",
        markup.text(table.note),
        f"Not run again here: {markup.text(table.not_run)}" if not table.runnable else "",
        *_claims(table),
    ]
    return "\n\n".join(fact for fact in facts if fact)


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def _arxiv(table: PublishedTable) -> str:
    return f", {markup.text(f'arXiv:{table.source.arxiv}')}" if table.source.arxiv else ""


def _numbers(table: PublishedTable) -> str:
    rows = ((markup.text(row), *(_cell(table, row, column) for column in table.columns)) for row in table.row_names)
    return markup.table(("", *map(markup.text, table.columns)), rows)


def _cell(table: PublishedTable, row: str, column: str) -> str:
    found = table.cell(row, column)
    return "" if found is None else f"{found.value:g}" + ("*" if found.mark == "secondary" else "")


def _marked(table: PublishedTable) -> str:
    """What the stars mean."""
    via = dict.fromkeys(cell.via for cell in table.cells if cell.mark == "secondary")
    return (
        f"\\* secondary: {markup.text('; '.join(filter(None, via)) or 'not read in the paper itself')}." if via else ""
    )


def _claims(table: PublishedTable) -> Iterator[str]:
    """What a run of it is asked, as differences of the published numbers in points."""
    if table.claims:
        rows = ((markup.text(each.text), f"{published.printed(table, each, None):+.2f}") for each in table.claims)
        yield markup.table(("claim", "published, mean of the columns that can be run again"), rows)
