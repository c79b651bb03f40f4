"""How often something is done in a run: each so many epochs, or after so many minutes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAID = re.compile(r"(\d{1,6})(?: ?(min|h))?")
_SECONDS = {"min": 60, "h": 3600}


@dataclass(frozen=True)
class Every:
    """epochs: 0 where it goes by seconds."""

    epochs: int = 1
    seconds: int = 0

    def due(self, epochs: int, seconds: float) -> bool:
        """Whether it is to be done, so many epochs and seconds after it was done last."""
        return seconds >= self.seconds if self.seconds else epochs >= self.epochs

    @classmethod
    def parse(cls, said: int | str) -> Every:
        """`5`, `10 min`, `1h`; ValueError for all else."""
        found = _SAID.fullmatch(str(said).strip())
        if found is None or not int(found[1]):
            raise ValueError(f"every so many epochs (5) or minutes (10 min), got {said!r}")
        count = int(found[1])
        return cls(count) if found[2] is None else cls(0, count * _SECONDS[found[2]])
