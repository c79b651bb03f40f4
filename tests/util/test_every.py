"""How often something is done in a run."""

from __future__ import annotations

import pytest

from dfkd_ray.util.every import Every


@pytest.mark.parametrize(
    ("said", "made"),
    [
        (1, Every()),
        ("5", Every(5)),
        ("10 min", Every(0, 600)),
        ("10min", Every(0, 600)),
        (" 2 h ", Every(0, 7200)),
        ("1.5h", Every(0, 5400)),
        ("90 s", Every(0, 90)),
    ],
)
def test_epochs_or_minutes(said: int | str, made: Every) -> None:
    assert Every.parse(said) == made


@pytest.mark.parametrize("said", [0, -1, "0 min", "often", "1.5", "0.5 s", "", "5 weeks", 10_000_000])
def test_anything_else_is_refused(said: int | str) -> None:
    with pytest.raises(ValueError, match=r"^every so many epochs \(5\) or minutes \(10 min\), got "):
        Every.parse(said)


def test_when_it_is_due() -> None:
    assert [Every(3).due(epochs, 1e9) for epochs in (1, 2, 3, 4)] == [False, False, True, True]
    assert [Every(0, 60).due(1000, seconds) for seconds in (0.0, 59.9, 60.0)] == [False, False, True]
