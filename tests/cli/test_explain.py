"""`explain`: a setting, as its user asks for it."""

from __future__ import annotations

import json

from dfkd_ray.cli import explain
from tests.cli.commands import dfkd, refused


def test_a_setting() -> None:
    done = dfkd("explain", "student_loss.high_order.weight")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "student_loss.high_order.weight"
    assert lines[1].startswith("  of high_order: L = sum_j MSE(")
    assert lines[2] == "    weight: A term and its weight in the sum; weights stand here and nowhere else."
    assert lines[3].startswith(
        "    source: Mixed-high-order attention distillation of DFKD-FGVC: Shao et al., ICCV 2023"
    )
    assert lines[4:] == [
        "    default: 1.0",
        "in the methods that ship:",
        "  dfkd_fgvc  10.0  L_MHAD, eq. 7",
        "searched in the studies that ship:",
        "  mhad            {log: [0.1, 100]}",
        "  mhad_confirmed  {log: [0.1, 100]}",
        "  paper_mhad      {log: [0.1, 100]}",
        "typical in methods: 10",
        "typical in searches: 0.1 to 100",
    ]


def test_as_json() -> None:
    told = json.loads(dfkd("explain", "student_loss.high_order.weight", "--json").out)
    assert told["owners"][0]["default"] == 1.0
    assert told["methods"] == [{"method": "dfkd_fgvc", "value": 10.0, "origin": "L_MHAD, eq. 7"}]
    assert told["searched"]["mhad"] == {"log": [0.1, 100]}
    assert told["typical"] == {"in methods": "10", "in searches": "0.1 to 100"}


def test_a_component_names_what_may_be_set_in_it() -> None:
    lines = dfkd("explain", "memory").out.splitlines()
    assert any(line.startswith("  pool: A pool of past images") for line in lines)
    assert any(line.split() == ["noise_kd", "fresh", "stated", "in", "the", "method's", "file"] for line in lines)
    said = "settings: weight, start, ramp, temperature, direction; dfkd-ray explain student_loss.kd.weight"
    assert said in dfkd("explain", "student_loss.kd").out.splitlines()


def test_what_nobody_knows() -> None:
    assert refused("explain", "schedule.epoch").startswith(
        "no method has a path 'schedule.epoch'; did you mean 'schedule.epochs'? (known: schedule.batch, "
    )


def test_typical_values() -> None:
    assert explain._range([1, 0.5, 400]) == "0.5 to 400"
    assert explain._range(["auto", "auto", None]) == "auto, –"
    assert explain._range([{"name": "pool"}]) == ""
