"""The live view: what there is to show, in lines and on a screen that is no terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from dfkd_ray.study import Objective
from dfkd_ray.tune.observers import live
from dfkd_ray.tune.observers.snapshot import snapshot
from tests.tune.observers.test_snapshot import Standing, history

GOAL = Objective("val_accuracy")


def test_lines() -> None:
    out = io.StringIO()
    made = history()
    lines = live.Lines(out)
    lines.start(Standing(made, concurrency=2))
    for trial in (0, 1, 2):
        lines.row(made.trials[trial], 1)
        lines.end(made.trials[trial])
    assert out.getvalue().splitlines() == [
        "trial 0 complete: val_accuracy 40.0 % after 4 epochs, 8 s | best 40.0 % (trial 0) | 3 of 8, 14 s left",
        "trial 1 stopped: val_accuracy 6.0 % after 2 epochs, 4 s | best 40.0 % (trial 0) | 3 of 8, 14 s left",
        "trial 2 failed: ValueError: x, 0 s | best 40.0 % (trial 0) | 3 of 8, 14 s left",
        "  at y",
    ]


def test_the_screen_shows_every_part() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    made = history()
    screen = live.Screen(console)
    screen.start(Standing(made, concurrency=2))
    screen.end(made.trials[1])
    screen.close()
    text = out.getvalue()
    for part in (
        "toy  3 of 8 trials done  1 complete  1 stopped  1 failed  1 running  about 14 s left",
        "best val_accuracy 40.0 % in trial 0",
        "x = 0",
        "3      1/4    20.0 %        2 s   x=0.3",
        "trial 1 stopped: val_accuracy 6.0 % after 2 epochs",
    ):
        assert part in text, part


def test_the_screen_changes_four_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, shown = [0.0], []
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    screen = live.Screen(Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(screen.live, "update", shown.append)
    made = history()
    screen.start(Standing(made))
    for clock[0] in (0.1, 0.2, 0.25, 0.3, 0.6):
        screen.row(made.trials[3], 1)
    screen.close()
    assert len(shown) == 3, "at 0, 0.25 and 0.6 s"


def test_settings_from_a_user_are_not_markup() -> None:
    made = history()
    made.trials[3].changes = {"[bold]path[/bold]": "[red]x"}
    out = io.StringIO()
    Console(file=out, width=100).print(live.render(snapshot(Standing(made, total=None))))
    assert "[bold]path[/bold]=[red]x" in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_column_has_its_room_and_settings_take_the_rest(width: int) -> None:
    made = history()
    made.trials[3].changes = {f"student_loss.semantic_contrast.setting_{n}": 0.125 for n in range(9)}
    out = io.StringIO()
    Console(file=out, width=width).print(live.render(snapshot(Standing(made, concurrency=2))))
    lines = out.getvalue().splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("trial"))
    assert lines[head].split() == ["trial", "epoch", "val_accuracy", "time", "settings"]
    row = lines[head + 1]
    assert row.split()[:6] == ["3", "1/4", "20.0", "%", "2", "s"]
    assert row[lines[head].index("settings") :].startswith("student_loss.sem")
    assert len(row) == width
    assert row.endswith("…")
    assert len(lines) == head + 2, "a trial is one line"


def test_the_bar_has_a_line_of_its_own() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(live.render(snapshot(Standing(history(), concurrency=2))))
    lines = out.getvalue().splitlines()
    bar = next(i for i, line in enumerate(lines) if "━" in line)
    assert set(lines[bar].strip()) <= set("━╺╸ ")
    assert lines[bar + 1].startswith("best val_accuracy")


def test_of_several_objectives_the_front_is_shown_and_no_best() -> None:
    now = replace(snapshot(Standing(history())), front=(0, 3))
    assert "| front of 2: trials 0, 3 |" in live.line(now, live.shown_trial(history().trials[0], GOAL))
    out = io.StringIO()
    Console(file=out, width=100).print(live.render(replace(now, front=tuple(range(9)))))
    assert "front of 9: trials 0, 1, 2, 3, 4, 5, 6, 7 and 1 more" in out.getvalue()
    assert "best" not in out.getvalue()
