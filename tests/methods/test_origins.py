"""Where each value of a method comes from, and what a method rests on."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dfkd_ray.methods import config, marks
from dfkd_ray.methods.origins import EVIDENCE, comments_of, evidence, with_origins
from dfkd_ray.util.errors import ConfigError
from tests.methods.sources import CONTRADICTED, OF_NO_CODE, PACKAGE

HERE = """# A method: of nobody.
# Evidence: secondary; nothing was read.
source:            # of the whole source
  name: generator
  width: 8         # Table 1
student_loss:
  kd: {temperature: 4.0}   # "# no", eq. 2
  l2: {weight: 0.5}
views:
  student: ["flip", {name: crop, padding: 2}]  # the code's
"""
CODED = """# A method: of nobody.
# Evidence: read
# Code: some-one/Fast @0dcecbc datafree_kd.py, scripts/fast_cifar.sh
source:
  name: generator
  width: 8         # code
  latent: 16       # code fast_cifar.sh: k = 5
schedule:          # all: code
  epochs: 3
  batch: 8         # reconstruction: value of the code of CMI
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(HERE, encoding="utf-8")
    return str(path)


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    path = tmp_path / "coded.yaml"
    path.write_text(CODED, encoding="utf-8")
    return path


def origins(name: str) -> dict[str, str]:
    """The comment beside each path of the annotated method."""
    found, above = {}, []
    for line in with_origins(name):
        body, _, comment = line.partition("  # ")
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], body.strip().partition(":")[0]]
        found[".".join(above)] = comment
    return found


def test_a_value_has_the_comment_beside_it_or_beside_what_holds_it(mine: str) -> None:
    of = origins(mine)
    assert of["source.width"] == "Table 1"
    assert of["source.name"] == "of the whole source"
    assert of["student_loss.kd.temperature"] == '"# no", eq. 2'
    assert of["student_loss.l2.weight"] == "stated in the method's file"
    assert of["views.student"] == "the code's"


def test_a_default_names_its_component(mine: str) -> None:
    of = origins(mine)
    assert of["source.latent"] == "default of Generator"
    assert of["source.optimizer.weight_decay"] == "default of Adam"
    assert of["student_loss.kd.direction"] == "default of KD"
    assert of["student_loss.kd.weight"] == "default of Weighted"
    assert of["memory.reuse"] == "default of Fresh"
    assert of["memory.name"] == of["source.optimizer.name"] == ""


def test_the_lines_give_the_method_back(mine: str) -> None:
    assert config.parse(yaml.safe_load("\n".join(with_origins(mine)))) == config.load(mine)


def test_evidence_is_one_of_three_words(mine: str, tmp_path: Path) -> None:
    assert evidence(mine) == "secondary"
    silent, wrong = tmp_path / "silent.yaml", tmp_path / "wrong.yaml"
    silent.write_text("# A method.\nmemory: fresh\n# Evidence: read\n", encoding="utf-8")
    wrong.write_text("# A method.\n# Evidence: rumour\n", encoding="utf-8")
    assert evidence(str(silent)) is None
    known = "read or secondary or reconstruction or own"
    with pytest.raises(ConfigError, match=f"evidence is {known}, got 'rumour'") as caught:
        evidence(str(wrong))
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(wrong), 2)


@pytest.mark.parametrize("name", config.method_names())
def test_every_shipped_method_says_what_it_rests_on(name: str) -> None:
    assert evidence(name) in EVIDENCE


def test_a_value_of_the_code_says_which_file_it_is_from(coded: Path) -> None:
    first, second, *_ = with_origins(str(coded))
    assert first == "# Code: some-one/Fast @0dcecbc datafree_kd.py, scripts/fast_cifar.sh"
    assert not second.startswith("#")
    of = origins(str(coded))
    assert of["source.width"] == "code datafree_kd.py"
    assert of["source.latent"] == "code fast_cifar.sh: k = 5"
    assert of["schedule.epochs"] == "all: code datafree_kd.py"
    assert of["schedule.batch"] == "reconstruction: value of the code of CMI"
    assert config.parse(yaml.safe_load("\n".join(with_origins(str(coded))))) == config.load(str(coded))


def test_a_mark_of_no_file_is_an_error_with_its_line_and_one_without_a_head_is_shown(coded: Path) -> None:
    coded.write_text(CODED.replace("code fast_cifar.sh", "code fast_cifr.sh"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        list(with_origins(str(coded)))
    assert str(caught.value).startswith(
        f"{coded}:7: no `Code:` line has a file 'fast_cifr.sh'; did you mean 'fast_cifar.sh'?"
    )
    coded.write_text(CODED.replace("# Code:", "# It is"), encoding="utf-8")
    assert origins(str(coded))["source.latent"] == "code fast_cifar.sh: k = 5"


@pytest.mark.parametrize("name", config.method_names())
def test_every_mark_of_a_shipped_method_names_repository_commit_and_file(name: str) -> None:
    path = config.method_file(name)
    files = marks.head(path.read_text(encoding="utf-8"), str(path))
    found = {line: said for line, said in comments_of(path).items() if marks.is_mark(said)}
    meant = [marks.resolve(said, files, str(path), line) for line, said in found.items()]
    assert bool(files) == bool(meant) == (name not in OF_NO_CODE), f"{path}: a `Code:` line and marks, or none of both"
    assert all(each.repository and each.commit and each.path for each in meant)


@pytest.mark.parametrize("name", config.method_names())
def test_a_shipped_method_shows_its_code(name: str) -> None:
    shown = list(with_origins(name))
    assert any(line.startswith("# Code: ") for line in shown) == (name not in OF_NO_CODE)


@pytest.mark.parametrize(("file", "said"), CONTRADICTED)
def test_nothing_is_said_that_the_code_contradicts(file: str, said: str) -> None:
    text = " ".join((PACKAGE / file).read_text(encoding="utf-8").replace("#", " ").split())
    assert said not in text, f"{file}: {CONTRADICTED[file, said]}"


def test_the_values_that_the_code_contradicts_are_of_files_that_are_there() -> None:
    assert all((PACKAGE / file).is_file() for file, _ in CONTRADICTED)
