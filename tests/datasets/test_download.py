from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from dfkd_ray.datasets import download as module
from dfkd_ray.datasets.download import Unreachable, download
from dfkd_ray.util.progress import displayed
from tests.datasets.server import Server, serving

WHOLE = np.random.default_rng(0).bytes(300_000)
NOW = (0.0, 0.0, 0.0)  # four attempts without a pause


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"a.bin": WHOLE}) as served:
        yield served


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(server: Server, path: Path, after: int) -> None:
    """The first `after` bytes of the file, as a run that gave up leaves them."""
    server.breaks = [after]
    with pytest.raises(Unreachable, match=f"the connection broke off after {after:,} of 300,000 bytes, 1 times"):
        download(server.url("a.bin"), path, waits=())
    assert left(path.parent) == ["a.bin.part", "a.bin.part.json"]
    assert path.with_name("a.bin.part").read_bytes() == WHOLE[:after]
    server.asked.clear()


def test_a_file(server: Server, tmp_path: Path):
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    assert left(tmp_path) == ["a.bin"]
    assert server.asked == [("a.bin", None)]


def test_progress_is_told(server: Server, tmp_path: Path):
    told: list[tuple[str, int | None, str, int]] = []

    @contextmanager
    def show(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: told.append((title, total, unit, done))

    server.breaks = [100_000]
    with displayed(show):
        download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert {row[:3] for row in told} == {("a.bin", 300_000, "bytes")}
    done = [row[3] for row in told]
    assert done == sorted(done)
    assert {100_000, 300_000} <= set(done)


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"'])
def test_it_goes_on_where_it_broke_off(server: Server, tmp_path: Path, etag: str):
    server.etag = etag
    server.breaks = [100_000, 50_000]
    download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    assert server.asked == [("a.bin", None), ("a.bin", "bytes=100000-"), ("a.bin", "bytes=150000-")]


def test_it_goes_on_in_another_run(server: Server, tmp_path: Path):
    interrupted(server, tmp_path / "a.bin", 120_000)
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    assert server.asked == [("a.bin", "bytes=120000-")]
    assert left(tmp_path) == ["a.bin"]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path):
    interrupted(server, tmp_path / "a.bin", 120_000)
    server.ranges = False
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE


@pytest.mark.parametrize("etag", ['"2"', '"1"'])
@pytest.mark.parametrize("size", [100_000, 250_000, 300_000])
def test_a_file_that_has_changed_begins_anew(server: Server, tmp_path: Path, etag: str, size: int):
    interrupted(server, tmp_path / "a.bin", 120_000)
    other = np.random.default_rng(1).bytes(size)
    if (size, etag) == (300_000, '"1"'):
        other = WHOLE  # by all that the server says it is the same file
    server.files["a.bin"], server.etag = other, etag
    download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert (tmp_path / "a.bin").read_bytes() == other


def test_the_half_of_another_address_is_not_gone_on_with(server: Server, tmp_path: Path):
    interrupted(server, tmp_path / "a.bin", 120_000)
    server.files["b.bin"] = WHOLE[::-1]
    download(server.url("b.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE[::-1]
    assert server.asked == [("b.bin", None)]


@pytest.mark.parametrize("note", ["", "{}", "[1]", None])
def test_a_half_of_which_nobody_knows_whose_it_is(server: Server, tmp_path: Path, note: str | None):
    (tmp_path / "a.bin.part").write_bytes(b"something else")
    if note is not None:
        (tmp_path / "a.bin.part.json").write_text(note)
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE


def test_what_was_whole_before_the_end_is_not_asked_for_again(server: Server, tmp_path: Path):
    interrupted(server, tmp_path / "a.bin", 120_000)
    (tmp_path / "a.bin.part").write_bytes(WHOLE)  # killed before it was renamed
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    assert server.asked == []


def test_a_server_that_does_not_say_how_long_the_file_is(server: Server, tmp_path: Path):
    server.etag = None
    download(server.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE


def test_one_that_always_breaks_off_is_given_up(server: Server, tmp_path: Path):
    server.ranges, server.breaks = False, [50_000, 40_000, 50_000, 40_000, 50_000]
    with pytest.raises(Unreachable, match=r"broke off after 40,000 of 300,000 bytes, 4 times; what came of it is kept"):
        download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert len(server.asked) == 4


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(server: Server, tmp_path: Path, code: int):
    server.refuses = [code, code]
    download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    server.refuses = [code] * 4
    with pytest.raises(Unreachable, match=f"{server.url('b.bin')}: the server says {code} .*, 4 times"):
        download(server.url("b.bin"), tmp_path / "b.bin", waits=NOW)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_dead_link_is_asked_once(server: Server, tmp_path: Path, code: int):
    server.refuses = [code]
    with pytest.raises(Unreachable, match=f"{server.url('a.bin')}: the server says {code} "):
        download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert len(server.asked) == 1
    assert left(tmp_path) == []


def test_nobody_listens(tmp_path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.bin"
    with pytest.raises(Unreachable, match=r"a\.bin: .*[Rr]efused, 4 times"):
        download(url, tmp_path / "a.bin", waits=NOW)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (ssl.SSLCertVerificationError("certificate has expired"), "certificate has expired"),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), "407 Proxy Authentication Required"),
    ],
)
def test_without_a_network_it_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: OSError, said: str
):
    asked = []

    def nowhere(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.full_url)
        raise URLError(cause)

    monkeypatch.setattr(urllib.request, "urlopen", nowhere)
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example:3128")
    with pytest.raises(Unreachable) as caught:
        download("https://nowhere.example/a.bin", tmp_path / "a.bin", waits=NOW)
    assert said in str(caught.value)
    assert str(caught.value).endswith("(through the proxy proxy.example)")
    assert "secret" not in str(caught.value)
    assert asked == ["https://nowhere.example/a.bin"]


def test_a_full_disk_is_no_broken_connection(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(response: object) -> Iterator[bytes]:
        yield b"a"
        raise AssertionError("it went on")

    class Full:
        def write(self, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    whole = Path.open
    monkeypatch.setattr(module, "_chunks", full)

    @contextmanager
    def opened(path: Path, mode: str = "r", **options: object) -> Iterator[object]:
        if mode == "ab":
            yield Full()
        else:
            with whole(path, mode, **options) as file:  # type: ignore[call-overload]
                yield file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left"):
        download(server.url("a.bin"), tmp_path / "a.bin", waits=NOW)
    assert len(server.asked) == 1


def test_the_note_says_whose_half_it_is(server: Server, tmp_path: Path):
    interrupted(server, tmp_path / "a.bin", 10)
    note = json.loads((tmp_path / "a.bin.part.json").read_text())
    assert note == {"url": server.url("a.bin"), "size": 300_000, "etag": '"1"', "modified": None}


def test_no_secret_of_an_address_is_written_or_said(tmp_path: Path):
    with serving({"a.bin?token=s3cret": WHOLE}) as server:
        server.breaks = [120_000]
        with pytest.raises(Unreachable) as broken:
            download(server.url("a.bin?token=s3cret"), tmp_path / "a.bin", waits=())
        assert str(broken.value).startswith(f"{server.url('a.bin?token=REDACTED')}: ")
        assert "s3cret" not in (tmp_path / "a.bin.part.json").read_text()
        download(server.url("a.bin?token=s3cret"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == WHOLE
    assert server.asked[-1] == ("a.bin?token=s3cret", "bytes=120000-"), "it is the half of the same file"
