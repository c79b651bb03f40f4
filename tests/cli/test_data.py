"""`data ls`, `where`, `fetch`, `verify` as a user meets them, with a server on this machine."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.datasets import download
from tests.cli.commands import dfkd, refused
from tests.datasets.archives import tgz, tree
from tests.datasets.server import Server, serving
from tests.datasets.trees import truncate, write_classes, write_image, write_noise

MINE = """\
name: mine
reader: folders
classes: [ant, bee]
image: [3, 8, 8]
mean: [0.5, 0.5, 0.5]
std: [0.5, 0.5, 0.5]
teacher: {{arch: resnet8}}
student: resnet8
origin:
  page: https://page.example
  counts: {{train: 4, test: 2}}
  by_hand: ask them
  archives: [{{name: mine.tgz, makes: mine, url: {url}{checksum}}}]
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAITS", (0.0,))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({}) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of data sets."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DFKD_RAY_DATA", str(folder))
    return folder


@pytest.fixture
def mine(server: Server, home: Path, tmp_path: Path) -> Path:
    """A task file whose data is on the server: `mine/train` and `mine/test`, two classes."""
    for which, count in (("train", 2), ("test", 1)):
        write_classes(tmp_path / "there" / "mine" / which, {"ant": count, "bee": count})
    server.files["mine.tgz"] = tgz(tree(tmp_path / "there"))
    return written(tmp_path, server, checksum="")


def written(folder: Path, server: Server, checksum: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(MINE.format(url=server.url("mine.tgz"), checksum=checksum))
    return path


def test_a_set_is_fetched_once(mine: Path, server: Server, home: Path, tmp_path: Path):
    md5 = hashlib.md5(server.files["mine.tgz"]).hexdigest()
    written(tmp_path, server, checksum=f", checksum: 'md5:{md5}', stated_by: their page")
    done = dfkd("data", "fetch", mine)
    came = f"fetched mine.tgz: size unknown, md5 {md5} (stated by their page)\n"
    assert (done.code, done.out, done.err) == (0, f"{came}mine is in {home / 'mine'}\n", "")
    assert tree(home) == tree(tmp_path / "there")
    again = dfkd("data", "fetch", mine)
    assert (again.code, again.out) == (0, f"mine is in {home / 'mine'}, nothing to fetch\n")
    assert len(server.asked) == 1


def test_a_folder_of_data_sets_may_be_given(mine: Path, home: Path, tmp_path: Path):
    place = tmp_path / "elsewhere"
    assert dfkd("data", "where", mine, "--data", place).out == f"{place / 'mine'}\n"
    done = dfkd("data", "fetch", mine, "--data", place)
    assert f"mine is in {place / 'mine'}\n" in done.out
    assert "no checksum is stated anywhere, so none is compared" in done.out
    assert not home.exists()
    assert dfkd("data", "where", mine, "--data", place / "mine").out == f"{place / 'mine'}\n"


def test_a_dead_link_ends_with_what_to_do(mine: Path, server: Server, home: Path):
    server.files.clear()
    said = refused("data", "fetch", mine)
    assert f"{server.url('mine.tgz')}: the server says 404" in said
    assert f"or bring mine.tgz yourself: put it into {home}/downloads, then fetch again\n  ask them" in said


def test_a_wrong_checksum_ends_with_one_message(mine: Path, server: Server, tmp_path: Path):
    written(tmp_path, server, checksum=f", checksum: 'md5:{32 * '0'}', stated_by: them")
    assert "thrown away, then fetch again" in refused("data", "fetch", mine)


def test_what_nothing_can_download(home: Path):
    said = refused("data", "fetch", "cars196")
    for word in ("brought by hand", "kaggle.com", "cars_test_annos_withlabels.mat", f"{home}/downloads", "065e5b46"):
        assert word in said
    assert "sign up at image-net.org" in refused("data", "fetch", "imagenet")
    assert dfkd("data", "fetch", "gliders").out == "gliders needs no data: its images are drawn or bundled\n"


def test_an_unknown_task(home: Path):
    for command in ("fetch", "where", "verify"):
        assert "did you mean 'cifar10'?" in refused("data", command, "cifa10")


def test_ctrl_c_says_how_to_go_on(mine: Path, server: Server, home: Path, monkeypatch: pytest.MonkeyPatch):
    whole = download._chunks

    def interrupting(response: object) -> Iterator[bytes]:
        yield next(whole(response))[:10]
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(download, "_chunks", interrupting)
    done = dfkd("data", "fetch", mine)
    assert (done.code, done.err) == (130, f"interrupted; resume with: dfkd-ray data fetch {mine}\n")
    monkeypatch.setattr(download, "_chunks", whole)
    assert dfkd("data", "fetch", mine).code == 0
    assert server.asked == [("mine.tgz", None), ("mine.tgz", "bytes=10-")]


def test_teach_fetches_by_the_same_way(mine: Path, server: Server, home: Path, tmp_path: Path):
    server.files.clear()
    assert "the server says 404" in refused("teach", mine, "--download", "--epochs", "1", cwd=tmp_path)
    assert "`dfkd-ray data fetch mine` brings it" in refused("teach", mine, "--epochs", "1", cwd=tmp_path)


def rows() -> dict[str, list[str]]:
    done = dfkd("data", "ls")
    assert done.code == 0
    head, *lines = (line.split("  ") for line in done.out.splitlines())
    assert [cell.strip() for cell in head if cell] == ["task", "data", "size", "images", "folder"]
    return {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}


def test_what_there_is(home: Path):
    write_image(home / "imagenette2-160" / "val" / "n01440764" / "a.jpg")
    (home / "CUB_200_2011").mkdir(parents=True)
    (home / "CUB_200_2011" / "README").write_bytes(b"12345")
    (home / "downloads").mkdir()
    (home / "downloads" / "cifar-10-python.tar.gz.part").write_bytes(b"123")
    for which in ("train", "val"):
        write_image(home / "tiny-imagenet-200" / which / "a.jpg")
    found = rows()
    size = (home / "imagenette2-160" / "val" / "n01440764" / "a.jpg").stat().st_size
    assert found["imagenette"] == ["partial", f"{size} bytes", "9,469 train, 3,925 test", str(home / "imagenette2-160")]
    assert found["tiny_imagenet"][0] == "present"
    assert found["cub200"] == ["partial", "5 bytes", "5,994 train, 5,794 test", str(home / "CUB_200_2011")]
    assert found["cifar10"][:2] == ["partial", "3 bytes"]
    counts = "6,667 train, 3,333 test"
    assert found["aircraft"] == ["absent", "2.8 GB packed", counts, str(home / "fgvc-aircraft-2013b")]
    assert found["cars196"][:2] == ["absent", "by hand"]
    assert found["gliders"] == ["none needed"]


def test_where_it_is_or_would_be(home: Path):
    assert dfkd("data", "where", "fashion_mnist").out == f"{home}/FashionMNIST/raw\n"
    assert dfkd("data", "where", "imagenette").out == f"{home}/imagenette2-160\n"
    write_image(home / "imagenette2" / "val" / "n01440764" / "a.jpg")
    assert dfkd("data", "where", "imagenette").out == f"{home}/imagenette2\n"
    assert "needs no data" in refused("data", "where", "gliders")


def test_a_whole_set_is_verified(mine: Path, home: Path):
    dfkd("data", "fetch", mine)
    done = dfkd("data", "verify", mine)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"mine: {home / 'mine'}\n"
        "split       images   official\n"
        "train            4          4\n"
        "test             2          2\n"
        "whole: every image is there and can be read\n"
    )
    assert dfkd("data", "verify", "gliders").code == 0


def test_a_damaged_set_is_verified(mine: Path, home: Path):
    dfkd("data", "fetch", mine)
    train = home / "mine" / "train"
    truncate(write_noise(train / "ant" / "image_0001.jpg", (40, 40)))
    for number in range(7):
        write_image(train / f"stray_{number}.png")
    (home / "mine" / "test" / "bee" / "image_0001.jpg").unlink()
    done = dfkd("data", "verify", mine)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[3] == "test             1          2  differs"
    assert lines[4] == "damaged: 1"
    assert lines[5].startswith("  train/ant/image_0001.jpg: ")
    assert lines[6:9] == ["surplus: 7", "  train/stray_0.png", "  train/stray_1.png"]
    assert lines[-2:] == ["  and 2 more (--list names them)", "not as it was published"]
    assert "  train/stray_6.png" in dfkd("data", "verify", mine, "--list").out.splitlines()


def test_nothing_to_verify(mine: Path, home: Path):
    assert f"{home}: there are no images of mine" in refused("data", "verify", mine)


def test_damaged_files_are_left_out_where_that_is_asked_for(tmp_path: Path, home: Path):
    write_classes(tmp_path / "own" / "test", {"ant": 2, "bee": 2})
    truncate(write_noise(tmp_path / "own" / "test" / "bee" / "torn.jpg", (40, 40)))
    words = ("data", "verify", f"folder:{tmp_path / 'own'}")
    done = dfkd(*words)
    assert (done.code, done.out.splitlines()[-1]) == (1, "not whole: see above")
    done = dfkd(*words, "--skip-damaged", "1")
    lines = done.out.splitlines()
    assert (done.code, lines[3]) == (0, "damaged, and left out (skip_damaged is 1): 1")
    assert lines[4].startswith("  test/bee/torn.jpg: ")
    assert lines[5:] == ["whole but for 1 damaged image, left out"]
