"""Variations of images, against the pipelines of diffusers that do the same, and their filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import Taps, attach_taps
from dfkd_ray.nets.pipelines import load
from dfkd_ray.nets.pipelines.library import quiet
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Batch
from dfkd_ray.parts.varied import LiveVaried, Varied
from dfkd_ray.util.errors import ConfigError
from tests.tiny import IMAGE, NAMES, painter, through_a_file

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"timesteps": 6, "similarity": None, "at_once": 3}
SETTING = Setting(IMAGE, 5, (0.0,) * 3, (1.0,) * 3, Layout((), 3), Layout((), 3), NAMES)


def sees_colours() -> nn.Module:
    """A frozen teacher whose embedding is an image's mean colour."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    attach_taps(net, Taps((), head="2"))
    return net.eval().requires_grad_(False)


def opened(setting: Setting = SETTING, **fields: Any) -> LiveVaried:
    return Varied(**{"model": painter(), **PLAIN, **fields}).open(setting, sees_colours(), CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, *IMAGE, generator=rng(9))


@pytest.fixture(scope="module")
def from_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small pipeline that is shown an image, of the painter's parts and an eye."""
    from diffusers import DiffusionPipeline, StableDiffusionImageVariationPipeline
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes: dict[str, int] = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16, "image_size": 24}
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(3)
        config = CLIPVisionConfig(**sizes, patch_size=8, num_hidden_layers=1, num_attention_heads=2)
        parts = DiffusionPipeline.from_pretrained(painter()).components
        own = {name: parts[name] for name in ("vae", "unet", "scheduler")}
        own |= {"image_encoder": CLIPVisionModelWithProjection(config), "feature_extractor": CLIPImageProcessor()}
        made = StableDiffusionImageVariationPipeline(**own, safety_checker=None, requires_safety_checker=False)
        folder = tmp_path_factory.mktemp("variations")
        made.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("strength", [0.5, 0.34])
def test_from_words_it_is_the_librarys_image_to_image(strength: float) -> None:
    from diffusers import DDPMScheduler, DiffusionPipeline, StableDiffusionImg2ImgPipeline

    with quiet():
        parts = DiffusionPipeline.from_pretrained(painter()).components
        names = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "safety_checker", "feature_extractor")
        theirs = StableDiffusionImg2ImgPipeline(**{name: parts[name] for name in names}, requires_safety_checker=False)
    assert isinstance(theirs.scheduler, DDPMScheduler)
    theirs.set_progress_bar_config(disable=True)
    x = pictures()
    with torch.no_grad():
        latents = theirs.vae.encode(2 * x - 1).latent_dist.mode() * theirs.vae.config.scaling_factor
    asked: dict[str, Any] = {"prompt": [""] * 3, "image": latents, "output_type": "pt", "generator": rng(1)}
    expected = theirs(**asked, strength=strength, num_inference_steps=6, guidance_scale=1.0).images
    live = opened(strength=strength)
    torch.testing.assert_close(live.pipeline.encode(x), latents)
    found = live.of(Batch(x, torch.tensor([4, 0, 2])), rng(1))
    torch.testing.assert_close(found.images, expected, rtol=1e-3, atol=1e-4)
    assert found.labels is not None
    assert found.labels.tolist() == [4, 0, 2]


def test_from_images_it_is_the_librarys_variation(from_images: str) -> None:
    from diffusers import StableDiffusionImageVariationPipeline

    with quiet():
        theirs = StableDiffusionImageVariationPipeline.from_pretrained(from_images, safety_checker=None)
    theirs.set_progress_bar_config(disable=True)
    x = pictures()
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    shown = (nn.functional.interpolate(x, (24, 24), mode="bicubic", antialias=False) - mean) / std
    draws = rng(2)
    latents = torch.randn(3, 4, 8, 8, generator=draws)
    asked: dict[str, Any] = {"image": shown, "latents": latents, "generator": draws, "output_type": "pt"}
    expected = theirs(**asked, num_inference_steps=6, guidance_scale=3.0).images
    found = opened(model=from_images, strength=1.0).of(Batch(x, None), rng(2))
    torch.testing.assert_close(found.images, expected, rtol=1e-3, atol=1e-4)
    assert found.labels is None
    with pytest.raises(ConfigError, match=r"^model: .* is a StableDiffusionImageVariationPipeline: one from text"):
        load(from_images, "", NAMES, CPU)


@pytest.mark.parametrize(
    ("timesteps", "strength", "steps"), [(49, 1 / 49, 1), (50, 1 / 50, 1), (6, 0.5, 3), (6, 1.0, 6)]
)
def test_it_is_denoised_for_the_share_that_it_was_noised(timesteps: int, strength: float, steps: int) -> None:
    live, taken = opened(timesteps=timesteps, strength=strength), []
    back = live.pipeline.back

    def counted(*given: Any) -> Tensor:
        taken.append(given[2])
        return back(*given)

    live.pipeline.back = counted  # type: ignore[method-assign]
    live.of(Batch(pictures(1), torch.tensor([0])), rng())
    assert taken == list(live.pipeline.times(timesteps))[-steps:]


class Chosen(LiveVaried):
    """Whose variations are given."""

    given: Tensor

    def _varied(self, images: Tensor, labels: Tensor | None, rng: torch.Generator) -> Tensor:
        return self.given


def plain_colours(*colours: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colours, dtype=torch.float32)[:, :, None, None].expand(-1, -1, *IMAGE[1:])


@pytest.mark.parametrize(
    ("similarity", "kept"), [(0.999, [0]), (0.6, [0, 2]), (-1.0, [0, 1, 2, 3]), (None, [0, 1, 2, 3])]
)
def test_the_filter_keeps_what_the_teacher_finds_alike(similarity: float | None, kept: list[int]) -> None:
    """Cosines 1, 0, 1 / sqrt 2, -1."""
    spec = Varied(model=painter(), **{**PLAIN, "similarity": similarity, "at_once": 4})
    own = spec.open(SETTING, sees_colours(), CPU)
    live = Chosen(spec, own.pipeline, SETTING, sees_colours(), CPU)
    live.given = plain_colours((0.5, 0, 0), (0, 1, 0), (1, 1, 0), (-1, 0, 0))
    found = live.of(Batch(plain_colours(*[(1, 0, 0)] * 4), torch.arange(4)), rng())
    assert found.labels is not None
    assert found.labels.tolist() == kept
    assert torch.equal(found.images, live.given[kept])
    assert live.share == len(kept) / 4


def test_the_first_images_are_varied_so_often_and_a_resumed_run_counts_on() -> None:
    live = opened(first=5, copies=2)
    found = live.of(Batch(pictures(), torch.tensor([4, 0, 2])), rng())
    assert found.labels is not None
    assert found.labels.tolist() == [4, 0, 2] * 2
    assert not torch.equal(found.images[:3], found.images[3:])
    again = opened(first=5, copies=2)
    again.load_state_dict(through_a_file(live.state_dict()))
    for each in (live, again):
        assert len(each.of(Batch(pictures(), None), rng()).images) == 4
        assert len(each.of(Batch(pictures(), None), rng()).images) == 0
    assert (again.seen, again.made, again.held) == (9, 10, 10)


def test_a_pool_takes_images_and_variations() -> None:
    class Source:
        def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
            return Batch(pictures(batch), torch.arange(batch))

    source: Any = Source()
    spec = PoolMemory(capacity=20, varied=Varied(model=painter(), **PLAIN))
    pool = spec.open(SETTING, sees_colours(), CPU)
    pool.refill(source, 4, rng())
    assert pool.images is not None
    assert pool.labels is not None
    assert (pool.size, pool.kept) == (8, 1.0)
    assert pool.labels[:8].tolist() == [0, 1, 2, 3] * 2
    assert torch.equal(pool.images[:4], pictures(4).half())
    assert not torch.equal(pool.images[4:8], pictures(4).half())
    assert PoolMemory().open(SETTING, sees_colours(), CPU).kept is None


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^varied.model: there is no folder ./none; `dfkd-ray teach-diffusion TASK`"):
        PoolMemory(varied=Varied(model="./none")).open(SETTING, sees_colours(), CPU)
    with pytest.raises(ConfigError, match=r"^varied.model: there is no folder ./none"):
        PoolMemory(varied=Varied(model="./none")).check()
    PoolMemory().check()
    dense = Setting(IMAGE, 5, (0.0,) * 3, (1.0,) * 3, Layout((), 3, targets="segmentation"), Layout((), 3))
    with pytest.raises(ConfigError, match="a teacher that tells segmentation has no embedding of an image"):
        opened(dense)
    told = opened(prompt="A realistic photo of {name}.")
    assert told.of(Batch(pictures(), torch.tensor([4, 0, 2])), rng()).images.shape == (3, *IMAGE)
    with pytest.raises(ConfigError, match=r"has \{name\}, and the source of this method asks for no class"):
        told.of(Batch(pictures(), None), rng())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strength": 0.0}, r"strength must be in \[1 / timesteps, 1\], got 0.0"),
        ({"strength": 0.1, "timesteps": 5}, r"strength must be in \[1 / timesteps, 1\], got 0.1"),
        ({"similarity": 1.5}, r"similarity is a cosine in \[-1, 1\], got 1.5"),
        ({"first": 0}, "first must be at least 1, got 0"),
        ({"copies": 0}, "copies must be > 0, got 0"),
    ],
)
def test_ranges(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Varied(**fields)
