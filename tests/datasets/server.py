"""A server of files on this machine, with the faults that real ones have."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """`files` by name. `etag`: one for all; None: the server says neither ETag nor length of what it has.

    `breaks`: after how many bytes the next answers break off. `refuses`: status codes of the next answers. `asked`:
    name and Range of each request.
    """

    files: dict[str, bytes]
    ranges: bool = True
    etag: str | None = '"1"'
    breaks: list[int] = field(default_factory=list)
    refuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    served: Server

    def do_GET(self) -> None:
        served, name = self.served, self.path.lstrip("/")
        asked = self.headers.get("Range")
        served.asked.append((name, asked))
        if served.refuses or name not in served.files:
            self.send_error(served.refuses.pop(0) if served.refuses else 404)
            return
        whole = served.files[name]
        found = re.fullmatch(r"bytes=(\d+)-", asked or "") if served.ranges else None
        start = int(found[1]) if found else 0
        if found and start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        if served.etag is not None:
            self.send_header("ETag", served.etag)
            self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        end = start + served.breaks.pop(0) if served.breaks else len(whole)
        self.wfile.write(whole[start:end])

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """Those files, by name, until the block ends."""
    served = Server(files)
    handler = type("Handler", (_Handler,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
