"""What is seen of a pass on its way; the BatchNorm prior and the embeddings of classifiers: see test_measures."""

from __future__ import annotations

import torch

from dfkd_ray.nets import build
from dfkd_ray.runs.watching import embedded


def test_an_image_of_a_dense_net_has_one_embedding() -> None:
    torch.manual_seed(0)
    net, seen = build("fcn4", 3).eval(), []
    net.get_submodule("head").register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with embedded(net) as embeddings, torch.no_grad():
        net(torch.randn(2, 3, 8, 8))
        net(torch.randn(1, 3, 8, 8))
    whole = torch.cat(seen)
    cells = [whole[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum((2, 3)) / 4 for i in range(4) for j in range(4)]
    torch.testing.assert_close(embeddings(), torch.stack(cells, 2).flatten(1))
    assert embeddings().shape == (3, (4 + 8 + 16) * 16)
