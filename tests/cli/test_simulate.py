"""`simulate`: from a study file and a record to a table, a page, and mistakes in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from dfkd_ray import study as studies
from dfkd_ray.util import tables
from dfkd_ray.util.yamls import loads
from tests.cli.commands import dfkd, refused
from tests.tune import recording, toys


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study file and a record of it."""
    folder = tmp_path_factory.mktemp("simulate")
    recording.write(folder / "old", toys.study())
    (folder / "toy.yaml").write_text(toys.STUDY, encoding="utf-8")
    return folder


def test_from_a_record_to_table_and_page(at: Path) -> None:
    words = ("simulate", "toy.yaml", "--from", "old", "--sampler", "random, {name: tpe, startup: 2}, gp, random")
    done = dfkd(*words, "--stopper", "none,asha", "--trials", "4", "--repetitions", "3", cwd=at)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == ["study: toy", "recorded: 40 complete trials in old"]
    assert any(line.startswith("not simulated: gp + none: gp does not model conditional domains") for line in lines)
    cases = [re.sub(r" {2,}", "|", line).split("|")[2] for line in lines if line.startswith("4 trials")]
    assert cases == ["random + none", "random + asha", "tpe (startup 2) + none", "tpe (startup 2) + asha"]
    assert lines[-1] == "page: reports/toy-simulation/simulation.html"
    found = tables.read(at / "reports" / "toy-simulation" / "simulation.arrow")
    assert tables.metadata(found)["folders"] == ["old"]
    assert (at / "reports" / "toy-simulation" / "simulation.html").is_file()


def test_as_json_and_by_the_studys_own_words(at: Path) -> None:
    done = dfkd("simulate", "toy.yaml", "--from", "old", "--repetitions", "2", "--json", "--out", "there", cwd=at)
    told = json.loads(done.out)
    assert {row["case"] for row in told["rows"]} == {"tpe (startup 3) + asha (grace 1, reduction 2)"}
    assert {row["trials"] for row in told["rows"]} == {8}
    assert told["recorded"] == 40
    assert (at / "there" / "simulation.arrow").is_file()


def test_the_seeds_of_a_study_are_those_of_its_trials(at: Path) -> None:
    several = toys.STUDY.replace("budget: {trials: 8}", "budget: {trials: 2}\nseeds: 3")
    (at / "several.yaml").write_text(several, encoding="utf-8")
    done = dfkd("simulate", "several.yaml", "--from", "old", "--repetitions", "2", "--json", "--out", "3", cwd=at)
    told = json.loads(done.out)
    assert {(row["trials"], row["seeds"]) for row in told["rows"]} == {(6, 3)}


def test_what_a_record_names_is_compared_with_what_the_studys_preset_has(tmp_path: Path) -> None:
    """A rate that the preset has, which only the record writes down."""
    study = """
study: rate
method: dfkd_fgvc
preset: laptop
task: gliders
objective: {metric: val_accuracy}
search: {student.optimizer.lr: {log: [0.001, 0.1]}}
budget: {trials: 2}
"""
    (tmp_path / "rate.yaml").write_text(study, encoding="utf-8")
    shown = yaml.safe_load(dfkd("show", "dfkd_fgvc", "--preset", "laptop", "--task", "gliders").out)
    has = shown["source.optimizer.lr"]
    for rate in (has, has / 2):
        named = studies.parse(loads(f"{study}fixed: {{source.optimizer.lr: {rate}}}"))
        recording.write(tmp_path / str(rate), named, values=lambda changes: [0.5 + changes["student.optimizer.lr"]] * 4)
    words = ("simulate", "rate.yaml", "--repetitions", "2", "--from")
    assert dfkd(*words, str(has), cwd=tmp_path).code == 0
    message = f"no record of rate: its source.optimizer.lr is {has / 2}, not {has}"
    assert message in refused(*words, str(has / 2), cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sampler", "tpee"), "--sampler: unknown sampler 'tpee'; did you mean 'tpe'? (known: "),
        (("--sampler", "{name: tpe, startup: 0}"), "--sampler: startup must be >= 1, got 0"),
        (("--stopper", "[asha"), "--stopper: "),
        (("--slots", "1,x"), "--slots: expected whole numbers from 1 to 1,000,000 with commas between them, got 'x'"),
        (("--seeds", "0"), "--seeds: expected whole numbers from 1 to 1,000,000 with commas between them, got 0"),
        (("--trials", ""), "--trials: is empty"),
        (("--sampler", "gp"), "--sampler: gp + asha (grace 1, reduction 2): gp "),
        (("--from", "nowhere"), "nowhere/trials.arrow: there is no such table"),
    ],
)
def test_mistakes(at: Path, words: tuple[str, ...], message: str) -> None:
    more = () if "--from" in words else ("--from", "old")
    assert refused("simulate", "toy.yaml", *more, *words, cwd=at).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"{metric: val_accuracy}": "[{metric: val_accuracy}, {metric: kl/noise}]", "asha": "none"},
            "several objectives",
        ),
        ({"budget": "constraints: {seconds: '<= 60'}\nbudget"}, "constraints, which no recorded curve tells"),
    ],
)
def test_what_no_curve_stands_for(at: Path, changes: dict[str, str], message: str) -> None:
    text = toys.STUDY.replace(", grace: 1, reduction: 2", "") if "asha" in changes else toys.STUDY
    for old, new in changes.items():
        text = text.replace(old, new)
    (at / "other.yaml").write_text(text, encoding="utf-8")
    assert refused("simulate", "other.yaml", "--from", "old", cwd=at) == f"toy cannot be simulated: it has {message}"
