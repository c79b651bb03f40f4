from __future__ import annotations

import pytest
import typer

from dfkd_ray.cli.options import assignments, going_on_with
from dfkd_ray.errors import ConfigError


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
