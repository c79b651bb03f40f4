"""A path of a method explained from the components themselves."""

from __future__ import annotations

import pytest

from dfkd_ray.methods import config, explaining
from dfkd_ray.methods.explaining import explain
from dfkd_ray.parts.losses.high_order import HighOrder
from dfkd_ray.util.errors import UnknownName


def test_a_field_of_a_term() -> None:
    found = explain("student_loss.high_order.order")
    (owner,) = found.owners
    assert (owner.name, owner.field, owner.default, owner.needed) == ("high_order", "order", 3, False)
    assert owner.about == "R, routes of 1 to R multiplied factors; the paper tries 1, 2 and 3 and takes 3."
    assert "Shao et al., ICCV 2023, arXiv 2404.12037" in owner.source
    assert owner.what.startswith("L = sum_j MSE(")
    (use,) = found.uses
    assert (use.method, use.value) == ("dfkd_fgvc", 3)


def test_the_weight_is_the_terms() -> None:
    found = explain("student_loss.high_order.weight")
    (owner,) = found.owners
    assert (owner.name, owner.default) == ("high_order", 1.0)
    assert owner.about == "A term and its weight in the sum; weights stand here and nowhere else."
    assert [(use.method, use.value, use.origin) for use in found.uses] == [("dfkd_fgvc", 10.0, "L_MHAD, eq. 7")]
    assert (
        explain("student_loss.kd.start").owners[0].about
        == "epochs of the run before it counts; until then it costs nothing."
    )


def test_a_field_that_several_components_have_is_told_of_each() -> None:
    found = explain("source.width")
    assert {owner.name: owner.default for owner in found.owners} == {"adapted": 8, "generator": 64, "upsampling": 64}
    about = {owner.name: owner.about for owner in found.owners}
    assert about["generator"] == "channels of the last block, 64 in the paper."
    marks = {use.method: use.origin for use in found.uses}
    assert (marks["dfkd_fgvc"], marks["dafl"]) == ("Table 6", "default of Upsampling")


def test_what_is_inside_of_a_component() -> None:
    (attention,) = explain("source.attention.mix").owners
    assert (attention.name, attention.default) == ("Attention", 0.05)
    assert {owner.name: owner.default for owner in explain("student.optimizer.lr").owners} == {
        "adam": 0.001,
        "sgd": 0.01,
    }


def test_a_component_names_its_fields() -> None:
    assert explain("student_loss.kd").fields == ("weight", "start", "ramp", "temperature", "direction")
    assert [owner.name for owner in explain("student_loss.kd").owners] == ["kd"]
    assert explain("schedule").fields[:2] == ("epochs", "rounds")
    assert {owner.name for owner in explain("memory").owners} >= {"fresh", "pool"}
    assert explain("memory").fields == ()


def test_every_path_of_every_method_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where values come from is another's, and takes long."""
    monkeypatch.setattr(explaining.origins, "origin", lambda name, path: "")
    plain = [config.plain(config.load(name)) for name in config.method_names()]
    for path in sorted({path for each in plain for path in explaining._below(each)}):
        found = explain(path)
        assert found.uses, path
        assert found.owners or path.endswith(".name"), path
        assert all(owner.field in ("", path.rpartition(".")[2]) for owner in found.owners)


def test_an_unknown_path_has_its_neighbours_named() -> None:
    with pytest.raises(UnknownName) as caught:
        explain("student_loss.kd.temprature")
    assert str(caught.value) == (
        "no method has a path 'student_loss.kd.temprature'; did you mean 'student_loss.kd.temperature'? (known: "
        "student_loss.kd.direction, student_loss.kd.ramp, student_loss.kd.start, student_loss.kd.temperature, "
        "student_loss.kd.weight)"
    )
    for path in ("", "source_loss.nothing", "schedule.epochs.more", "studentloss"):
        with pytest.raises(UnknownName):
            explain(path)


def test_fields_that_stand_together_and_words_in_prose() -> None:
    class Two:
        """What it is. Somebody et al., CVPR 2020.

        one, two: both of them,
            on two lines. three: another.

        Later words: none of theirs.
        """

    made = explaining.dataclass(type("Two", (Two,), {"__annotations__": {"one": int, "two": int, "three": int}}))
    made.__doc__ = None
    assert explaining.about(made, "two") == "both of them, on two lines."
    assert explaining.about(made, "three") == "another."
    assert explaining.about(HighOrder, "weight") == ""
