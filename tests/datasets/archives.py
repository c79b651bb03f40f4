"""Archives made in memory, and the shipped tasks made to fetch them from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray.datasets import Task
from tests.datasets.server import Server


def tree(root: Path, within: str = "") -> dict[str, bytes]:
    """The files under `root / within`, by their path under `root`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / within).rglob("*") if path.is_file()}


def tgz(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def offered(task: Task, server: Server, files: Mapping[str, bytes], **changes: Any) -> Task:
    """The task with its own origin, but for addresses, checksums and sizes: those of `files` on the server."""
    assert task.origin is not None
    server.files.update(files)
    archives = tuple(
        replace(
            archive,
            url=server.url(archive.name),
            size=len(files[archive.name]),
            checksum=f"md5:{hashlib.md5(files[archive.name]).hexdigest()}",
            stated_by="the test",
            **changes,
        )
        if archive.name in files
        else archive
        for archive in task.origin.archives
    )
    return replace(task, origin=replace(task.origin, archives=archives))
