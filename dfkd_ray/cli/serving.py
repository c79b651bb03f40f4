"""A study's page while the study runs: served to this machine alone, under an address that nobody guesses.

A file and server-sent events, by the standard library: whoever has the page open is told when it was built again.
"""

from __future__ import annotations

import html
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import typer

from dfkd_ray import report

HOST = "127.0.0.1"
EVENTS = "events"
PACE = 4.0  # a page is built again after at least this many times of what the last one took
PULSE = 15.0  # seconds after which a silent stream says that it is there
WAITING = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
    "<title>{name} · dfkd-ray</title><p>{name}: no trial has ended yet. This page looks again every three seconds."
)


class PageServer:
    """Builds the page of a folder whenever its tables change, and serves it; see `serving`."""

    def __init__(self, folder: Path, poll: float = 1.0) -> None:
        self.folder, self.poll = folder, poll
        self.token = secrets.token_urlsafe(18)
        self.version = 0
        self.changed = threading.Condition()
        self.over = threading.Event()
        self.http = ThreadingHTTPServer((HOST, 0), self._handler())
        self.http.daemon_threads = True
        self.address = f"http://{HOST}:{self.http.server_port}/{self.token}/"
        self._building: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for act in (self.http.serve_forever, self._watch):
            threading.Thread(target=act, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        with self.changed:
            self.changed.notify_all()
        if self._building is not None and self._building.poll() is None:
            self._building.terminate()
        self.http.shutdown()
        self.http.server_close()

    def page(self) -> str:
        """The page as it is served: it may ask this server for events, and nobody else for anything."""
        try:
            return report.live((self.folder / "report.html").read_text(encoding="utf-8"), EVENTS)
        except FileNotFoundError:
            return WAITING.format(name=html.escape(self.folder.name))

    def newer_than(self, version: int) -> int:
        """The version of the page once it is another one, after PULSE whether it is or not."""
        with self.changed:
            self.changed.wait_for(lambda: self.version != version or self.over.is_set(), PULSE)
        return self.version

    def _state(self) -> list[tuple[str, int, int]]:
        found = [(path.name, path.stat()) for path in sorted(self.folder.glob("*.arrow"))]
        return [(name, stat.st_mtime_ns, stat.st_size) for name, stat in found]

    def _watch(self) -> None:
        seen: list[tuple[str, int, int]] = []
        due = 0.0
        while not self.over.wait(self.poll):
            try:
                now = self._state()
            except OSError:  # a table is being replaced at this moment
                continue
            if now and now != seen and time.monotonic() >= due:
                began = time.monotonic()
                if self._build():
                    seen = now
                due = time.monotonic() + PACE * (time.monotonic() - began)

    def _build(self) -> bool:
        """In a process of its own, so that the study that runs here is not held up; what fails leaves the old page."""
        command = [sys.executable, "-m", "dfkd_ray", "report", str(self.folder)]
        none = subprocess.DEVNULL
        self._building = subprocess.Popen(command, stdin=none, stdout=none, stderr=none, start_new_session=True)
        if self._building.wait():
            return False
        with self.changed:
            self.version += 1
            self.changed.notify_all()
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(server, self)

            def log_message(self, *_: object) -> None:
                """Nothing: the terminal is the study's."""

        return Handler


def _answer(server: PageServer, asked: BaseHTTPRequestHandler) -> None:
    """The page or its events; to whoever lacks the token, or comes by another name of this machine, nothing."""
    host = asked.headers.get("Host", "").rpartition(":")[0]
    _, token, *rest = [*asked.path.partition("?")[0].split("/"), ""]
    known = secrets.compare_digest(token.encode(), server.token.encode())
    if host not in (HOST, "localhost") or not known or rest[:1] not in ([""], [EVENTS]):
        asked.send_error(404)
        return
    asked.send_response(200)
    for name, value in {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }.items():
        asked.send_header(name, value)
    try:
        if rest[0] == EVENTS:
            _stream(server, asked)
        else:
            text = server.page().encode()
            asked.send_header("Content-Type", "text/html; charset=utf-8")
            asked.send_header("Content-Length", str(len(text)))
            asked.end_headers()
            asked.wfile.write(text)
    except (BrokenPipeError, ConnectionResetError):  # the reader has left
        pass


def _stream(server: PageServer, asked: BaseHTTPRequestHandler) -> None:
    """A line for each page that is built, until the server closes."""
    asked.send_header("Content-Type", "text/event-stream")
    asked.end_headers()
    told = server.version
    while not server.over.is_set():
        now = server.newer_than(told)
        asked.wfile.write(b": still here\n\n" if now == told else b"event: changed\ndata: \n\n")
        asked.wfile.flush()
        told = now


@contextmanager
def serving(folder: Path, wanted: bool = True) -> Iterator[PageServer | None]:
    """The page of a folder under an address that is printed, as long as the block lasts; nothing unless wanted."""
    if not wanted:
        yield None
        return
    server = PageServer(folder)
    typer.echo(f"the page while it runs, on this machine alone: {server.address}")
    server.start()
    try:
        yield server
    finally:
        server.close()


def watch(folder: Path) -> None:
    """Serve the page of a folder until somebody interrupts."""
    with serving(folder) as server:
        typer.echo("ctrl-c ends it; the page stays in the folder")
        try:
            while server is not None and not server.over.wait(3600):
                pass
        except KeyboardInterrupt:
            typer.echo("no longer watched")
