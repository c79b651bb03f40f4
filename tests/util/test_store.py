"""Places by path and URI, and objects in a store."""

from __future__ import annotations

import os
import pickle
import socket
import socketserver
import sys
import threading
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.util import store
from dfkd_ray.util.errors import ConfigError, MissingExtra, StudyError
from dfkd_ray.util.store import Store, StoreError


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("reports/mhad", None),
        ("/abs/mhad", None),
        ("a:b", None),
        ("C:/there", None),
        ("file:///abs/mhad", None),
        ("s3://bucket/mhad", "s3://bucket/mhad"),
        ("S3://bucket//deep/mhad/", "s3://bucket/deep/mhad"),
        ("gs://b/x", "gs://b/x"),
        ("az://container/x", "az://container/x"),
    ],
)
def test_what_a_place_is(place: str, url: str | None) -> None:
    assert store.url_of(place) == url


KNOWN = "(known: az, file, gs, s3)"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s4://b/x", f"s4://b/x: unknown scheme 's4'; did you mean 's3'? {KNOWN}"),
        ("gcs://b/x", f"gcs://b/x: unknown scheme 'gcs'; did you mean 'gs'? {KNOWN}"),
        ("hdfs://host/x", f"hdfs://host/x: unknown scheme 'hdfs' {KNOWN}"),
        ("ftp:/x", f"ftp:/x: unknown scheme 'ftp' {KNOWN}"),
        ("s3://bucket", "s3://bucket: name a folder in a bucket: s3://BUCKET/STUDY"),
        ("s3:/bucket/x", "s3:/bucket/x: name a folder in a bucket: s3://BUCKET/STUDY"),
        ("s3://bucket/../x", "s3://bucket/../x: name a folder in a bucket: s3://BUCKET/STUDY"),
        ("s3://me:secret@b/x", "s3://...: credentials go into the environment, see docs/pages/concepts/stores.md"),
        ("az://c/x?sig=secret", "az://...: credentials go into the environment, see docs/pages/concepts/stores.md"),
    ],
)
def test_what_is_no_place_is_refused_with_the_nearest(place: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        store.folder_of(place)
    assert str(refused.value) == message


@given(st.text(max_size=40) | st.text(max_size=20).map("s3://{}".format))
def test_any_text_is_a_path_a_store_or_refused(place: str) -> None:
    try:
        url = store.url_of(place)
    except ConfigError:
        return
    assert url is None or url.partition("://")[0] in store.SCHEMES


def test_a_path_is_a_folder_of_this_disk(tmp_path: Path) -> None:
    assert store.folder_of("reports/x") == Path("reports/x")
    assert store.folder_of(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert store.folder_of(Path("x")) == Path("x")
    assert store.of(tmp_path) is None
    with pytest.raises(ConfigError, match="a file of another host; a path of this one is file:///PATH, or /PATH"):
        store.folder_of("file://elsewhere/x")


def test_a_store_has_a_copy_on_this_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = store.folder_of("s3://bucket/deep/mhad/")
    assert folder == Path("reports/s3/bucket/deep/mhad")
    assert store.of(folder) == Store("s3://bucket/deep/mhad")
    assert store.folder_of("s3://bucket/deep/mhad") == folder


@pytest.mark.parametrize("held", [b"", b"reports/x\n", b"s4://b/x", b"s3://b", b"\xff\xfe", b"s3://b/" + b"x" * 9999])
def test_what_is_no_uri_in_a_copy_is_refused(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "store.url").write_bytes(held)
    with pytest.raises(
        StudyError, match=f"^{tmp_path}/store.url: no URI of a store; remove the file where {tmp_path} is"
    ):
        store.of(tmp_path)


def test_how_a_user_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store.place_of(store.folder_of("s3://bucket/x")) == "s3://bucket/x"
    assert store.place_of(Path("reports/x")) == "reports/x"


def test_without_the_library_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    said = r"^a folder in an object store needs obstore, which is not installed: pip install 'dfkd-ray\[store\]'$"
    with pytest.raises(MissingExtra, match=said):
        Store("s3://bucket/x").names()


def test_objects(bucket: str, tmp_path: Path) -> None:
    held = Store(bucket)
    assert held.names() == []
    held.put("a/b", b"one")
    held.put("a/b", BytesIO(b"two"))
    held.at("a").put("c", b"")
    assert held.names() == ["a/b", "a/c"]
    assert held.names("a") == ["a/b", "a/c"]
    assert held.at("a").names() == ["b", "c"]
    assert held.get("a/b")[0] == b"two"
    held.fetch("a/b", tmp_path / "new" / "there")
    assert (tmp_path / "new" / "there").read_bytes() == b"two"
    assert pickle.loads(pickle.dumps(held)) == held
    held.remove(["a/b", "nobody"])
    assert held.names() == ["a/c"]
    for read in (lambda: held.get("a/b"), lambda: held.fetch("a/b", tmp_path / "x")):
        with pytest.raises(FileNotFoundError, match=f"^{bucket}/a/b: there is no such object$"):
            read()
    assert not (tmp_path / "x").exists()


def test_a_put_that_is_conditional(bucket: str) -> None:
    held = Store(bucket)
    first = held.put_if("lock", b"1", None)
    assert first is not None
    assert held.put_if("lock", b"2", None) is None
    second = held.put_if("lock", b"2", first)
    assert second is not None
    assert held.put_if("lock", b"3", first) is None
    assert held.get("lock") == (b"2", second)
    assert held.put_if("lock", b"2", first) == second, "the answer to the same request was lost"
    held.remove(["lock"])
    assert held.put_if("lock", b"4", second) is None


def test_a_large_file_goes_and_comes_in_pieces(bucket: str, tmp_path: Path) -> None:
    whole = bytes(range(256)) * (80 << 10)
    (tmp_path / "large").write_bytes(whole)
    with (tmp_path / "large").open("rb") as file:
        Store(bucket).put("large", file)
    Store(bucket).fetch("large", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == whole


def test_a_bucket_that_is_not_there_is_told_in_a_line(bucket: str) -> None:
    with pytest.raises(StoreError) as refused:
        Store("s3://nobody/x").put("a", b"")
    assert str(refused.value).startswith("s3://nobody/x/a: ")
    assert "\n" not in str(refused.value)


def test_a_store_that_does_not_answer_is_told_in_a_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(store, "_PATIENCE", timedelta(0))
    with pytest.raises(StoreError, match=f"^{bucket}/a: Generic S3 error: "):
        Store(bucket).put("a", b"")


def test_a_store_that_is_away_for_some_seconds_is_waited_for(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port refuses for longer than ten tries take."""
    behind = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")

    class Handed(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((behind.hostname, behind.port)) as there:
                there.sendall(self.request.recv(1 << 16))
                while data := there.recv(1 << 16):
                    self.request.sendall(data)

    def later() -> None:
        time.sleep(6)
        with socketserver.ThreadingTCPServer(("127.0.0.1", port), Handed) as server:
            server.daemon_threads = True
            served.append(server)
            server.serve_forever()

    served: list[socketserver.TCPServer] = []
    thread = threading.Thread(target=later)
    thread.start()
    assert Store(bucket).names() == []
    served[0].shutdown()
    thread.join()


def test_a_store_with_nothing_there(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=f"^{bucket} holds no study$"):
        store.existing(bucket)
    Store(bucket).put("a", b"")
    assert store.existing(bucket) == Path("reports") / bucket.replace("://", "/")
    assert store.existing("x") == Path("x")
