from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST, FGVCAircraft, Imagenette
from torchvision.datasets.imagenet import ARCHIVE_META

from dfkd_ray import datasets
from dfkd_ray.datasets.origin import Archive, ImageCounts, Origin
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError

A = {"name": "a.tgz", "makes": "a"}
SUM = "md5:" + 32 * "0"


def origin(name: str) -> Origin:
    found = datasets.load(name).origin
    assert found is not None
    return found


DRAWN = {"digits", "gliders", "gliders64", "gliders_parts", "gliders_depth"}  # or bundled


def test_who_has_an_origin():
    without = {name for name in datasets.names() if datasets.load(name).origin is None}
    assert without == DRAWN


@pytest.mark.parametrize("name", sorted({*datasets.names()} - DRAWN))
def test_an_origin_says_what_a_user_needs(name: str):
    found = origin(name)
    assert found.page.startswith("http")
    assert found.counts.stated or "the counts are" in (found.by_hand or "")
    assert (found.archives != ()) or found.by_hand
    for archive in found.archives:
        assert archive.checksum is not None  # of these every one is stated somewhere
        assert archive.url is not None or found.by_hand
        assert archive.url is None or archive.url.endswith(f"/{archive.name}")


def test_addresses_and_checksums_are_torchvisions():
    for name, kind in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        (archive,) = origin(name).archives
        assert (archive.name, archive.url, archive.checksum) == (kind.filename, kind.url, f"md5:{kind.tgz_md5}")
        assert archive.makes == kind.base_folder
    fashion = {archive.name: archive for archive in origin("fashion_mnist").archives}
    assert {name: f"md5:{md5}" for name, md5 in FashionMNIST.resources} == {n: a.checksum for n, a in fashion.items()}
    assert all(archive.url == FashionMNIST.mirrors[0] + name for name, archive in fashion.items())
    copies = {archive.url: archive.checksum for archive in origin("imagenette").archives}
    assert copies == {url: f"md5:{md5}" for url, md5 in Imagenette._ARCHIVES.values()}
    assert origin("aircraft").archives[0].url == FGVCAircraft._URL
    by_hand = origin("imagenet").by_hand or ""
    assert all(name in by_hand and md5 in by_hand for name, md5 in ARCHIVE_META.values())


@pytest.mark.parametrize(
    ("side", "copy"), [(1, "imagenette2-160"), (160, "imagenette2-160"), (161, "imagenette2-320"), (321, "imagenette2")]
)
def test_of_copies_the_smallest_that_needs_no_enlarging(side: int, copy: str):
    assert [archive.makes for archive in origin("imagenette").needed(side)] == [copy]
    assert origin("imagenette").place(side) == copy


def test_where_no_copy_is_large_enough_it_is_the_largest():
    found = origin("imagenette")
    small = replace(found, archives=found.archives[:2])
    assert [archive.makes for archive in small.needed(1000)] == ["imagenette2-320"]


def test_a_set_in_several_archives_needs_them_all():
    assert len(origin("fashion_mnist").needed(32)) == 4
    assert origin("fashion_mnist").place(32) == "FashionMNIST/raw"


def test_counts_are_those_that_somebody_states():
    assert ImageCounts(train=3, whole=4).stated == {"train": 3, "whole": 4}
    assert Origin("p", ImageCounts(train=3, whole=4), by_hand="b", folder="f").splits == {"train"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "b/a.tgz"}, "name must be the name of a file"),
        ({"makes": "/a"}, "plain relative paths"),
        ({"makes": "a/../../b"}, "plain relative paths"),
        ({"makes": ""}, "plain relative paths"),
        ({"inner": "../b"}, "plain relative paths"),
        ({"url": "ftp://host/a.tgz"}, "url must begin with http"),
        ({"url": "file:///etc/passwd"}, "url must begin with http"),
        ({"checksum": "md5:123", "stated_by": "us"}, "checksum must be md5:<32 digits>"),
        ({"checksum": "crc32:00000000", "stated_by": "us"}, "checksum must be md5:<32 digits>"),
        ({"checksum": SUM}, "somebody states it"),
        ({"stated_by": "us"}, "somebody states it"),
    ],
)
def test_archives_that_cannot_be(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        Archive(**{**A, **change})


def test_an_origin_without_archives_says_what_to_do():
    with pytest.raises(ValueError, match="by_hand and folder"):
        Origin("https://page", by_hand="write to them")


def test_mistakes_in_a_file_are_told_with_their_lines():
    document = yamls.loads(f"""\
page: p
archives:
  - {{name: a.tgz, makes: a, md5: 1}}
  - {{name: b.tgz, makes: b, checksum: {SUM}}}
counts: {{train: many}}
""")
    problems = yamls.Problems()
    problems.attempt("", yamls.typed, Origin, document.data)
    said = str(document.locate(problems.found))
    assert "3: archives.0.md5: no such field" in said
    assert "4: archives.1: checksum and stated_by go together" in said
    assert "5: counts.train: should be" in said
    with pytest.raises(ConfigError, match="archives: expected a list of archives, got 'a'"):
        yamls.typed(Origin, {"page": "p", "archives": "a"})


def test_a_task_is_written_and_read_again_with_its_origin():
    task = datasets.load("imagenette")
    assert yamls.typed(datasets.Task, yamls.plain(task)) == task
