"""The end of the page: what failed, what it cost, where the numbers come from."""

from __future__ import annotations

import re

import pytest

from dfkd_ray.report import evidence
from dfkd_ray.report.blocks import Code
from dfkd_ray.util.words import NBSP
from tests.report.studies import KD, NOTE, noted, study, trial
from tests.report.writing import written


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html).replace(NBSP, " ")


def test_failures_come_first_with_their_reason() -> None:
    rows = [trial(0, state="pruned", reason="asha"), trial(1), trial(2, state="failed", reason="loss is not finite")]
    text = plain(written(evidence.failures(study(rows))))
    assert "1 trial failed." in text
    assert "2 trials failed." in plain(written(evidence.failures(study([*rows, trial(3, state="failed")]))))
    assert text.index("loss is not finite") < text.index("asha")
    assert "No trial failed." in written(evidence.failures(study([trial(0)])))


def test_trials_are_grouped_by_reason_whatever_its_numbers_are_the_failed_ones_first() -> None:
    rows = [trial(n, state="pruned", reason=f"asha: not in the best third at epoch {n % 9}") for n in range(700)]
    rows += [trial(n, state="failed", reason="not finite", attempts=2) for n in range(700, 820)]
    rows += [trial(820, state="failed", reason="out of memory on cuda:0 at 1.5e+3 MB")]
    section = evidence.failures(study(rows))
    text = re.sub(r"\s+", " ", plain(written(section)))
    assert "121 trials failed." in text
    some = "700, 701, 702, 703, 704, 705, 706, 707, 708, 709, 710, 711 and 108 more"
    assert f"failed not finite 120 {some} failed out of memory on cuda:0 at 1.5e+3 MB 1 820" in text
    assert "stopped asha: not in the best third at epoch … 700 0, 1, 2" in text
    assert "trial 799 (2) and 20 more" in plain(written(evidence.budget(study(rows))))


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("loss is -1.5e-3 at epoch 3", "loss is … at epoch …"),
        ("on cuda:0, x2 of resnet18", "on cuda:…, x2 of resnet18"),
        ("asha", "asha"),
    ],
)
def test_reasons_are_alike_but_for_their_numbers(reason: str, wanted: str) -> None:
    assert evidence.alike(reason) == wanted


def test_cost_adds_up() -> None:
    rows = [
        trial(0, seconds=40.0, epochs=4),
        trial(1, seconds=80.0, state="pruned", attempts=3, peak_memory=1_500_000_000),
    ]
    text = plain(written(evidence.budget(study(rows))))
    assert re.search(r"Work, all trials\s+2 min 0 s", text)
    assert re.search(r"In stopped trials\s+1 min 20 s", text)
    assert re.search(r"Epochs, all trials\s+6\b", text)
    assert re.search(r"Peak memory of a trial\s+1\.50 GB", text)
    assert "trial 1 (3)" in text


def test_provenance_has_versions_commit_command_and_the_study_file() -> None:
    note = {**NOTE, "provenance": {**NOTE["provenance"], "dirty": True, "cluster": "eight nodes"}}
    html = written(evidence.provenance(study([trial(7)], note=note)))
    text = plain(html)
    for said in (
        "PyTorch  2.15.0",
        "dfkd-ray sweep search_spaces/mhad.yaml",
        "eight nodes",
        "f0000007",
        "laboratory cpu",
    ):
        assert re.sub(r"\s+", " ", said) in re.sub(r"\s+", " ", text)
    assert "0123abcd, with changes that are not committed" in text
    assert f"{KD}:" in html
    assert "no record of versions" in written(evidence.provenance(study(note={})))


def test_what_is_not_known_of_the_cost_is_left_out_or_said() -> None:
    rows = [trial(n, seconds=None, peak_memory=None, attempts=None, epochs=None) for n in range(2)]
    text = plain(written(evidence.budget(study(rows, note=noted(resources=None)))))
    assert "not recorded" in text
    assert re.search(r"Epochs, all trials\s+0\b", text)
    for left_out in ("Work, all trials", "Longest trial", "In stopped trials", "More than one attempt", "Resources"):
        assert left_out not in text


def test_of_trials_that_shared_a_process_the_page_says_whose_time_it_is() -> None:
    text = plain(written(evidence.budget(study([trial(0)], note={**NOTE, "fuse": 8}))))
    assert "Up to 8 trials shared a process (fuse): the time of each is that of the clock, of which the others" in text
    for note in (NOTE, {**NOTE, "fuse": "many"}):
        assert "shared a process" not in written(evidence.budget(study([trial(0)], note=note)))


def test_seeds_are_sorted_as_numbers_and_hosts_named_once() -> None:
    rows = [trial(n, seed=seed, host=host) for n, (seed, host) in enumerate(((10, "b"), (9, "a"), (10, None)))]
    text = re.sub(r"\s+", " ", plain(written(evidence.provenance(study(rows)))))
    assert "Trials ran on a cpu, b cpu, cpu" in text
    assert "Seeds of the trials 9, 10 " in text


def test_the_record_has_the_command_first_then_what_is_known_then_the_rest() -> None:
    record = {"extra": "x", "torch": "2", "commit": "abc", "dirty": False, "command": "dfkd-ray sweep", "python": None}
    pairs = evidence.recorded({"provenance": record})
    assert [name for name, _ in pairs] == ["Command", "Commit", "PyTorch", "extra"]
    assert [said for _, said in pairs] == [Code("dfkd-ray sweep"), "abc", "2", "x"]
    assert evidence.recorded({}) == [("Command", "not recorded")]
