"""How often something is done in a run: each so many epochs, or after so many minutes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dfkd_ray.util.durations import seconds


@dataclass(frozen=True)
class Every:
    """epochs: 0 where it goes by seconds."""

    epochs: int = 1
    seconds: float = 0

    def due(self, epochs: int, seconds: float) -> bool:
        """Whether it is to be done, so many epochs and seconds after it was done last."""
        return seconds >= self.seconds if self.seconds else epochs >= self.epochs

    @classmethod
    def parse(cls, said: int | str) -> Every:
        """`5`, `10 min`, `1h`; ValueError for all else."""
        text = str(said).strip()
        if text.isdecimal() and len(text) < 7 and int(text):
            return cls(int(text))
        with suppress(ValueError):
            if text[-1:].isalpha() and (found := seconds(text)) >= 1:
                return cls(0, found)
        raise ValueError(f"every so many epochs (5) or minutes (10 min), got {said!r}")
