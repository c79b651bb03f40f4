"""The shipped sets in small, in the publishers' own archives, from a server on this machine."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import Task, download
from dfkd_ray.datasets import fetch as module
from dfkd_ray.datasets.fetch import archive_facts, fetch
from dfkd_ray.datasets.origin import Archive, Origin
from dfkd_ray.datasets.readers import fetched, opened
from dfkd_ray.util.errors import DataError
from tests.datasets import published
from tests.datasets.archives import offered, tgz, tree, zipped
from tests.datasets.server import Server, serving
from tests.datasets.trees import write_classes

Make = Callable[[Path, pytest.MonkeyPatch], tuple[Task, dict[str, bytes]]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({}) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Path:
    """The folder of data sets, not there yet."""
    return tmp_path / "home" / "data"


def cifar10(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    published.cifar_tree(there, patch)
    return datasets.load("cifar10"), {"cifar-10-python.tar.gz": tgz(tree(there))}


def cifar100(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    published.cifar100_tree(there, patch)
    return datasets.load("cifar100"), {"cifar-100-python.tar.gz": tgz(tree(there))}


def fashion_mnist(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    published.fashion_tree(there, packed=True)
    return datasets.load("fashion_mnist"), {path.name: path.read_bytes() for path in there.rglob("*.gz")}


def caltech101(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    write_classes(there / "101_ObjectCategories", {"BACKGROUND_Google": 1, "Faces": 5, "ant": 5})
    inner = {"caltech-101/101_ObjectCategories.tar.gz": tgz(tree(there)), "__MACOSX/caltech-101/._x": b"Mac OS X"}
    task = replace(datasets.load("caltech101"), classes=("Faces", "ant"))
    return task, {"caltech-101.zip": zipped({**inner, "caltech-101/Annotations.tar": b"not looked at"})}


def imagenette(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    task = replace(datasets.load("imagenette"), image=(3, 224, 224))  # which needs 256 pixels
    for which in ("train", "val"):
        write_classes(there / "imagenette2-320" / which, dict.fromkeys(task.folders, 1))
    return task, {"imagenette2-320.tgz": tgz(tree(there))}


def tiny_imagenet(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    root = there / "tiny-imagenet-200"
    write_classes(root / "train", {"n01": 2, "n02": 2}, within="images")
    write_classes(root / "val", {"": 2}, within="images")
    (root / "val" / "val_annotations.txt").write_text("image_0001.jpg\tn01\t0\nimage_0002.jpg\tn02\t0\n")
    task = replace(datasets.load("tiny_imagenet"), classes=("a", "b"), folders=("n01", "n02"))
    return task, {"tiny-imagenet-200.zip": zipped(tree(there))}


def aircraft(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    return published.aircraft(there), {"fgvc-aircraft-2013b.tar.gz": tgz(tree(there))}


def cub200(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    task = published.cub(there)
    return task, {"CUB_200_2011.tgz": tgz({"attributes.txt": b"beside it", **tree(there)})}


def bloodmnist(there: Path, patch: pytest.MonkeyPatch) -> tuple[Task, dict[str, bytes]]:
    published.medmnist_file(there / "bloodmnist.npz")
    return datasets.load("bloodmnist"), {"bloodmnist.npz": (there / "bloodmnist.npz").read_bytes()}


SETS: list[Make] = [
    bloodmnist,
    cifar10,
    cifar100,
    fashion_mnist,
    caltech101,
    imagenette,
    tiny_imagenet,
    aircraft,
    cub200,
]


@pytest.mark.parametrize("make", SETS, ids=lambda make: make.__name__)
def test_every_set_is_fetched_and_read(
    make: Make, server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task, files = make(tmp_path / "there", monkeypatch)
    task = offered(task, server, files)
    with pytest.raises(DataError, match=f"dfkd-ray data fetch {task.name}"):
        datasets.split(task, "test", home)
    came = fetched(task, home)
    assert {archive.name for archive in came} == {*files}
    root, parts = opened(task, home)
    assert {"train", "test"} <= {*parts}
    for which in ("train", "test"):
        assert len(parts[which]().labels) > 0
    assert [path.name for path in home.iterdir()] == [root.relative_to(home).parts[0]]  # and no archive
    asked = len(server.asked)
    assert fetched(task, home) == ()
    assert fetched(task, root) == ()  # or where it points
    assert len(server.asked) == asked == len(files)
    shutil.rmtree(home)
    assert len(datasets.split(task, "test", home, download=True).labels) == len(
        opened(task, home).parts["test"]().labels
    )


def test_the_files_are_those_of_the_archive(server: Server, home: Path, tmp_path: Path):
    task = published.aircraft(tmp_path / "there")
    files = tree(tmp_path / "there")
    fetched(offered(task, server, {"fgvc-aircraft-2013b.tar.gz": tgz(files)}), home)
    assert tree(home) == files


def test_only_what_is_missing_is_fetched(server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task, files = fashion_mnist(tmp_path / "there", monkeypatch)
    task = offered(task, server, files)
    raw = home / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (raw / name).write_bytes(gzip.decompress(files[f"{name}.gz"]))
    came = fetched(task, home)
    assert [archive.name for archive in came] == ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"]


@pytest.fixture
def one(small: Task, server: Server) -> Task:
    """A task with a set of one archive, which holds the folder `a`."""
    server.files["a.tgz"] = tgz({"a/1.txt": b"one", "a/b/2.txt": b"two"})
    archive = Archive("a.tgz", "sets/a", server.url("a.tgz"))
    return replace(small, origin=Origin("https://page.example", archives=(archive,), by_hand="ask them\n  nicely"))


def with_checksum(task: Task, checksum: str) -> Task:
    assert task.origin is not None
    archive = replace(task.origin.archives[0], checksum=checksum, stated_by="them")
    return replace(task, origin=replace(task.origin, archives=(archive,)))


def with_archive(task: Task, server: Server, name: str, data: bytes) -> Task:
    assert task.origin is not None
    server.files[name] = data
    archive = replace(task.origin.archives[0], name=name, url=server.url(name))
    return replace(task, origin=replace(task.origin, archives=(archive,)))


def left(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_a_wrong_checksum(one: Task, home: Path):
    task = with_checksum(one, "sha256:" + 64 * "0")
    with pytest.raises(DataError) as caught:
        fetch(task, home)
    for said in (f"{home}/downloads/a.tgz: has sha256 ", "should have sha256 000", "stated by them", "thrown away"):
        assert said in str(caught.value)
    assert left(home) == []


def test_a_file_brought_by_hand_is_checked_and_kept_when_it_is_wrong(one: Task, server: Server, home: Path):
    task = with_checksum(one, "md5:" + 32 * "0")
    (home / "downloads").mkdir(parents=True)
    (home / "downloads" / "a.tgz").write_bytes(server.files["a.tgz"])
    with pytest.raises(DataError, match="replace it, then fetch again"):
        fetch(task, home)
    assert left(home) == ["downloads", "downloads/a.tgz"]
    assert server.asked == []


def test_without_a_checksum_the_size_decides_and_it_is_said(one: Task, server: Server, home: Path):
    assert one.origin is not None
    archive = one.origin.archives[0]
    assert archive_facts(archive) == "size unknown, no checksum is stated anywhere, so none is compared"
    sized = replace(one, origin=replace(one.origin, archives=(replace(archive, size=1000),)))
    with pytest.raises(DataError, match=r"a\.tgz: has \d+ bytes and should have 1,000; it was thrown away"):
        fetch(sized, home)
    fetch(one, home)
    assert tree(home / "sets") == {"a/1.txt": b"one", "a/b/2.txt": b"two"}


def test_a_download_that_breaks_off_goes_on_in_the_next_call(one: Task, server: Server, home: Path):
    server.breaks = [20, 0, 0]
    with pytest.raises(DataError) as caught:
        fetch(one, home)
    assert "broke off after 20 of" in str(caught.value)
    assert f"or bring a.tgz yourself: put it into {home}/downloads, then fetch again\n  ask them\n    nicely" in str(
        caught.value
    )
    assert left(home) == ["downloads", "downloads/a.tgz.part", "downloads/a.tgz.part.json"]
    server.asked.clear()
    fetch(one, home)
    assert server.asked == [("a.tgz", "bytes=20-")]
    assert left(home) == ["sets", "sets/a", "sets/a/1.txt", "sets/a/b", "sets/a/b/2.txt"]


def test_a_dead_link(one: Task, server: Server, home: Path):
    server.files.clear()
    with pytest.raises(DataError, match="the server says 404") as caught:
        fetch(one, home)
    assert "ask them" in str(caught.value)
    assert left(home) == []


def test_what_nothing_can_download_is_described(one: Task, home: Path):
    assert one.origin is not None
    archives = tuple(Archive(name, f"sets/{name[0]}", size=1000) for name in ("a.tgz", "b.mat"))
    task = replace(one, origin=replace(one.origin, archives=archives))
    with pytest.raises(DataError) as caught:
        fetch(task, home)
    lines = str(caught.value).splitlines()
    assert lines[:3] == [
        "small: its files have to be brought by hand (https://page.example)", "  ask them", "    nicely"
    ]  # fmt: skip
    assert lines[3] == f"  put into {home}/downloads, where `dfkd-ray data fetch small` checks and unpacks them:"
    assert [line.split(":")[0] for line in lines[4:]] == ["    a.tgz", "    b.mat"]
    (home / "downloads").mkdir(parents=True)
    (home / "downloads" / "a.tgz").write_bytes(tgz({"a/1.txt": b"one"}))
    with pytest.raises(DataError) as caught:
        fetch(task, home)
    assert "a.tgz" not in str(caught.value)  # it is there
    assert left(home) == ["downloads", "downloads/a.tgz"]


def test_what_was_brought_by_hand_is_unpacked_and_kept(server: Server, home: Path, tmp_path: Path):
    task = published.cars(tmp_path / "there")
    kit = tree(tmp_path / "there")
    labels = kit.pop("devkit/cars_test_annos_withlabels.mat")
    packed = {
        f"{folder.replace('dev', 'car_dev')}.tgz": tgz({n: d for n, d in kit.items() if n.startswith(folder)})
        for folder in ("cars_train", "cars_test", "devkit")
    } | {"cars_test_annos_withlabels.mat": labels}
    task = offered(task, server, packed)
    assert task.origin is not None
    task = replace(
        task, origin=replace(task.origin, archives=tuple(replace(a, url=None) for a in task.origin.archives))
    )
    with pytest.raises(DataError, match="brought by hand"):
        fetched(task, home)
    (home / "downloads").mkdir(parents=True)
    for name, data in packed.items():
        (home / "downloads" / name).write_bytes(data)
    assert len(fetched(task, home)) == 4
    assert tree(home / "downloads") == packed  # nobody can get them again
    assert len(opened(task, home).parts["test"]().labels) == 5
    assert fetched(task, home) == ()


def test_imagenet_says_who_gives_it(home: Path):
    with pytest.raises(DataError, match="sign up at image-net") as caught:
        fetched(datasets.load("imagenet"), home)
    assert str(caught.value).endswith(f"the data goes to {home}/imagenet")
    assert not home.exists()


def test_one_split_may_be_enough(small: Task, home: Path):
    task = replace(small, reader="imagenet", folders=("n01", "n02"), origin=datasets.load("imagenet").origin)
    write_classes(home / "imagenet" / "val", {"n01": 3, "n02": 3})
    assert len(datasets.split(task, "test", home, download=True).labels) == 3
    assert len(datasets.split(task, "val", home, download=True).labels) == 3
    with pytest.raises(DataError, match="brought by hand"):
        datasets.split(task, "train", home, download=True)
    with pytest.raises(DataError, match="brought by hand"):
        fetched(task, home)


def test_who_needs_nothing_fetches_nothing(home: Path, small: Task):
    assert fetched(datasets.load("gliders"), home) == ()
    with pytest.raises(DataError, match="give --data FILE"):  # the reader's own
        fetched(small, home)
    with pytest.raises(DataError, match="names no origin"):
        fetch(small, home)
    assert not home.exists()


def test_an_npz_is_never_fetched(one: Task, server: Server, tmp_path: Path):
    with pytest.raises(DataError, match="there is no such file"):
        datasets.split(one, "test", tmp_path / "mine.npz", download=True)
    assert server.asked == []


def test_a_folder_that_is_there_but_empty_is_not_touched(server: Server, home: Path, tmp_path: Path):
    task = offered(published.aircraft(tmp_path / "there"), server, {"fgvc-aircraft-2013b.tar.gz": b""})
    (home / "fgvc-aircraft-2013b").mkdir(parents=True)
    with pytest.raises(DataError, match="fgvc-aircraft-2013b: is there, but not as aircraft has it: move it away"):
        fetched(task, home)
    assert server.asked == []


def linked(name: str, to: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, to
        archive.addfile(member)
    return made.getvalue()


def zip_linked() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        member = zipfile.ZipInfo("a/link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc")
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tgz", tgz({"a/1.txt": b"one", "../evil": b"x"})),
        ("a.tgz", tgz({"a/1.txt": b"one", "a/../../evil": b"x"})),
        ("a.tgz", linked("a/evil", "/etc")),
        ("a.tgz", linked("a/evil", "../../evil")),
        ("a.zip", zipped({"a/1.txt": b"one", "../evil": b"x"})),
        ("a.zip", zipped({"a/1.txt": b"one", "/evil": b"x"})),
        ("a.zip", zipped({"a/1.txt": b"one", "a\\..\\..\\evil": b"x"})),
        ("a.zip", zip_linked()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # bytes as names differ by the second they were packed
)
def test_archives_that_lead_out_of_the_folder(one: Task, server: Server, home: Path, name: str, data: bytes):
    with pytest.raises(DataError, match=r"leads out of the folder|cannot be unpacked.*(outside|absolute)"):
        fetch(with_archive(one, server, name, data), home)
    assert left(home) in (["downloads", f"downloads/{name}"], ["downloads", f"downloads/{name}", "sets"])
    assert not list(home.parent.glob("evil"))


NOISE = bytes(range(256)) * 400


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.tgz", tgz({"a/1.bin": NOISE, "a/2.bin": NOISE[::-1]})[:-40], "cannot be unpacked"),
        ("a.tgz", b"<html>please log in</html>", "cannot be unpacked"),
        ("a.tgz", tgz({"b/1.txt": b"one"}), "there is no a in it"),
        ("a.zip", zipped({"a/1.bin": NOISE})[:-40], "cannot be unpacked"),
        ("a.zip", zipped({"b/1.bin": NOISE}), "there is no a in it"),
        ("a.gz", gzip.compress(NOISE)[:-40], "cannot be unpacked"),
        ("a.gz", b"no gzip", "cannot be unpacked"),
    ],
)
def test_damaged_archives_leave_nothing_behind(
    one: Task, server: Server, home: Path, name: str, data: bytes, message: str
):
    with pytest.raises(DataError, match=rf"downloads/{name}: {message}"):
        fetch(with_archive(one, server, name, data), home)
    assert left(home) == ["downloads", f"downloads/{name}", "sets"]


def test_an_inner_archive_that_is_not_there(one: Task, server: Server, home: Path):
    assert one.origin is not None
    task = with_archive(one, server, "a.zip", zipped({"other.tgz": b""}))
    assert task.origin is not None
    archive = replace(task.origin.archives[0], inner="inside/a.tgz")
    with pytest.raises(DataError, match=r"a\.zip: there is no inside/a\.tgz in it"):
        fetch(replace(task, origin=replace(task.origin, archives=(archive,))), home)


@pytest.mark.parametrize("name", ["a.bin", "a.gz"])
def test_a_file_that_is_no_archive_becomes_what_it_makes(one: Task, server: Server, home: Path, name: str):
    data = gzip.compress(b"plain") if name == "a.gz" else b"plain"
    fetch(with_archive(one, server, name, data), home)
    assert (home / "sets" / "a").read_bytes() == b"plain"


def test_nothing_is_in_place_before_all_of_it_is(one: Task, home: Path, monkeypatch: pytest.MonkeyPatch):
    whole, killed = module._untar, []

    def dies(path: Path, folder: Path, tell: Callable[[int], None]) -> None:
        whole(path, folder, tell)
        killed.append(left(home))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_untar", dies)
    with pytest.raises(KeyboardInterrupt):
        fetch(one, home)
    assert "sets/.a.unpacking/a/b/2.txt" in killed[0]
    assert left(home) == ["downloads", "downloads/a.tgz", "sets"]
    (home / "sets" / ".a.unpacking").mkdir()  # as `kill -9` leaves it
    (home / "sets" / ".a.unpacking" / "old").touch()
    monkeypatch.undo()
    fetch(one, home)
    assert left(home) == ["sets", "sets/a", "sets/a/1.txt", "sets/a/b", "sets/a/b/2.txt"]


def test_a_full_disk(one: Task, home: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, folder: Path, tell: Callable[[int], None]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_untar", full)
    with pytest.raises(DataError, match=f"{home}: No space left on device; what has been downloaded is kept"):
        fetch(one, home)
    assert left(home) == ["downloads", "downloads/a.tgz", "sets"]


def test_two_at_a_time_download_once(one: Task, server: Server, home: Path, monkeypatch: pytest.MonkeyPatch):
    came: list[tuple[Archive, ...]] = []
    looked, alone = threading.Barrier(2), module.alone

    def once_both_have_looked(folder: Path) -> AbstractContextManager[None]:
        looked.wait()
        return alone(folder)

    monkeypatch.setattr(module, "alone", once_both_have_looked)
    both = [threading.Thread(target=lambda: came.append(fetch(one, home))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(map(len, came)) == [0, 1]
    assert len(server.asked) == 1
    assert tree(home / "sets") == {"a/1.txt": b"one", "a/b/2.txt": b"two"}


def test_what_another_brought_between_two_looks_is_there(
    server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def late(task: Task, data: Path) -> tuple[Archive, ...]:
        assert fetch(task, data)  # the other's
        return fetch(task, data)

    task, files = cifar10(tmp_path / "there", monkeypatch)
    task = offered(task, server, files)
    monkeypatch.setitem(fetched.__globals__, "fetch", late)
    assert fetched(task, home) == ()
