from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets.pipelines import Pipeline, check, load, prompts_of
from dfkd_ray.nets.pipelines.library import quiet
from dfkd_ray.nets.pipelines.load import stored
from dfkd_ray.nets.pipelines.pipeline import ClassToImage, TextToImage
from dfkd_ray.nets.pipelines.small import PipelineSizes
from dfkd_ray.util.errors import ConfigError, MissingExtra
from tests.tiny import IMAGE, painter, pretended_gpu

CPU = torch.device("cpu")
NAMES = ("class_0", "class_1", "class_2")
PLAIN, NAMED = "A realistic photo.", "A realistic photo of {name}."


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small pipeline from classes, as a folder."""
    folder = tmp_path_factory.mktemp("classes")
    sizes = PipelineSizes(coder=(8, 8), width=16, depth=1, heads=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        names = ["class 0, the first", "class 1", "Class 2"]
        pipe = sizes.class_to_image(IMAGE, names)
        pipe.register_to_config(id2label=dict(enumerate(names)))  # as DiT's own file has them
        torch.nn.init.normal_(pipe.transformer.proj_out_2.weight)  # else it predicts nothing at all
    with quiet():
        pipe.save_pretrained(folder)
    return str(folder)


def gradient(made: Pipeline) -> Tensor:
    z = torch.randn(2, *made.latent, generator=torch.Generator().manual_seed(1)).requires_grad_()
    t = 400
    images = made.decode(made.estimate(z, made.predict(z, t, torch.tensor([2, 0]), 3.0), t))
    assert images.shape == (2, *IMAGE)
    images.square().sum().backward()
    assert z.grad is not None
    assert all(p.grad is None for p in (*made.net.parameters(), *made.decoder.parameters())), "frozen"
    return z.grad


def test_a_pipeline_from_text_is_told_in_words() -> None:
    plain, named = (load(painter(), prompt, NAMES, CPU) for prompt in (PLAIN, NAMED))
    assert isinstance(plain, TextToImage)
    assert plain.latent == (4, 8, 8)
    assert len(plain.told) == len(plain.plain) == 1
    assert len(named.told) == 3
    assert torch.equal(plain.plain, named.plain)
    assert not torch.equal(named.told[0], named.told[1])
    assert not named.told.requires_grad
    assert gradient(named).abs().sum() > 0
    assert not plain.same
    assert load(painter(), "", NAMES, CPU).same


def test_a_pipeline_from_classes_is_told_by_name(classes: str) -> None:
    made = load(classes, NAMED, ("class_2", "the_first", "class 1"), CPU)
    assert isinstance(made, ClassToImage)
    assert (made.told.tolist(), made.plain.tolist()) == ([2, 0, 1], [1000])
    assert gradient(made).abs().sum() > 0
    alone = load(classes, PLAIN, NAMES, CPU)
    assert alone.same, "told none, it is told nothing"
    with pytest.raises(
        ConfigError, match=r"^prompt: has \{name\}, and the pipeline has no class 'clas 1'; did you mean 'c"
    ):
        load(classes, NAMED, ("clas 1",), CPU)
    with pytest.raises(ConfigError, match=r"no class 'zebra' \(it has 4 names\)$"):
        load(classes, NAMED, ("zebra",), CPU)


@pytest.mark.parametrize(
    "levers", [{"checkpointing": True}, {"decode_at_once": 1}, {"checkpointing": True, "decode_at_once": 1}]
)
def test_levers_change_no_gradient(levers: dict[str, Any]) -> None:
    bare, lever = (gradient(load(painter(), NAMED, NAMES, CPU, **fields)) for fields in ({}, levers))
    assert torch.allclose(bare, lever, rtol=1e-4, atol=1e-6)


def test_a_tiny_auto_encoder_decodes_in_place_of_the_pipelines_own(tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    widths = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    tiny = AutoencoderTiny(**widths, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1))
    with quiet():
        tiny.save_pretrained(tmp_path)
    own, made = load(painter(), PLAIN, NAMES, CPU), load(painter(), PLAIN, NAMES, CPU, decoder=str(tmp_path))
    z = torch.randn(1, *made.latent, generator=torch.Generator().manual_seed(1))
    expected = (tiny.eval().decode(z).sample / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(made.decode(z), expected, atol=1e-5)
    assert not torch.allclose(own.decode(z), expected, atol=1e-2)
    assert gradient(made).abs().sum() > 0
    with pytest.raises(ConfigError, match=r"^decoder: .* is no AutoencoderTiny: "):
        load(painter(), PLAIN, NAMES, CPU, decoder=str(tmp_path / "none"))


def test_the_parts_compute_as_they_are_told() -> None:
    made = load(painter(), PLAIN, NAMES, CPU, precision="bfloat16", decoder_precision="float32")
    assert {p.dtype for p in made.net.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in made.decoder.parameters()} == {torch.float32}
    assert gradient(made).dtype == torch.float32
    assert stored("auto", CPU) == "float32"
    assert stored("float16", CPU) == "float16"


def test_on_a_gpu_they_are_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored("auto", pretended_gpu(monkeypatch, bfloat16=True)) == "bfloat16"
    old = pretended_gpu(monkeypatch, bfloat16=False)
    assert stored("auto", old) == "float16"
    with pytest.raises(ConfigError, match=r"^decoder_precision: cuda:0 does not compute in bfloat16: take float16$"):
        stored("bfloat16", old, "decoder_precision")


def test_the_scheduler_is_that_of_ddpm_at_the_pipelines_noise(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline, PNDMScheduler

    with quiet():
        pipe = DiffusionPipeline.from_pretrained(painter())
        pipe.scheduler = PNDMScheduler(
            steps_offset=1, beta_schedule="linear", beta_start=0.001, beta_end=0.02, prediction_type="v_prediction"
        )
        pipe.save_pretrained(tmp_path)
    made = load(str(tmp_path), PLAIN, NAMES, CPU)
    assert type(made.scheduler).__name__ == "DDPMScheduler"
    assert made.scheduler.config.prediction_type == "v_prediction"
    assert torch.allclose(made.scheduler.betas, torch.linspace(0.001, 0.02, 1000))


def test_a_folder_is_looked_for_and_a_name_on_the_hub_is_not(tmp_path: Path) -> None:
    for model in (str(tmp_path), "somebody/something"):
        check(model)
    for model in ("./none", "none", "~/none", "/none/at", "a/b/c"):
        with pytest.raises(ConfigError, match=f"^model: there is no folder {model}; `dfkd-ray teach-diffusion TASK`"):
            check(model)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^model: there is no folder \./none; `dfkd-ray teach-diffusion TASK` makes a"
    ):
        load("./none", PLAIN, NAMES, CPU)
    with pytest.raises(ConfigError, match=r"^model: .* cannot be opened: "):
        load(str(tmp_path), PLAIN, NAMES, CPU)
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    net = UNet2DModel(
        8,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        layers_per_block=1,
    )
    with quiet():
        DDPMPipeline(net, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(
        ConfigError, match=r"is a DDPMPipeline: one from text \(Stable Diffusion\) or from classes \(DiT\)"
    ):
        load(str(tmp_path / "ddpm"), PLAIN, NAMES, CPU)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(
        MissingExtra, match=r"^a diffusion model needs diffusers, .*: pip install 'dfkd-ray\[diffusion\]'$"
    ):
        load(painter(), PLAIN, NAMES, CPU)


def test_prompts() -> None:
    assert prompts_of(PLAIN, NAMES) == [PLAIN]
    assert prompts_of(NAMED, ("golf_ball", "tench")) == [
        "A realistic photo of golf ball.",
        "A realistic photo of tench.",
    ]
    with pytest.raises(
        ConfigError, match=r"^prompt: has \{name\}, and this task does not say what its classes are called$"
    ):
        prompts_of(NAMED, ())
