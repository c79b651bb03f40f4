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
    expected = torch.cat([each.flatten(2).sum(2) / 64 for each in seen])
    torch.testing.assert_close(embeddings(), expected)
    assert embeddings().shape == (3, 4 + 8 + 16)
