from __future__ import annotations

import io

import numpy as np
import pytest

from dfkd_ray.datasets import uncut


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read(channels: int):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, w, channels), dtype=np.uint8) for h, w in ((1, 1), (3, 5), (4, 2))]
    file = io.BytesIO()
    assert uncut.write(file, iter(images)) == (len(file.getvalue()),)
    made = uncut.read(np.frombuffer(file.getvalue(), np.uint8), 3)
    assert made.shapes.tolist() == [[1, 1, channels], [3, 5, channels], [4, 2, channels]]
    for row in (2, 0, 1):
        picture = made[row]
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(uncut.pixels(picture), images[row])
