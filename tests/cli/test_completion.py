"""What a shell completes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray import datasets, nets
from dfkd_ray.cli import completion
from dfkd_ray.methods import config, presets
from dfkd_ray.util import shipped
from tests.cli.commands import dfkd
from tests.tune.test_standing import write


def completed(words: str, monkeypatch: pytest.MonkeyPatch, cwd: Path | None = None) -> list[str]:
    """What bash is told after these words."""
    monkeypatch.setenv("_DFKD_RAY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    return dfkd(cwd=cwd).out.splitlines()


def test_names_are_those_that_are_loaded() -> None:
    assert completion.methods("") == config.method_names()
    assert completion.tasks("") == datasets.names()
    assert sorted(completion.presets("")) == sorted(presets.names())
    assert completion.nets("") == list(nets.classifiers)
    assert completion.studies("") == [path.stem for path in shipped.studies()]


def test_paths_are_those_of_methods_and_studies_and_can_be_set() -> None:
    found = completion.paths("")
    assert {"student_loss.high_order.weight", "schedule.epochs", "source.width"} <= set(found)
    assert completion.assignments("") == [f"{path}=" for path in found]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("dfkd-ray sweep mha", ["mhad", "mhad_confirmed"]),
        ("dfkd-ray plan mha", ["mhad", "mhad_confirmed"]),
        ("dfkd-ray distill noise", ["noise_kd"]),
        ("dfkd-ray distill noise_kd --task glid", ["gliders", "gliders64", "gliders_depth", "gliders_parts"]),
        ("dfkd-ray distill noise_kd --preset lap", ["laptop"]),
        ("dfkd-ray distill noise_kd --set schedule.epo", ["schedule.epochs="]),
        ("dfkd-ray explain student_loss.high_order.ord", ["student_loss.high_order.order"]),
        ("dfkd-ray teach glid", ["gliders", "gliders64", "gliders_depth", "gliders_parts"]),
        ("dfkd-ray distill noise_kd --teacher-arch wrn_40", ["wrn_40_1", "wrn_40_2"]),
        ("dfkd-ray distill noise_kd --student-arch mob", ["mobilenet_v2"]),
        ("dfkd-ray evaluate --weights w --arch resnet110", ["resnet110", "resnet110_b"]),
        ("dfkd-ray export reports/toy --teacher-arch cifar_vgg8", ["cifar_vgg8_bn"]),
        ("dfkd-ray teach gliders --arch imagenet_", ["imagenet_wrn_40_2"]),
        ("dfkd-ray ls run", ["runs"]),
        ("dfkd-ray status rep", ["reports/toy"]),
        ("dfkd-ray resume reports/t", ["reports/toy"]),
        ("dfkd-ray compare reports/toy re", ["reports/toy"]),
        ("dfkd-ray rm nowhere", [""]),
    ],
)
def test_each_command_completes_its_names(
    words: str, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "reports" / "toy")
    assert completed(words, monkeypatch, tmp_path) == said
