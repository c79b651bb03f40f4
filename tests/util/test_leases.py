"""A lock in a store, which ends when nobody renews it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from dfkd_ray.util import leases
from dfkd_ray.util.leases import NAME, Lease
from dfkd_ray.util.locks import Taken
from dfkd_ray.util.store import Store, StoreError

SHORT = 0.8  # seconds


def held(store: Store, **changes: object) -> dict[str, object]:
    """A lock as a process of another machine has left it."""
    lease = Lease(store, SHORT)
    lease._over.set()
    lease._thread.join()
    told = {**json.loads(store.get(NAME)[0]), "place": "elsewhere", **changes}
    store.put(NAME, json.dumps(told).encode())
    return told


def test_one_has_it_and_the_next_when_it_is_released(bucket: str) -> None:
    store = Store(bucket)
    first = Lease(store, SHORT)
    with pytest.raises(Taken, match=r"^process \d+ on "):
        Lease(store, SHORT)
    first.release()
    second = Lease(store, SHORT)
    assert not second.lost
    second.release()


def test_whoever_looks_is_told_the_holder(bucket: str) -> None:
    store = Store(bucket)
    assert leases.holder(store) is None
    lease = Lease(store, SHORT)
    assert leases.holder(store) == lease._said["holder"]
    lease.release()
    assert leases.holder(store) is None
    told = held(store)
    assert leases.holder(store) == told["holder"], "of another machine nobody knows better"


def test_it_is_renewed_for_as_long_as_its_owner_lives(bucket: str) -> None:
    store = Store(bucket)
    lease = Lease(store, SHORT)
    before = json.loads(store.get(NAME)[0])
    while json.loads(store.get(NAME)[0])["renewed"] < 5:
        time.sleep(0.05)
    assert json.loads(store.get(NAME)[0])["lease"] == before["lease"]
    lease.release()
    assert json.loads(store.get(NAME)[0])["free"]


def test_what_nobody_renews_is_taken_over(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(bucket)
    told = held(store)
    lease = Lease(store, SHORT)
    assert capsys.readouterr().err == f"{bucket}: {told['holder']} has it, and loses it in 1 s if it is dead\n"
    assert json.loads(store.get(NAME)[0])["lease"] != told["lease"]
    lease.release()


def test_a_dead_process_of_this_machine_is_known_at_once(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    store = Store(bucket)
    held(store, place=leases._place(), pid=gone.pid, seconds=600.0)
    Lease(store, SHORT).release()


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"seconds": 1e99}', b"\xff", b'{"seconds": "long"}'])
def test_one_that_cannot_be_read_is_somebodys_until_it_has_not_changed_for_long(
    text: bytes, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.1)
    Store(bucket).put(NAME, text)
    Lease(Store(bucket), SHORT).release()


def test_who_waits_takes_what_is_released_meanwhile(bucket: str) -> None:
    store = Store(bucket)
    told = held(store, seconds=20.0)
    threading.Timer(0.2, lambda: store.put(NAME, json.dumps({**told, "free": True}).encode())).start()
    Lease(store, SHORT).release()


def test_who_has_lost_it_knows(bucket: str) -> None:
    store = Store(bucket)
    lease = Lease(store, SHORT)
    taken = json.dumps({**json.loads(store.get(NAME)[0]), "lease": "another"}).encode()
    store.put(NAME, taken)
    lease._thread.join(60)
    assert lease.lost
    lease.release()
    assert store.get(NAME)[0] == taken, "what is another's is not released"


def test_a_store_that_ignores_conditions_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(self: Store, name: str, data: bytes, version: object) -> dict[str, str]:
        self.put(name, data)
        return self.get(name)[1]

    monkeypatch.setattr(Store, "put_if", put)
    with pytest.raises(StoreError, match=f"^{bucket}: this store knows no conditional put, so nothing keeps two"):
        Lease(Store(bucket), SHORT)


def test_of_many_that_come_at_once_one_gets_it(bucket: str) -> None:
    store, got, taken = Store(bucket), [], []

    def take() -> None:
        try:
            got.append(Lease(store, 30))
        except Taken as error:
            taken.append(error)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(0.01)
    while len(got) < 1:
        time.sleep(0.01)
    assert len(got) == 1
    got[0].release()
    for thread in threads:
        thread.join()
    assert len(got) + len(taken) == 6
    for lease in got[1:]:
        lease.release()
