"""Opening a pipeline of `diffusers` from a folder or by its name on a hub."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from dfkd_ray.nets.pipelines.library import installed, libraries, quiet
from dfkd_ray.nets.pipelines.pipeline import ClassToImage, ImageToImage, Pipeline, TextToImage
from dfkd_ray.nets.precision import check_precision, dtype_of, has_bfloat16
from dfkd_ray.util.choices import Stored
from dfkd_ray.util.errors import ConfigError

Storage = Literal["auto", Stored]  # what frozen weights are kept and computed in
SPARE = ("safety_checker", "feature_extractor", "image_encoder")  # parts that a teacher has no use for


def load(
    model: str,
    prompt: str,
    names: tuple[str, ...],
    device: torch.device,
    *,
    precision: Storage = "auto",
    decoder: str | None = None,
    decoder_precision: Storage = "auto",
    checkpointing: bool = False,
    decode_at_once: int | None = None,
    compile: bool = False,
    varies: bool = False,
) -> Pipeline:
    """The pipeline in a folder, or of that name on the hub, frozen, told what to paint: see `parts.sources.diffusion`.

    varies: pictures are to be varied (`parts.varied`): it can encode them, and it may be one from images too.
    ConfigError (under the name of the field) for what is no such pipeline; MissingExtra without `diffusers`.
    """
    dtype = dtype_of(stored(precision, device))
    pipe = _opened(model, varies)
    kind, net, told, plain = _told(pipe, model, prompt, names, device)
    coder = pipe.vae if decoder is None else _tiny(decoder)
    of_coder = dtype
    if decoder_precision != "auto":
        of_coder = dtype_of(stored(decoder_precision, device, "decoder_precision"))
    if not varies:
        coder.encoder = None  # nothing is encoded
    _freeze(net, device, dtype)
    _freeze(coder, device, of_coder)
    if checkpointing:
        net.enable_gradient_checkpointing()
    if checkpointing and decode_at_once is None:  # else the decoder would be recomputed within its recomputation
        coder.enable_gradient_checkpointing()
    if compile:
        net.compile()
    made = kind(net, coder, _ddpm(pipe.scheduler), told.to(device), plain.to(device), decode_at_once)
    if isinstance(made, ImageToImage):
        made.eye = _freeze(pipe.image_encoder, device, dtype)
    return made


def _freeze(part: Any, device: torch.device, dtype: torch.dtype) -> Any:
    with quiet():
        return part.to(device=device, dtype=dtype, memory_format=torch.channels_last).eval().requires_grad_(False)


def _told(
    pipe: Any, model: str, prompt: str, names: tuple[str, ...], device: torch.device
) -> tuple[type[Pipeline], Any, Tensor, Tensor]:
    """What kind of pipeline it is, its network, and its conditions: with the prompt, and without."""
    with torch.no_grad(), quiet():
        if hasattr(pipe, "unet") and hasattr(pipe, "text_encoder"):
            pipe.text_encoder.to(device)
            return TextToImage, pipe.unet, *_in_words(pipe, prompt, names)
        if hasattr(pipe, "transformer") and hasattr(pipe, "labels"):
            return ClassToImage, pipe.transformer, *_in_classes(pipe, prompt, names)
        if getattr(pipe, "image_encoder", None) is not None:
            none = torch.zeros(1, 1, pipe.image_encoder.config.projection_dim)
            return ImageToImage, pipe.unet, none, none
    known = "one from text (Stable Diffusion) or from classes (DiT) is needed"
    raise ConfigError.at("model", f"{model} is a {type(pipe).__name__}: {known}")


def stored(storage: Storage, device: torch.device, at: str = "precision") -> Stored:
    """ "auto": float32 on a CPU; on a GPU bfloat16, or float16 where it has no bfloat16. ConfigError under `at` for
    what the device does not compute in."""
    if storage == "auto":
        return "float32" if device.type != "cuda" else "bfloat16" if has_bfloat16(device) else "float16"
    check_precision(storage, device, at)
    return storage


def _in_words(pipe: Any, prompt: str, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Embeddings (K or 1, L, D) of the prompts, and (1, L, D) of no prompt; the text encoder's work is done then."""
    prompts = prompts_of(prompt, names)
    tokens = pipe.tokenizer(
        [*prompts, ""],
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    device = next(pipe.text_encoder.parameters()).device
    parts = [pipe.text_encoder(ids.to(device))[0] for ids in tokens.input_ids.split(64)]
    embedded = torch.cat(parts)
    return embedded[:-1], embedded[-1:]


def prompts_of(prompt: str, names: tuple[str, ...]) -> list[str]:
    """A prompt for each class where it has {name}, else one for all."""
    if "{name}" not in prompt:
        return [prompt]
    if not names:
        raise ConfigError.at("prompt", "has {name}, and this task does not say what its classes are called")
    return [prompt.replace("{name}", name.replace("_", " ")) for name in names]


def _in_classes(pipe: Any, prompt: str, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Classes (K,) of the pipeline, found by their names, and (1,) the one that stands for none."""
    none = torch.tensor([pipe.transformer.config.num_embeds_ada_norm])
    if "{name}" not in prompt:
        return none, none
    known = {_plain(name): number for name, number in pipe.labels.items()}
    for name in names:
        if _plain(name) not in known:
            near = difflib.get_close_matches(_plain(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (it has {len(known)} names)"
            raise ConfigError.at("prompt", f"has {{name}}, and the pipeline has no class {name!r}{hint}")
    return torch.tensor([known[_plain(name)] for name in names]), none


def _plain(name: str) -> str:
    return name.replace("_", " ").strip().lower()


def check(model: str) -> None:
    """MissingExtra without the libraries, ConfigError (under the name of the field) for a folder that is not there; a
    name on the hub is not looked for, and nothing is opened."""
    installed("a diffusion model")
    if not Path(model).expanduser().is_dir() and (model.startswith((".", "/", "~")) or model.count("/") != 1):
        raise ConfigError.at("model", f"there is no folder {model}; `dfkd-ray teach-diffusion TASK` makes a small one")


def _opened(model: str, varies: bool) -> Any:
    """The pipeline of diffusers, without its safety checker: it would refuse images that nobody looks at."""
    check(model)
    diffusers, _ = libraries("a diffusion model")
    folder = Path(model).expanduser()
    place = str(folder) if folder.is_dir() else model
    try:
        with quiet():
            parts = diffusers.DiffusionPipeline.load_config(place)
            looks = varies and parts["_class_name"] == "StableDiffusionImageVariationPipeline"
            spare = {name: None for name in SPARE if name in parts and not (looks and name == "image_encoder")}
            return diffusers.DiffusionPipeline.from_pretrained(place, **spare)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        here = "" if folder.is_dir() else "; it is no folder here either"
        raise ConfigError.at("model", f"{model} cannot be opened: {_first_line(error)}{here}") from None


def _tiny(model: str) -> Any:
    diffusers, _ = libraries("a diffusion model")
    try:
        with quiet():
            return diffusers.AutoencoderTiny.from_pretrained(str(Path(model).expanduser()))
    except (OSError, ValueError) as error:
        raise ConfigError.at("decoder", f"{model} is no AutoencoderTiny: {_first_line(error)}") from None


def _ddpm(scheduler: Any) -> Any:
    """The scheduler of DDPM at the pipeline's noise levels; no learned variance, as in DiT's own pipeline."""
    diffusers, _ = libraries("a diffusion model")
    learned = str(scheduler.config.get("variance_type", "")).startswith("learned")
    changed = {"variance_type": "fixed_small"} if learned else {}
    with quiet():
        return diffusers.DDPMScheduler.from_config(scheduler.config, **changed)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
