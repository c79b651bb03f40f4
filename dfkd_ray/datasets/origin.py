"""Where the data of a task comes from: the publisher's archives and their checksums, or what has to be done by hand.

The block `origin` of a task's YAML. A checksum is there because somebody states it, and `stated_by` says who. Sizes are
what others saw when they downloaded the files; they decide only where nobody states a checksum.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath

_DIGITS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class ImageCounts:
    """How many images the publisher says there are; `whole`: of a set without splits of its own."""

    train: int | None = None
    val: int | None = None
    test: int | None = None
    whole: int | None = None

    @property
    def stated(self) -> dict[str, int]:
        """Those that somebody states."""
        return {which: count for which, count in asdict(self).items() if count is not None}


@dataclass(frozen=True)
class Archive:
    """A file of the publisher's, and what it makes.

    `makes`: what is there once it is unpacked, a path under the folder of data sets; at the top of the archive stands
    its last part (a file that is packed alone becomes it). `inner`: the archive within the archive that it stands in.
    Without `url` the file has to be brought by hand. `size` in bytes. `checksum`: `md5:...` or `sha256:...`. `side`: of
    copies in several sizes, the shorter side of the images, None where they are as they were taken.
    """

    name: str
    makes: str
    url: str | None = None
    size: int | None = None
    checksum: str | None = None
    stated_by: str | None = None
    inner: str | None = None
    side: int | None = None

    def __post_init__(self) -> None:
        if PurePosixPath(self.name).name != self.name:
            raise ValueError(f"name must be the name of a file, got {self.name!r}")
        for path in (self.makes, self.inner or "a"):
            if PurePosixPath(path).is_absolute() or {"", ".", ".."} & {*path.split("/")}:
                raise ValueError(f"makes and inner must be plain relative paths, got {path!r}")
        if self.url is not None and not re.match("https?://", self.url):
            raise ValueError(f"url must begin with http:// or https://, got {self.url!r}")
        if self.checksum is not None:
            algorithm, _, digits = self.checksum.partition(":")
            if len(digits) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digits):
                raise ValueError(f"checksum must be md5:<32 digits> or sha256:<64 digits>, got {self.checksum!r}")
        if (self.checksum is None) != (self.stated_by is None):
            raise ValueError("checksum and stated_by go together: a checksum is there because somebody states it")

    def digest(self) -> hashlib._Hash | None:
        """What the checksum is to be measured with, empty; None where nobody states one."""
        return None if self.checksum is None else hashlib.new(self.checksum.partition(":")[0], usedforsecurity=False)


@dataclass(frozen=True)
class Origin:
    """`page`: the publisher's. `by_hand`: what to do where nothing can be downloaded, or the download fails.

    `folder`: where the data goes, under the folder of data sets; without one, what the first archive makes. `copies`:
    the archives are one set in several sizes, and one of them is enough.
    """

    page: str
    counts: ImageCounts = field(default_factory=ImageCounts)
    archives: tuple[Archive, ...] = ()
    by_hand: str | None = None
    folder: str | None = None
    copies: bool = False

    def __post_init__(self) -> None:
        if not self.archives and (self.by_hand is None or self.folder is None):
            raise ValueError("without archives, by_hand and folder must say what to do and where the data goes")

    @property
    def splits(self) -> set[str]:
        """Those that the publisher has."""
        return {*self.counts.stated} - {"whole"}

    def needed(self, side: float) -> tuple[Archive, ...]:
        """The archives of a task whose images have their shorter side made `side` pixels.

        All of them; of copies the smallest whose images need no enlarging.
        """
        if not self.copies:
            return self.archives
        by_side = sorted(self.archives, key=lambda archive: archive.side or math.inf)
        return (next((archive for archive in by_side if (archive.side or math.inf) >= side), by_side[-1]),)

    def place(self, side: float) -> str:
        """Where the data goes, under the folder of data sets."""
        return self.folder or self.needed(side)[0].makes
