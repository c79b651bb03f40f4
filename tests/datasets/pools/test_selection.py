"""What `pool prune` leaves in a pool's folder, written and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.datasets.pools import selection
from dfkd_ray.datasets.pools.selection import Selection
from dfkd_ray.util.errors import DataError

SOME = Selection(
    pool="0123456789abcdef", score="herding", share=0.5, intermediate=False, rows=(0, 3, 4), weights=(0.25, 0.75)
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = selection.write(tmp_path, "herding-0.5", SOME)
    assert path == tmp_path / "keep-herding-0.5.json"
    assert selection.read(tmp_path, "herding-0.5") == SOME
    assert selection.names(tmp_path) == ["herding-0.5"]


def test_one_that_is_not_there_names_the_nearest_and_the_way_on(tmp_path: Path) -> None:
    selection.write(tmp_path, "herding-0.5", SOME)
    with pytest.raises(DataError, match=r"has no selection 'herding-0.6'; did you mean 'herding-0.5'\?.*pool prune"):
        selection.read(tmp_path, "herding-0.6")
    with pytest.raises(DataError, match="cannot be the name of a selection"):
        selection.write(tmp_path, "../x", SOME)


def test_one_that_was_damaged_is_refused(tmp_path: Path) -> None:
    path = selection.write(tmp_path, "a", SOME)
    path.write_text(path.read_text().replace("herding", "loosing"))
    with pytest.raises(DataError, match="its checksum does not fit"):
        selection.read(tmp_path, "a")
    path.write_text("[]")
    with pytest.raises(DataError, match="damaged"):
        selection.read(tmp_path, "a")
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        selection.read(tmp_path, "a")
