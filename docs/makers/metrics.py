"""The metrics that a trial reports, from their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dfkd_ray import metrics
from dfkd_ray.metrics import Metric
from makers import markup

ABOUT = (
    "A metric that is better high or low may be a study's [objective](../concepts/sweeps.md#objective), if a trial "
    "reports it after each epoch and it needs no test image. Shares are printed in per cent and their differences in "
    "points; an interval of a mean is cut where it would leave what the metric can be, and the page says so."
)
WHEN = {
    "epoch": ("After each epoch", ""),
    "end": ("Once, when a trial ends", "Taken for the report alone: the test split chooses nothing."),
    "cost": ("As a trial's cost", "Columns of `trials.arrow`."),
}


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    sections = [_section(when, [row for row in metrics.ROWS if row.when == when]) for when in WHEN]
    yield "reference/metrics.md", "Metrics", markup.page("Metrics", ABOUT, *sections)


def _section(when: str, rows: Sequence[Metric]) -> str:
    title, note = WHEN[when]
    head = ("metric", "what it is", "better", "unit", "range", "needs")
    return "\n\n".join(part for part in (f"## {title}", note, markup.table(head, map(_row, rows))) if part)


def _row(row: Metric) -> tuple[str, ...]:
    name = metrics.loss("SLOT", "TERM") if row.name == metrics.LOSS else row.name
    better = {"max": "high", "min": "low", None: ""}[row.better]
    unit = "" if row.unit == metrics.NONE else row.unit.name
    split = {"val": " of the validation split", "test": " of the test split", None: ""}[row.split]
    told = f"{row.label}: {row.about}"
    return (
        markup.code(name),
        markup.text(told),
        better,
        unit,
        metrics.limits(row.name),
        markup.text(f"{row.needs}{split}"),
    )
