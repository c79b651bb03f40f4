"""What decides the results of a study, by digests; and what a study may go on as."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfkd_ray import datasets, nets, study
from dfkd_ray.datasets.pools import selection
from dfkd_ray.datasets.pools.selection import Selection
from dfkd_ray.methods import config
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.runs import evaluator, own_code, preparing
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.experiment import bound, experiment, go_on, versions
from dfkd_ray.study import Study
from dfkd_ray.tune.differences import differences
from dfkd_ray.tune.history import History
from dfkd_ray.tune.options import Options
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import StudyError
from tests.cli.pooled import of_gliders
from tests.datasets.trees import write_classes, write_image
from tests.tune import toys

STUDY = """
study: demo
method: noise_kd
task: gliders
fixed: {schedule.epochs: 7}
objective: {metric: agreement/source}
search: {student_loss.kd.temperature: {log: [1, 8]}}
budget: {trials: 2}
"""


def made(text: str = STUDY, **changes: Any) -> Study:
    return replace(study.parse(yamls.loads(text)), **changes)


def parts(of: Study, work: Distillation | None = None, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = experiment(of, work or preparing.work(of, Options(**options)))["parts"]
    return found


def test_everything_that_decides_results_has_a_digest() -> None:
    of = made()
    work = preparing.work(of)
    found = experiment(of, work)
    method = config.change(config.load("noise_kd"), of.fixed)
    drawn = {"digest": "drawn", "said": "or bundled, the same everywhere"}
    assert found["parts"] == {
        "the method noise_kd": {"digest": config.fingerprint(method), "plain": config.plain(method)},
        "the teacher": {"digest": work.teacher_digest, "said": "resnet8, gliders_resnet8.safetensors"},
        "the task": found["parts"]["the task"],
        "the images to validate on": drawn,
        "the images to test on": drawn,
        "the seed": {"digest": "0"},
    }
    assert found["parts"]["the task"]["plain"]["name"] == "gliders"
    assert found["task"] == yamls.plain(datasets.load("gliders"))
    assert found["versions"] == versions()
    assert {"dfkd_ray", "python", "torch", "numpy"} <= versions().keys()


def test_every_method_that_an_ablation_names_is_one_with_what_the_study_fixes() -> None:
    arms = STUDY.replace("search: {student_loss.kd.temperature: {log: [1, 8]}}\nbudget: {trials: 2}", "seeds: 2")
    found = parts(made(f"{arms}arms: {{dafl: {{method: dafl}}, soft: {{student_loss.kd.temperature: 8}}}}"))
    assert [name for name in found if name.startswith("the method ")] == ["the method noise_kd", "the method dafl"]
    dafl = config.change(config.load("dafl"), {"schedule.epochs": 7})
    assert found["the method dafl"]["digest"] == config.fingerprint(dafl)


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of images, and weights of a teacher beside it."""
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    torch.save(nets.build("resnet8", 2).state_dict(), tmp_path / "t.pt")
    for which in ("train", "test"):
        list(write_classes(tmp_path / "pets" / which, {"cat": 4, "dog": 4}))
    evaluator.real.cache_clear()
    yield tmp_path / "pets"
    evaluator.real.cache_clear()


def on(pets: Path, **options: Any) -> dict[str, Any]:
    fixed = {"teacher.arch": "resnet8", "student.arch": "resnet8"}
    return parts(made(task=f"folder:{pets}@16", fixed=fixed), weights=pets.parent / "t.pt", **options)


def test_the_images_that_are_evaluated_on_are_known_by_what_they_are(pets: Path, tmp_path: Path) -> None:
    first = on(pets)
    assert first["the images to validate on"]["said"].startswith("1 file, ")
    assert first["the images to test on"]["said"].startswith("8 files, ")
    copy = tmp_path / "copy"
    for file in pets.rglob("*.jpg"):
        (copy / file.relative_to(pets)).parent.mkdir(parents=True, exist_ok=True)
        (copy / file.relative_to(pets)).write_bytes(file.read_bytes())
    assert on(pets, data=str(copy)) == first, "elsewhere the same bytes are the same images"
    write_image(pets / "test" / "cat" / "new.jpg", 99)
    evaluator.real.cache_clear()
    now = on(pets)
    assert {what for what in first if first[what] != now[what]} == {"the images to test on"}


def test_without_images_there_is_no_digest_of_them(pets: Path) -> None:
    found = parts(made(task="cifar10", fixed={"teacher.arch": "resnet8"}), weights=_weights(pets.parent / "ten.pt", 10))
    assert found["the images to validate on"] == found["the images to test on"] == {"digest": None}


def _weights(path: Path, classes: int) -> Path:
    torch.save(nets.build("resnet8", classes).state_dict(), path)
    return path


OWN = """
from dataclasses import dataclass
from dfkd_ray.parts.total_loss import terms
@terms.register("own_term_of_a_test")
@dataclass(frozen=True)
class Own:
    power: float = 1.0
    def __call__(self, signals):
        return signals.student.logits.abs().pow(self.power).mean()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A loss of one's own, imported."""
    path = tmp_path / "own_of_a_test.py"
    path.write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(path.stem)
    yield path
    del sys.modules[path.stem]
    del terms._items["own_term_of_a_test"]


def test_own_code_is_known_by_its_file_where_the_study_names_it(own: Path) -> None:
    assert not [what for what in parts(made()) if what.startswith("the code")], "nobody uses it"
    chosen = "student_loss.own_term_of_a_test: {choice: [null, {power: 2}]}"
    searched = made(STUDY.replace("student_loss.kd.temperature: {log: [1, 8]}", chosen))
    found = parts(searched, preparing.work(made()))
    assert found["the code own_of_a_test"] == {
        "digest": own_code.digest(own.stem),
        "said": str(own.resolve()),
    }


def test_a_pool_that_a_study_learns_from_is_known_by_its_digest(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path / "pool", 4)
    found = parts(made(fixed={"source": {"name": "stored", "folder": str(pool.folder)}}))
    assert found[f"the pool {pool.folder}"] == {"digest": pool.digest}


def test_a_selection_of_a_pool_is_known_by_its_file(tmp_path: Path) -> None:
    pool = of_gliders(tmp_path / "pool", 4)
    few = Selection(pool=pool.digest, score="herding", share=0.5, intermediate=True, rows=(0,), weights=(1.0,))
    of = made(fixed={"source": {"name": "stored", "folder": str(pool.folder), "keep": "few"}})
    what = f"the selection few of the pool {pool.folder}"
    selection.write(pool.folder, "few", few)
    before = parts(of)
    selection.write(pool.folder, "few", replace(few, rows=(1,)))
    now = parts(of)
    assert [each.what for each in differences({"parts": before}, {"parts": now})] == [what]
    earlier = {name: part for name, part in before.items() if name != what}  # a version that did not record it
    assert differences({"parts": earlier}, {"parts": now}) == []


def test_a_model_on_this_disk_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    found = parts(made(fixed={"source": {"name": "diffusion", "model": str(tmp_path)}}))
    assert found[f"the model {tmp_path}"]["said"] == "1 file, 2 bytes"


def test_images_of_another_domain_are_known_by_their_files(tmp_path: Path) -> None:
    write_image(tmp_path / "photos/a.png")
    np.savez(tmp_path / "b.npz", images=np.zeros((12, 8, 8), np.uint8))
    before = ""
    for name in ("photos", "b.npz"):
        place = str(tmp_path / name)
        found = parts(made(fixed={"source": {"name": "adapted", "images": place}}))
        assert found[f"the images {place}"]["said"].startswith("1 file, ")
        before = before or found[f"the images {place}"]["digest"]
        changed = parts(made(fixed={"source": {"name": "adapted"}, "source.images": place}))
        assert changed[f"the images {place}"] == found[f"the images {place}"]
    write_image(tmp_path / "photos/a.png", 101)
    place = str(tmp_path / "photos")
    again = parts(made(fixed={"source": {"name": "adapted", "images": place}}))
    assert again[f"the images {place}"]["digest"] != before
    assert not [what for what in parts(made()) if what.startswith("the images /")]


def test_any_text_may_stand_in_a_study() -> None:
    odd = {"question": "either/or" + "?" * 5_000, "fixed": {"source": {"name": "generator"}, "schedule.epochs": 1}}
    assert parts(made(**odd)).keys() == parts(made()).keys()
    assert parts(made(question="~nobody/such\0")).keys() == parts(made()).keys()


# ---- going on


def begun(of: Study) -> History:
    return History([{**toys.opening(of), "experiment": experiment(of, preparing.work(of))}])


def test_the_same_experiment_goes_on_bound_to_its_images(tmp_path: Path) -> None:
    of = made()
    work, said = go_on(tmp_path, begun(of), of, preparing.work(of), accept=False)
    assert said == {}
    assert (work.images, work.accepted) == ({"val": "drawn", "test": "drawn"}, False)
    assert work.inputs["images to test"] == "drawn"
    assert go_on(tmp_path, begun(of), of, preparing.work(of), accept=True)[1] == {}, "there is nothing to accept"


def test_another_is_refused_or_accepted_with_a_mark_until_it_is_the_first_again(tmp_path: Path) -> None:
    of, other = made(), made(fixed={"schedule.epochs": 9})
    history, work = begun(of), preparing.work(other)
    with pytest.raises(
        StudyError, match=r"another experiment:\n  the method noise_kd: .*schedule.epochs 7 there, 9 here"
    ):
        go_on(tmp_path, history, other, work, accept=False)
    taken, said = go_on(tmp_path, history, other, work, accept=True)
    assert taken.accepted
    assert said["experiment"] == experiment(other, work)
    prints = [config.fingerprint(preparing.work(each).method)[:12] for each in (of, other)]
    assert said["changed"] == f"the method noise_kd ({prints[0]}, now {prints[1]})"
    record = {"kind": "resumed", "time": 1.0, "provenance": {}, "options": {}}
    history.apply({**record, **said})
    again, nothing = go_on(tmp_path, history, other, work, accept=False)
    assert (again.accepted, nothing) == (True, {})
    back, said = go_on(tmp_path, history, of, preparing.work(of), accept=True)
    assert (back.accepted, said["changed"]) == (True, None)


def test_a_study_that_never_said_what_it_is_goes_on(tmp_path: Path) -> None:
    of = made()
    assert go_on(tmp_path, History([toys.opening(of)]), of, preparing.work(of), accept=False)[1] == {}


def test_bound_work_is_of_its_images() -> None:
    work = preparing.work(made())
    found = {"parts": {"the images to validate on": {"digest": "v"}, "the images to test on": {"digest": None}}}
    assert bound(work, found).images == {"val": "v", "test": None}
