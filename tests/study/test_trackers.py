from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray import study as studies
from dfkd_ray.study import trackers
from dfkd_ray.study.trackers import TRACKERS, Track
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document, loads
from tests.tune.toys import STUDY

WORD = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


@given(st.sampled_from(sorted(TRACKERS)), st.text())
def test_a_place_is_all_behind_the_first_colon(name: str, place: str) -> None:
    assert trackers.parse(f"{name}:{place}") == Track(name, place)
    assert trackers.parse(name) == Track(name)


def test_an_unknown_one_has_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown tracker 'mlfow'; did you mean 'mlflow'"):
        trackers.parse("mlfow:http://here")


@given(WORD, WORD)
def test_no_password_is_kept(user: str, word: str) -> None:
    text = f"optuna:postgresql://{user}:~{word}~@here:5432/db"
    assert trackers.secret(text)
    assert trackers.kept(text) == "optuna:postgresql://REDACTED@here:5432/db"


@given(WORD)
def test_a_user_alone_is_no_secret(user: str) -> None:
    text = f"optuna:postgresql://{user}@here/db"
    assert (trackers.secret(text), trackers.kept(text)) == (False, text)


def test_a_token_is_a_secret_wherever_it_stands() -> None:
    assert trackers.kept("mlflow:http://here/?token=abc") == "mlflow:http://here/?token=REDACTED"


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert trackers.absolute("optuna:sqlite:///a/b.db") == f"optuna:sqlite:///{tmp_path}/a/b.db"
    assert trackers.absolute("mlflow:sqlite:////a.db") == "mlflow:sqlite:////a.db"
    assert trackers.absolute("tensorboard:events") == f"tensorboard:{tmp_path}/events"
    for text in (
        "tensorboard",
        "wandb:us/lab",
        "mlflow:http://here",
        "optuna:postgresql://here/db",
        "mlflow:databricks",
    ):
        assert trackers.absolute(text) == text


@pytest.mark.parametrize(
    ("said", "track"), [("wandb", ("wandb",)), ("[mlflow, 'wandb:lab']", ("mlflow", "wandb:lab")), ("[]", ())]
)
def test_a_study_has_one_or_several(said: str, track: tuple[str, ...]) -> None:
    made = studies.parse(loads(f"{STUDY}track: {said}\n", "s.yaml"))
    assert made.track == track
    plain = studies.plain(made)
    assert ("track" in plain) == bool(track)
    assert studies.parse(Document(plain)) == made


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("3", "s.yaml:13: track: expected a tracker or a list of them, such as [tensorboard], got 3"),
        (
            "[wandbb]",
            "s.yaml:13: track: unknown tracker 'wandbb'; did you mean 'wandb'? "
            "(known: mlflow, optuna, tensorboard, wandb)",
        ),
        (
            "['optuna:postgresql://me:word@here/db']",
            "s.yaml:13: track: a study file is no place for a password: say --track, or set the environment",
        ),
    ],
)
def test_what_a_study_may_not_say(said: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        studies.parse(loads(f"{STUDY}track: {said}\n", "s.yaml"))
    assert str(refused.value) == told
