"""`evaluate --transfer`: probes of a student, its teacher and a third on another task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dfkd_ray import datasets
from tests.cli.commands import dfkd, refused

OWN = datasets.HERE / "gliders_resnet8.safetensors"
OTHER = (
    "name: stripes\nreader: npz\nclasses: [across, along]\nimage: [1, 8, 8]\nmean: [0.5]\nstd: [0.5]\n"
    "teacher: {arch: resnet8}\nstudent: resnet8\n"
)


def stripes(path: Path) -> None:
    """Grey images whose stripes lie across or along."""
    rng, arrays = np.random.default_rng(0), {}
    for which, count in (("train", 40), ("val", 20), ("test", 30)):
        labels = np.arange(count) % 2
        across = np.where(np.arange(8)[:, None] % 4 < 2, 200, 40) * np.ones((1, 8))
        images = np.stack([across if label == 0 else across.T for label in labels]) + rng.integers(0, 50, (count, 8, 8))
        arrays |= {f"{which}_images": images.astype(np.uint8), f"{which}_labels": labels}
    np.savez(path, **arrays)


def test_a_file_is_probed_on_another_task(tmp_path: Path) -> None:
    stripes(tmp_path / "stripes.npz")
    (tmp_path / "stripes.yaml").write_text(OTHER)
    words = ["--weights", OWN, "--task", "gliders", "--transfer", "stripes.yaml", "--data", "stripes.npz"]
    done = dfkd("evaluate", *words, "--scratch", OWN, "--out", "found", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == (
        "a linear probe on frozen features, stripes (40 train, 20 val, 30 test images); 95 % intervals over test images"
    )
    assert [line.split("  ")[0].strip() for line in lines[1:4]] == ["student", "teacher", "from scratch"]
    assert lines[4:6] == [f"student - {name}: +0.0 points [+0.0, +0.0]" for name in ("teacher", "from scratch")]
    assert lines[6] == f"wrote {Path('found') / 'transfer.json'}"
    made = json.loads((tmp_path / "found" / "transfer.json").read_text())
    assert (made["task"], made["of"], made["images"]) == ("stripes", "gliders", {"train": 40, "val": 20, "test": 30})
    assert made["accuracy"]["student"]["value"] > 0.9
    assert set(made["networks"]) == {"student", "teacher", "from scratch"}
    colour = refused("evaluate", *words[:4], "--transfer", "cifar10", "--data", "none.npz", cwd=tmp_path)
    assert "none.npz" in colour
    assert "--scratch: only an evaluation with --transfer takes it" in refused(
        "evaluate", *words[:4], "--scratch", OWN, cwd=tmp_path
    )


@pytest.mark.parametrize(
    ("weights", "own", "other", "dense", "targets"),
    [
        ("gliders_resnet8", "gliders", "gliders_parts", "gliders_parts", "segmentation"),
        ("gliders_resnet8", "gliders", "gliders_depth", "gliders_depth", "depth"),
        ("gliders_parts_unet8", "gliders_parts", "gliders", "gliders_parts", "segmentation"),
    ],
)
def test_a_dense_task_and_a_dense_student_are_refused(
    weights: str, own: str, other: str, dense: str, targets: str, tmp_path: Path
) -> None:
    file = datasets.HERE / f"{weights}.safetensors"
    words = ["--weights", file, "--arch", weights.removeprefix(f"{own}_"), "--task", own]
    assert refused("evaluate", *words, "--transfer", other, cwd=tmp_path) == (
        f"--transfer: the targets of {dense} are {targets}, and a probe names the class of an image: it needs a "
        "student and a task whose targets are classes"
    )
