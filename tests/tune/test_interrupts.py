"""Ctrl-C: kept until it is safe, at once where it is safe, and at once the second time."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from dfkd_ray.tune.interrupts import Interrupted, Interrupts
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_at_once_where_it_is_safe(number: int) -> None:
    with Interrupts() as interrupts:
        with pytest.raises(Interrupted), interrupts.at_once():
            os.kill(os.getpid(), number)
        assert not interrupts.pending


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
