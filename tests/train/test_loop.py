"""The algorithm box: who moves when, what moves nothing, and that the same run always ends in the same bits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.parts.signals import Signals, frozen
from dfkd_ray.runs import measures
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util.errors import TrialFailed
from tests.tiny import IMAGE, Toy, differing, flat, opened, small, through_a_file, toy, walked

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "generator and fresh": ("dfkd_fgvc", {}),
    "generator and reuse": ("dfkd_fgvc", {"memory": {"name": "fresh", "reuse": 3}}),
    "generator and pool": ("dfkd_fgvc", {"memory": {"name": "pool", "capacity": 10}}),
    "views": ("dfkd_fgvc", {"views.synthesis": ["jitter"], "views.student": ["flip", {"name": "crop", "padding": 1}]}),
    "student in eval": ("dfkd_fgvc", {"schedule.student_in_synthesis": "eval"}),
    "noise": ("noise_kd", {}),
    "a rehearsing student": (
        "dfkd_fgvc",
        {"memory": {"name": "pool", "capacity": 30}, "schedule.warmup": 2, "schedule.rehearse_every": 1},
    ),
}


def end(run: Run) -> dict[str, Any]:
    """The state at the end of a run, with the losses of its epochs."""
    losses = [epoch.losses for epoch in distill(run)]
    return flat({**run.state_dict(), "losses": losses})


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[config.Method, dict[str, Any]]:
    """A method, and where an undisturbed run of it ends."""
    name, changes = KINDS[request.param]
    rounds = 2 if "memory" in changes else 1  # what is kept from round to round
    method = small({**changes, "schedule.rounds": rounds}, name)
    return method, end(opened(method))


def test_the_same_run_ends_in_the_same_bits(kind: tuple[config.Method, dict[str, Any]]) -> None:
    method, undisturbed = kind
    torch.manual_seed(77)
    assert not differing(end(opened(method)), undisturbed)


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_run_that_was_killed_ends_in_the_same_bits(
    kind: tuple[config.Method, dict[str, Any]], killed_after: int
) -> None:
    method, undisturbed = kind
    first = opened(method)
    losses = [epoch.losses for epoch in walked(first, killed_after)]
    state = through_a_file(first.state_dict())
    second = opened(method, student=toy(99, dropout=0.3))
    second.load_state_dict(state)
    losses += [epoch.losses for epoch in distill(second)]
    assert not differing({**second.state_dict(), "losses": losses}, undisturbed)


def test_evaluation_between_epochs_changes_no_bit(kind: tuple[config.Method, dict[str, Any]]) -> None:
    method, undisturbed = kind
    run, losses = opened(method), []
    for epoch in distill(run):
        losses.append(epoch.losses)
        measures.data_free(run.teacher, run.student, run.source, run.setting)
        measures.quality(run.student, torch.rand(7, *IMAGE), torch.zeros(7, dtype=torch.int64))
        torch.rand(5)
    assert not differing({**run.state_dict(), "losses": losses}, undisturbed)


def test_another_seed_is_another_run() -> None:
    method = small({"schedule.epochs": 1}, "noise_kd")
    first, second = end(opened(method, seed=0)), end(opened(method, seed=1))
    assert "student/head.weight" in differing(first, second)


def test_the_teacher_is_as_it_was(kind: tuple[config.Method, dict[str, Any]]) -> None:
    run = opened(kind[0])
    before = flat(run.teacher.state_dict())
    list(distill(run))
    assert not differing(run.teacher.state_dict(), before)
    assert not any(p.requires_grad or p.grad is not None for p in run.teacher.parameters())
    assert not any(run.teacher.passes[3:]), "it never was in training mode"  # type: ignore[attr-defined]


def test_a_real_student_with_dropout_ends_in_the_same_bits_after_a_kill() -> None:
    embedding = {"student_loss.high_order.where": "embedding"}
    method = small({"schedule.epochs": 2, "schedule.rounds": 1, "student.optimizer.lr": 1e-4, **embedding})

    def run(seed: int = 2) -> Run:
        torch.manual_seed(seed)
        student = nets.build("mobilenet_v2", 5)
        assert any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in student.modules())
        return opened(method, student=student, image=(3, 32, 32))

    undisturbed, first, second = end(run()), run(), run(3)
    losses = [epoch.losses for epoch in walked(first, 1)]
    second.load_state_dict(through_a_file(first.state_dict()))
    losses += [epoch.losses for epoch in distill(second)]
    assert not differing({**second.state_dict(), "losses": losses}, undisturbed)


# ---- who moves when


def phase(changes: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    """A run of one round, and the state before it."""
    run = opened(small({"schedule.epochs": 1, "schedule.rounds": 1, **changes}))
    before = flat({**run.state_dict(), "source": run.source.state_dict()})
    list(distill(run))
    return run, before


def is_statistic(path: str) -> bool:
    return any(name in path for name in ("running_", "num_batches_tracked"))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_source_phase_moves_the_students_statistics_at_most(mode: str) -> None:
    run, before = phase({"schedule.student_steps": 0, "schedule.student_in_synthesis": mode})
    moved = [path for path in differing(run.state_dict(), before) if path.startswith(("student/", "optimizer/"))]
    assert bool(moved) is (mode == "train")
    assert all(is_statistic(path) for path in moved)
    assert all(p.grad is None and p.requires_grad for p in run.student.parameters())
    assert any("source/net" in path and not is_statistic(path) for path in differing(run.state_dict(), before))
    assert run.student.passes[-2:] == [mode == "train"] * 2  # type: ignore[attr-defined]


def test_the_student_phase_moves_no_parameter_of_the_generator() -> None:
    run, before = phase({"schedule.source_steps": 0})
    moved = differing(run.state_dict(), before)
    assert any(path.startswith("student/") and not is_statistic(path) for path in moved)
    assert any(path.startswith("student_loss/") for path in moved), "the attention of the student's side learns"
    parameters = {f"source/net/{name}" for name, _ in run.source.net.named_parameters()}  # type: ignore[attr-defined]
    assert not parameters & set(moved)
    assert not [path for path in moved if path.startswith("source/optimizer")]


def test_the_students_mode_is_its_own_in_each_phase() -> None:
    run = opened(small({"schedule.student_in_synthesis": "eval", "schedule.epochs": 1, "schedule.rounds": 2}))
    student = run.student.eval()  # as an evaluation may leave it
    assert isinstance(student, Toy)
    student.passes.clear()
    list(distill(run))
    assert student.passes == [False, False, True, True] * 2


def test_the_steps_are_those_of_the_schedule() -> None:
    """t = 20 and k = 15 of the paper, twice, and no pass more."""
    method = config.change(
        small(), {"schedule.epochs": 1, "schedule.rounds": 2, "schedule.source_steps": 20, "schedule.student_steps": 15}
    )
    run = opened(method)
    teacher, student = run.teacher, run.student
    assert isinstance(teacher, Toy)
    assert isinstance(student, Toy)
    teacher.passes.clear()
    student.passes.clear()
    list(distill(run))
    assert len(teacher.passes) == len(student.passes) == 2 * (20 + 15)
    adam = run.source.optimizer  # type: ignore[attr-defined]
    assert {int(state["step"]) for state in adam.state.values()} == {40}
    assert (run.epoch, run.rounds) == (1, 2)


def test_the_memory_is_filled_and_drawn_as_the_schedule_says() -> None:
    run = opened(small({"schedule.epochs": 1, "schedule.rounds": 3, "memory": {"name": "pool", "capacity": 100}}))
    list(distill(run))
    assert run.memory.size == 3 * 4  # type: ignore[attr-defined]


def test_in_the_warm_up_the_student_rehearses_after_so_many_rounds_and_then_begins_anew() -> None:
    plan = {"epochs": 4, "rounds": 3, "warmup": 2, "rehearse_every": 2, "source_epochs": 2, "student_steps": 5}
    changes = {f"schedule.{name}": value for name, value in plan.items()}
    run = opened(small({**changes, "memory": {"name": "pool", "capacity": 100}, "student.optimizer.lr": 0.5}))
    born = {key: value.clone() for key, value in run.student.state_dict().items()}
    taught: list[tuple[int, float]] = []
    step = run.step
    run.step = lambda loss: (taught.append((run.rounds, run.lr)), step(loss))[1]  # type: ignore[method-assign,func-returns-value]
    epochs = distill(run)
    next(epochs), next(epochs)
    assert taught == [(1, 0.5)] * 5 + [(3, 0.5)] * 5 + [(5, 0.5)] * 5, "its schedule has not begun"
    assert differing(run.student.state_dict(), born)
    assert run.spent()["updates/student"] == 15
    run.begin(3)
    assert not differing(run.student.state_dict(), born)
    assert not run.optimizer.state
    list(epochs)
    assert len(taught) == 15 + 2 * 3 * 5
    assert taught[15] == (6, 0.5)
    assert taught[-1][1] < 0.5
    assert run.spent()["updates/student"] == 45


def test_the_rate_follows_a_cosine_over_the_whole_run() -> None:
    run = opened(small({"schedule.epochs": 4, "schedule.rounds": 3, "student.optimizer.lr": 0.5}))
    rates: list[float] = []
    step = run.optimizer.step
    run.optimizer.step = lambda *a, **k: (rates.append(run.optimizer.param_groups[0]["lr"]), step(*a, **k))[1]  # type: ignore[method-assign]
    list(distill(run))
    expected = [0.5 * (1 + math.cos(math.pi * done / 12)) / 2 for done in range(12) for _ in range(2)]
    assert rates == pytest.approx(expected)
    assert run.lr == pytest.approx(0, abs=1e-12)
    assert run.progress == 1


# ---- what costs and teaches


def source_passes(changes: dict[str, Any]) -> int:
    run = opened(small({"schedule.epochs": 1, "schedule.rounds": 1, "schedule.student_steps": 0, **changes}))
    calls: list[int] = []
    run.student.register_forward_hook(lambda *args: calls.append(1))
    list(distill(run))
    return len(calls)


def test_without_an_adversary_the_source_phase_never_runs_the_student() -> None:
    assert source_passes({}) == 2
    assert source_passes({"source_loss.adversarial": None}) == 0
    assert source_passes({"source_loss.adversarial.weight": 0}) == 0


def test_a_source_without_terms_is_not_trained_and_nothing_breaks() -> None:
    run, before = phase({"source_loss": None})
    moved = differing(run.state_dict(), before)
    assert not [path for path in moved if path.startswith("source/optimizer")]
    parameters = {f"source/net/{name}" for name, _ in run.source.net.named_parameters()}  # type: ignore[attr-defined]
    assert not parameters & set(moved)
    assert any(path.startswith("student/") for path in moved)


def test_a_student_without_terms_is_not_taught_and_nothing_breaks() -> None:
    run, before = phase({"student_loss": None})
    moved = [path for path in differing(run.state_dict(), before) if path.startswith("student/")]
    assert all(is_statistic(path) for path in moved)


def adversarial_gradient(teacher: Toy, student: Toy) -> float:
    """The largest gradient that the adversarial term alone gives to a parameter of the generator."""
    run = opened(small({"source_loss.batchnorm": None}), teacher=teacher, student=student)
    source: Any = run.source
    with frozen(run.student):
        images = source.net(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))
        run.image_loss(images, None)[0].backward()
    return max(float(p.grad.abs().max()) for p in source.net.parameters() if p.grad is not None)


def test_the_adversary_teaches_the_generator() -> None:
    assert adversarial_gradient(toy(1), toy(2)) > 1e-6


def test_the_teacher_as_its_own_student_would_teach_it_nothing() -> None:
    """The published fault that the test above is about: the gradient is then that of rounding."""
    teacher = toy(1).eval()
    run = opened(small({"source_loss.batchnorm": None}), teacher=teacher, student=teacher)
    images = torch.randn(4, *IMAGE, requires_grad=True)
    run.image_loss(images, None)[0].backward()
    assert images.grad is not None
    assert images.grad.abs().max() < 1e-7


def test_the_source_learns_to_please_the_teachers_statistics() -> None:
    changes = {"source_loss.adversarial": None, "schedule.source_steps": 15, "schedule.student_steps": 0}
    run = opened(small({**changes, "schedule.epochs": 2, "source.optimizer.lr": 0.01}))
    losses = [epoch.losses["loss/source/batchnorm"] for epoch in distill(run)]
    assert losses[-1] < 0.97 * losses[0]


def test_the_student_learns_to_agree_with_the_teacher() -> None:
    changes = {"schedule.student_steps": 40, "schedule.batch": 16, "schedule.epochs": 4, "student.optimizer.lr": 0.1}
    run = opened(small(changes, "noise_kd"), student=toy(2))
    images = torch.randn(200, *IMAGE, generator=torch.Generator().manual_seed(0))
    teacher, student = (measures.logits(net, images) for net in (run.teacher, run.student))
    _, before = measures.faithfulness(teacher, student)
    list(distill(run))
    _, after = measures.faithfulness(teacher, measures.logits(run.student, images))
    assert after < 0.5 * before


def test_an_epoch_reports_the_mean_of_every_term() -> None:
    run = opened(small({"schedule.epochs": 1}))
    (epoch,) = distill(run)
    assert epoch.number == 1
    assert set(epoch.losses) == {
        *(f"loss/source/{name}" for name in ("batchnorm", "batchnorm/layers", "adversarial", "total")),
        *(f"loss/student/{name}" for name in ("kd", "high_order", "semantic_contrast", "total")),
        *(f"loss/student/high_order/attention_{side}" for side in ("teacher", "student")),
    }
    part, weight = epoch.losses, {"kd": 1, "high_order": 10, "semantic_contrast": 8}
    assert part["loss/student/total"] == pytest.approx(sum(w * part[f"loss/student/{n}"] for n, w in weight.items()))
    expected = 0.3 * part["loss/source/batchnorm"] + part["loss/source/adversarial"]
    assert part["loss/source/total"] == pytest.approx(expected)


@pytest.mark.parametrize("term", ["kd", "semantic_contrast"])
def test_a_loss_that_is_not_finite_fails_the_trial_and_is_named(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(small())
    call = run.student_loss.calls[term]

    def broken(signals: Signals) -> Tensor:
        return call(signals) * math.nan

    monkeypatch.setitem(run.student_loss.calls, term, broken)
    run.optimizer.step = lambda *args: None  # type: ignore[method-assign,assignment]  so that only this term breaks
    with pytest.raises(TrialFailed, match=f"^not finite: loss/student/{term}, loss/student/total$"):
        list(distill(run))


def test_a_rate_that_is_far_too_high_fails_the_trial() -> None:
    run = opened(small({"student.optimizer.lr": 1e30}))
    with pytest.raises(TrialFailed, match=r"not finite: .*loss/student/total"):
        list(distill(run))


@pytest.mark.parametrize("name", ["dfkd_fgvc", "noise_kd"])
def test_mixed_precision_runs_and_keeps_the_weights_in_single_precision(name: str) -> None:
    run = opened(small(name=name), runtime=Runtime(precision="mixed"))
    seen: list[torch.dtype] = []
    run.student.get_submodule("first.0").register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    losses = [epoch.losses for epoch in distill(run)]
    assert len(losses) == 3
    assert torch.bfloat16 in seen
    tensors = [
        leaf for leaf in flat(run.state_dict()).values() if isinstance(leaf, Tensor) and leaf.is_floating_point()
    ]
    assert all(leaf.dtype == torch.float32 for leaf in tensors)
    assert all(bool(leaf.isfinite().all()) for leaf in tensors)
