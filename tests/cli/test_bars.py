from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import rich.console

from dfkd_ray.cli import bars


@pytest.mark.parametrize(("total", "unit", "said"), [(2_000_000, "bytes", "1.0/2.0 MB"), (200, "images", "100/200")])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, total: int, unit: str, said: str):
    screen = io.StringIO()
    whole: Callable[..., rich.console.Console] = rich.console.Console

    def console(stderr: bool) -> rich.console.Console:
        assert stderr
        return whole(file=screen, force_terminal=True, width=100)

    monkeypatch.setattr(rich.console, "Console", console)
    with bars.bar("a.tgz", total, unit) as tell:
        tell(total // 2)
    assert "a.tgz" in screen.getvalue()
    assert said in screen.getvalue()
