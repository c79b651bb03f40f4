from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from dfkd_ray import datasets
from dfkd_ray.datasets import Task, image_files
from dfkd_ray.datasets.image_files import DamagedImages, Files, sound
from dfkd_ray.datasets.origin import Origin
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import truncate, write_image, write_noise


def flat(root: Path, count: int = 4) -> Files:
    for number in range(count):
        write_image(root / f"{number}.png", 10 * number)
    return Files(root, [f"{number}.png" for number in range(count)])


@pytest.mark.parametrize(
    ("size", "side", "crop"),
    [
        ((300, 200), 128, 1.0),  # landscape
        ((201, 333), 128, 1.0),  # portrait, odd
        ((160, 213), 112, 0.875),
        ((40, 30), 64, 0.875),  # enlarged
        ((64, 64), 64, 1.0),  # as it is
    ],
)
def test_an_image_is_cut_as_torchvision_does_it(
    small: Task, cache: Path, tmp_path: Path, size: tuple[int, int], side: int, crop: float
):
    path = write_noise(tmp_path / "a.png", size)
    task = replace(small, image=(3, side, side), crop=crop)
    oracle = transforms.Compose([transforms.Resize(round(side / crop)), transforms.CenterCrop(side)])
    with Image.open(path) as image:
        expected = np.asarray(oracle(image.convert("RGB")))
    np.testing.assert_array_equal(Files(tmp_path, ["a.png"]).read(task, "test"), expected[None])


@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "L"), ("a.jpg", "CMYK"), ("a.jpg", "RGB"), ("a.png", "P"), ("a.png", "RGBA")]
)
def test_grey_cmyk_palette_and_alpha_become_rgb(small: Task, cache: Path, tmp_path: Path, name: str, mode: str):
    path = write_noise(tmp_path / name, (8, 8), mode)
    with Image.open(path) as image:
        assert image.mode == mode
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(Files(tmp_path, [name]).read(small, "test")[0], expected)


def test_an_alpha_channel_is_dropped(small: Task, cache: Path, tmp_path: Path):
    write_image(tmp_path / "a.png", (200, 100, 50, 0), (8, 8), "RGBA")
    pixels = Files(tmp_path, ["a.png"]).read(small, "test")
    assert {tuple(pixel) for pixel in pixels.reshape(-1, 3)} == {(200, 100, 50)}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_grey_of_sixteen_bits_is_spread_over_its_range(small: Task, cache: Path, tmp_path: Path, name: str):
    levels = np.random.default_rng(0).integers(100, 4096, (8, 8)).astype(np.uint16)  # a camera of 12 bits
    Image.fromarray(levels).save(tmp_path / name)
    spread = Files(tmp_path, [name]).read(small, "test")[0, :, :, 1]
    whole = levels.astype(int) - levels.min()
    np.testing.assert_array_equal(spread, whole * 255 // whole.max())
    published = replace(small, origin=Origin("https://example.org", by_hand="ask", folder="small"))
    np.testing.assert_array_equal(Files(tmp_path, [name]).read(published, "test")[0, :, :, 1], levels // 256)


def test_one_level_of_sixteen_bits_is_that_level(small: Task, cache: Path, tmp_path: Path):
    Image.fromarray(np.full((8, 8), 51_200, np.uint16)).save(tmp_path / "a.png")
    assert (Files(tmp_path, ["a.png"]).read(small, "test") == 200).all()


def test_a_tag_turns_ones_own_images_and_no_published_ones(small: Task, cache: Path, tmp_path: Path):
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    Image.fromarray(levels).save(tmp_path / "a.png", exif=exif)
    files = Files(tmp_path, ["a.png"])
    np.testing.assert_array_equal(files.read(small, "test")[0, :, :, 0], np.rot90(levels, -1))
    published = replace(small, origin=Origin("https://example.org", by_hand="ask", folder="small"))
    np.testing.assert_array_equal(files.read(published, "test")[0, :, :, 0], levels)


def test_damaged_files_are_left_out_up_to_a_number(
    small: Task, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for number in range(4):
        write_image(tmp_path / f"{number}.png", 10 * number)
    for number in (0, 2):
        (tmp_path / f"{number}.png").write_bytes(b"")
    part = Files(tmp_path, [f"{number}.png" for number in range(4)]), np.arange(4)
    with pytest.raises(
        DamagedImages, match=r"2 of 4 files .*\n.*\n.*\n--skip-damaged 2, or skip_damaged in a task file"
    ):
        sound(part, lambda files: files.read(small, "test"), 1)
    pixels, labels = sound(part, lambda files: files.read(small, "test"), 2)
    assert labels.tolist() == [1, 3]
    assert pixels[:, 0, 0, 0].tolist() == [10, 30]
    assert (
        f"warning: left out, 2 of 4 files cannot be read as images:\n  {tmp_path / '0.png'}" in capsys.readouterr().err
    )


def test_pixels_that_are_no_bytes_are_refused(small: Task, cache: Path, tmp_path: Path):
    Image.new("F", (8, 8), 0.5).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a.tif: its pixels are neither bytes nor of 16 bits"):
        Files(tmp_path, ["a.tif"]).read(small, "test")


def test_a_grey_task_reads_colour_as_grey(small: Task, cache: Path, tmp_path: Path):
    write_image(tmp_path / "a.png", (255, 0, 0), (8, 8))
    grey = replace(small, image=(1, 8, 8), mean=(0.5,), std=(0.5,))
    pixels = Files(tmp_path, ["a.png"]).read(grey, "test")
    assert pixels.shape == (1, 8, 8, 1)
    assert set(pixels.flat) == {76}  # 0.299 of red, by ITU-R 601


def test_the_order_is_that_of_the_names_over_many_chunks(
    small: Task, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(image_files, "_CHUNK", 3)
    made = flat(tmp_path, 10)
    assert made.read(small, "test")[:, 0, 0, 0].tolist() == list(range(0, 100, 10))
    assert made[7:].read(small, "val")[:, 0, 0, 0].tolist() == [70, 80, 90]
    assert (len(made), len(made[7:]), made[7:].names) == (10, 3, ["7.png", "8.png", "9.png"])


def test_what_is_cached_is_not_decoded_again(small: Task, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = flat(tmp_path)
    first = made.read(small, "test").copy()

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "_picture", refuse)
    np.testing.assert_array_equal(made.read(small, "test"), first)
    assert [path.suffix for path in cache.iterdir()] == [".npy"]


def test_a_cache_for_each_size_and_split_and_for_changed_files(small: Task, cache: Path, tmp_path: Path):
    made, large = flat(tmp_path), replace(small, image=(3, 16, 16))
    assert made.read(small, "test").shape == (4, 8, 8, 3)
    assert made.read(large, "test").shape == (4, 16, 16, 3)
    assert made[:2].read(small, "val").shape == (2, 8, 8, 3)
    assert {path.name.rpartition("_")[0] for path in cache.iterdir()} == {
        "small_test_8px", "small_test_16px", "small_val_8px"
    }  # fmt: skip
    made.read(replace(small, crop=0.5), "test")
    write_image(tmp_path / "0.png", 250)
    assert made.read(small, "test")[0, 0, 0, 0] == 250
    assert len(list(cache.iterdir())) == 5


def test_in_memory_the_images_are_the_same_and_nothing_is_written(small: Task, cache: Path, tmp_path: Path):
    held = flat(tmp_path).read(small, "test", "memory")
    assert not cache.exists()
    assert not isinstance(held, np.memmap)
    held[0] = 7  # torch wants arrays that can be written to
    np.testing.assert_array_equal(held[1:], flat(tmp_path).read(small, "test")[1:])


def test_the_images_stay_on_the_disk(small: Task, cache: Path, tmp_path: Path):
    pixels = flat(tmp_path).read(small, "test")
    assert isinstance(pixels, np.memmap)
    pixels[:] = 7  # nobody should; the file does not hear of it
    assert set(flat(tmp_path).read(small, "test")[1].flat) != {7}
    path = next(iter(cache.glob("*.npy")))
    plain = np.load(path)
    assert (plain.shape, plain.dtype) == ((4, 3, 8, 8), np.uint8)


def test_all_damaged_files_are_named_and_nothing_is_kept(small: Task, cache: Path, tmp_path: Path):
    made = flat(tmp_path, 6)
    write_noise(tmp_path / "2.png", (60, 60))
    truncate(tmp_path / "2.png")
    (tmp_path / "3.png").write_text("not an image")
    (tmp_path / "5.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 of 6 files cannot be read as images") as caught:
        made.read(small, "test")
    said = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in said[1:]] == [f"  {tmp_path / name}" for name in ("2.png", "3.png", "5.png")]
    assert "truncated" in said[1]
    assert list(cache.iterdir()) == []


def test_of_many_damaged_files_ten_are_named(small: Task, cache: Path, tmp_path: Path):
    for number in range(12):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="12 of 12 files") as caught:
        Files(tmp_path, [f"{number}.jpg" for number in range(12)]).read(small, "test")
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 10 + 1
    assert lines[-1] == "  and 2 more"


def test_a_file_that_went_away_is_named(small: Task, cache: Path, tmp_path: Path):
    made = flat(tmp_path)
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 files cannot be read:\n  .*1\.png: No such file"):
        made.read(small, "test")


def test_a_cache_that_cannot_be_written_or_read(
    small: Task, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = flat(tmp_path / "images")
    made.read(small, "test")
    path = next(iter(cache.glob("*.npy")))
    truncate(path)
    with pytest.raises(DataError, match=rf"{path.name}: this cache of images cannot be written or read \(delete it"):
        made.read(small, "test")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set DFKD_RAY_DATA to a folder"):
        made.read(small, "test")


@pytest.mark.parametrize("image", [(3, 8, 10), (2, 8, 8)])
def test_squares_of_one_or_three_channels_alone(small: Task, cache: Path, tmp_path: Path, image: tuple[int, int, int]):
    task = replace(small, image=image, mean=(0.5,) * image[0], std=(0.5,) * image[0])
    with pytest.raises(DataError, match=r"cut to squares, grey or RGB, but image of small is \("):
        flat(tmp_path).read(task, "test")


def test_an_interrupted_cache_leaves_nothing(small: Task, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    made = flat(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(image_files, "_picture", interrupt)
        with pytest.raises(KeyboardInterrupt):
            made.read(small, "test")
    assert list(cache.iterdir()) == []
    assert len(made.read(small, "test")) == 4


def test_of_two_at_once_one_decodes(small: Task, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made, decoded, whole = flat(tmp_path), [], image_files._picture

    def slowly(path: Path, **options: object) -> object:
        decoded.append(path)
        time.sleep(0.05)
        return whole(path, **options)

    monkeypatch.setattr(image_files, "_picture", slowly)
    got: list[np.ndarray] = []
    readers = [threading.Thread(target=lambda: got.append(made.read(small, "test"))) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(decoded) == 4
    assert [pixels[:, 0, 0, 0].tolist() for pixels in got] == [[0, 10, 20, 30]] * 3


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path))
    assert datasets.data_folder() == tmp_path
    monkeypatch.delenv("DFKD_RAY_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.data_folder() == tmp_path / ".cache" / "dfkd-ray"


def test_two_folders_with_equal_names_sizes_and_times_share_no_cache(small: Task, cache: Path, tmp_path: Path):
    for site, level in (("siteA", 10), ("siteB", 200)):
        path = write_image(tmp_path / site / "photos" / "0.bmp", level)
        os.utime(path, ns=(10**18, 10**18))
    first, second = (Files(tmp_path / site / "photos", ["0.bmp"]) for site in ("siteA", "siteB"))
    assert [files.read(small, "test")[0, 0, 0, 0] for files in (first, second)] == [10, 200]
    os.replace(second.root / "0.bmp", first.root / "0.bmp")
    assert first.read(small, "test")[0, 0, 0, 0] == 200, "no copy keeps the time of the last change of its inode"
