"""The source `diffusion` on a pipeline of the size of Stable Diffusion v1.5 that is made, not loaded; its levers; and
what of it is alive at one time. `diffusion.py` is the benchmark.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.parts.signals import frozen, mode
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime

# unet/config.json and vae/config.json of stable-diffusion-v1-5, where they differ from the defaults of diffusers.
UNET = {"sample_size": 64, "cross_attention_dim": 768}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
TOKENS = (77, 768)  # of CLIP ViT-L/14
SEEN, MEAN, STD = (3, 224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # the teacher's input
Tweak = Callable[[Any], object]


@dataclass(frozen=True)
class Lever:
    """Changes of the method's source, and what is done to the opened pipeline."""

    key: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    tweak: Tweak = lambda pipeline: None


PLAIN = {"checkpointing": False}
LEVERS = [
    Lever("none", "none", PLAIN),
    Lever("net", "network checkpointed", PLAIN, lambda pipeline: pipeline.net.enable_gradient_checkpointing()),
    Lever("decoder", "decoder checkpointed", PLAIN, lambda pipeline: pipeline.decoder.enable_gradient_checkpointing()),
    Lever("both", "`checkpointing`: both"),
    Lever("one", "`decode_at_once` 1", PLAIN | {"decode_at_once": 1}),
    Lever("net_one", "`checkpointing`, `decode_at_once` 1", {"decode_at_once": 1}),
    Lever("tiny", "`decoder`: a tiny one", PLAIN | {"decoder": "tiny"}),
    Lever("net_tiny", "`decoder`: a tiny one, `checkpointing`", {"decoder": "tiny"}),
]
TIMED = [
    Lever("contiguous", "not channels_last", PLAIN, lambda pipeline: contiguous(pipeline)),
    Lever("compile", "`compile`", PLAIN | {"compile": True}),
    Lever("both_compile", "`checkpointing`, `compile`", {"compile": True}),
    Lever("bfloat16", "`precision` bfloat16", PLAIN | {"precision": "bfloat16"}),
]


def contiguous(pipeline: Any) -> None:
    for part in (pipeline.net, pipeline.decoder):
        part.to(memory_format=torch.contiguous_format)


@dataclass(frozen=True)
class Size:
    """batch: latents of one trajectory; pixels: the side of the decoded image."""

    batch: int = 1
    pixels: int = 512
    precision: str = "bfloat16"


def opened(lever: Lever, size: Size, timesteps: int, device: str, filled: bool) -> Run:
    """diff_dfkd as it is shipped, all its terms counting, on a pipeline of this size that is made, not loaded."""
    plan = {"timesteps": timesteps, "at_once": size.batch, "kept": 1, "parts": 1, "precision": size.precision}
    changes = {f"source.{name}": value for name, value in (plan | lever.changes).items()}
    method = config.change(config.load("diff_dfkd"), changes)
    load: Any = importlib.import_module("dfkd_ray.nets.pipelines.load")
    dtype = getattr(torch, size.precision)
    parts = mock.patch.object(load, "_opened", return_value=pipeline(size, dtype, filled))
    tiny = mock.patch.object(load, "_tiny", return_value=made("AutoencoderTiny", {}, dtype, filled))
    runtime = Runtime(device)
    pair = nets.build("resnet34", 1000), nets.build("resnet18", 1000)
    with parts, tiny:
        run = Run(method, *pair, SEEN, MEAN, STD, 0, runtime, runtime.open())
    return tweaked(run, lever)


def tweaked(run: Run, lever: Lever) -> Run:
    """Past the start of the adversarial term, with the lever's change of what is open."""
    run.begin(run.method.schedule.epochs)
    lever.tweak(run.source.pipeline)
    return run


def pipeline(size: Size, dtype: torch.dtype, filled: bool) -> Any:
    """The parts of a StableDiffusionPipeline that `nets.pipelines.load` asks for."""
    from diffusers import DDPMScheduler

    class Text(nn.Linear):
        def forward(self, ids: Tensor) -> tuple[Tensor]:  # type: ignore[override]
            return (torch.randn(len(ids), *TOKENS),)

    def tokenizer(prompts: list[str], **options: Any) -> Any:
        return SimpleNamespace(input_ids=torch.zeros(len(prompts), TOKENS[0], dtype=torch.long))

    tokenizer.model_max_length = TOKENS[0]  # type: ignore[attr-defined]
    unet = made("UNet2DConditionModel", UNET | {"sample_size": size.pixels // 8}, dtype, filled)
    vae = made("AutoencoderKL", VAE, dtype, filled)
    return SimpleNamespace(
        unet=unet, vae=vae, text_encoder=Text(1, 1), tokenizer=tokenizer, scheduler=DDPMScheduler(**SCHEDULER)
    )


def made(kind: str, settings: dict[str, Any], dtype: torch.dtype, filled: bool) -> nn.Module:
    """A net of diffusers in memory that nobody has touched, or with small random weights."""
    import diffusers

    with torch.device("meta"):
        net: nn.Module = getattr(diffusers, kind)(**settings)
    nn.Module.to(net, dtype).to(memory_format=torch.channels_last)  # as it will be: nothing is copied then
    net.to_empty(device="cpu")
    if filled:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.normal_(std=0.02)
    return net


def updates(run: Run, size: Size) -> Iterator[Any]:
    """The real trajectory: an item after each guidance update, so that one timestep lies between two."""
    source: Any = run.source
    with frozen(run.student), mode(run.student, training=False):
        yield from source.trajectory(0, size.batch, 1, run.image_loss, run.rng)


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that tensors made within this mode still use, and their highest sum.

    torch's own MemTracker hooks gradients of parameters, which frozen ones do not have, and FlopCounterMode's hooks
    keep activations alive: hence one mode that does nothing else.
    """

    def __init__(self, *before: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.known: dict[int, weakref.ref[Any]] = {}
        for net in before:
            for tensor in (*net.parameters(), *net.buffers()):
                self._see(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return out

    def _see(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known[key] = weakref.ref(storage, lambda _: self._forget(key, size))
            self.now += size
            self.peak = max(self.peak, self.now)

    def _forget(self, key: int, size: int) -> None:
        self.now -= size
        del self.known[key]


def nets_of(run: Run) -> tuple[nn.Module, ...]:
    pipeline = run.source.pipeline
    return pipeline.net, pipeline.decoder, run.teacher, run.student


@contextmanager
def without_values(run: Run) -> Iterator[None]:
    """Nothing is computed in this block, and the nets have no values after it. The timesteps are known before it."""
    pipeline = run.source.pipeline
    times = pipeline.times(run.method.source.timesteps)
    after = dict(zip(times, [*times[1:], -1]))
    known = mock.patch.object(pipeline, "times", return_value=times)
    next_ones = mock.patch.object(pipeline.scheduler, "previous_timestep", after.__getitem__)
    with known, next_ones, FakeTensorMode(allow_non_fake_inputs=True) as shapes:
        for net in nets_of(run):
            for module in net.modules():
                held: list[dict[str, Any]] = [module._parameters, module._buffers]
                for kept in held:
                    kept.update({name: shapes.from_tensor(t) for name, t in kept.items() if t is not None})
        yield
