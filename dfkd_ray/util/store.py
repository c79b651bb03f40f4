"""Where a study lies: a folder of this disk, or of an object store by its URI: s3://, gs://, az://.

A study in a store has a copy on this disk, `reports/s3/bucket/mhad`, that everybody reads and writes as any other
folder; a file in it, `store.url`, says of what it is the copy. Who has to know asks `of(folder)`.

The library is obstore, the bindings of Rust's object_store: one call for all three stores, with a conditional put (of
S3 If-None-Match and If-Match), which a lock needs and `pyarrow.fs` has not; threads may share a store, and it brings no
libraries of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, MissingExtra, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.secrets import redacted

SCHEMES = ("az", "gs", "s3")  # of stores that have a conditional put
NAME = "store.url"  # in a copy
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # of two letters at least: C:/ is none
_PATIENCE = timedelta(seconds=60)  # for how long a request is tried again
_RETRIES = {  # so many that time decides: ten refused connections take two seconds
    "max_retries": 1_000,
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=3), "base": 2},
}
_CHUNK = 8 << 20  # bytes
_LONGEST = 2_000  # bytes of a URI


class StoreError(OSError):
    """A store that does not answer, or refuses; the message says which, and what it says."""


def is_uri(place: str) -> bool:
    """Whether a place has a scheme, known or not."""
    return _SCHEME.match(place) is not None


def url_of(place: str) -> str | None:
    """The URI of a place in a store, without a slash at its end; None of a path.

    ConfigError for a scheme that is none of a store, and for what names no folder in one.
    """
    found = _SCHEME.match(place)
    if found is None or (scheme := found[1].lower()) == "file":
        return None
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, [*SCHEMES, "file"], cutoff=0.5)  # of two letters one may be wrong
        raise ConfigError.at("", f"{place}: unknown scheme {scheme!r}{hint}")
    try:
        parts = urlsplit(place)
    except ValueError as error:
        raise ConfigError.at("", f"{place}: {error}") from None
    names = [name for name in parts.path.split("/") if name]
    if not parts.netloc or not names or {".", ".."} & {*names}:
        raise ConfigError.at("", f"{place}: name a folder in a bucket: {scheme}://BUCKET/STUDY")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError.at(
            "", f"{scheme}://...: credentials go into the environment, see docs/pages/concepts/stores.md"
        )
    return f"{scheme}://{parts.netloc}/{'/'.join(names)}"


def folder_of(place: str | Path) -> Path:
    """The folder on this disk of a place by path or URI: of a store its copy, which is made where it is not there."""
    url = url_of(str(place))
    if url is None:
        return _local(str(place))
    scheme, _, rest = url.partition("://")
    folder = Path("reports") / scheme / rest
    folder.mkdir(parents=True, exist_ok=True)
    bind(folder, url)
    return folder


def bind(folder: Path, url: str) -> Store:
    """Let a folder be the copy of what a store has under a URI."""
    with atomic_write(folder / NAME) as file:
        file.write(f"{url}\n".encode())
    return Store(url)


def _local(place: str) -> Path:
    if not place.lower().startswith("file:/"):
        return Path(place)
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError.at("", f"{place}: a file of another host; a path of this one is file:///PATH, or /PATH")
    return Path(unquote(parts.path))


def of(folder: Path) -> Store | None:
    """The store that a folder is the copy of; None of any other folder. StudyError where that cannot be read."""
    path = folder / NAME
    try:
        url = url_of(limits.read(path, _LONGEST).decode().strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ConfigError, ValueError):
        url = None
    if url is None:
        raise StudyError(f"{path}: no URI of a store; remove the file where {folder} is no copy of one")
    return Store(url)


def place_of(folder: Path) -> str:
    """How a user names a folder: of a copy the URI."""
    return str(folder) if (there := of(folder)) is None else there.url


@dataclass(frozen=True)
class Store:
    """The objects under a URI, by names with slashes. Threads may share one; it may be pickled.

    Each method raises StoreError where the store does not answer for a minute, or refuses.
    """

    url: str

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def at(self, name: str) -> Store:
        """The objects under a name of these."""
        return Store(f"{self.url}/{name}")

    @cached_property
    def _objects(self) -> Any:
        with self._told():
            return _library().store.from_url(self.url, retry_config={**_RETRIES, "retry_timeout": _PATIENCE})

    def put(self, name: str, data: bytes | BinaryIO) -> None:
        """Write an object, in the place of an earlier one: it is there whole, or not at all."""
        with self._told(name):
            _library().put(self._objects, name, data)

    def put_if(self, name: str, data: bytes, version: dict[str, str] | None) -> dict[str, str] | None:
        """Write an object if it is of that `version` now (None: if there is none), and return its own; else None.

        One that has these very bytes is taken to be written here: a request whose answer was lost is made again.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._told(name):
            try:
                return _version(
                    _library().put(self._objects, name, data, mode="create" if version is None else version)
                )
            except (AlreadyExistsError, PreconditionError):
                pass
        try:
            there, its = self.get(name)
        except FileNotFoundError:
            return None
        return its if there == data else None

    def get(self, name: str) -> tuple[bytes, dict[str, str]]:
        """An object's bytes, and its version; FileNotFoundError where there is none."""
        with self._told(name):
            found = self._found(name)
            return bytes(found.bytes()), _version(found.meta)

    def fetch(self, name: str, path: Path) -> None:
        """Write an object to the disk, in one atomic step; FileNotFoundError where there is none."""
        with self._told(name):
            found = self._found(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                for chunk in found.stream(min_chunk_size=_CHUNK):
                    file.write(chunk)

    def names(self, under: str = "") -> list[str]:
        """Of all objects under a name, in order."""
        return [each["path"] for each in self.states(under)]

    def states(self, under: str = "") -> list[dict[str, Any]]:
        """What the store says of all objects under a name, in order: `path`, `size`, `e_tag`, `version`."""
        with self._told(under):
            pages = _library().list(self._objects, under or None)
            return sorted((each for page in pages for each in page), key=itemgetter("path"))

    def state(self) -> dict[str, Any] | None:
        """The same of the object that the URI itself names, whose own name is empty; None where there is none."""
        with self._told(), suppress(FileNotFoundError):
            return dict(_library().head(self._objects, ""))
        return None

    def remove(self, names: Iterable[str]) -> None:
        """Those that are there."""
        if gone := list(names):
            with self._told(gone[0]), suppress(FileNotFoundError):
                _library().delete(self._objects, gone)

    def _found(self, name: str) -> Any:
        try:
            return _library().get(self._objects, name)
        except FileNotFoundError:
            raise _Nothing(f"{self.url}/{name}: there is no such object") from None

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """What the library raises becomes one line of a StoreError, and a bucket that is not there too."""
        try:
            yield
        except _Nothing:
            raise
        except Exception as error:
            if not (isinstance(error, FileNotFoundError) or type(error).__module__.startswith("obstore")):
                raise
            place = f"{self.url}/{name}".rstrip("/")
            raise StoreError(redacted(f"{place}: {str(error).partition(chr(10))[0]}")) from None


class _Nothing(FileNotFoundError):
    """An object that is not there, which is no fault of the store."""


def _library() -> Any:
    try:
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise MissingExtra("obstore", "store", "a folder in an object store") from None
    return obstore


def _version(meta: Any) -> dict[str, str]:
    """What tells one state of an object from another: of S3 its e_tag, of Google its generation."""
    return {key: meta[key] for key in ("e_tag", "version") if meta.get(key) is not None}


def existing(place: str | Path) -> Path:
    """As `folder_of`, for what is to be read: StudyError where a store has nothing there."""
    folder = folder_of(place)
    store = of(folder)
    if store is not None and not store.names():
        raise StudyError(f"{store.url} holds no study")
    return folder
