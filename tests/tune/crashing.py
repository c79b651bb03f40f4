"""A study whose process dies after a record of its ledger, as by kill -9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfkd_ray.tune import launch
from dfkd_ray.tune.ledger import Ledger


class Crash(BaseException):
    """Stands for kill -9: nothing that is still to do is done."""


def dies(monkeypatch: pytest.MonkeyPatch, start: Callable[[], Any], after: int) -> None:
    """Start a study and let it die after so many appended records."""
    append, written = Ledger.append, 0

    def dying(self: Ledger, record: Any, wait: bool = True) -> Any:
        nonlocal written
        kept = append(self, record, wait)
        written += 1
        if written == after:
            raise Crash
        return kept

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", dying)
        patch.setattr(launch.Tuner, "close", lambda self: None)
        with pytest.raises(Crash):
            start()
