"""What Ray is told before it starts: secure, quiet, one trial one share of the machine. Imports no Ray itself.

Ray reads its authentication mode when it is imported, so all this stands in the environment before that, and is taken
back afterwards. A value that the user has set wins.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dfkd_ray.util.errors import StudyError

TOKEN = Path(".ray") / "auth_token"  # under the home folder, where Ray looks for it
MALLOC = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"

OLDEST = (2, 52)  # earlier Rays have no tokens, and let everybody in without a word
_DRIVER = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the other one prints even when told to be silent
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # else the death of a worker is printed as well as handled
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they import torch, and the ledger keeps what they would
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's own ends a run as if it had finished
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",  # actors may start together: the searcher limits how many there are
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own state is not used
}


# Ray's ports on 127.0.0.1 alone. Made for systems whose firewalls ask about each port; where it is set to 0, Ray takes
# the loopback for this machine's address on Linux too. `_node_ip_address` does not do it: Ray undoes it (2.60).
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # where the cluster's job manager tells a driver how it was sent


@contextmanager
def environment(address: str | None) -> Iterator[None]:
    """Ray's settings, for as long as the block runs."""
    wanted = dict(_DRIVER)
    if ("ray" not in sys.modules) if address is None else has_token():
        # where Ray is imported already it is too late for a Ray of one's own, and ray.init turns authentication on by
        # itself (from 2.59); a cluster is asked by another process first (ray_probe.py), which reads it anew
        wanted["RAY_AUTH_MODE"] = "token"
    if address is None:
        wanted |= _LOOPBACK
    if address is None and os.environ.get("RAY_AUTH_MODE", "token").lower() == "token":
        wanted |= ensure_token()
    touched = {*wanted, "RAY_AUTH_MODE"}
    before = {key: os.environ.get(key) for key in touched}
    for key, value in wanted.items():
        os.environ.setdefault(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = old


def new_enough(version: str) -> None:
    """StudyError for a Ray without token authentication."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise StudyError(
            f"Ray {version} has no token authentication, so others could run code here: "
            f"pip install -U 'ray[tune]>={least}', or say --runner serial"
        )


def has_token() -> bool:
    """Whether Ray will find a token of this user."""
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / TOKEN).is_file()


def token() -> str | None:
    """The token of this user, None where there is none."""
    if said := os.environ.get("RAY_AUTH_TOKEN"):
        return said
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        return (Path(named) if named else Path.home() / TOKEN).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def ensure_token() -> dict[str, str]:
    """A token that nobody else can read, where Ray looks for it; Ray itself would write it readable to all (0644).

    Returns what to set in the environment instead if the home folder cannot be written.
    """
    path = Path.home() / TOKEN
    if has_token():
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return {}
    token = secrets.token_hex(32)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return {} if path.is_file() else {"RAY_AUTH_TOKEN": token}  # another process may have been quicker
    with os.fdopen(handle, "w") as file:
        file.write(token)
    return {}


def worker_environment(threads: int) -> Mapping[str, str]:
    """What a trial's process finds in its environment when it starts.

    One thread a cpu of its share; and an allocator that keeps what it once had, since returning memory to the system
    and faulting it in again costs small nets on the CPU more than the memory is worth.
    """
    chosen = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    chosen["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    chosen["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"  # a trial without a share of a GPU sees none
    if "GLIBC_TUNABLES" not in os.environ:
        chosen["GLIBC_TUNABLES"] = MALLOC
    return {name: value for name, value in chosen.items() if name not in _of_the_job()}


def in_a_job() -> bool:
    """Whether this process is the driver of a job that was sent to a Ray cluster."""
    return _JOB in os.environ


def _of_the_job() -> Mapping[str, str]:
    """The variables that whoever sent this job has set for its workers; Ray refuses one that is said twice."""
    told = json.loads(os.environ.get(_JOB, "{}"))
    return (told.get("runtime_env") or {}).get("env_vars") or {}
