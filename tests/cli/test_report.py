"""`report` as its user meets it: of a study, of one of its trials, and of several studies their arms in one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.report import crossed, paste
from tests.cli.commands import dfkd, refused
from tests.report import ablations, studies


@pytest.fixture
def home(tmp_path: Path) -> Path:
    one = ablations.leave_one_out()
    study = {**one.study, "study": "other", "fixed": {"schedule.epochs": 3}}
    studies.write(tmp_path / "one", one)
    studies.write(tmp_path / "other", ablations.changed(one, study=study))
    studies.write(tmp_path / "sweep", studies.demo())
    return tmp_path


def test_arms_by_studies(home: Path) -> None:
    done = dfkd("report", "one", "other", cwd=home)
    assert (done.code, done.err) == (0, "wrote one-and-other.html\n")
    found = crossed.read([home / "one", home / "other"])
    assert done.out == paste.markdown(crossed.arm_table(found))
    assert "| without mhad |" in done.out
    assert "Not the same in all: fixed schedule.epochs: 20 (components) and 3 (other)." in done.out
    assert sorted(path.name for path in home.iterdir()) == ["one", "one-and-other.html", "other", "sweep"]
    written = dfkd("report", "one", "other", "--out", "arms", cwd=home)
    assert written == (0, done.out, "wrote arms.md\nwrote arms.tex\nwrote arms.html\n"), (
        "the table alone goes into a pipe"
    )
    assert (home / "arms.md").read_text(encoding="utf-8") == done.out
    assert "\\begin{tabular}" in (home / "arms.tex").read_text(encoding="utf-8")


def test_what_cannot_be_put_into_a_table(home: Path) -> None:
    page_alone = (
        "no table of arms: sweep holds a sweep: a table of arms is made of ablations\nwrote one-and-sweep.html\n"
    )
    assert dfkd("report", "one", "sweep", cwd=home) == (0, "", page_alone)
    assert refused("report", "one", "one", cwd=home) == "one is named twice: to compare needs several studies"
    assert refused("report", "one", "none", cwd=home).endswith("missing here: there is no such folder")
    assert refused("report", "one", "other", "--out", "none/arms", cwd=home) == "none: there is no such folder"
    done = dfkd("report", "one", "--out", "arms", cwd=home)
    assert done.code == 2
    assert "--out is for several folders" in done.err


def test_what_is_watched_is_the_page_of_one_study(home: Path) -> None:
    for given in (("one", "other"), ("one", "--trial", 3)):
        done = dfkd("report", *given, "--watch", cwd=home)
        assert (done.code, "--watch is for the page of one study" in done.err) == (2, True)
    assert refused("report", "none", "--watch", cwd=home) == "none: there is no such folder"


def test_one_study_is_its_page(home: Path) -> None:
    assert dfkd("report", "one", cwd=home) == (0, f"wrote {Path('one/report.html')}\n", "")


# ---- one trial of a study


def test_one_trial_is_a_page_in_its_folder(home: Path) -> None:
    wrote = (0, "wrote sweep/trials/0004/report.html\n", "")
    assert dfkd("report", "sweep", "--trial", 4, cwd=home) == wrote
    page = home / "sweep/trials/0004/report.html"
    first = page.read_bytes()
    page.unlink()
    assert dfkd("report", "sweep/trials/0004", cwd=home) == wrote, "by its folder, which may be empty"
    assert page.read_bytes() == first
    assert dfkd("report", "sweep/trials/0005", cwd=home).code == 0, "or not be there"


def test_what_is_missing_is_said_in_a_line(home: Path) -> None:
    assert refused("report", "sweep", "--trial", 99, cwd=home) == "mhad has no trial 99: they go from 0 to 11"
    (home / "gone/trials/0003").mkdir(parents=True)
    (home / "gone/trials/0003/run.json").write_text("{}")
    missing = "gone: a report needs trials.arrow, steps.arrow and images.arrow, missing here"
    assert refused("report", "gone/trials/0003", cwd=home) == missing
    one = "gone/trials/0003 is one run: --trial, --arm and --seed are for a study's folder"
    assert refused("report", "gone/trials/0003", "--trial", 3, cwd=home) == one
    (home / "gone/trials/0003").rename(home / "apart")
    assert refused("report", "apart", cwd=home) == (
        "apart is a trial apart from its study: a page is made from the tables in its study's folder, two above a "
        "trial's own"
    )
    done = dfkd("report", "one", "other", "--trial", 3, cwd=home)
    assert (done.code, "--trial is for one folder" in done.err) == (2, True)


def test_a_damaged_table_is_one_line_with_the_way_on(home: Path) -> None:
    path = home / "one/trials.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    damaged = "one/trials.arrow: damaged: its checksum does not fit"
    assert refused("report", "one", cwd=home) == (
        f"{damaged}; take it from a copy, or write it again: dfkd-ray resume one"
    )
