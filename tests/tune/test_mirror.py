"""A study in a store: its ledger as numbered objects, its files, and who may write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import mirror
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, Ledger, read_records
from dfkd_ray.util import leases, store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.store import Store, StoreError
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_PAUSE", 0.05)


def machine(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, place: str) -> Path:
    """The copy of a study on a machine of its own."""
    (tmp_path / name).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / name)
    return store.folder_of(place).absolute()


def there(place: str) -> bytes:
    held = Store(place).at("ledger")
    return b"".join(held.get(name)[0] for name in held.names())


def record(number: int) -> dict[str, Any]:
    return {"kind": "row", "time": 0.0, "number": number}


def test_what_is_appended_is_there_in_numbered_objects(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        assert ledger.mirror is not None
        for number in range(3):
            ledger.append_all([record(number)] * 5)
            ledger.mirror.settle()
        assert there(bucket) == (folder / NAME).read_bytes()
    names = Store(bucket).at("ledger").names()
    assert [int(name.removesuffix(".jsonl")) for name in names] == [
        0,
        len(there(bucket)) // 3,
        len(there(bucket)) // 3 * 2,
    ]


def test_a_picture_is_there_before_the_record_that_names_it(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        assert ledger.mirror is not None
        (folder / "pictures").mkdir()
        (folder / "pictures" / "a.webp").write_bytes(b"picture")
        ledger.append({**record(1), "picture": {"path": "pictures/a.webp"}})
        ledger.mirror.settle()
        assert Store(bucket).get("pictures/a.webp")[0] == b"picture"
        Store(bucket).remove(["pictures/a.webp"])
    assert "pictures/a.webp" not in Store(bucket).names(), "once is enough"


def test_a_large_ledger_goes_in_whole_records(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_PART", 200)
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        ledger.append_all(record(number) for number in range(20))
    held = Store(bucket).at("ledger")
    assert len(held.names()) > 5
    assert all(held.get(name)[0].endswith(b"}\n") for name in held.names())
    assert there(bucket) == (folder / NAME).read_bytes()


def test_another_machine_goes_on_and_the_first_one_learns_of_it(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(one) as ledger:
        ledger.append(record(1))
        (one / "pictures").mkdir()
        (one / "pictures" / "a.webp").write_bytes(b"picture")
    two = machine(tmp_path, "two", monkeypatch, bucket)
    with Ledger(two) as ledger:
        assert ledger.records == [record(1)]
        assert (two / "pictures" / "a.webp").read_bytes() == b"picture"
        ledger.append(record(2))
        (two / "observers.json").write_text("newer")
    (one / "observers.json").write_text("older")
    with (one / NAME).open("ab") as file:
        file.write(b'{"kind":"as')  # what a crash leaves of a record that was never there
    with Ledger(one) as ledger:
        assert ledger.records == [record(1), record(2)]
    assert (one / "observers.json").read_text() == "newer"
    aside = one / "ledger.local-1.jsonl"
    assert capsys.readouterr().err == f"warning: {bucket} has gone on without {one}: what that had is kept in {aside}\n"
    assert aside.read_bytes().endswith(b'{"kind":"as')


def test_what_a_killed_driver_had_not_yet_put_is_put_by_the_next(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(one) as ledger:
        ledger.append(record(1))
    whole = (one / NAME).read_bytes()
    (one / NAME).write_bytes(whole + whole + b'{"kind')
    with Ledger(one) as ledger:
        assert ledger.records == [record(1)] * 2
    assert there(bucket) == whole + whole


def test_a_part_that_is_lost_is_told(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        assert ledger.mirror is not None
        for number in range(3):
            ledger.append(record(number))
            ledger.mirror.settle()
    held = Store(bucket).at("ledger")
    lost = held.names()[1]
    held.remove([lost])
    with pytest.raises(
        StudyError, match=f"^{bucket}/ledger/{lost}: this part of the ledger is lost; take it from a copy$"
    ):
        Ledger(folder)


def test_two_that_write_one_study_whatever_the_lock_says(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        assert ledger.mirror is not None
        Store(bucket).put("ledger/000000000000.jsonl", b"another's")
        ledger.append(record(1))
        with pytest.raises(StudyError, match=r"another process writes this study as well$"):
            ledger.mirror.settle()
        with pytest.raises(StudyError, match=r"another process writes this study as well$"):
            ledger.append(record(2))


def test_a_study_that_runs_is_refused_to_others(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS", 1.0)
    with Ledger(machine(tmp_path, "one", monkeypatch, bucket)):
        two = machine(tmp_path, "two", monkeypatch, bucket)
        with pytest.raises(StudyError, match=rf"^{bucket}: this study is being run already by process \d+ on "):
            Ledger(two)


def test_where_the_store_has_gone_the_folder_here_has_it_all(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)

    def down(*about: Any) -> None:
        raise StoreError(f"{bucket}: no answer")

    with Ledger(folder) as ledger:
        assert ledger.mirror is not None
        with monkeypatch.context() as patch:
            patch.setattr(Store, "put_if", down)
            ledger.append(record(1))
            with pytest.raises(StoreError, match="no answer"):
                ledger.mirror.settle()
            ledger.append(record(2))
        ledger.mirror.settle()
        assert there(bucket) == (folder / NAME).read_bytes()
    assert capsys.readouterr().err.count("no answer; the study goes on, and puts it there later") == 1


def same(one: Path, other: Path) -> bool:
    def told(folder: Path) -> list[Any]:
        return [(t.state, t.changes, t.seed, t.values) for t in read_history(folder).trials.values()]

    return told(one) == told(other)


def test_a_study_goes_on_elsewhere_after_its_driver_has_died(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every record: as if the machine were gone with what had not been put, a part behind its own ledger."""
    made = toys.study(text=toys.ABLATION)
    straight = tmp_path / "straight"
    toys.start(made, toys.Parts(), straight)
    whole = [*read_records(straight / NAME)[0]]
    for cut in range(1, len(whole), 7):
        place = f"{bucket}/{cut}"
        one = machine(tmp_path, f"one{cut}", monkeypatch, place)
        lines = (straight / NAME).read_bytes().splitlines(keepends=True)
        (one / NAME).write_bytes(b"".join(lines[:cut]))
        with Ledger(one):
            pass
        two = machine(tmp_path, f"two{cut}", monkeypatch, place)
        assert toys.resume(two, toys.Parts()).finished
        assert same(two, straight)
        assert there(place) == (two / NAME).read_bytes()


def test_a_job_of_a_study_in_a_store_has_its_uri_and_is_known_there_first(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Looks(toys.Parts):
        def epochs(self, job: Any) -> Any:
            seen.append(job.folder)
            assert b'"kind":"asked"' in there(bucket)
            assert there(bucket).count(b'"kind":"asked"') == job.trial + 1
            return super().epochs(job)

    folder = machine(tmp_path, "one", monkeypatch, bucket)
    assert toys.start(toys.study(text=toys.ABLATION), Looks(), folder).failed == 0
    assert seen[:2] == [f"{bucket}/trials/0000", f"{bucket}/trials/0001"]
    assert {"trials.arrow", "steps.arrow", "effects.arrow"} <= {*Store(bucket).names()}
    with pytest.raises(StudyError, match=f"holds a study already; resume with: dfkd-ray resume {bucket} "):
        toys.start(toys.study(text=toys.ABLATION), Looks(), folder)
    with pytest.raises(StudyError, match=f"^{bucket} holds a study, and --fresh moves none in a store"):
        toys.start(toys.study(text=toys.ABLATION), Looks(), folder, fresh=True)


def test_where_a_store_does_not_answer_a_study_stops_with_the_way_on(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    put_if = Store.put_if

    def down(self: Store, name: str, *rest: Any) -> Any:
        if name.startswith("ledger") and len(self.at("ledger").names()) > 2:
            raise StoreError(f"{bucket}: no answer")
        return put_if(self, name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put_if", down)
        with pytest.raises(Interrupted) as stopped:
            toys.start(toys.study(text=toys.ABLATION), toys.Parts(), folder)
    said = f"the study cannot go on: {bucket}: no answer\ninterrupted; resume with: dfkd-ray resume {bucket}"
    assert str(stopped.value) == said
    assert toys.resume(folder, toys.Parts()).finished
