"""How far a long work is, on a terminal: the one bar of all commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SOON = 0.5  # seconds: what has been done by then gets no bar
PACE = 3600.0  # seconds that the time left is told from: a step may take minutes


@contextmanager
def bar(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal (standard error) while this block lasts, below whatever is printed; nothing elsewhere.

    Nothing either while another bar, or the live view of a study, rewrites the terminal: rich has put its own stream
    in the place of standard error then.
    """
    if not sys.stderr.isatty() or hasattr(sys.stderr, "rich_proxied_file"):
        yield lambda done: None
        return
    from rich import progress
    from rich.console import Console

    amount = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
    name = progress.TextColumn("{task.description}", markup=False)
    columns = [name, progress.BarColumn(), amount, progress.TimeRemainingColumn()]
    both = sys.stdout.isatty()  # lines go above the bar; those for a file or a pipe go there
    screen = Console(stderr=True)
    shown = progress.Progress(
        *columns, console=screen, transient=True, redirect_stdout=both, speed_estimate_period=PACE
    )
    row, began = shown.add_task(title, total=total), time.monotonic()

    def tell(done: int) -> None:
        shown.update(row, completed=done)
        if not shown.live.is_started and time.monotonic() - began > SOON:
            shown.start()

    try:
        yield tell
    finally:
        shown.stop()
