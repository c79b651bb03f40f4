"""How far a trial is: from its process to a bar of the driver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ray.experimental import internal_kv

from dfkd_ray.tune import ray_progress
from dfkd_ray.tune.ray_progress import Hearer, Teller
from dfkd_ray.util.progress import displayed

Seen = list[tuple[object, ...]]


@contextmanager
def seen_in(told: Seen, title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    told.append(("begins", title, total, unit))
    yield lambda done: told.append((title, done))
    told.append(("ends", title))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Ray's store of keys, in this process; and no pause between words."""
    held: dict[str, bytes] = {}
    monkeypatch.setattr(
        internal_kv, "_internal_kv_put", lambda key, value, overwrite: held.update({key: value.encode()})
    )
    monkeypatch.setattr(internal_kv, "_internal_kv_get", held.get)
    monkeypatch.setattr(internal_kv, "_internal_kv_del", held.pop)
    monkeypatch.setattr(ray_progress, "PACE", 0.0)
    return held


def test_what_is_told_in_one_process_is_shown_in_the_other(keys: dict[str, bytes]) -> None:
    told: Seen = []
    with displayed(lambda *work: seen_in(told, *work)), Hearer() as shown:
        shown.look()
        assert told == [], "nobody has said anything"
        teller = Teller(shown.key)
        with teller("images", None, "images") as tell:
            tell(1)
            shown.look()
        with teller("rounds", 8, "rounds") as tell:
            tell(3)
            with teller("the teacher looks", 60, "images") as inner:
                inner(59)
            shown.look()
            tell(4)
            shown.look()
    assert told == [
        *(("begins", "images", None, "images"), ("images", 1), ("ends", "images")),
        *(("begins", "rounds", 8, "rounds"), ("rounds", 3), ("rounds", 4), ("ends", "rounds")),
    ]
    assert keys == {}, "nothing is left on the cluster"


def test_a_word_is_said_at_a_pace_and_may_be_lost(keys: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(ray_progress, "PACE", 1.0)
    monkeypatch.setattr(ray_progress.time, "monotonic", lambda: clock[0])
    with Teller("a")("rounds", 8, "rounds") as tell:
        for done in (1, 2):
            tell(done)
        assert json.loads(keys["a"])[-1] == 1
        clock[0] += 1.5
        tell(3)
        assert json.loads(keys["a"])[-1] == 3
        monkeypatch.setattr(internal_kv, "_internal_kv_put", lambda *args, **more: 1 / 0)
        clock[0] += 1.5
        tell(4)
    assert json.loads(keys["a"])[-1] == 3
