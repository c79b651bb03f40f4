"""Ctrl-C: kept until it is safe, at once where it is safe, and at once the second time."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dfkd_ray.tune.accidents import Hung
from dfkd_ray.tune.interrupts import SIGNALS, Interrupted, Interrupts
from dfkd_ray.util.errors import DfkdError


def test_the_first_is_kept_until_it_is_asked_for() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.pending
        with pytest.raises(Interrupted):
            interrupts.check()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_at_once_where_it_is_safe(number: int) -> None:
    with Interrupts() as interrupts:
        with pytest.raises(Interrupted), interrupts.at_once():
            os.kill(os.getpid(), number)
        with pytest.raises(Interrupted):  # and again, where it was swallowed on its way
            interrupts.check()


def test_the_second_comes_at_once() -> None:
    with Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_it_changes_no_handler() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_it_is_no_failure_of_a_trial() -> None:
    assert not issubclass(Interrupted, Exception)
    assert not issubclass(Interrupted, DfkdError)
    assert str(Interrupted(Path("reports/x"))) == "interrupted; resume with: dfkd-ray resume reports/x"
    assert str(Interrupted(Path("reports/x"), "no space left on /, 12 KB free")) == (
        "the study cannot go on: no space left on /, 12 KB free\ninterrupted; resume with: dfkd-ray resume reports/x"
    )


def test_a_study_in_a_store_is_named_by_its_uri(tmp_path: Path) -> None:
    (tmp_path / "store.url").write_text("s3://bucket/mhad\n")
    assert str(Interrupted(tmp_path)) == "interrupted; resume with: dfkd-ray resume s3://bucket/mhad"


def test_what_the_user_has_turned_off_stays_off() -> None:
    """`nohup` ignores SIGHUP for the process that it starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            interrupts.check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_takes_too_long_is_hung_and_nothing_else_is() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Interrupts() as interrupts:
        with pytest.raises(Hung), interrupts.at_once(0.05):
            time.sleep(30)
        with interrupts.at_once(0.05):
            pass
        time.sleep(0.1)  # the clock of what is over does not go on
    assert signal.getsignal(signal.SIGALRM) is before
