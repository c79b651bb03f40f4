"""What the commands that train share: a recipe that is changed, and what is shown of epochs and steps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from rich import progress

from dfkd_ray.cli.training import changed, shown
from dfkd_ray.util.errors import ConfigError


@dataclass(frozen=True)
class Recipe:
    epochs: int = 3
    lr: float = 0.1

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError("lr must be > 0")


def test_a_recipe_with_what_the_command_changes() -> None:
    assert changed(Recipe(), None, None) == Recipe()
    assert changed(Recipe(lr=0.2), 5, ["recipe.lr=0.3"]) == Recipe(5, 0.3)


def test_a_recipe_with_mistakes() -> None:
    with pytest.raises(ConfigError, match=r"--set: no such path 'recipe.epoch'; did you mean 'recipe.epochs'"):
        changed(Recipe(), None, ["recipe.epoch=2"])
    with pytest.raises(ConfigError, match=r"recipe: lr must be > 0"):
        changed(Recipe(), None, ["recipe.lr=-1"])
    with pytest.raises(ConfigError, match=r"recipe.lr: should be a valid number"):
        changed(Recipe(), None, ["recipe.lr=fast"])


def test_on_a_terminal_a_bar_goes_from_step_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[progress.Progress] = []
    start = progress.Progress.start
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.Progress, "start", lambda self: (made.append(self), start(self))[1])
    told: list[int] = []
    with shown(told, lambda epoch: f"epoch {epoch}") as (report, tick):
        assert not made, "until the first step images may be decoded, which has a line of its own"
        tick(11, 30)
        tick(12, 30)
        (bar,) = made
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (12, 30)
        report(2)
    assert not bar.live.is_started
    assert told == [2]


def test_elsewhere_there_are_lines_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    with shown([], lambda epoch: f"epoch {epoch}") as (report, tick):
        tick(1, 2)
        report(3)
    assert capsys.readouterr() == ("epoch 3\n", "")
