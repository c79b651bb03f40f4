"""How far a long work is, on a terminal: what `tasks.progress` tells of files, as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """How far a step is: a bar on a terminal, nothing elsewhere."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    amount = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
    columns = [progress.TextColumn("{task.description}"), progress.BarColumn(), amount, progress.TimeRemainingColumn()]
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        row = shown.add_task(title, total=total)
        yield lambda done: shown.update(row, completed=done)
