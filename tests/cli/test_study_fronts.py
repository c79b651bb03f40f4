"""Constraints, several objectives and a sampler of others, from the file to the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dfkd_ray import nets
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.util import tables
from tests.cli.commands import Done, dfkd, few_images, refused
from tests.tune import hubs
from tests.tune.hubs import optunahub  # noqa: F401  a fixture

HEAD = """method: noise_kd
task: gliders
fixed: {schedule.epochs: 1, schedule.rounds: 1, schedule.student_steps: 1, schedule.batch: 4}
"""
SMALL, LARGE = "resnet8", "resnet20"
BOUNDED = f"""study: bounded
{HEAD}objective: {{metric: val_accuracy}}
search: {{student.arch: {{choice: [{LARGE}, {SMALL}]}}}}
sampler: {{name: grid, shuffle: false}}
constraints: {{parameters: "<= LIMIT"}}
"""
FRONT = f"""study: front
{HEAD}objective: [{{metric: val_accuracy}}, {{metric: parameters}}]
search: {{student.arch: {{choice: [{LARGE}, {SMALL}]}}}}
best: {{constraint: {{parameters: "<= LIMIT"}}}}
sampler: {{optunahub: samplers/half, registry: hub}}
budget: {{trials: 2}}
"""
SERIAL = ("--runner", "serial")


def parameters(arch: str) -> int:
    return sum(each.numel() for each in nets.build(arch, 12, 3).parameters())


class Home(NamedTuple):
    place: Path
    bounded: Done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = tmp_path_factory.mktemp("home")
    limit = str(parameters(SMALL))
    for name, text in {"bounded.yaml": BOUNDED, "front.yaml": FRONT}.items():
        (place / name).write_text(text.replace("LIMIT", limit))
    hubs.registry(place / "hub")
    with few_images():
        yield Home(place, dfkd("sweep", "bounded.yaml", *SERIAL, cwd=place))


def test_what_does_not_keep_to_a_constraint_never_wins_and_everybody_says_so(home: Home) -> None:
    lines = home.bounded.out.splitlines()
    assert (home.bounded.code, home.bounded.err) == (0, "")
    bound = f"parameters not <= {parameters(SMALL)}"
    assert f"1 of 2 complete trials kept from winning by the constraints: {bound}" in lines
    assert any(line.startswith("best: trial 1, ") for line in lines)
    assert f"  student.arch = {SMALL}" in lines
    folder = home.place / "reports" / "bounded"
    rows = tables.read(folder / "trials.arrow").to_pylist()
    assert [(row["parameters"], row["unmet"]) for row in rows] == [
        (parameters(LARGE), bound),
        (parameters(SMALL), None),
    ]
    page = (folder / "report.html").read_text()
    assert "Outside of them" in page
    assert f"parameters &lt;= {parameters(SMALL)}" in page
    done = dfkd("export", folder, "--to", "safetensors", cwd=home.place)
    assert done.out.startswith("trial 1 of bounded, the best")
    assert json.loads(dfkd("status", folder, "--json").out)["best"]["trial"] == 1


def test_with_no_trial_inside_none_has_won(home: Home) -> None:
    text = (home.place / "bounded.yaml").read_text().replace(f"<= {parameters(SMALL)}", "<= 10")
    (home.place / "none.yaml").write_text(text.replace("study: bounded", "study: none"))
    done = dfkd("sweep", "none.yaml", *SERIAL, "--reuse", "reports/bounded", cwd=home.place)
    assert done.code == 3
    assert "2 of 2 complete trials kept from winning by the constraints: parameters not <= 10" in done.out
    assert "best" not in done.out


@pytest.mark.usefixtures("optunahub")
def test_a_front_is_named_by_terminal_status_and_page_and_its_samplers_code_is_kept_to(home: Home) -> None:
    done = dfkd("sweep", "front.yaml", *SERIAL, cwd=home.place)
    assert (done.code, done.err) == (0, "")
    folder = home.place / "reports" / "front"
    seen = json.loads(dfkd("status", folder, "--json").out)
    named = [line for line in done.out.splitlines() if line.startswith("the front, ")]
    assert len(named) == 1
    assert f"{len(seen['front'])} trial" in named[0]
    assert seen["rule"] == {"constraint": {"parameters": f"<= {parameters(SMALL)}"}}
    assert seen["best"]["settings"] == {"student.arch": SMALL}
    box = seen["hypervolume"]
    assert 0 < box["share"] <= 1
    assert box["ideal"]["parameters"] == parameters(SMALL)
    assert "the front, " in dfkd("status", folder).out
    page = (folder / "report.html").read_text()
    assert "Taken of the front" in page
    assert "samplers/half of " in page, "the code of the sampler is in the provenance"
    assert dfkd("resume", folder).code == 0
    share = home.place / "hub" / "samplers" / "half" / "share.py"
    share.write_text("SHARE = 0.25\n")
    said = refused("resume", folder)
    assert f"{folder} was begun as another experiment:\n  the code of the sampler: " in said
    assert (folder / NAME).is_file()


@pytest.mark.usefixtures("optunahub")
def test_a_package_that_is_not_there_is_told_with_the_line(home: Home) -> None:
    text = (home.place / "front.yaml").read_text().replace("samplers/half", "samplers/hlaf")
    (home.place / "wrong.yaml").write_text(text)
    said = refused("validate", home.place / "wrong.yaml")
    registry = home.place / "hub"
    assert said.endswith(
        f"wrong.yaml:8: sampler: optunahub samplers/hlaf: no such package in {registry}; did you mean 'samplers/half'?"
        f" (known: samplers/broken, samplers/half, samplers/seedless, samplers/two)"
    )


def test_plan_goes_by_the_studies_that_are_named(home: Home) -> None:
    said = refused("plan", "bounded.yaml", "--from", "reports/nowhere", cwd=home.place)
    assert said.startswith("reports/nowhere holds no study: there is no such folder")
