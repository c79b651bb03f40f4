"""Small pipelines: what they are made of, what their tokenizer tells apart, which images do not fit."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray.nets.pipelines.library import libraries, quiet
from dfkd_ray.nets.pipelines.small import PipelineSizes, tokens
from dfkd_ray.util.errors import ConfigError, MissingExtra

TINY = PipelineSizes(coder=(8, 8), net=(8, 16), width=16, depth=1, heads=2)
CAPTIONS = ["A realistic photo of swept-v-2.", "A realistic photo of swept-v-4.", "A realistic photo."]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may open a connection."""

    def refuse(*arguments: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("image", [(3, 16, 16), (1, 32, 32)])
def test_it_opens_again_as_stable_diffusion(
    image: tuple[int, int, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diffusers, transformers = libraries("a test")
    torch.manual_seed(0)
    made = TINY.text_to_image(image, CAPTIONS)
    with quiet():
        made.save_pretrained(tmp_path)
        pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert type(pipe) is diffusers.StableDiffusionPipeline
    kinds = {
        "vae": diffusers.AutoencoderKL,
        "unet": diffusers.UNet2DConditionModel,
        "text_encoder": transformers.CLIPTextModel,
        "tokenizer": transformers.CLIPTokenizer,
        "scheduler": diffusers.DDPMScheduler,
    }
    assert {name: type(part) for name, part in pipe.components.items() if part is not None} == kinds
    for name in ("vae", "unet", "text_encoder"):
        there = getattr(pipe, name).state_dict()
        assert all(torch.equal(value, there[key]) for key, value in getattr(made, name).state_dict().items())
    assert pipe.tokenizer(CAPTIONS).input_ids == made.tokenizer(CAPTIONS).input_ids
    pipe.set_progress_bar_config(disable=True)
    images = pipe(CAPTIONS[:2], num_inference_steps=2, output_type="np").images
    assert images.shape == (2, *image[1:], image[0])


@pytest.mark.usefixtures("alone")
def test_that_of_classes_opens_again_with_their_names(tmp_path: Path) -> None:
    diffusers, _ = libraries("a test")
    with quiet():
        TINY.class_to_image((3, 16, 16), ["dark", "bright"]).save_pretrained(tmp_path)
        pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert pipe.labels == {"bright": 1, "dark": 0}
    pipe.set_progress_bar_config(disable=True)
    images = pipe(pipe.get_label_ids(["bright", "dark"]), num_inference_steps=2, output_type="np").images
    assert images.shape == (2, 16, 16, 3)


def test_the_default_is_small() -> None:
    pipe = PipelineSizes().text_to_image((3, 32, 32), CAPTIONS)
    assert sum(w.numel() for part in (pipe.vae, pipe.unet, pipe.text_encoder) for w in part.parameters()) < 1_500_000
    assert (pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.vae_scale_factor) == (4, 8, 4)


def test_a_word_of_the_captions_is_one_token_and_every_text_has_tokens() -> None:
    made = tokens(CAPTIONS)
    words = ["a", "realistic", "photo", "of", "swept", "-", "v", "-", "2", "."]
    assert made.tokenize(CAPTIONS[0]) == [f"{word}</w>" for word in words]
    assert made.tokenize("quux") == ["q", "u", "u", "x</w>"]
    assert made.unk_token_id not in made("Größe 7 µ", add_special_tokens=False).input_ids
    assert made.model_max_length == 16, "ten words and two ends"
    longer = tokens([*CAPTIONS, "of " * 15])
    assert longer.model_max_length == 24, "fifteen words and two ends"
    assert tokens(CAPTIONS).get_vocab() == made.get_vocab()
    assert len(tokens(["aaaaa banana"]).tokenize("banana aaaaa")) == 2


@pytest.mark.parametrize("image", [(3, 8, 8), (3, 20, 20), (3, 32, 16), (3, 72, 72)])
def test_images_that_do_not_fit(image: tuple[int, int, int]) -> None:
    said = rf"image: .* square ones of 16 to 64 pixels, a multiple of 8; the task's are {image[1]}x{image[2]}"
    with pytest.raises(ConfigError, match=said):
        PipelineSizes().text_to_image(image, CAPTIONS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"net": ()}, "net must be"), ({"coder": (8, 12)}, "coder must be"), ({"width": 10}, "multiple of heads")],
)
def test_sizes_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PipelineSizes(**changes)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"^a small pipeline needs transformers, .*dfkd-ray\[diffusion\]"):
        PipelineSizes().text_to_image((3, 32, 32), CAPTIONS)
