"""Real images of an object store: a server of S3 on this machine."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import namedtuple
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import remote
from dfkd_ray.util import store
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.store import Store, StoreError

TREE = {"red/1.png": b"one", "red/2.png": b"twelve", "blue/deep/3.png": b"three"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process, which has opened nothing, brings images to."""
    remote._brought.cache_clear()
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stores"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the objects that are fetched."""
    names: list[str] = []
    whole = Store.fetch

    def fetch(self: Store, name: str, path: Path) -> None:
        names.append(name)
        whole(self, name, path)

    monkeypatch.setattr(Store, "fetch", fetch)
    return names


def again(data: str) -> Path:
    """As another process has it."""
    remote._brought.cache_clear()
    found = datasets.local(data)
    assert found is not None
    return found


def put_tree(url: str) -> None:
    for name, data in TREE.items():
        Store(url).put(name, data)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_path_is_what_it_is(tmp_path: Path) -> None:
    assert datasets.local(None) is None
    assert datasets.local("images/x.npz") == Path("images/x.npz")
    assert datasets.local(tmp_path) == tmp_path
    assert datasets.local(f"file://{tmp_path}/a%20b") == tmp_path / "a b"


def test_a_file_is_brought_once_and_said(
    bucket: str, cache: Path, fetched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    held = BytesIO()
    np.savez(held, images=np.full((6, 32, 32, 3), 7, np.uint8), labels=np.arange(6))
    Store(bucket).put("six.npz", held.getvalue())
    path = again(f"{bucket}/six.npz")
    assert path.name == "six.npz"
    assert path.is_relative_to(cache)
    assert capsys.readouterr().err == f"{bucket}/six.npz: 0\N{NO-BREAK SPACE}MB brought to {path}\n"
    assert again(f"{bucket}/six.npz") == path
    assert fetched == [""]
    assert capsys.readouterr().err == ""
    split = datasets.split(datasets.load("cifar10"), "test", path)
    assert split.images.shape == (6, 3, 32, 32)
    assert split.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_folder_is_brought_whole(bucket: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_tree(f"{bucket}/photos")
    Store(bucket).put("photos-of-others/4.png", b"4")
    path = again(f"{bucket}/photos/")
    assert (path.name, contents(path)) == ("photos", TREE)
    assert capsys.readouterr().err == f"{bucket}/photos: 3 files, 0\N{NO-BREAK SPACE}MB, brought to {path}\n"
    assert sorted(contents(cache)) == sorted(f"{path.relative_to(cache)}/{name}" for name in TREE)


def test_what_is_written_anew_is_brought_anew_and_the_earlier_goes_a_day_later(bucket: str, cache: Path) -> None:
    Store(bucket).put("x.npz", b"one")
    first = again(f"{bucket}/x.npz")
    Store(bucket).put("x.npz", b"two")  # as long
    second = again(f"{bucket}/x.npz")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    long_ago = time.time() - remote.UNUSED - 60
    os.utime(first.parent, (long_ago, long_ago))
    Store(bucket).put("x.npz", b"three")
    third = again(f"{bucket}/x.npz")
    assert [path.exists() for path in (first, second, third)] == [False, True, True]


def test_a_process_sees_the_same_images_to_its_end(bucket: str) -> None:
    Store(bucket).put("x.npz", b"one")
    first = again(f"{bucket}/x.npz")
    Store(bucket).put("x.npz", b"two")
    assert datasets.local(f"{bucket}/x.npz") == first


def test_several_at_once_bring_it_once(bucket: str, fetched: list[str]) -> None:
    put_tree(f"{bucket}/photos")
    found: list[Path] = []
    bring: Any = remote._brought.__wrapped__
    several = [threading.Thread(target=lambda: found.append(bring(f"{bucket}/photos"))) for _ in range(4)]
    for each in several:
        each.start()
    for each in several:
        each.join()
    assert len(found) == 4
    assert len({*found}) == 1
    assert sorted(fetched) == sorted(TREE)


def test_a_try_that_was_ended_is_gone_on_with(
    bucket: str, cache: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tree(f"{bucket}/photos")
    whole = Store.fetch

    def fetch(self: Store, name: str, path: Path) -> None:
        if name == "red/2.png":
            raise StoreError("gone")
        whole(self, name, path)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "fetch", fetch)
        with pytest.raises(DataError, match=r"^gone \(credentials come from the environment, see docs/"):
            again(f"{bucket}/photos")
    (part,) = cache.glob("*/.*")  # and nothing that another process would take for the whole
    assert len([*cache.glob("*/*")]) == 1
    (part / "photos" / "red" / ".2.png.123").write_bytes(b"twe")  # of a process that was killed
    before = len(fetched)
    assert contents(again(f"{bucket}/photos")) == TREE
    assert "red/2.png" in fetched[before:]
    assert len(fetched) <= len(TREE)


@pytest.mark.parametrize("name", ["absent.npz", "absent/", "phot"])
def test_what_is_not_there_is_said(bucket: str, name: str) -> None:
    put_tree(f"{bucket}/photos")
    with pytest.raises(DataError) as refused:
        again(f"{bucket}/{name}")
    assert str(refused.value) == f"{bucket}/{name.rstrip('/')}: there is no such object, and no folder with any"


def test_a_bucket_that_is_not_there_is_said(bucket: str) -> None:
    with pytest.raises(DataError, match=r"^s3://nobody-has-this/x.npz: .*see docs/pages/concepts/stores.md\)$"):
        again("s3://nobody-has-this/x.npz")


def test_an_unknown_scheme_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^s4://b/x.npz: unknown scheme 's4'; did you mean 's3'\?"):
        again("s4://b/x.npz")


def test_what_does_not_fit_on_the_disk_is_not_begun(
    bucket: str, cache: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(bucket).put("x.npz", b"0" * 3_000_000)
    disk = namedtuple("disk", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk(10, 10, 2_000_000))
    with pytest.raises(DataError) as refused:
        again(f"{bucket}/x.npz")
    (home,) = cache.iterdir()
    said = str(refused.value).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        f"{bucket}/x.npz takes 3 MB, and {home} has 2 MB free: make room, or set DFKD_RAY_DATA to a folder with more"
    )
    assert fetched == []


def test_a_cache_that_cannot_be_written_is_said(bucket: str, cache: Path) -> None:
    Store(bucket).put("x.npz", b"one")
    cache.parent.write_bytes(b"a file")
    with pytest.raises(DataError, match=r"x.npz cannot be brought here: .*; DFKD_RAY_DATA names another folder$"):
        again(f"{bucket}/x.npz")


@pytest.mark.parametrize("name", ["../../evil", "a/../../evil", "/etc/evil", "a\0b"])
def test_no_name_leads_out_of_the_folder(name: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = [{"path": name, "size": 1, "e_tag": "1", "version": None}]
    monkeypatch.setattr(Store, "states", lambda self: named)
    with pytest.raises(DataError, match=r"is no name of a file$"):
        again(f"{bucket}/photos")


def test_more_objects_than_anybody_has_are_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tree(f"{bucket}/photos")
    monkeypatch.setattr(remote.limits, "OBJECTS", 2)
    with pytest.raises(DataError, match=r"^s3://bucket/\d+/photos has 3 objects, at most 2 are brought$"):
        again(f"{bucket}/photos")


def test_what_changes_while_it_is_brought_is_said(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(bucket).put("x.npz", b"one")
    found = store.Store(f"{bucket}/x.npz").state()
    Store(bucket).put("x.npz", b"longer")
    monkeypatch.setattr(Store, "state", lambda self: found)
    with pytest.raises(DataError, match=r"x.npz was written meanwhile: try again$"):
        again(f"{bucket}/x.npz")
