"""Pictures are files beside the ledger: kept, checked, and never a reason to stop."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from dfkd_ray.tune.pictures import Picture, as_png, keep, load, picture_format
from dfkd_ray.util import files
from tests.tune import toys

WEBP = b"RIFF\0\0\0\0WEBPVP8 "


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    for epoch, data, name in [(1, WEBP, "0003_0001.webp"), (12, toys.PNG, "0003_0012.png"), (2, b"?", "0003_0002.bin")]:
        told = keep(tmp_path, 3, epoch, data)
        assert told["path"] == f"pictures/{name}"
        assert load(tmp_path, Picture(**told)) == data


def test_one_that_is_lost_or_damaged_is_said_once_and_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, damaged = (Picture(**keep(tmp_path, 0, epoch, WEBP)) for epoch in (1, 2))
    (tmp_path / lost.path).unlink()
    (tmp_path / damaged.path).write_bytes(WEBP[:-1] + b"!")
    for _ in range(2):
        assert (load(tmp_path, lost), load(tmp_path, damaged)) == (None, None)
    left_out = "this picture is left out, and the study goes on"
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {tmp_path}/pictures/0000_0001.webp: No such file or directory; {left_out}",
        f"warning: {tmp_path}/pictures/0000_0002.webp: is damaged; {left_out}",
    ]


def test_each_format_becomes_png_and_what_is_no_picture_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = BytesIO()
    Image.new("RGB", (4, 3), (10, 200, 30)).save(held, "WEBP", lossless=True)
    for epoch, data, size in ((1, held.getvalue(), (4, 3)), (2, toys.PNG, (3, 2))):
        made = as_png(tmp_path, Picture(**keep(tmp_path, 0, epoch, data)))
        assert made is not None
        with Image.open(BytesIO(made)) as opened:
            assert (opened.format, opened.size) == ("PNG", size)
    assert as_png(tmp_path, Picture(**keep(tmp_path, 0, 3, WEBP))) is None
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}/pictures/0000_0003.webp: is no picture; this picture is left out, and the study goes on\n"
    )


def test_a_disk_that_cannot_be_written_is_the_studys_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"Input/output error: .*0000_0001.webp'$"):
        keep(tmp_path, 0, 1, WEBP)


def test_picture_formats() -> None:
    assert picture_format(WEBP) == "webp"
    assert picture_format(toys.PNG) == "png"
    assert picture_format(b"\xff\xd8\xff") == "jpeg"
    assert picture_format(b"") == "unknown"
