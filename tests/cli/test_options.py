from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from dfkd_ray.cli.options import Runner, Running, assignments, going_on_with, runner_options, unfolded
from dfkd_ray.util.errors import ConfigError


def test_assignments_are_read_as_yaml_would_be() -> None:
    pairs = ["a.b=1", "c=null", "d=[1, 2.5]", "e={name: pool, capacity: 4}", "f=true", "g=no", "h=1e-3", "i=", "j=a=b"]
    assert assignments(pairs) == {
        "a.b": 1,
        "c": None,
        "d": [1, 2.5],
        "e": {"name": "pool", "capacity": 4},
        "f": True,
        "g": "no",
        "h": 0.001,
        "i": None,
        "j": "a=b",
    }
    assert assignments(None) == assignments([]) == {}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["schedule.epochs"], "--set: expected path=value, got 'schedule.epochs'"),
        (["=3"], "--set: expected path=value, got '=3'"),
        (["a=1", "a=2"], "--set: a is given twice"),
        (["a=[1"], "--set: a: not YAML: "),
    ],
)
def test_what_is_no_assignment_is_said(pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assignments(pairs)
    assert str(caught.value).startswith(message)


def test_an_interrupt_names_the_command_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stopped, going_on_with("dfkd-ray", "resume", "my reports/a"):
        raise KeyboardInterrupt
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; resume with: dfkd-ray resume 'my reports/a'\n"
    with pytest.raises(ZeroDivisionError), going_on_with("x"):
        1 / 0  # noqa: B018


@dataclass(frozen=True)
class Both:
    """Two options."""

    size: Annotated[int, typer.Option("--size", help="How large.")] = 3
    name: Annotated[str | None, typer.Option(help="Whose.")] = None


def test_a_dataclass_of_options_is_an_option_a_field() -> None:
    seen: list[Any] = []

    def command(file: Annotated[Path, typer.Argument()], how: Both, last: bool = False) -> None:
        """What it does."""
        seen.append((file, how, last))

    made = unfolded(command)
    assert list(inspect.signature(made).parameters) == ["file", "size", "name", "last"]
    app = typer.Typer()
    app.command()(made)
    assert CliRunner().invoke(app, ["a.yaml", "--size", "5", "--last"]).exit_code == 0
    assert CliRunner().invoke(app, ["b.yaml", "--name", "x"]).exit_code == 0
    assert seen == [(Path("a.yaml"), Both(5, None), True), (Path("b.yaml"), Both(3, "x"), False)]
    said = CliRunner().invoke(app, ["--help"]).output
    assert all(word in said for word in ("What it does.", "--size", "How large.", "--name", "Whose.", "--last"))


def test_what_is_for_ray_alone_is_refused_elsewhere() -> None:
    chosen = {"address": "auto", "concurrency": 2, "isolate": True}
    assert Running(**chosen, fresh=True).chosen == {"runner": "ray", "fresh": True, "parquet": False, **chosen}  # type: ignore[arg-type]
    assert Running(runner=Runner.serial).chosen == {"runner": "serial", "fresh": False, "parquet": False}
    for name, value in chosen.items():
        with pytest.raises(typer.BadParameter, match=f"--{name} is for --runner ray"):
            Running(runner=Runner.serial, **{name: value})  # type: ignore[arg-type]
    assert runner_options(Runner.serial, None, None, False) == {}
