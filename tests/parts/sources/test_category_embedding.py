"""CAE-DFKD's generator, as it is reconstructed: which noises there are, and how they move the embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.category_embedding import NOISES, CategoryEmbedding, LiveCategoryEmbedding

K, D, LATENT = 5, 7, 6
SETTING = Setting((3, 16, 16), K, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


def opened(seed: int = 0, **fields: Any) -> LiveCategoryEmbedding:
    torch.manual_seed(seed)
    return CategoryEmbedding(**{"latent": LATENT, "width": 4, "dim": D, **fields}).open(SETTING, (), CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_noises_are_four_distributions_of_mean_0_and_variance_1() -> None:
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    kurtosis = []
    for noise in NOISES:
        q = noise(u).double()
        assert q.mean().item() == pytest.approx(0, abs=1e-3)
        assert q.var().item() == pytest.approx(1, abs=1e-3)
        assert (q[1:] >= q[:-1]).all(), "the inverse of a distribution function rises"
        kurtosis.append(q.pow(4).mean().item())
    assert kurtosis == pytest.approx([3, 1.8, 6, 1], rel=0.01)  # normal, uniform, Laplace, a sign


def test_an_image_gets_one_of_the_noises_and_its_number() -> None:
    z = opened().noise(4000, rng())
    assert z.shape == (4000, D + 1)
    which = z[:, -1].long()
    assert torch.bincount(which, minlength=4).min() > 850
    signs = z[which == 3, :-1]
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert z[which == 1, :-1].abs().max() <= 3**0.5
    assert set(opened(noises=1).noise(64, rng())[:, -1].tolist()) == {0.0}


def test_the_body_is_fed_with_the_embedding_and_the_noise_by_its_magnitude() -> None:
    live = opened()
    net: Any = live.net.eval()
    seen: list[torch.Tensor] = []
    net.norm.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    z, labels = live.noise(6, rng()), torch.tensor([0, 4, 2, 2, 1, 3])
    images = live._images(net, z, labels)
    assert images.shape == (6, 3, 16, 16)
    rms = sum(x * x for row in live.embedding.tolist() for x in row) / (K * D)
    for i in range(6):
        magnitude = (0.1, 0.2, 0.3, 0.4)[int(z[i, -1])] * rms**0.5
        expected = [e + magnitude * q for e, q in zip(live.embedding[labels[i]].tolist(), z[i, :-1].tolist())]
        assert seen[0][i].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_magnitudes_learn_and_the_embedding_does_not() -> None:
    live = opened()
    before = live.net.magnitudes.detach().clone()  # type: ignore[operator, union-attr]
    rows = live.embedding.clone()

    def image_loss(images: torch.Tensor, labels: Any) -> Any:
        value = images.square().mean()
        return value, {"total": value.detach()}

    list(live.improve(16, 2, image_loss, rng(), 0.0))  # type: ignore[arg-type]
    assert (live.net.magnitudes != before).all()  # type: ignore[union-attr]
    assert torch.equal(live.embedding, rows)


def test_rows_of_a_file_are_taken(tmp_path: Path) -> None:
    rows = torch.randn(K, 3)
    save_file({"rows": rows}, tmp_path / "rows.safetensors")
    assert torch.equal(opened(embedding=str(tmp_path / "rows.safetensors")).embedding, rows)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": "none"}, "labels must be uniform or balanced: the noise is added to the embedding of a class"),
        ({"latent_lr": 0.1}, "latent_lr must be null: there is no z, and the noise is not learned"),
        ({"noises": 0}, "noises must be 1 to 4, got 0"),
        ({"noises": 5}, "noises must be 1 to 4, got 5"),
        ({"dim": 0}, "dim must be at least 1, got 0"),
    ],
)
def test_what_is_no_source(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CategoryEmbedding(**fields)
