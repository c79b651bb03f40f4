"""Real images by the URI of an object store: brought to this machine's disk once, then read as any others."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from dfkd_ray.datasets.image_files import data_folder
from dfkd_ray.util import limits, store
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import replace, why
from dfkd_ray.util.locks import alone
from dfkd_ray.util.progress import progress
from dfkd_ray.util.words import counted, memory

AT_ONCE = 16  # objects
UNUSED = 24 * 3600  # seconds after which a copy of what the store has no more may go
FILES = "stores"  # beside the data sets
_ADVICE = "credentials come from the environment, see docs/pages/concepts/stores.md"


def local(data: str | Path | None) -> Path | None:
    """Where images by path or URI lie on this machine; those of a store are brought first, by one process for all.

    ConfigError for a URI of no store, DataError where the store has nothing there, does not let us in, or does not
    answer for a minute, and where they find no room.
    """
    if data is None:
        return None
    url = store.url_of(str(data))
    return store.folder_of(data) if url is None else _brought(url)


@lru_cache(maxsize=8)
def _brought(url: str) -> Path:
    """The copy of what a store has under a URI now; what it gets later another process may see, this one does not."""
    place = store.Store(url)
    try:
        objects = _objects(place)
        known = f"{url}\n" + "\n".join(f"{name}\0{size}\0{state}" for name, (size, state) in sorted(objects.items()))
        name = url.rpartition("/")[2]
        home = data_folder() / FILES / f"{name[:100]}-{_digest(url)}"
        path = home / _digest(known) / name
        home.mkdir(parents=True, exist_ok=True)
        with alone(home):
            if not path.exists():
                _forget(home)
                _bring(place, {name: size for name, (size, _) in objects.items()}, path)
            os.utime(path.parent)
    except store.StoreError as error:
        raise DataError(f"{error} ({_ADVICE})") from None
    except OSError as error:
        raise DataError(f"{url} cannot be brought here: {why(error)}; DFKD_RAY_DATA names another folder") from None
    return path


def _objects(place: store.Store) -> Mapping[str, tuple[int, str]]:
    """Size and state of all objects by name: of one alone, which is called "", or of a folder."""
    single = place.state()
    found = place.states() if single is None else [single]
    found = [each for each in found if each["size"] or not each["path"].endswith("/")]  # such stand for folders
    if not found:
        raise DataError(f"{place.url}: there is no such object, and no folder with any")
    if len(found) > limits.OBJECTS:
        raise DataError(f"{place.url} has {len(found):,} objects, at most {limits.OBJECTS:,} are brought")
    for each in found:
        parts = PurePosixPath(each["path"]).parts
        if each["path"].startswith("/") or ".." in parts or "\0" in each["path"]:
            raise DataError(f"{place.url}: {each['path']!r} is no name of a file")
    return {each["path"]: (each["size"], each.get("e_tag") or str(each["last_modified"])) for each in found}


def _bring(place: store.Store, sizes: Mapping[str, int], path: Path) -> None:
    """Write all objects to the disk, where they appear together; a try that was ended is gone on with."""
    total, count = sum(sizes.values()), len(sizes)
    part = path.parent.with_name(f".{path.parent.name}")
    files = {name: part / path.name / name for name in sizes}
    part.mkdir(exist_ok=True)
    for stray in {each for each in part.rglob("*") if each.is_file()} - {*files.values()}:
        stray.unlink()  # of a process that was killed
    left = [name for name, file in files.items() if not (file.is_file() and file.stat().st_size == sizes[name])]
    wanted, free = sum(sizes[name] for name in left), shutil.disk_usage(part).free
    if wanted > free:
        raise DataError(
            f"{place.url} takes {memory(wanted)}, and {part.parent} has {memory(free)} free: make room, or set "
            f"DFKD_RAY_DATA to a folder with more"
        )

    def fetch(name: str) -> None:
        place.fetch(name, files[name])
        if files[name].stat().st_size != sizes[name]:
            raise DataError(f"{place.url}/{name}".rstrip("/") + " was written meanwhile: try again")

    with ThreadPoolExecutor(AT_ONCE) as pool, progress(place.url, count, "objects brought") as tell:
        for number, _ in enumerate(pool.map(fetch, left), start=1 + count - len(left)):
            tell(number)
    replace(part, path.parent)
    what = memory(total) if [*sizes] == [""] else f"{counted(count, 'file')}, {memory(total)},"
    print(f"{place.url}: {what} brought to {path}", file=sys.stderr, flush=True)


def _forget(home: Path) -> None:
    """Remove copies of what an address had before, which nobody has opened for a day."""
    for earlier in home.iterdir():
        if time.time() - earlier.stat().st_mtime > UNUSED:
            shutil.rmtree(earlier, ignore_errors=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
