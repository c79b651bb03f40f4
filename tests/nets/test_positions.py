"""Rows of dense outputs, against loops."""

from __future__ import annotations

import torch

from dfkd_ray.nets.positions import pooled, rows, targets_of


def test_a_row_a_position_image_by_image_and_line_by_line() -> None:
    x = torch.arange(2 * 3 * 2 * 4).view(2, 3, 2, 4)
    expected = [[int(x[b, k, i, j]) for k in range(3)] for b in range(2) for i in range(2) for j in range(4)]
    assert rows(x).tolist() == expected
    assert rows(x[:, :, 0, 0]) is not None
    assert torch.equal(rows(x[:, :, 0, 0]), x[:, :, 0, 0])


def test_an_embedding_is_the_means_over_cells_of_positions() -> None:
    x = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert pooled(x).shape == (2, 3 * 16)
    assert torch.allclose(pooled(x)[1, 2 * 16 + 4 * 1 + 3], x[1, 2, 2:4, 9:12].sum() / 6)
    assert torch.equal(pooled(x[:, :, 0, 0]), x[:, :, 0, 0])


def test_what_outputs_tell() -> None:
    shapes = ((2, 5), (2, 5, 4, 4), (2, 1, 4, 4))
    assert [targets_of(torch.zeros(shape)) for shape in shapes] == ["classes", "segmentation", "depth"]
