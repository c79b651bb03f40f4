"""One file of the web on the disk: gone on with where it broke off, and begun anew where it has become another.

A half file is `NAME.part`; `NAME.part.json` beside it says of which file it is the half: address (without what is
secret in it), size, ETag and date.
"""

from __future__ import annotations

import errno
import http.client
import json
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import atomic_write, replace
from dfkd_ray.util.progress import progress
from dfkd_ray.util.secrets import redacted

WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the next attempts, as long as none brings anything
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 20
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # what a server may not say again
_CUT_OFF = {errno.ENETUNREACH, errno.EHOSTUNREACH}


class Unreachable(DataError):
    """The file cannot be had from where it should be: no network, no such file, or another one than it was."""


class _Broken(Exception):
    """The connection: worth another attempt."""


class _Changed(_Broken):
    """The half on the disk is of another file than the server has: worth another attempt from the beginning."""


@dataclass(frozen=True)
class _Version:
    """Which file a server has, as far as it says."""

    url: str
    size: int | None
    etag: str | None
    modified: str | None

    def fits(self, other: _Version) -> bool:
        pairs = zip(asdict(self).values(), asdict(other).values())
        return all(mine == theirs or None in (mine, theirs) for mine, theirs in pairs)


def download(url: str, path: Path, waits: Sequence[float] | None = None) -> None:
    """Make `path` the file at `url`; Unreachable, with the half file kept, when that cannot be done."""
    waits = WAITS if waits is None else waits
    part, best, failures = path.with_name(f"{path.name}.part"), 0, 0
    while True:
        try:
            _attempt(url, part)
            break
        except _Broken as error:
            if isinstance(error, _Changed):
                _note(part).unlink(missing_ok=True)
            held = _held(part)
            best, failures = max(best, held), 1 if held > best else failures + 1
            if failures > len(waits):
                raise _unreachable(url, f"{error}, {failures} times; what came of it is kept") from None
            time.sleep(waits[failures - 1])
    replace(part, path)
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path) -> None:
    """What is missing of the file; all of it where the server knows no ranges."""
    known = _noted(part)
    have = _held(part) if known is not None and known.url == redacted(url) else 0
    if known is not None and have and have == known.size:
        return
    with _opened(url, have) as response:
        partial = response.status == http.client.PARTIAL_CONTENT
        there, start = _version(url, response)
        if partial and (known is None or not there.fits(known) or start != have):
            raise _Changed("the file has changed")
        have = start
        if not partial:
            part.unlink(missing_ok=True)
            with atomic_write(_note(part)) as note:
                note.write(json.dumps(asdict(there)).encode())
        with part.open("ab") as file, progress(part.stem, there.size, "bytes") as tell:
            for chunk in _chunks(response):
                file.write(chunk)
                have += len(chunk)
                tell(have)
    if there.size not in (None, have):
        raise _Broken(f"the connection broke off after {have:,} of {there.size:,} bytes")


def _opened(url: str, have: int) -> Any:
    """The answer of the server, from byte `have` on if it can."""
    # as it is: a server that calls the gzip of a .tar.gz an encoding would send other bytes than those of the checksum
    headers = {"User-Agent": "dfkd-ray", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=_TIMEOUT)  # an Archive's url is http or https  # nosec B310
    except HTTPError as error:
        cause: Exception = error
        code, reason = error.code, f"the server says {error.code} {error.reason}"
        error.close()
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, OSError) else error
        tunnel = re.search(r"Tunnel connection failed: (\d+)", str(cause))
        said = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        code, reason = int(tunnel[1]) if tunnel else 0, f"cannot be reached: {said}"
    if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        raise _Changed("the file has changed")
    nowhere = isinstance(cause, (socket.gaierror, ssl.SSLCertVerificationError))
    if nowhere or getattr(cause, "errno", None) in _CUT_OFF or (code and code not in _PASSING):
        raise _unreachable(url, reason) from None
    raise _Broken(reason)


def _version(url: str, response: Any) -> tuple[_Version, int]:
    """Which file the server has, and with which of its bytes the answer begins."""
    headers = response.headers
    ranges = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    size = ranges[2] if ranges else headers.get("Content-Length", "")
    total = int(size) if size.isdigit() else None
    version = _Version(redacted(url), total, headers.get("ETag"), headers.get("Last-Modified"))
    return version, int(ranges[1]) if ranges else 0


def _chunks(response: Any) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"the connection broke off: {str(error) or type(error).__name__}") from None


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _noted(part: Path) -> _Version | None:
    try:
        return _Version(**json.loads(_note(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _held(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _unreachable(url: str, reason: str) -> Unreachable:
    """One message: what, why, and through which proxy if there is one."""
    host, scheme = urlsplit(url).hostname or "", urlsplit(url).scheme
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)
    through = f" (through the proxy {urlsplit(proxy).hostname or proxy})" if proxy else ""
    return Unreachable(f"{redacted(url)}: {reason}{through}")
