"""Every error that dfkd-ray raises on purpose.

    DfkdError
    ├── ConfigError       a method, a study or an option does not fit: one or more Problems
    ├── UnknownName       a registry was asked for a name that nobody registered
    ├── DataError         a data set or a file of weights is missing, damaged or of another shape
    ├── StudyError        a study's folder cannot be created, read or resumed
    │   └── GivenUp       a study was run and came to nothing: its trials fail
    ├── MissingExtra      an optional dependency is needed and not installed
    └── TrialFailed       a run cannot go on (a loss is not finite, say)

The command line prints the message and exits with code 2 (of GivenUp 3); `--debug` shows the traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

LONGEST = 2_000  # characters of a message: what it quotes may be a whole file


class DfkdError(Exception):
    """The root: whoever catches it catches every deliberate error. `exit_code`: of the command line."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands (a path into the method or study, a file, a line) and what it is."""

    path: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        told = self.message if len(self.message) <= LONGEST else f"{self.message[:LONGEST]} ..."
        return ": ".join(part for part in (place, self.path, told) if part)

    def under(self, prefix: str) -> Problem:
        """The same problem seen from one level further out."""
        joined = f"{prefix}.{self.path}" if self.path else prefix
        return replace(self, path=joined)


class ConfigError(DfkdError):
    """One or more mistakes in a method, a study or an option, all reported at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        """As it was, on its way out of another process too."""
        return type(self), (self.problems,)

    @classmethod
    def at(cls, path: str, message: str) -> ConfigError:
        return cls([Problem(path, message)])


class UnknownName(DfkdError):
    """A name that no registry entry has; the message says which names are near and which exist."""


class DataError(DfkdError):
    """A data set or a file of weights is missing, damaged or does not fit."""


class StudyError(DfkdError):
    """A study's folder cannot be created, read or resumed."""


class GivenUp(StudyError):
    """A study was run and came to nothing, because its trials fail: bad luck or a mistake, but no bad input."""

    exit_code = 3


class MissingExtra(DfkdError):
    """An optional dependency is missing; the message says what to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'dfkd-ray[{extra}]'")


class TrialFailed(DfkdError):
    """A run cannot go on; the trial is recorded as failed with this message."""
