"""Whether this process has been told to end soon: whoever computes looks between two steps, saves, and leaves."""

from __future__ import annotations

SAVED = "told to leave, and has saved a checkpoint: "  # how the reason of a trial begins that has left so
_why: list[str] = []


def tell(why: str) -> None:
    """From a handler of signals or another thread: this process has to end, and why."""
    _why.append(why)


def told() -> str | None:
    """Why this process has to end, None where nobody says so."""
    return _why[0] if _why else None


def forget() -> None:
    """Nobody has said so after all."""
    _why.clear()
