"""Who listens on this machine, from /proc: what of Ray's others can reach, and whose a port is. Imports no Ray."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTENS = "0A"


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections. `everywhere`: on all interfaces."""

    port: int
    everywhere: bool
    user: int
    inode: str


def listeners() -> Iterator[Listener]:
    """All of this machine, as far as it says: nothing where there is no /proc."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTENS:
                yield Listener(int(port, 16), not address.strip("0"), int(fields[7]), fields[9])


def open_ports(root: int | None = None) -> dict[str, list[int]]:
    """Ports on which a process (this one) and its descendants listen on all interfaces, by name of the program."""
    root = os.getpid() if root is None else root
    there = {each.inode: each.port for each in listeners() if each.everywhere}
    found: dict[str, list[int]] = {}
    for process in _family(root) if there else ():
        ports = {there[inode] for inode in _sockets(process) if inode in there}
        if ports:
            name = "this process" if process == root else _name(process)
            found[name] = sorted({*found.get(name, ()), *ports})
    return found


def foreign(port: int) -> int | None:
    """The user id of another user who listens on a port of this machine, None where it is ours, root's or nobody's."""
    users = {each.user for each in listeners() if each.port == port}
    return min(users - {0, os.getuid()}, default=None)


def described(ports: dict[str, list[int]]) -> str:
    """`gcs_server 6379, raylet 40001 40002`."""
    return ", ".join(f"{name} {' '.join(map(str, numbers))}" for name, numbers in sorted(ports.items()))


def _family(root: int) -> Iterable[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            after_name = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        children.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    found = [root]
    for process in found:
        found.extend(children.get(process, ()))
    return found


def _sockets(process: int) -> Iterator[str]:
    """Inodes of a process's sockets."""
    for path in (PROC / str(process) / "fd").glob("*"):
        with suppress(OSError):  # it is closed, or another user's
            handle = os.readlink(path)
            if handle.startswith("socket:["):
                yield handle[8:-1]


def _name(process: int) -> str:
    try:
        return (PROC / str(process) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {process}"
