"""A study's folder as text and back: a job has nothing but its log to send files home through.

The text is lines of base64 between a first line, which has its SHA-256, and a last; in it is a tar archive, gzipped.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
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
    yield f"{FIRST}{hashlib.sha256(data).hexdigest()}"
    for start in range(0, len(data), _LINE):
        yield base64.b64encode(data[start : start + _LINE]).decode()
    yield LAST


def unpack(lines: Iterable[str], into: Path) -> int:
    """Write what `pack` has packed into a folder; how many files. DataError where the text is not whole, and where a
    file would lie elsewhere."""
    data = _archive(iter(lines))
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            members = archive.getmembers()
            if len(members) > FILES or sum(each.size for each in members) > UNPACKED:
                raise DataError(f"what was packed unpacks into more than {FILES:,} files or {memory(UNPACKED)}")
            safe = [tarfile.data_filter(member, str(into)) for member in members]
            for member in safe:
                _write(archive, member, into)
    except tarfile.TarError as error:
        raise DataError(f"what was packed is no archive that may be unpacked: {error}") from None
    return len(safe)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    if not member.isfile():
        raise DataError(f"what was packed has {member.name!r}, which is no file")
    (into / member.name).parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    assert content is not None
    with atomic_write(into / member.name) as file:
        shutil.copyfileobj(content, file)


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
    try:
        data = base64.b64decode("".join(body), validate=True)
    except ValueError:
        data = b""
    if hashlib.sha256(data).hexdigest() != head.removeprefix(FIRST):
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
