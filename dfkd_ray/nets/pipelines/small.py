"""Small pipelines of `diffusers`, made in code with random weights: what `teach-diffusion` trains, and tests open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dfkd_ray.nets.pipelines.library import libraries, quiet
from dfkd_ray.util.errors import ConfigError

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
_END, _MERGES = "</w>", 2_000  # what a last letter carries; more merges would take a minute, and no token is needed
_GROUPS = 8  # of GroupNorm
SIDES = (16, 64)  # of images: below there is no latent to speak of, above it is no longer small
NOISE = {  # Stable Diffusion v1.5's scheduler; DDPM's own timesteps
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "clip_sample": False,
}


@dataclass(frozen=True)
class PipelineSizes:
    """Sizes of a latent diffusion pipeline with the parts of Stable Diffusion (Rombach et al., arXiv:2112.10752).

    coder: channels of the auto-encoder's levels, each half as large as the one before it; latent: channels of a latent;
    net: channels of the levels of the U-Net, whose last one and the middle read the condition; heads, depth and width
    of the text encoder, and the heads of the U-Net. All are reconstructions: what paints 32x32 images after minutes.
    """

    coder: tuple[int, ...] = (16, 32, 32)
    latent: int = 4
    net: tuple[int, ...] = (32, 64)
    width: int = 64
    depth: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        for name in ("coder", "net"):
            widths = getattr(self, name)
            if not widths or any(width % _GROUPS or width < 1 for width in widths):
                raise ValueError(f"{name} must be multiples of {_GROUPS}, got {widths}")
        if min(self.latent, self.depth, self.heads) < 1 or self.width < 1 or self.width % self.heads:
            raise ValueError("latent, depth and heads must be at least 1, and width a multiple of heads")

    def text_to_image(self, image: tuple[int, int, int], captions: Iterable[str]) -> Any:
        """A StableDiffusionPipeline for images (C, H, W), whose tokenizer has a token for each word of `captions`.

        Its weights are drawn from torch's own generator.
        """
        diffusers, transformers = libraries("a small pipeline")
        side, tokenizer = self._latent_side(image), tokens([*captions])
        config = transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            intermediate_size=2 * self.width,
            projection_dim=self.width,
            num_hidden_layers=self.depth,
            num_attention_heads=self.heads,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with quiet():
            return diffusers.StableDiffusionPipeline(
                vae=self._coder(image),
                text_encoder=transformers.CLIPTextModel(config),
                tokenizer=tokenizer,
                unet=self._net(side),
                scheduler=diffusers.DDPMScheduler(**NOISE),
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )

    def class_to_image(self, image: tuple[int, int, int], names: Iterable[str]) -> Any:
        """A DiTPipeline (Peebles and Xie, arXiv:2212.09748) for images (C, H, W) of these classes.

        It takes `width`, `depth` and `heads` of the text encoder for its transformer. 1000 stands for no class, as
        diffusers' own pipeline has it, however many classes there are.
        """
        diffusers, _ = libraries("a small pipeline")
        labels = dict(enumerate(names))
        with quiet():
            pipe = diffusers.DiTPipeline(
                transformer=diffusers.DiTTransformer2DModel(
                    num_attention_heads=self.heads,
                    attention_head_dim=self.width // self.heads,
                    in_channels=self.latent,
                    out_channels=self.latent,
                    num_layers=self.depth,
                    norm_num_groups=_GROUPS,
                    attention_bias=True,
                    sample_size=self._latent_side(image),
                    num_embeds_ada_norm=1000,
                ),
                vae=self._coder(image),
                scheduler=diffusers.DDPMScheduler(**NOISE),
                id2label=labels,
            )
            pipe.register_to_config(id2label=labels)  # else it would not be written
        return pipe

    def _coder(self, image: tuple[int, int, int]) -> Any:
        diffusers, _ = libraries("a small pipeline")
        levels = len(self.coder)
        return diffusers.AutoencoderKL(
            in_channels=image[0],
            out_channels=image[0],
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=self.coder,
            layers_per_block=1,
            latent_channels=self.latent,
            norm_num_groups=_GROUPS,
            sample_size=image[1],
            mid_block_add_attention=False,
        )

    def _net(self, side: int) -> Any:
        diffusers, _ = libraries("a small pipeline")
        above = len(self.net) - 1
        return diffusers.UNet2DConditionModel(
            sample_size=side,
            in_channels=self.latent,
            out_channels=self.latent,
            down_block_types=("DownBlock2D",) * above + ("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * above,
            block_out_channels=self.net,
            layers_per_block=1,
            cross_attention_dim=self.width,
            attention_head_dim=self.heads,  # diffusers' name for the number of heads
            norm_num_groups=_GROUPS,
        )

    def _latent_side(self, image: tuple[int, int, int]) -> int:
        """The side of a latent; ConfigError for images that do not fit."""
        _, height, width = image
        least, most = SIDES
        halved = 1 << (len(self.coder) + len(self.net) - 2)
        if height != width or not least <= height <= most or height % max(8, halved):
            told = f"{height}x{width}"
            wanted = f"square ones of {least} to {most} pixels, a multiple of {max(8, halved)}"
            raise ConfigError.at("image", f"a small pipeline paints {wanted}; the task's are {told}")
        return height >> (len(self.coder) - 1)


def tokens(captions: list[str]) -> Any:
    """A CLIPTokenizer that has every byte, and a token for each word of `captions`; as long as the longest of them.

    The length is a multiple of 8, 16 at least.
    """
    _, transformers = libraries("a small pipeline")
    from tokenizers.pre_tokenizers import ByteLevel

    with quiet():
        reader = transformers.CLIPTokenizer().backend_tokenizer
    plain = [reader.normalizer.normalize_str(caption) for caption in captions]
    pairs = _merges({word for caption in plain for word, _ in reader.pre_tokenizer.pre_tokenize_str(caption)})
    letters = sorted(ByteLevel.alphabet())
    known = [*letters, *(f"{letter}{_END}" for letter in letters), *map("".join, pairs), BOS, EOS]
    numbers = {token: number for number, token in enumerate(known)}
    with quiet():
        made = transformers.CLIPTokenizer(vocab=numbers, merges=pairs)
        longest = max(len(ids) for ids in made(captions).input_ids)
        made.model_max_length = max(16, -(-longest // 8) * 8)
    return made


def _merges(words: set[str]) -> list[tuple[str, str]]:
    """Byte pairs that are merged, one after another, until the words are whole (Sennrich et al., arXiv:1508.07909).

    The most frequent one is next, the last in the alphabet of equals: the library's own trainer goes by chance there.
    """
    pieces = [[*word[:-1], word[-1] + _END] for word in sorted(words)]
    pairs: list[tuple[str, str]] = []
    while len(pairs) < _MERGES and (counts := Counter(pair for word in pieces for pair in pairwise(word))):
        left, right = max(counts, key=lambda pair: (counts[pair], pair))
        pairs.append((left, right))
        for word in pieces:
            at = 0
            while at < len(word) - 1:
                if word[at : at + 2] == [left, right]:
                    word[at : at + 2] = [left + right]
                at += 1
    return pairs
