"""One trial after the other in this process: what is reported, how a trial ends, and that nothing stays open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.serial_runner import ENDED_EARLY, failure_reason
from dfkd_ray.tune.work import Job, Row
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")


@dataclass(frozen=True)
class Open(toys.Toy):
    """Tells when its rows are closed."""

    closed: list[int] = field(default_factory=list)

    def epochs(self, job: Job) -> Iterator[Row]:
        try:
            yield from super().epochs(job)
        finally:
            self.closed.append(job.trial)


def test_each_trial_ends_before_the_next_begins_and_is_closed_also_where_it_was_stopped(tmp_path: Path) -> None:
    work = Open()
    toys.start(toys.study(), work, tmp_path)
    records = read_records(tmp_path / NAME)[0]
    order = [(r["kind"], r["trial"]) for r in records if r["kind"] in ("started", "ended")]
    assert order == [(kind, number) for number in range(8) for kind in ("started", "ended")]
    assert work.closed == list(range(8))
    assert History(records).in_state("pruned") > 0


def test_a_work_that_fails_before_its_first_row_is_a_failed_trial(tmp_path: Path) -> None:
    class Refuses(toys.Toy):
        def epochs(self, job: Job) -> Iterator[Row]:
            raise ValueError("no such net")

    with pytest.raises(Exception, match="have all failed alike"):
        toys.start(toys.study(), Refuses(), tmp_path)
    trial = History(read_records(tmp_path / NAME)[0]).trials[0]
    assert trial.state == "failed"
    assert (trial.reason or "").startswith("ValueError: no such net\n")


def test_rows_that_end_early_are_a_failure(tmp_path: Path) -> None:
    toys.start(toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), toys.Toy(ends_at=2), tmp_path)
    assert History(read_records(tmp_path / NAME)[0]).trials[0].reason == ENDED_EARLY


def test_an_error_is_described_by_its_type_message_and_place() -> None:
    def fails() -> Any:
        return {}["x"]

    with pytest.raises(KeyError) as caught:
        fails()
    head, place = failure_reason(caught.value).split("\n")
    assert head == "KeyError: 'x'"
    assert place.endswith('in fails: return {}["x"]')
    assert failure_reason(ValueError("never raised")) == "ValueError: never raised"
