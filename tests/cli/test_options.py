from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from dfkd_ray import cli
from dfkd_ray.cli.options import SmallTry, assignments, going_on_with, unfolded
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.util.errors import ConfigError
from tests.cli.commands import BUILT, dfkd


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


def typed(*words: str) -> Options:
    """What a command gets of these words."""
    seen: list[Options] = []

    def command(how: Options) -> None:
        seen.append(how)

    app = typer.Typer()
    app.command()(unfolded(command))
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return seen[0]


def test_the_options_of_a_run_say_themselves_what_they_are_for() -> None:
    assert typed() == NOTHING_SAID
    words = [
        "--runner",
        "serial",
        "--threads",
        "0",
        "--reuse",
        "a",
        "--reuse",
        "b",
        "--fresh",
        "--precision",
        "float16",
    ]
    made = {"runner": "serial", "threads": 0, "reuse": (Path("a"), Path("b")), "fresh": True, "precision": "float16"}
    assert typed(*words) == Options(**made)
    with pytest.raises(ConfigError, match="--concurrency: is for --runner ray"):
        typed("--runner", "serial", "--concurrency", "2")


def test_what_a_trial_takes_and_how_long_is_waited_are_read_from_words() -> None:
    words = ["--gpu", "0.5", "--memory", "16", "--accelerator", "H100", "--custom", "a=1", "--custom", "b=2"]
    said = typed(*words, "--wait", "30min")
    assert said == Options(gpu=0.5, memory=16, accelerator="H100", custom=("a=1", "b=2"), wait=1800)
    assert typed("--gpu", "auto", "--wait", "0").said == {"gpu": "auto", "wait": 0}


@pytest.mark.parametrize("command", [["sweep", "mhad"], ["synthesize", "diff_dfkd", "--images", "4"]])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpu", "all"], "takes auto or a number of GPUs, got 'all'"),
        (["--gpu", "1e9"], "must be at most 100,000, got 1e+09"),
        (["--wait", "1 week"], "a duration is a number with s, min, h or d, such as 30min; got '1 week'"),
        (["--wait", "9999d"], "must be at most 31,536,000, got 8.63914e+08"),
        (["--custom", "licence"], "--custom: takes name=amount, such as licence=1, got 'licence'"),
        (["--memory", "1e200"], "must be at most 1e+100, got 1e+200"),
    ],
)
def test_words_that_are_none_of_these(command: list[str], words: list[str], said: str, tmp_path: Path) -> None:
    done = dfkd(*command, *words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


SIX = ("distill", "sweep", "ablate", "resume", "plan", "reproduce")


@pytest.mark.parametrize("command", SIX)
def test_the_six_commands_have_the_same_options_with_the_same_words(command: str) -> None:
    found = {each.name: each for each in typer.main.get_command(cli.app).commands[command].params}  # type: ignore[attr-defined]
    for each in fields(Options):
        option = found[each.name]
        assert option.opts == [f"--{each.metadata.get('name', each.name)}"], "one word, and no --no-..."
        assert option.secondary_opts == []
        assert option.help == each.metadata["help"]


def test_a_small_try_is_said_alike() -> None:
    given = SmallTry(changes=["student_loss.kd.weight=2"], trials=3, epochs=1)
    assert given.overrides == Overrides({"student_loss.kd.weight": 2}, trials=3, epochs=1)
    for command in ("sweep", "ablate", "plan", "reproduce"):
        params = typer.main.get_command(cli.app).commands[command].params  # type: ignore[attr-defined]
        assert {"--set", "--trials", "--seeds", "--epochs"} <= {word for each in params for word in each.opts}, command


def test_no_command_has_two_options_of_one_name() -> None:
    """The second would hide the first."""

    def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
        yield path, command
        for name, inner in getattr(command, "commands", {}).items():
            yield from commands(inner, f"{path} {name}".strip())

    walked = dict(commands(BUILT(cli.app)))
    assert {"plan", "ablate", "data fetch"} <= set(walked)
    for path, command in walked.items():
        names = [name for param in command.params for name in (*param.opts, *param.secondary_opts)]
        assert len(names) == len(set(names)), f"{path}: {sorted(name for name in names if names.count(name) > 1)}"
