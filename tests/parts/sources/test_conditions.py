"""How the YAML of a source asks for a conditioner."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.nets.conditioners import ByNorm, ConcatEmbedding, ConditionalBatchNorm, LabelMap, SumEmbedding
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import sources
from dfkd_ray.parts.sources.conditions import Concat, Map, Norms, Sum, conditioners
from dfkd_ray.parts.sources.generator import Generator
from dfkd_ray.parts.sources.upsampling import Upsampling
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError

SETTING = Setting((3, 16, 16), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")
KINDS = {"concat_emb": ConcatEmbedding, "sum_emb": SumEmbedding, "label_map": LabelMap, "cbn": ByNorm}


def source(body: str, **fields: Any) -> Any:
    small = {"name": body, "latent": 8, "width": 4, "labels": "uniform", **fields}
    return yamls.component(sources, small | ({"block_norm": True} if body == "generator" else {}))


@pytest.mark.parametrize("body", ["generator", "upsampling"])
@pytest.mark.parametrize("name", list(conditioners))
def test_every_conditioner_fits_every_body(body: str, name: str) -> None:
    spec = source(body, condition=name)
    assert yamls.component(sources, yamls.plain(spec)) == spec
    live = spec.open(SETTING, (), CPU)
    assert type(live.net.condition) is KINDS[name]
    images, labels = live.sample(6, torch.Generator().manual_seed(0), training=True)
    assert images.shape == (6, 3, 16, 16)
    assert labels is not None
    before = live.state_dict()["net"]
    before = {key: value.clone() for key, value in before.items()}
    wanted = torch.randn(5, 3, 16, 16)  # an image for each class, so that telling them apart pays
    judged = lambda images, labels: ((images - wanted[labels]).square().mean(), {})  # noqa: E731
    list(live.improve(20, 2, judged, torch.Generator().manual_seed(0), 0.0))
    reading = (
        "condition.",
        *(f"{name}." for name, m in live.net.named_modules() if isinstance(m, ConditionalBatchNorm)),
    )
    moved = {key for key, value in live.net.state_dict().items() if not torch.equal(value, before[key])}
    parameters = {key for key, _ in live.net.named_parameters() if key.startswith(reading)}
    assert parameters
    assert parameters <= moved


def test_the_defaults() -> None:
    assert (Generator().condition, Upsampling().condition) == (None, None)
    assert conditioners["concat_emb"]().length == 50, "the code of FastDFKD"
    assert conditioners["cbn"]().eps == 1e-3, "the code of CPSC-DFKD"
    assert {type(source("upsampling", condition=name).condition) for name in KINDS} == {Concat, Sum, Map, Norms}


def test_a_condition_needs_labels() -> None:
    for name in conditioners:
        with pytest.raises(ConfigError, match=r"^condition needs classes to ask for: labels uniform or balanced, got"):
            source("upsampling", condition=name, labels="none")
    fgvc = config.load("dfkd_fgvc")
    with pytest.raises(ConfigError, match=r"^source\.condition: condition needs classes to ask for"):
        config.change(fgvc, {"source.condition": "sum_emb"})
    made = config.change(fgvc, {"source.condition": "sum_emb", "source.labels": "balanced"})
    assert made.source.condition == Sum()


def test_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="unknown conditioner 'sum_em'; did you mean 'sum_emb'"):
        source("upsampling", condition="sum_em")
    with pytest.raises(ConfigError, match="length must be at least 1, got 0"):
        source("upsampling", condition={"name": "concat_emb", "length": 0})
    with pytest.raises(ValueError, match="condition cbn stands in the place of BatchNorm: it needs block_norm true"):
        Generator(labels="uniform", condition=Norms())
