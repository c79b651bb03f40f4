from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, features

from dfkd_ray.datasets.listing import folders_in, holds_pictures, is_clutter, is_picture, leads_up, pictures_in
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import write_image


@pytest.mark.parametrize("name", [".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini", "._1.jpg", "@eaDir", ".git"])
def test_what_nobody_made(name: str) -> None:
    assert is_clutter(name)
    assert not is_clutter(name.strip("._@") + "x")


@pytest.mark.parametrize(
    "ending", ["jfif", "jpe", "JPG", "avif", "webp", "jp2", "qoi", "dds", "ico", "pbm", "sgi", "dat", ""]
)
def test_what_pillow_reads_is_a_picture_whatever_its_ending(tmp_path: Path, ending: str) -> None:
    kinds = {"jpe": "JPEG", "jfif": "JPEG", "JPG": "JPEG", "jp2": "JPEG2000", "pbm": "PPM", "dat": "PNG", "": "PNG"}
    kind = kinds.get(ending, ending.upper())
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = tmp_path / f"a.{ending}".rstrip(".")
    Image.new("RGB", (16, 16), (9, 99, 200)).save(path, format=kind)
    assert is_picture(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"a,b\n1,2\n"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40)),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("a.mpg", b"\0\0\1\xb3" + bytes(40)),
        ("a", b""),
        ("a.json", b"{}"),
    ],
)
def test_what_pillow_does_not_draw_is_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_picture(tmp_path / name)


def test_a_file_that_says_so_is_a_picture_though_it_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.JPEG").write_bytes(b"")
    assert is_picture(tmp_path / "a.JPEG")


def test_pictures_by_name_those_of_folders_within_at_the_end(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "in/a.png", "in/er/b.png", "__MACOSX/a.png"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "more").mkdir()
    assert pictures_in(tmp_path) == ["a.png", "b.png"]
    assert pictures_in(tmp_path, deep=True) == ["a.png", "b.png", "in/a.png", "in/er/b.png"]
    assert folders_in(tmp_path) == {"in", "more"}
    assert [holds_pictures(tmp_path / name, deep=True) for name in ("", "in", "more")] == [True, True, False]
    write_image(tmp_path / "more" / "deep" / "a.png")
    assert not holds_pictures(tmp_path / "more")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none: cannot be read: "):
        pictures_in(tmp_path / "none")


def test_an_image_of_a_format_without_a_mark_is_known_by_its_ending(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), (9, 99, 200))
    image.save(tmp_path / "a.tga", compression="tga_rle")
    image.save(tmp_path / "B.TGA", compression="tga_rle")
    (tmp_path / "c.tga").write_text("no picture, whatever its ending says")
    assert pictures_in(tmp_path) == ["B.TGA", "a.tga"]


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    write_image(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    assert pictures_in(tmp_path / "cat", deep=True) == ["more/1.png"]
    assert holds_pictures(tmp_path / "cat", deep=True)


def test_a_link_to_a_folder_above_is_not(tmp_path: Path) -> None:
    """Neither straight up nor in a circle of two folders."""
    for name in ("cat", "dog"):
        write_image(tmp_path / name / "1.png")
    for link, target in (("cat/up", ""), ("cat/self", "cat"), ("cat/dogs", "dog"), ("dog/cats", "cat")):
        (tmp_path / link).symlink_to(tmp_path / target)
    assert pictures_in(tmp_path / "cat", deep=True) == ["1.png", "dogs/1.png"]
    assert [name for name in ("up", "self", "dogs") if leads_up(tmp_path / "cat" / name)] == ["up", "self"]
    (tmp_path / "cat" / "1.png").unlink()
    (tmp_path / "dog" / "1.png").unlink()
    assert not holds_pictures(tmp_path / "cat", deep=True)


def test_a_link_to_itself_is_no_folder_and_a_picture_by_its_name(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "1.png")
    for link in ("loop", "cat/loop", "cat/2.png"):
        (tmp_path / link).symlink_to(tmp_path / link)
    assert folders_in(tmp_path) == {"cat"}
    assert pictures_in(tmp_path / "cat", deep=True) == ["1.png", "2.png"]
    assert holds_pictures(tmp_path / "cat", deep=True)
