"""What the commands that train share: a recipe that is changed, and what is shown of epochs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dfkd_ray.cli.training import changed, reporter
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


def test_each_epoch_is_a_line_and_is_gathered(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[int] = []
    report = reporter(told, lambda epoch: f"epoch {epoch}")
    report(3)
    report(4)
    assert (told, capsys.readouterr()) == ([3, 4], ("epoch 3\nepoch 4\n", ""))
