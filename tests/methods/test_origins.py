"""Where each value of a method comes from, and what a method rests on."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dfkd_ray.methods import config
from dfkd_ray.methods.origins import EVIDENCE, evidence, with_origins
from dfkd_ray.util.errors import ConfigError

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


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(HERE, encoding="utf-8")
    return str(path)


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
    with pytest.raises(ConfigError, match="evidence is read or secondary or reconstruction, got 'rumour'") as caught:
        evidence(str(wrong))
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(wrong), 2)


@pytest.mark.parametrize("name", config.method_names())
def test_every_shipped_method_says_what_it_rests_on(name: str) -> None:
    assert evidence(name) in EVIDENCE
