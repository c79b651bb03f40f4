"""The arms as a table to paste into a paper: mean, standard deviation and n of each, in Markdown and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dfkd_ray import metrics
from dfkd_ray.report.arms import Spread
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

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
class StudyColumns:
    """The columns of one study: a metric each, and n."""

    metrics: tuple[str, ...]
    title: str = ""  # over them, where there are several studies


@dataclass(frozen=True)
class ArmTable:
    """What both tables hold: a row an arm, in it a spread a metric for each block; None where a study lacks the arm."""

    blocks: tuple[StudyColumns, ...]
    rows: tuple[tuple[str, tuple[tuple[Spread, ...] | None, ...]], ...]
    notes: tuple[str, ...]


def arm_table(tables: Tables) -> ArmTable:
    """The arms of an ablation with every objective and test accuracy at the last epoch."""
    block = StudyColumns(with_test_accuracy(tables, [o.metric for o in tables.objectives]))
    rows = tuple((name, (own,)) for name, own in spreads(tables, block).items())
    return ArmTable((block,), rows, (_about(tables), *failed(tables)))


def with_test_accuracy(tables: Tables, objectives: Sequence[str]) -> tuple[str, ...]:
    """These and test accuracy at the last epoch, as far as some trial has reached one."""
    wanted = dict.fromkeys([*objectives, tables.quality.test_last])
    return tuple(m for m in wanted if any(tables.reached(t, m) is not None for t in tables.all))


def spreads(tables: Tables, block: StudyColumns) -> dict[str, tuple[Spread, ...]]:
    """Arm -> its spread in each metric of a block."""
    return {arm.name: tuple(tables.spread(arm.trials, metric) for metric in block.metrics) for arm in tables.arms}


def _about(tables: Tables) -> str:
    name, task = tables.study.get("study") or "a study", part(tables.note, "task").get("name")
    where = f" on {task}" if task else ""
    return _line(f"{name}{where}: mean ± standard deviation over n trials (seeds and draws that all arms share).")


def failed(tables: Tables) -> list[str]:
    """What failed, in words; nothing where nothing has."""
    broken = [f"{arm.name} ({len(arm.failed)})" for arm in tables.arms if arm.failed]
    return [_line(f"Failed trials, not in the means: {', '.join(broken)}.")] if broken else []


def markdown(found: ArmTable) -> str:
    """A table as GitHub and others read it."""
    head = ["arm"]
    for block in found.blocks:
        over = f"{_markdown(block.title)}: " if block.title else ""
        head += [f"{over}{name}" for name in (*map(metrics.headed, block.metrics), "n")]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[_markdown(arm), *_cells(found, own, "±", words.DASH, lambda t: t)] for arm, own in found.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *map(_markdown, found.notes)]) + "\n"


def latex(found: ArmTable) -> str:
    """A `tabular` that needs the package booktabs."""
    head = [name for block in found.blocks for name in (*(_latex(metrics.headed(m)) for m in block.metrics), "$n$")]
    rows = [[_latex(arm), *_cells(found, own, r"\pm", "--", lambda t: f"${t}$")] for arm, own in found.rows]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *(f"% {note}" for note in found.notes),
            f"\\begin{{tabular}}{{l{'r' * len(head)}}}",
            r"\toprule",
            *_over(found.blocks),
            f"{' & '.join(['arm', *head])} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _over(blocks: Sequence[StudyColumns]) -> Iterator[str]:
    """The studies' titles, each over its columns, with a rule under it."""
    if not any(block.title for block in blocks):
        return
    cells, rules, column = [""], [], 2
    for block in blocks:
        width = len(block.metrics) + 1
        cells.append(f"\\multicolumn{{{width}}}{{c}}{{{_latex(block.title)}}}")
        rules.append(f"\\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    yield f"{' & '.join(cells)} \\\\"
    yield " ".join(rules)


def _cells(
    found: ArmTable, own: Sequence[tuple[Spread, ...] | None], sign: str, none: str, wrap: Callable[[str], str]
) -> list[str]:
    """`80.1 ± 2.3` for each metric, and n; a metric of fewer trials than the others of its block says its own."""
    cells = []
    for block, told in zip(found.blocks, own):
        most = max((each.n for each in told or ()), default=0)
        for metric, each in zip(block.metrics, told or [Spread(0)] * len(block.metrics)):
            fewer = "" if each.n == most else f" (n = {each.n})"
            cells.append(none if each.mean is None else wrap(spread(metric, each, sign)) + fewer)
        cells.append(none if told is None else str(most))
    return cells


def spread(metric: str, found: Spread, sign: str) -> str:
    """Mean and standard deviation without their unit; of one trial there is no deviation."""
    mean = metrics.without_unit(metric, found.mean)
    return mean if found.deviation is None else f"{mean} {sign} {metrics.without_unit(metric, found.deviation)}"


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _line(text: str) -> str:
    return " ".join(text.split())
