"""Where a number comes from: versions, host, commit, command. Imports none of what it names."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dfkd_ray.util.host import cores
from dfkd_ray.util.secrets import redacted_command

PACKAGES = ("torch", "torchvision", "numpy", "ray", "optuna", "pyarrow", "plotly", "scipy", "diffusers", "transformers")

_KERNELS = ("ipykernel_launcher.py", "colab_kernel_launcher.py")


def provenance(**more: Any) -> dict[str, Any]:
    """Facts about this process as plain data; `more` is added as it is."""
    from dfkd_ray import __version__

    commit, dirty = _commit(Path(__file__).parents[1])
    return {
        "dfkd_ray": __version__,
        "python": platform.python_version(),
        **_versions(PACKAGES),
        "platform": platform.platform(),
        "host": platform.node(),
        "cpus": cores(),
        "commit": commit,
        "dirty": dirty,
        "command": _command(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }


def _command() -> str:
    """What was typed; of a notebook its kernel's options say nothing."""
    name = Path(sys.argv[0]).name
    return "a notebook" if name in _KERNELS else redacted_command([name, *sys.argv[1:]])


@cache
def _versions(packages: tuple[str, ...]) -> Mapping[str, str]:
    """Of those that are installed; read once a process, since that parses a file a package and every trial asks."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit of the checkout that the package runs from, and whether files differ from it; None elsewhere."""
    if not (package.parent / ".git").exists():
        return None, None
    try:
        git = ["git", "-C", str(package.parent)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        status = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head.stdout.strip(), bool(status.stdout.strip())
