"""Rows in arrays are the rows that were taken in, to the bit."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.tune.curves import ROW, Rows, packed, unpacked

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
metrics = st.dictionaries(st.text(max_size=5), st.floats(), max_size=4)


def bits(values: Any) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def record(epoch: int, told: dict[str, float], **more: Any) -> dict[str, Any]:
    return {"kind": "row", "epoch": epoch, "seconds": 2.0 * epoch, "peak_memory": 10 * epoch, **packed(told), **more}


@RELAXED
@given(metrics)
def test_metrics_keep_their_names_and_their_bits_in_a_line(told: dict[str, float]) -> None:
    names, values = unpacked(json.loads(json.dumps(packed(told))))
    assert names == tuple(told)
    if "values" in packed(told):
        assert bits(values) == bits(list(told.values()))
    else:
        assert repr(list(values)) == repr(list(told.values()))


def test_the_packed_form_is_little_endian_doubles_and_a_name_with_a_space_has_none() -> None:
    assert packed({"a": 1.0, "b/c": math.inf}) == {"names": "a b/c", "values": "AAAAAAAA8D8AAAAAAADwfw=="}
    assert packed({"a b": 1}) == {"metrics": {"a b": 1.0}}
    assert packed({}) == {"metrics": {}}


@pytest.mark.parametrize("value", [None, "0.5", [1.0]])
def test_what_is_no_number_is_refused_before_it_is_written(value: Any) -> None:
    with pytest.raises(TypeError):
        packed({"a": value})


@RELAXED
@given(st.lists(st.tuples(st.integers(1, 9), metrics, st.sampled_from(["h", "i"]), st.booleans()), max_size=12))
def test_rows_are_what_a_dictionary_by_epoch_would_be(told: list[tuple[int, dict[str, float], str, bool]]) -> None:
    rows, expected = Rows(), {}
    for epoch, values, host, last in told:
        more = {"host": host, "device": "cpu", "last": last, **({"final": {"x": 1.0}} if last else {})}
        taken = rows.take(record(epoch, values, **more))
        assert (taken is None) == (epoch in expected)
        row = (epoch, 2.0 * epoch, values, last, {"x": 1.0} if last else None, host, "cpu", 10 * epoch)
        expected.setdefault(epoch, dict(zip(ROW, row)))
    assert repr(dict(rows)) == repr(dict(sorted(expected.items())))
    assert rows.epoch == max(expected, default=0)
    assert rows.seconds == (2.0 * rows.epoch if expected else None)
    assert rows.peak_memory == (10 * rows.epoch if expected else None)
    for metric in {name for row in expected.values() for name in row["metrics"]} | {"absent"}:
        curve = {epoch: row["metrics"][metric] for epoch, row in sorted(expected.items()) if metric in row["metrics"]}
        assert repr(rows.curve(metric)) == repr(curve)
    steps = [
        (epoch, at, name, value)
        for names, epochs, seconds, values in rows.blocks()
        for i, (epoch, at) in enumerate(zip(epochs, seconds))
        for name, value in zip(names, values[i * len(names) : (i + 1) * len(names)])
    ]
    flat = [(e, r["seconds"], name, v) for e, r in sorted(expected.items()) for name, v in r["metrics"].items()]
    assert repr(steps) == repr(flat)


def test_host_and_device_hold_until_a_row_says_otherwise() -> None:
    rows = Rows()
    for each in (record(1, {"a": 1.0}, host="h", device="cpu"), record(2, {"a": 1.0}), record(3, {"b": 1.0}, host="i")):
        rows.take(each)
    assert [(row["host"], row["device"]) for row in rows.values()] == [("h", "cpu"), ("h", "cpu"), ("i", "cpu")]
    with pytest.raises(KeyError):
        rows[4]
