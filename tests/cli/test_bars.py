"""The one bar: on a terminal, once something takes its time, below what is printed; and each command has it."""

from __future__ import annotations

import io
import sys

import pytest

from dfkd_ray import cli
from dfkd_ray.cli import bars
from dfkd_ray.util.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(patch: pytest.MonkeyPatch) -> Terminal:
    """Standard error as a terminal, on which every bar is shown at once. No fixture: pytest puts its own in between."""
    screen = Terminal()
    patch.setattr(sys, "stderr", screen)
    patch.setattr(bars, "SOON", -1.0)
    patch.setenv("COLUMNS", "100")
    patch.setenv("TERM", "xterm")
    return screen


@pytest.mark.parametrize(("total", "unit", "said"), [(2_000_000, "bytes", "1.0/2.0 MB"), (200, "images", "100/200")])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, total: int, unit: str, said: str) -> None:
    screen = terminal(monkeypatch)
    with bars.bar("a[1].tgz", total, unit) as tell:
        tell(total // 2)
    assert "a[1].tgz" in screen.getvalue()
    assert said in screen.getvalue()


def test_of_what_nobody_knows_the_end_the_bar_says_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with bars.bar("a.tgz", None, "images") as tell:
        tell(7)
    assert "7/?" in screen.getvalue()


def test_the_time_left_is_told_of_steps_that_take_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich forgets by itself what is older than 30 s."""
    screen, clock = terminal(monkeypatch), [0.0]
    monkeypatch.setattr("rich.console.monotonic", lambda: clock[0])
    with bars.bar("rounds", 10, "rounds") as tell:
        for done in range(4):
            tell(done)
            clock[0] += 200.0
    assert "0:20:00" in screen.getvalue() or "0:23:20" in screen.getvalue()


def test_what_is_quick_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(bars, "SOON", 1000.0)
    with bars.bar("a.tgz", 2, "images") as tell:
        tell(2)
    assert screen.getvalue() == ""


def test_elsewhere_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(bars, "SOON", -1.0)
    with bars.bar("a.tgz", 2, "images") as tell:
        tell(1)
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_there_is_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with bars.bar("outer", 2, "images") as tell:
        tell(1)
        with bars.bar("inner", 2, "images") as within:
            within(1)
        tell(2)
    assert "outer" in screen.getvalue()
    assert "inner" not in screen.getvalue()
    assert sys.stderr is screen


@pytest.mark.parametrize("piped", [False, True])
def test_lines_stand_above_the_bar_or_go_where_they_belong(monkeypatch: pytest.MonkeyPatch, piped: bool) -> None:
    screen = terminal(monkeypatch)
    out = io.StringIO() if piped else Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    with bars.bar("steps", 2, "steps") as tell:
        tell(1)
        print("epoch 1")
    assert sys.stdout is out
    assert (out.getvalue() == "epoch 1\n") == piped
    assert ("epoch 1" in screen.getvalue()) != piped


def test_each_command_shows_what_is_done_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)

    def app(prog_name: str) -> None:
        with progress("checking a.tgz", 2, "files") as tell:
            tell(1)

    monkeypatch.setattr(cli, "app", app)
    cli.main()
    assert "checking a.tgz" in screen.getvalue()
