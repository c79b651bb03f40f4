"""The dashboard of a Ray cluster, which takes jobs: whether it is one, keeps others out, and takes our token.

Asked before Ray's client is, which knows no time limit. Imports no Ray itself.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from dfkd_ray.tune.ray_address import open_to_all, refusal
from dfkd_ray.tune.ray_setup import token
from dfkd_ray.util.errors import StudyError

NAMED = "RAY_API_SERVER_ADDRESS"  # Ray's own name for it
HERE = "http://127.0.0.1:8265"  # where `ray start --head` puts it
LIMIT = 2.0  # seconds for an answer
_LONGEST = 65_536  # bytes of one
_DENIED = (401, 403)  # no token, another token


def check(address: str | None, insecure: bool = False) -> tuple[str, str | None]:
    """The dashboard's address as a URL (None: what RAY_API_SERVER_ADDRESS names, or this machine's), and what is to be
    said of its version, None where it is ours.

    StudyError unless it is one that may be used and lets this process in. insecure: one that keeps nobody out may be
    used as well.
    """
    at = _url(address or os.environ.get(NAMED) or HERE)
    told = _ask(at, None)
    if told is not None:
        if not insecure:
            raise StudyError(open_to_all(at))
    else:
        key = None if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled" else token()
        told = _ask(at, key) if key else None
        if told is None:
            raise StudyError(refusal(at))
    here, there = metadata.version("ray"), told["ray_version"]
    return at, None if here == there else f"the Ray cluster at {at} has Ray {there}, this machine {here}"


def _url(address: str) -> str:
    scheme, mark, rest = address.rstrip("/").rpartition("://")
    if scheme == "ray":
        raise StudyError(f"{address} is an address of Ray Client; jobs are sent to the dashboard: http://HOST:8265")
    host, colon, port = rest.rpartition(":")
    good = host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if scheme not in ("", "http", "https") or (mark and not scheme) or not (good or scheme == "https") or "/" in rest:
        raise StudyError(f"the address of a Ray dashboard is http://HOST:8265, got {address!r}")
    return f"{scheme or 'http'}://{rest}"


def _ask(at: str, key: str | None) -> Mapping[str, Any] | None:
    """What a dashboard says of its version, None where it wants another token; StudyError for what is none."""
    asked = urllib.request.Request(f"{at}/api/version", headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(asked, timeout=LIMIT) as answer:  # `_url` lets through http alone  # nosec B310
            told = json.loads(answer.read(_LONGEST))
            if isinstance(told["ray_version"], str):
                return dict(told)
    except urllib.error.HTTPError as error:
        if error.code in _DENIED:
            return None
    except (http.client.HTTPException, ConnectionResetError, ValueError, TypeError, KeyError):
        pass
    except OSError as error:
        why = getattr(error, "reason", None) or error
        if not isinstance(why, ConnectionResetError):
            why = getattr(why, "strerror", None) or why
            raise StudyError(f"no Ray dashboard answers at {at}: {why}") from None
    raise StudyError(f"what answers at {at} is no Ray dashboard: its port is 8265, where 6379 is that of the GCS")
