"""A study's folder as text and back: a job has nothing but its log to send files home through.

The text is lines of base64 between a first and a last line that name it; in it is a tar archive, gzipped.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.util import folders
from dfkd_ray.util.errors import DataError, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.words import memory

Students = Literal["best", "all", "none"]
FIRST, LAST = "dfkd-ray pack ", "dfkd-ray packed"
MOST = 256 << 20  # bytes of an archive: a log is held in memory on its way
UNPACKED = 2 << 30  # bytes of all its files
FILES = 100_000
_LINE = 57 * 64  # bytes that become a line
_LEFT_OUT = ("checkpoint*", ".*", "*.lock")  # what only the machine needs that ran the study


def pack(folder: Path, students: Students = "best") -> Iterator[str]:
    """The lines that hold a study's folder without its checkpoints; `students`: of which trials.

    StudyError where there is no study, and where it is more than a log should hold.
    """
    if not (folder / NAME).exists():
        raise StudyError(f"{folder} holds no study to pull: there is no {NAME}")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for path in _chosen(folder, students):
            archive.add(path, str(path.relative_to(folder)), recursive=False)
    data = buffer.getvalue()
    if len(data) > MOST:
        fewer = {"all": "--students best", "best": "--students none", "none": "nothing"}[students]
        raise StudyError(
            f"{folder} packs into {memory(len(data))}, and a job's log takes {memory(MOST)}: {fewer} takes less, or "
            f"copy the folder from the cluster's disk"
        )
    head = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    yield f"{FIRST}{json.dumps(head)}"
    for start in range(0, len(data), _LINE):
        yield base64.b64encode(data[start : start + _LINE]).decode()
    yield LAST


def unpack(lines: Iterable[str], into: Path) -> int:
    """Write what `pack` has packed into a folder; how many files. DataError where the text is not whole."""
    data = _archive(iter(lines))
    count = 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = archive.getmembers()
        if len(members) > FILES or sum(each.size for each in members) > UNPACKED:
            raise DataError(f"what was packed unpacks into more than {FILES:,} files or {memory(UNPACKED)}")
        for member in members:
            safe = tarfile.data_filter(member, str(into))
            if not safe.isfile():
                raise DataError(f"what was packed has {member.name!r}, which is no file")
            path = into / safe.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(_content(archive, member))
            count += 1
    return count


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def _archive(lines: Iterator[str]) -> bytes:
    head = next((line for line in lines if line.startswith(FIRST)), None)
    if head is None:
        raise DataError("the job has packed nothing")
    body: list[str] = []
    for line in lines:
        if line == LAST:
            break
        body.append(line)
    else:
        raise DataError("what the job has packed does not end: its log is cut")
    told = json.loads(head.removeprefix(FIRST))
    data = base64.b64decode("".join(body))
    if len(data) != told["bytes"] or hashlib.sha256(data).hexdigest() != told["sha256"]:
        raise DataError("what the job has packed is damaged: its checksum is another")
    return data


def _chosen(folder: Path, students: Students) -> Iterator[Path]:
    best = read_history(folder).best() if students == "best" else None
    keeps = None if best is None else folders.of_trial(folder, best.number)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or any(map(path.match, _LEFT_OUT)):
            continue
        student = path.name in folders.STUDENTS.values()
        if not student or students == "all" or path.parent == keeps:
            yield path
