"""The page while a study runs: to whom it is given, and that whoever has it open is told of a new one."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dfkd_ray import report
from dfkd_ray.cli import serving
from dfkd_ray.util.errors import StudyError
from tests.report import studies


@pytest.fixture
def server(tmp_path: Path) -> Iterator[serving.PageServer]:
    made = serving.PageServer(tmp_path / "mhad", poll=0.05)
    made._build = lambda: built(made)  # type: ignore[method-assign]  # in this process, which has imported it all
    made.folder.mkdir()
    made.start()
    yield made
    made.close()


def built(server: serving.PageServer) -> bool:
    try:
        report.build(server.folder)
    except StudyError:  # some of its tables are not there yet
        return False
    with server.changed:
        server.version += 1
        server.changed.notify_all()
    return True


def ask(server: serving.PageServer, path: str, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(serving.HOST, server.http.server_port, timeout=20)
    headers = {} if host is None else {"Host": host}
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_only_who_knows_the_address_gets_the_page(server: serving.PageServer) -> None:
    own = f"/{server.token}/"
    assert server.address == f"http://127.0.0.1:{server.http.server_port}{own}"
    with closing(ask(server, own)) as answer:
        assert answer.status == 200
        assert "mhad: no trial has ended yet" in answer.read().decode()
        assert answer.headers["Cache-Control"] == "no-store"
    for path in ("/", f"/{server.token[:-1]}/", "/events", f"{own}report.html", f"{own}../", "/%2e%2e/"):
        with closing(ask(server, path)) as answer:
            assert answer.status == 404, path
    with closing(ask(server, own, "evil.example:80")) as answer:
        assert answer.status == 404, "a name that leads here is no key"


def test_a_page_that_is_built_again_is_told_and_may_ask_for_nothing_but_events(server: serving.PageServer) -> None:
    with closing(ask(server, f"/{server.token}/events")) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        studies.write(server.folder, studies.demo())
        assert stream.readline() == b"event: changed\n"
    with closing(ask(server, f"/{server.token}/?x=1")) as answer:
        page = answer.read().decode()
    assert page.startswith('<!doctype html>\n<html lang="en" data-events="events">')
    assert "default-src &#39;none&#39;; connect-src &#39;self&#39;; script-src" in page
    plain = (server.folder / "report.html").read_text(encoding="utf-8")
    assert "connect-src" not in plain
    assert len(page) < len(plain) + 100


def test_a_page_that_cannot_be_built_leaves_the_old_one(tmp_path: Path) -> None:
    server = serving.PageServer(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "trials.arrow").write_text("damaged")
    assert not server._build()
    assert (server.page(), server.version) == ("old", 0)
    server.http.server_close()


def test_what_is_not_wanted_is_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving.serving(tmp_path, wanted=False) as server:
        assert server is None
    assert capsys.readouterr().out == ""
    with serving.serving(tmp_path) as server:
        assert server is not None
        assert server.address in capsys.readouterr().out
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/")


def test_watching_ends_when_it_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object, seconds: float = 0) -> bool:
        raise KeyboardInterrupt

    started: list[serving.PageServer] = []
    monkeypatch.setattr(serving.PageServer, "start", lambda server: started.append(server))
    monkeypatch.setattr(serving.PageServer, "close", lambda server: server.http.server_close())
    monkeypatch.setattr("threading.Event.wait", interrupted)
    serving.watch(tmp_path)
    assert capsys.readouterr().out.endswith("ctrl-c ends it; the page stays in the folder\nno longer watched\n")
    shutil.rmtree(tmp_path)
    assert len(started) == 1
