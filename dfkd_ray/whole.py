"""Files that are there whole or not at all, whoever is killed, and whatever disk is full."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the name `path` when the block ends and its bytes are on the disk.

    What fails within leaves the earlier file as it is, and nothing else; an OSError names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def tidy(path: Path) -> None:
    """Remove what processes that were killed within `whole(path)` left over."""
    for torn in path.parent.glob(f".{glob.escape(path.name)}.*"):
        torn.unlink(missing_ok=True)
