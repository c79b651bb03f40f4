from __future__ import annotations

import re
from html import unescape

from dfkd_ray.report import published
from dfkd_ray.util.words import MINUS, NBSP
from tests.report import ablations
from tests.report.studies import demo
from tests.report.writing import written


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).replace(NBSP, " ").split())


def test_published_and_measured_stand_side_by_side() -> None:
    text = plain(written(published.side_by_side(ablations.by_hand())))
    assert "Shao et al., ICCV 2023, Table 5 · Orders of attention" in text
    assert "both 56.93 read in the paper 70.4 66.0 to 74.8 5 +13.5" in text
    assert "order 1 55.20 from a secondary source – – 0 –" in text
    assert "Published is the column CUB200." in text


def test_a_paper_that_keeps_its_best_epoch_stands_beside_both_of_ours() -> None:
    cells = [cell | {"best": 71.0, "best_difference": 14.07} for cell in ablations.PUBLISHED["cells"][:1]]
    told = {**ablations.PUBLISHED, "cells": cells, "best_on_test": "one/CMI @9e79fa9 main.py"}
    text = plain(written(published.side_by_side(ablations.changed(ablations.by_hand(), published=told))))
    assert "Last epoch 95 % interval n Last minus published Best epoch Best minus published" in text
    assert "70.4 66.0 to 74.8 5 +13.5 71.0 +14.1" in text
    assert "of the epoch that was best on the split they report (one/CMI @9e79fa9 main.py)" in text
    assert "Best epoch" not in plain(written(published.side_by_side(ablations.by_hand())))


def test_an_interval_that_was_cut_is_said() -> None:
    told = {**ablations.PUBLISHED, "metric": "test_accuracy/last", "cut": ["both"]}
    said = "The interval of both would leave what test accuracy, last epoch can be, 0.0 % to 100.0 %, and is cut there."
    cut = ablations.changed(ablations.by_hand(), published=told)
    assert said in written(published.side_by_side(cut)).replace(NBSP, " ")
    assert "cut there" not in written(published.side_by_side(ablations.by_hand()))


def test_each_claim_has_its_verdict() -> None:
    text = plain(written(published.side_by_side(ablations.by_hand())))
    assert "order 3 beats order 1 in words +1.73 +20.3 14.2 to 26.4 5 holds here" in text
    assert "order 2 beats order 1 by its numbers +0.80 – – 1 cannot be told" in text
    assert published.sentence(ablations.by_hand()).replace(NBSP, " ") == (
        "Of 2 claims of Shao et al., ICCV 2023, Table 5, 1 holds here and 1 cannot be told."
    )


def test_the_scale_decides_what_a_difference_says() -> None:
    small = plain(written(published.side_by_side(ablations.by_hand())))
    assert "not at the paper's scale: the difference of a row says nothing of the paper" in small
    paper = {**ablations.PUBLISHED, "scale": "paper", "column": None}
    whole = plain(written(published.side_by_side(ablations.changed(ablations.by_hand(), published=paper))))
    assert "says nothing of the paper" not in whole
    assert "mean of the columns that are re-run" in whole


def test_a_claim_that_fails_is_counted_and_signed() -> None:
    claim = {**ablations.PUBLISHED["claims"][0], "verdict": "fails here", "difference": -4.04}
    told = ablations.changed(ablations.by_hand(), published={**ablations.PUBLISHED, "claims": [claim, claim]})
    assert "2 fail here." in published.sentence(told).replace(NBSP, " ")
    assert f"{MINUS}4.0" in written(published.side_by_side(told))


def test_without_a_published_table_there_is_nothing() -> None:
    for tables in (demo(), ablations.leave_one_out()):
        assert written(published.side_by_side(tables)) == ""
        assert published.sentence(tables) == ""
    odd = ablations.changed(ablations.by_hand(), published={"cells": "?", "claims": [3], "source": 7})
    assert "<table" not in written(published.side_by_side(odd))
