"""What a user sees while a study runs: a live view in a terminal, plain lines elsewhere.

`snapshot` says what there is to show, `render` and `line` how.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from dfkd_ray import metrics
from dfkd_ray.tune.observers import Observer, Progress
from dfkd_ray.tune.observers.snapshot import Shown, Snapshot, shown_trial, snapshot
from dfkd_ray.tune.trials import REUSED, Trial
from dfkd_ray.util import words
from dfkd_ray.util.terminal import wrapped
from dfkd_ray.util.words import for_terminal, roughly, share

PER_SECOND = 4  # how often the live view changes at most
SOME = 8  # trials of a front that a line names
SHOWN = (  # of an epoch of a run alone
    *(quality.val for quality in metrics.QUALITY.values()),
    *(metrics.AGREEMENT, metrics.CLASS_ENTROPY, metrics.ASKED),
)


class Lines(Observer):
    """One line for each trial that ends, and of a run alone for each epoch: for logs and pipes."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out
        self._failed = False  # whether a trial has

    def start(self, study: Progress) -> None:
        self.study = study

    def row(self, trial: Trial, epoch: int) -> None:
        if self.study.history.study.one_run:
            self._print(epoch_line(trial, epoch, self.study.max_epochs))

    def end(self, trial: Trial) -> None:
        if not (self.study.history.study.one_run and trial.state == "complete"):
            ended = shown_trial(trial, self.study.history.study.objective[0])
            self._print(line(snapshot(self.study, running=False), ended))

        if trial.state == "failed" and not self._failed:  # of the first one also where: the rest is in the tables
            self._failed = True
            for place in (trial.reason or "").splitlines()[1:]:
                self._print(f"  {place}")

    def accident(self, trial: Trial) -> None:
        what = (trial.reason or "").partition("\n")[0]
        self._print(f"trial {trial.number}, after {_epochs(trial.epoch)}: {what}; it goes on from its checkpoint")

    def _print(self, text: str) -> None:
        out = self.out or sys.stdout
        print(wrapped(text, out), file=out, flush=True)


class Screen(Lines):
    """A live view that rewrites itself, with those lines above it."""

    def __init__(self, console: Any = None) -> None:
        from rich.live import Live

        super().__init__()
        self.live = Live(console=console, refresh_per_second=PER_SECOND, transient=True)
        self._shown = -math.inf

    def start(self, study: Progress) -> None:
        super().start(study)
        self.live.start()
        self._show()

    def begin(self, trial: Trial) -> None:
        self._show()

    def row(self, trial: Trial, epoch: int) -> None:
        super().row(trial, epoch)
        self._show()

    def end(self, trial: Trial) -> None:
        super().end(trial)
        self._show()

    def close(self) -> None:
        self.live.stop()

    def _print(self, text: str) -> None:
        self.live.console.print(text, highlight=False, markup=False)

    def _show(self) -> None:
        """What there is to show now, unless that was done a moment ago: hundreds of trials may report in a second."""
        if (now := time.monotonic()) >= self._shown + 1 / PER_SECOND:
            self._shown = now
            self.live.update(render(snapshot(self.study)))


def view() -> Lines:
    """The live view if standard output is a terminal, else plain lines."""
    return Screen() if sys.stdout.isatty() else Lines()


def epoch_line(trial: Trial, epoch: int, epochs: int) -> str:
    """`epoch  3/20  val  71.2 %  agreement  80.1 %  source loss    0.31  student loss     1.2      31 s`"""
    row = trial.rows[epoch]
    told = row["metrics"]
    parts = [f"{_short(metric)} {share(told[metric]):>7}" for metric in SHOWN if metric in told]
    totals = {name: told.get(metrics.loss(name, "total")) for name in ("source", "student")}
    losses = [f"{name} loss {value:7.3g}" for name, value in totals.items() if value is not None]
    return f"epoch {epoch:>{len(str(epochs))}}/{epochs}  {'  '.join(parts + losses)}  {row['seconds']:6.0f} s"


def _short(metric: str) -> str:
    """`val_accuracy`: val; `agreement/source`: agreement."""
    return metric.partition("/")[0].removesuffix("_accuracy")


def line(now: Snapshot, ended: Shown) -> str:
    """`trial 3 complete: val_accuracy 71.2 % after 20 epochs, 31 s | best 73.3 % (trial 1) | 4 of 12, 3 min left`"""
    what = words.state(ended.state)
    if (ended.reason or "").startswith(REUSED):
        what = "reused"
    how = f"{now.metric} {_told(now, ended)} after {_epochs(ended.epoch)}"
    if ended.state == "failed":
        how = (ended.reason or "").partition("\n")[0]
    if ended.degenerate:
        what += f", degenerate ({', '.join(ended.degenerate)})"
    parts = [f"trial {ended.trial}{ended.whose} {what}: {how}, {roughly(ended.seconds)}"]
    if now.front:
        parts.append(_front(now))
    elif now.best is not None:
        seeds = f", {now.best.over} seeds" if now.best.over > 1 else ""
        parts.append(f"best {_told(now, now.best)} (trial {now.best.trial}{seeds})")
    done = now.complete + now.pruned + now.failed
    left = f", {roughly(now.seconds_left)} left" if now.seconds_left is not None else ""
    parts.append(f"{done} of {now.total}{left}" if now.total else f"{done} done{left}")
    return " | ".join(parts)


def render(now: Snapshot) -> Any:
    """The live view as something rich can print."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    done = now.complete + now.pruned + now.failed
    head = Text.assemble(
        (now.study, "bold"),
        f"  {done}" + (f" of {now.total}" if now.total else ""),
        f" {'trial' if now.total == 1 else 'trials'} done  ",
    )
    for count, word, style in [
        (now.complete, "complete", "green"),
        (now.pruned, "stopped", "yellow"),
        (now.failed, "failed", "red"),
        (len(now.running), "running", "cyan"),
    ]:
        head.append(f"{count} {word}  ", style if count else "dim")
    if now.seconds_left is not None:
        head.append(f"about {roughly(now.seconds_left)} left", "dim")
    parts: list[Any] = [head]
    if now.total:
        parts.append(Padding(ProgressBar(total=now.total, completed=done, width=60), 0))  # a line of its own
    if now.front:
        parts.append(Text(_front(now), "green"))
    elif now.best is not None:
        best = f"best {now.metric} {_told(now, now.best)} in trial {now.best.trial}{now.best.whose}"
        parts.append(Text(best, "green"))
        parts += [Text(f"  {path} = {_value(value)}") for path, value in now.best.changes.items()]
    if now.running:
        parts.append(_table(now))
    return Group(*parts)


def _table(now: Snapshot) -> Any:
    """The trials that run, a line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("trial", "epoch", now.metric, "time"):
        table.add_column(column, no_wrap=True)
    table.add_column("settings")  # the one that rich may narrow, so that it takes what the others leave
    for trial in now.running:
        changes = [f"{path}={_value(value)}" for path, value in trial.changes.items()]
        whose = [f"{trial.arm}, seed {trial.seed}"] if trial.arm is not None else []
        whose += [f"seed {trial.seed} of trial {trial.setting}"] if trial.setting is not None else []
        told = ", ".join([*whose, *changes])
        settings = Text(told, no_wrap=True, overflow="ellipsis")
        epoch = f"{trial.epoch}/{now.max_epochs}"
        table.add_row(str(trial.trial), epoch, _told(now, trial), roughly(trial.seconds), settings)
    return table


def _told(now: Snapshot, trial: Shown) -> str:
    """What a trial has reached of the metric that is shown, as the page prints it."""
    return for_terminal(metrics.give_or_take(now.metric, trial.value, trial.error))


def _front(now: Snapshot) -> str:
    """`front of 3: trials 1, 4 and 7`"""
    return f"front of {len(now.front)}: {'trial' if len(now.front) == 1 else 'trials'} {_numbers(now.front)}"


def _numbers(trials: Sequence[int]) -> str:
    return words.some([str(number) for number in trials], SOME)


def _epochs(count: int) -> str:
    return words.counted(count, "epoch")


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value) if not isinstance(value, str) else value
