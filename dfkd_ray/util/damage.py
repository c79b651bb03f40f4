"""Whether a file of Arrow's may be read: of damaged bytes it can crash.

One without a seal, of an earlier version or of others, is tried in another process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.sealed import is_sound

_MAGIC = b"ARROW1"
_TRY = """
import sys, pyarrow
with pyarrow.memory_map(sys.argv[1]) as source:
    file = pyarrow.ipc.open_file(source)
    for number in range(file.num_record_batches):
        file.get_batch(number).validate(full=True)
"""


def check(path: Path, way: str) -> None:
    """StudyError, with the way on, for a table that is not as it was written, or cannot be read."""
    sound = is_sound(path)
    why = "its checksum does not fit" if sound is False else None if sound else _tried(path)
    if why is not None:
        raise StudyError(f"{path}: damaged: {why}; {way}")


def _tried(path: Path) -> str | None:
    """Why a table must not be read here; None where it can be. StudyError for what does not begin like one."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise StudyError(f"{path}: not an Arrow file: it does not begin like one")
    return elsewhere(_TRY, path)


def elsewhere(code: str, path: Path) -> str | None:
    """How Python ends with this code in another process, which reads the file of its first argument; None if well."""
    done = subprocess.run([sys.executable, "-P", "-c", code, str(path)], capture_output=True, text=True)
    if not done.returncode:
        return None
    return done.stderr.strip().rpartition("\n")[2] if done.returncode > 0 else "Arrow crashes where it reads it"
