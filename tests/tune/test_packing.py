"""A study's folder as text and back: whole, without what need not travel; and every text that is not whole."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.tune import packing
from dfkd_ray.tune.packing import pack, unpack
from dfkd_ray.util.errors import DataError, StudyError
from tests.tune import toys


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of three trials, each with students and a checkpoint."""
    made = tmp_path_factory.mktemp("study")
    summary = toys.start(toys.study({"trials: 8": "trials: 3"}), toys.Toy(), made)
    assert summary.best is not None
    for number in range(3):
        trial = made / "trials" / f"{number:04d}"
        trial.mkdir(parents=True, exist_ok=True)
        for name in ("student.safetensors", "student_best.safetensors", "checkpoint.pt", "curve.json"):
            (trial / name).write_bytes(bytes([number]) * 1000)
    (made / ".hidden").write_text("x")
    (made / "link").symlink_to("/etc/hostname")
    return made


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("students", ["best", "all", "none"])
def test_there_and_back(folder: Path, tmp_path: Path, students: packing.Students) -> None:
    count = unpack(["a log", *pack(folder, students), "more log"], tmp_path)
    found = names(tmp_path)
    assert count == len(found)
    assert {"ledger.jsonl", "trials.arrow", "steps.arrow", "trials/0001/curve.json"} <= found
    assert not [name for name in found if "checkpoint" in name or name.endswith(".lock") or name in (".hidden", "link")]
    kept = {name.split("/")[1] for name in found if name.endswith(".safetensors")}
    assert len(kept) == {"best": 1, "all": 3, "none": 0}[students]
    for name in found:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_lines_are_short_enough_for_a_log(folder: Path) -> None:
    assert max(map(len, pack(folder, "all"))) <= 5_000


def test_no_study_and_too_large_a_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match=r"holds no study to pull: there is no ledger\.jsonl$"):
        list(pack(tmp_path))
    monkeypatch.setattr(packing, "MOST", 100)
    for students, less in (("all", "--students best"), ("best", "--students none"), ("none", "nothing")):
        with pytest.raises(StudyError, match=rf"packs into .*: {less} takes less, or copy the folder"):
            list(pack(folder, students))  # type: ignore[arg-type]


def test_what_is_not_whole(folder: Path, tmp_path: Path) -> None:
    lines = list(pack(folder, "none"))
    with pytest.raises(DataError, match=r"^the job has packed nothing$"):
        unpack(["hello"], tmp_path)
    with pytest.raises(DataError, match=r"does not end: its log is cut$"):
        unpack(lines[:-1], tmp_path)
    other = "A" if lines[1][7] != "A" else "B"
    with pytest.raises(DataError, match=r"is damaged: its checksum is another$"):
        unpack([lines[0], lines[1][:7] + other + lines[1][8:], *lines[2:]], tmp_path)
    assert names(tmp_path) == set()


def packed(member: tarfile.TarInfo, data: bytes = b"") -> list[str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    whole = buffer.getvalue()
    return [packing.FIRST + hashlib.sha256(whole).hexdigest(), base64.b64encode(whole).decode(), packing.LAST]


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "report.html"
    for member in (tarfile.TarInfo("../out"), tarfile.TarInfo("a/../../out"), link):
        with pytest.raises(DataError, match=r"^what was packed"):
            unpack(packed(member, b"x"), into)
    absolute = tarfile.TarInfo("/somewhere/out")
    unpack(packed(absolute, b"x"), into)
    assert names(tmp_path) == {"into/somewhere/out"}


def test_what_unpacks_into_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "UNPACKED", 10)
    with pytest.raises(DataError, match=r"^what was packed unpacks into more than"):
        unpack(packed(tarfile.TarInfo("a"), bytes(11)), tmp_path)


@given(st.lists(st.text(max_size=30)))
def test_any_text_is_refused_in_words(lines: list[str]) -> None:
    with pytest.raises(DataError):
        unpack([f"{packing.FIRST}{lines[0] if lines else ''}", *lines[1:], packing.LAST], Path("/nowhere"))
