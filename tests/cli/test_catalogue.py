from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from dfkd_ray import datasets
from dfkd_ray.cli import catalogue
from dfkd_ray.methods import config
from dfkd_ray.util import shipped
from tests.cli.commands import dfkd, refused


def test_a_study_of_a_methods_name_is_shown_and_copied_by_its_folder(tmp_path: Path) -> None:
    study = shipped.study_file("diff_dfkd").read_text(encoding="utf-8")
    assert dfkd("show", "search_spaces/diff_dfkd").out == study != dfkd("show", "diff_dfkd").out
    dfkd("cp", "search_spaces/diff_dfkd", tmp_path / "study.yaml")
    assert (tmp_path / "study.yaml").read_text(encoding="utf-8") == study
    dfkd("cp", "diff_dfkd", tmp_path)
    assert config.load(str(tmp_path / "diff_dfkd.yaml")) == config.load("diff_dfkd")


@pytest.mark.parametrize("name", config.method_names())
def test_a_method_is_shown_as_yaml_that_gives_it_back(name: str, tmp_path: Path) -> None:
    done = dfkd("show", name)
    assert (done.code, done.err) == (0, "")
    method = config.load(name)
    assert done.out.startswith(f"# {name}, fingerprint {config.fingerprint(method)}; every default filled in\n")
    assert config.parse(yaml.safe_load(done.out)) == method
    copy = tmp_path / "copy.yaml"
    copy.write_text(done.out, encoding="utf-8")
    assert config.load(str(copy)) == method
    assert dfkd("show", copy).out.partition("\n")[2] == done.out.partition("\n")[2]


@pytest.mark.parametrize("name", datasets.names())
def test_a_task_is_shown_as_yaml(name: str) -> None:
    shown = yaml.safe_load(dfkd("show", name).out)
    assert shown["name"] == name
    assert shown["classes"] == list(datasets.load(name).classes)


def test_a_study_is_shown_as_it_stands() -> None:
    path = shipped.studies()[0]
    assert dfkd("show", path.stem).out == path.read_text(encoding="utf-8")


def test_a_grid_is_a_picture_of_every_class(tmp_path: Path) -> None:
    assert dfkd("show", "gliders", "--grid", cwd=tmp_path) == (0, "wrote gliders.png\n", "")
    picture = Image.open(tmp_path / "gliders.png")
    assert picture.format == "PNG"
    assert picture.height > 12 * 64, "a row a class, images at twice their size"
    assert len(picture.convert("RGB").quantize(256).getcolors()) > 200, "something is drawn"
    elsewhere = tmp_path / "deep" / "er.png"
    assert dfkd("show", "gliders", "--grid", "--out", elsewhere).out == f"wrote {elsewhere}\n"
    assert Image.open(elsewhere).size == picture.size
    assert "unknown task 'dfkd_fgvc'" in refused("show", "dfkd_fgvc", "--grid")


def test_copies_go_into_a_folder_or_a_file_and_replace_nothing(tmp_path: Path) -> None:
    source = shipped.find("mhad").read_bytes()
    assert dfkd("cp", "mhad", cwd=tmp_path) == (0, "wrote mhad.yaml\n", "")
    assert dfkd("cp", "mhad", tmp_path / "mine.yaml").out == f"wrote {tmp_path / 'mine.yaml'}\n"
    assert (tmp_path / "mhad.yaml").read_bytes() == (tmp_path / "mine.yaml").read_bytes() == source
    (tmp_path / "mhad.yaml").write_text("my own")
    assert refused("cp", "mhad", ".", cwd=tmp_path) == "mhad.yaml exists already; name another file"
    assert (tmp_path / "mhad.yaml").read_text() == "my own"
    dfkd("cp", "dfkd_fgvc", cwd=tmp_path)
    assert config.load(str(tmp_path / "dfkd_fgvc.yaml")) == config.load("dfkd_fgvc")


def test_where_two_methods_differ(tmp_path: Path) -> None:
    """A term or a source that only one of them has is one line, and so is each other value."""
    other = tmp_path / "other.yaml"
    other.write_text("schedule: {epochs: 20}\nstudent_loss: {kd: {weight: 2}}\n", encoding="utf-8")
    done = dfkd("diff", "noise_kd", other)
    assert (done.code, done.err) == (0, "")
    head, *rows = done.out.splitlines()
    assert head.split() == ["noise_kd", str(other)]
    cells = [re.fullmatch(r"(\S+) +(.+?) {2,}(.+)", row) for row in rows]
    found = {match[1]: (match[2], match[3]) for match in cells if match}
    assert len(found) == len(rows)
    wanted = config.diff(config.load("noise_kd"), config.load(str(other)))
    assert list(found) == list(wanted)
    assert found["schedule.epochs"] == ("200", "20")
    assert found["student_loss.kd.weight"] == ("1.0", "2.0")
    assert found["source"][0] == "{name: noise}"
    assert yaml.safe_load(found["source"][1]) == config.plain(config.load(str(other)))["source"]
    starts = {row.index(match[2], len(match[1])) for row, match in zip(rows, cells) if match}
    assert len(starts) == 1, "in columns"
    back = dfkd("diff", other, "noise_kd").out.splitlines()
    assert [row.split()[0] for row in back[1:]] == list(wanted), "and back"


def test_a_term_that_one_method_lacks_is_a_dash() -> None:
    (row,) = (row for row in dfkd("diff", "dfkd_fgvc", "noise_kd").out.splitlines() if "high_order" in row)
    assert row.startswith("student_loss.high_order ")
    assert row.endswith("  –")


def test_one_method_does_not_differ(tmp_path: Path) -> None:
    assert dfkd("diff", "noise_kd", "noise_kd") == (0, "noise_kd and noise_kd are one method\n", "")
    assert "unknown method 'noise_kt'; did you mean 'noise_kd'?" in refused("diff", "noise_kd", "noise_kt")
    assert refused("diff", "noise_kd", "none.yaml", cwd=tmp_path) == "none.yaml: there is no such file"


def test_a_terminal_gets_both_values_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((100, 24)))
    catalogue.diff("dfkd_fgvc", "noise_kd")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 100
    assert any("…" in line for line in lines)


def test_what_is_shipped_goes_before_a_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "mhad").mkdir()
    (tmp_path / "own").mkdir()
    study = shipped.study_file("mhad").read_text(encoding="utf-8")
    assert dfkd("show", "mhad", cwd=tmp_path).out == study
    no_run = "holds no run: neither ledger.jsonl (of a study, or a `distill`) nor run.json (of one trial)"
    assert refused("show", "./mhad", cwd=tmp_path) == f"mhad {no_run}"
    assert refused("show", "own", cwd=tmp_path) == f"own {no_run}"
    assert refused("show", "reports/none", cwd=tmp_path) == f"reports/none {no_run}, and there is no such folder"
    assert "did you mean 'mhad'?" in refused("show", "mhat", cwd=tmp_path)
    assert refused("show", "search_spaces/mhat").startswith("unknown method, task or study 'search_spaces/mhat'")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("own.yaml", "task"), ("gliders", "task"), ("study.yaml", "study"), ("search_spaces/mhad", "study")],
)
def test_a_preset_is_asked_of_a_method_alone(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "own.yaml").write_text("of: gliders\n")
    (tmp_path / "study.yaml").write_text("study: mine\n")
    done = dfkd("show", name, "--preset", "hour", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert f"--preset is of a method, and {name} is a {kind}" in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize("option", [("--trial", 3), ("--arm", "full"), ("--seed", 0)])
def test_which_trial_is_asked_of_a_run_alone(option: tuple[str, object]) -> None:
    done = dfkd("show", "mhad", *option)
    assert (done.code, done.out) == (2, "")
    assert f"{option[0]} is for a RUN, and mhad is none" in " ".join(done.err.replace("│", " ").split())


def test_what_there_is_as_json() -> None:
    told = json.loads(dfkd("ls", "methods", "--json").out)
    assert [each["name"] for each in told] == config.method_names()
    assert json.loads(dfkd("show", "noise_kd", "--json").out) == config.plain(config.load("noise_kd"))
    assert json.loads(dfkd("show", "gliders", "--json").out)["classes"] == list(datasets.load("gliders").classes)
    found = config.diff(config.load("cgdd"), config.load("cpsc"))
    assert [each["path"] for each in json.loads(dfkd("diff", "cgdd", "cpsc", "--json").out)] == [*found]
    assert json.loads(dfkd("diff", "cgdd", "cgdd", "--json").out) == []
    tables = json.loads(dfkd("reproduce", "--list", "--json").out)
    assert {"table", "what", "paper"} < tables[0].keys()
    assert dfkd("reproduce", "dfkd_fgvc/table3", "--json").code == 2


def test_other_tables_as_json(tmp_path: Path) -> None:
    assert json.loads(dfkd("pool", "ls", "--json", cwd=tmp_path).out) == []
    assert json.loads(dfkd("teachers", "ls", "--known", "--json").out)[0].keys() >= {"name", "task", "net", "licence"}
    (gliders,) = [each for each in json.loads(dfkd("data", "ls", "--json").out) if each["task"] == "gliders"]
    assert gliders["data"] == "none needed"
    assert json.loads(dfkd("data", "verify", "gliders", "--json").out)["complete"]
