"""CAE-DFKD, as far as an abstract and a review tell."""

from __future__ import annotations

from dfkd_ray.methods import config, origins
from dfkd_ray.parts.losses.supervised_contrast import SupervisedContrast
from dfkd_ray.parts.sources.category_embedding import CategoryEmbedding
from tests.tiny import opened, shrunk, walked

METHOD, RELATIVE = config.load("cae_dfkd"), config.load("nayer")


def test_what_the_review_names_is_there() -> None:
    assert origins.evidence("cae_dfkd") == "reconstruction"
    assert isinstance(METHOD.source, CategoryEmbedding)
    assert METHOD.source.noises == 4
    assert set(METHOD.source_loss.parts) == {"onehot", "batchnorm", "adversarial"}
    assert METHOD.student_loss.parts["supervised_contrast"].term == SupervisedContrast(0.07, "student")


def test_the_rest_is_its_nearest_relatives() -> None:
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {name: part.weight for name, part in RELATIVE.source_loss.parts.items()}
    assert METHOD.student_loss.parts["kd"] == RELATIVE.student_loss.parts["kd"]
    assert (METHOD.student, METHOD.memory, METHOD.views) == (RELATIVE.student, RELATIVE.memory, RELATIVE.views)


def test_its_ablations_and_its_control_run() -> None:
    rows = {"source": {"name": "noisy_layer", "latent": 8, "width": 4, "dim": 6}}
    for changes in ({"source.noises": 1}, {"student_loss.supervised_contrast": None}, rows):
        run = opened(shrunk("cae_dfkd", changes))
        assert all(abs(value) < float("inf") for epoch in walked(run, 1) for value in epoch.losses.values())
