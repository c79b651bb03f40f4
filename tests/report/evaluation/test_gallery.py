"""Which images are shown of an evaluation, and what is said of each."""

from __future__ import annotations

from dataclasses import replace

from dfkd_ray.report.blocks import Empty, Gallery, Heading, Strip, Table, Text
from dfkd_ray.report.evaluation import gallery
from tests.report.evaluation.test_page import noted
from tests.report.evaluations import evaluation


def test_wrong_and_right_have_the_surest_and_one_of_a_class() -> None:
    made = evaluation(classes=4, images=80)
    section = gallery.pictures(made)
    assert section is not None
    heads = [block.text for block in section.shown if isinstance(block, Heading)]
    wrong, right = (block for block in section.shown if isinstance(block, Gallery))
    assert heads == ["Wrong", "Right"]
    assert all(tile.caption.startswith("named ") for tile in wrong.shown)
    assert len(wrong.shown) <= gallery.MOST
    assert len({tile.title for tile in right.shown}) == len(right.shown)
    assert all(tile.apart for tile in (*wrong.shown, *right.shown))


def test_without_mistakes_there_is_a_word_in_place_of_images() -> None:
    flawless = evaluation(wrong=0.0)
    section = gallery.pictures(flawless)
    assert section is not None
    assert Empty("The student made no mistake.") in section.shown
    assert gallery.pairs(flawless) == Empty("The student confuses no two classes.")


def test_a_pair_has_its_surest_images_and_one_of_what_it_is_named() -> None:
    made = evaluation(classes=4, images=80)
    pairs = gallery.pairs(made)
    assert isinstance(pairs, Table)
    assert len(pairs.rows) == len(made.confused)
    strip = pairs.rows[0][-1]
    assert isinstance(strip, Strip)
    assert 2 <= len(strip.pictures) <= 4


def test_where_a_network_looks_or_why_that_cannot_be_told() -> None:
    made = evaluation()
    section = gallery.saliency(made)
    assert section is not None
    assert any(isinstance(block, Gallery) and block.style == "saliency" for block in section.shown)
    blind = noted(made, looks={"missing": {"student": "no known stages"}})
    bare = replace(blind, examples=blind.examples.slice(0, 0))
    section = gallery.saliency(bare)
    assert section is not None
    assert section.shown == [Text("Of the student it cannot be told: no known stages", "note")]
    assert gallery.saliency(replace(made, examples=made.examples.slice(0, 0))) is None
