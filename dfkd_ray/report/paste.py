"""The arms as a table to paste into a paper: mean, standard deviation and n of each, in Markdown and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dfkd_ray.report import effects, words
from dfkd_ray.report.arms import Spread
from dfkd_ray.report.view import Tables, part

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[*"},  # behind the end of a row these would be its arguments
}


@dataclass(frozen=True)
class Grid:
    """What both tables hold: a row an arm, a spread a metric."""

    head: tuple[str, ...]  # metrics in words, with the unit
    rows: tuple[tuple[str, tuple[tuple[str, Spread], ...]], ...]  # arm -> (metric, spread)
    notes: tuple[str, ...]


def grid(tables: Tables) -> Grid:
    """The arms of an ablation with every objective and test accuracy at the last epoch."""
    wanted = list(dict.fromkeys([*(o.metric for o in tables.objectives), effects.TESTED]))
    shown = [m for m in wanted if any(tables.reached(t, m) is not None for t in tables.all)]
    rows = []
    for arm in tables.arms:
        found = {m: [v for t in arm.trials if (v := tables.reached(t, m)) is not None] for m in shown}
        rows.append((arm.name, tuple((m, Spread.of(values)) for m, values in found.items())))
    head = tuple(f"{words.metric(m)}{' (%)' if words.is_share(m) else ''}" for m in shown)
    return Grid(head, tuple(rows), tuple(_notes(tables)))


def _notes(tables: Tables) -> list[str]:
    name, task = tables.study.get("study") or "a study", part(tables.note, "task").get("name")
    where = f" on {task}" if task else ""
    said = [f"{name}{where}: mean ± standard deviation over n trials (seeds and draws that all arms share)."]
    broken = [f"{arm.name} ({len(arm.failed)})" for arm in tables.arms if arm.failed]
    said += [f"Failed trials, not in the means: {', '.join(broken)}."] if broken else []
    return [" ".join(note.split()) for note in said]


def markdown(found: Grid) -> str:
    """A table as GitHub and others read it."""
    head = ["arm", *found.head, "n"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[_markdown(arm), *_cells(spreads, "±", words.DASH, lambda t: t)] for arm, spreads in found.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *map(_markdown, found.notes)]) + "\n"


def latex(found: Grid) -> str:
    """A `tabular` that needs the package booktabs."""
    columns = 2 + len(found.head)
    head = ["arm", *map(_latex, found.head), "$n$"]
    rows = [[_latex(arm), *_cells(spreads, r"\pm", "--", lambda t: f"${t}$")] for arm, spreads in found.rows]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *(f"% {note}" for note in found.notes),
            f"\\begin{{tabular}}{{l{'r' * (columns - 1)}}}",
            r"\toprule",
            f"{' & '.join(head)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _cells(spreads: Sequence[tuple[str, Spread]], sign: str, none: str, wrap: Callable[[str], str]) -> list[str]:
    """`80.1 ± 2.3` for each metric, and n; a metric of fewer trials than the others says its own."""
    most = max((each.n for _, each in spreads), default=0)
    cells = []
    for metric, each in spreads:
        fewer = "" if each.n == most else f" (n = {each.n})"
        cells.append(none if each.mean is None else wrap(spread(metric, each, sign)) + fewer)
    return [*cells, str(most)]


def spread(metric: str, found: Spread, sign: str) -> str:
    """Mean and standard deviation without their unit; of one trial there is no deviation."""
    mean = words.DASH if found.mean is None else figure(metric, found.mean)
    return mean if found.deviation is None else f"{mean} {sign} {figure(metric, found.deviation)}"


def figure(metric: str, value: float) -> str:
    """A mean or a deviation without its unit: a share in per cent."""
    return f"{100 * value:.1f}" if words.is_share(metric) else f"{value:.4g}"


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
