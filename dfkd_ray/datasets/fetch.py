"""The data of a task brought from its publisher: downloaded, checked, unpacked, and put in place atomically.

Archives lie in `downloads/` under the folder of data sets until they are unpacked. One that somebody has put there by
hand is checked and unpacked like one that was downloaded.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dfkd_ray.datasets.download import Unreachable, download
from dfkd_ray.datasets.origin import Archive
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.locks import alone
from dfkd_ray.util.progress import progress

_CHUNK = 1 << 20
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, RuntimeError)


def fetch(task: Task, data: Path) -> tuple[Archive, ...]:
    """Bring what is missing of the task's data into the folder `data`; returns the archives that were unpacked.

    Raises DataError, with what to do by hand, where that cannot be done; what has been downloaded is kept.
    """
    if task.origin is None:
        raise DataError(f"{task.name} names no origin, so nothing can be downloaded: give --data DIR")
    downloads = data / "downloads"
    wanted = needed(task)
    missing = [archive for archive in wanted if not (data / archive.makes).exists()]
    if not wanted or any(archive.url is None and not (downloads / archive.name).is_file() for archive in missing):
        raise DataError(by_hand(task, data))
    if not missing:
        there = data / wanted[0].makes
        raise DataError(f"{there}: is there, but not as {task.name} has it: move it away, then fetch again")
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        with alone(downloads):
            missing = [a for a in missing if not (data / a.makes).exists()]  # now that whoever was first is done
            for archive in missing:
                _bring(task, archive, data)
    finally:
        with suppress(OSError):
            downloads.rmdir()  # which it refuses while something is left
    return tuple(missing)


def needed(task: Task) -> tuple[Archive, ...]:
    """The archives that hold the task's images at the size at which it reads them."""
    return () if task.origin is None else task.origin.needed(_side(task))


def destination(task: Task) -> Path | None:
    """Where `fetch` puts the data, under the folder of data sets."""
    return None if task.origin is None else Path(task.origin.place(_side(task)))


def by_hand(task: Task, data: Path) -> str:
    """What somebody has to do whom no program can take it off."""
    assert task.origin is not None
    brought = {path.name for path in (data / "downloads").glob("*")}
    missing = [a for a in needed(task) if not (data / a.makes).exists() and a.name not in brought]
    said = [f"{task.name}: its files have to be brought by hand ({task.origin.page})", *_lines(task)]
    if missing:
        said.append(f"put into {data / 'downloads'}, where `dfkd-ray data fetch {task.name}` checks and unpacks them:")
        said += [f"  {archive.name}: {archive_facts(archive)}" for archive in missing]
    else:
        said.append(f"the data goes to {data / str(destination(task))}")
    return "\n  ".join(said)


def archive_facts(archive: Archive) -> str:
    """Size and checksum of an archive, and who states it."""
    size = "size unknown" if archive.size is None else f"{archive.size:,} bytes"
    if archive.checksum is None:
        return f"{size}, no checksum is stated anywhere, so none is compared"
    return f"{size}, {archive.checksum.replace(':', ' ')} (stated by {archive.stated_by})"


def _side(task: Task) -> int:
    return round(min(task.image[1:]) / task.crop)


def _lines(task: Task) -> list[str]:
    return ((task.origin and task.origin.by_hand) or "").splitlines()


def _bring(task: Task, archive: Archive, data: Path) -> None:
    """One archive, from the web or from `downloads/`, to what it makes."""
    path, target = data / "downloads" / archive.name, data / archive.makes
    brought = path.is_file()
    try:
        if not brought:
            assert archive.url is not None
            download(archive.url, path)
        _check(path, archive, brought)
        _unpack(path, archive, target)
    except Unreachable as error:
        advice = f"or bring {archive.name} yourself: put it into {path.parent}, then fetch again"
        raise DataError("\n  ".join([str(error), advice, *_lines(task)])) from None
    except OSError as error:
        raise DataError(f"{data}: {error.strerror or error}; what has been downloaded is kept") from None
    if archive.url is not None:
        path.unlink()


def _check(path: Path, archive: Archive, brought: bool) -> None:
    """The checksum of a whole file; where nobody states one, its size. A download that is wrong is thrown away."""
    wrong, size, digest = None, path.stat().st_size, archive.digest()
    if digest is None:
        if archive.size not in (None, size):
            wrong = f"has {size:,} bytes and should have {archive.size:,}"
    else:
        with path.open("rb") as file, progress(f"checking {path.name}", size, "bytes") as tell:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                tell(file.tell())
        if f"{digest.name}:{digest.hexdigest()}" != archive.checksum:
            wrong = (
                f"has {digest.name} {digest.hexdigest()} and should have {archive_facts(archive).partition(', ')[2]}"
            )
    if wrong is not None:
        if not brought:
            path.unlink()
        raise DataError(f"{path}: {wrong}; {'replace it' if brought else 'it was thrown away'}, then fetch again")


def _unpack(path: Path, archive: Archive, target: Path) -> None:
    """What stands in the archive under the last name of `target` becomes `target`, once all of it is on the disk."""
    folder = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(folder, ignore_errors=True)  # of somebody who was killed
    folder.mkdir(parents=True)
    try:
        with progress(f"unpacking {path.name}", path.stat().st_size, "bytes") as tell:
            if archive.inner is None:
                _extract(path, folder, target.name, tell)
            else:
                _unzip(path, folder, tell, only=archive.inner)
                _extract(folder / archive.inner, folder, target.name, lambda done: None)
        if not (folder / target.name).exists():
            raise DataError(f"{path}: there is no {target.name} in it")
        (folder / target.name).replace(target)
    except _DAMAGED as error:
        raise DataError(f"{path}: cannot be unpacked, delete it and fetch again: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(path: Path, folder: Path, name: str, tell: Callable[[int], None]) -> None:
    """An archive into a folder, by its ending; what is packed alone, or not at all, becomes `name`."""
    if path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        _untar(path, folder, tell)
    elif path.suffix == ".zip":
        _unzip(path, folder, tell)
    else:
        unpacked = gzip.open if path.suffix == ".gz" else open
        with unpacked(path, "rb") as source, (folder / name).open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def _untar(path: Path, folder: Path, tell: Callable[[int], None]) -> None:
    """Refuses what leads out of the folder: absolute paths, `..`, links, devices (PEP 706)."""
    if not hasattr(tarfile, "data_filter"):
        raise DataError(f"{path}: this Python cannot unpack it safely; 3.11.4 and later can")
    with path.open("rb") as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            archive.extract(member, folder, filter="data")
            tell(file.tell())


def _unzip(path: Path, folder: Path, tell: Callable[[int], None], only: str | None = None) -> None:
    """All members, or one; refuses what leads out of the folder."""
    done = 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if only is not None:
            members = [member for member in members if member.filename == only]
            if not members:
                raise DataError(f"{path}: there is no {only} in it")
        for member in members:
            inside = PurePosixPath(member.filename.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{path}: {member.filename!r} leads out of the folder, so it was not unpacked")
            archive.extract(member, folder)
            done += member.compress_size
            tell(done)
