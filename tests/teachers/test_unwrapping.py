"""From what a checkpoint holds to the names and tensors of one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dfkd_ray.teachers.unwrapping import file_of, unwrapped
from dfkd_ray.util.errors import DataError

FILE = Path("t.pth")


def state(value: float = 0.0) -> dict[str, Tensor]:
    return {"conv1.weight": torch.full((2, 1), value), "fc.bias": torch.zeros(2)}


def prefixed(prefix: str, value: float = 0.0) -> dict[str, Tensor]:
    return {f"{prefix}{name}": each for name, each in state(value).items()}


OPTIMISER = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}


@pytest.mark.parametrize(
    "held",
    [
        state(),
        {**state(), "epoch": 3, "acc": 0.9},
        *({key: state(), "epoch": 3, "optimizer": OPTIMISER} for key in ("state_dict", "model", "net", "ema")),
        {"model_state_dict": state(), "optimizer_state_dict": OPTIMISER, "loss": torch.tensor(0.5)},
        {"checkpoint": {"model": {"state_dict": state()}}},
        *map(prefixed, ("module.", "model.", "net.", "_orig_mod.", "_module.", "student.", "teacher.")),
        prefixed("model.module._orig_mod."),
        {"model_ema": {**prefixed("module."), "n_averaged": torch.tensor(5)}},
        {"state_dict": {**prefixed("model."), "criterion.weight": torch.ones(2), "train_acc.total": torch.ones(1)}},
        {"state_dict": {**prefixed("model."), "val_f1.tp": torch.ones(2), "accuracy.total": torch.ones(1)}},
        {**prefixed("module."), "epoch": torch.tensor(3), "best": torch.tensor(0.5)},
        prefixed("model_ema."),
    ],
)
def test_what_wrappers_wrote_around_it_is_taken_off(held: dict[str, Any]) -> None:
    found = unwrapped(held, FILE).state
    assert found.keys() == state().keys()


def test_what_was_taken_off_and_what_lies_beside_is_said() -> None:
    held = {"state_dict": {**prefixed("model.module."), "criterion.weight": torch.ones(2)}, "epoch": 3}
    found = unwrapped(held, FILE)
    assert (found.key, found.prefixes) == ("state_dict", ("model.", "module."))
    assert found.beside.keys() == {"epoch", "criterion"}


def test_a_prefix_that_is_not_all_names_stays() -> None:
    held = {**prefixed("model."), "head.weight": torch.zeros(2, 2)}
    assert unwrapped(held, FILE).state.keys() == held.keys()


@settings(deadline=None)
@given(
    keys=st.lists(st.sampled_from(["state_dict", "model", "checkpoint", "net", "ema"]), max_size=3),
    prefixes=st.lists(st.sampled_from(["module.", "model.", "_orig_mod.", "net.", "teacher."]), max_size=4),
    beside=st.dictionaries(st.sampled_from(["epoch", "best_acc", "lr", "name"]), st.sampled_from([3, 0.5, "text"])),
)
def test_any_nest_of_them(keys: list[str], prefixes: list[str], beside: dict[str, Any]) -> None:
    held: dict[str, Any] = prefixed("".join(prefixes), 3.0)
    for key in keys:
        held = {key: held, **beside}
    found = unwrapped(held, FILE)
    assert found.state.keys() == state().keys()
    assert torch.equal(found.state["conv1.weight"], state(3.0)["conv1.weight"])
    assert (found.key, found.prefixes) == (".".join(reversed(keys)), tuple(prefixes))


TWO: dict[str, Any] = {"model": state(1.0), "model_ema": prefixed("module.", 2.0), "epoch": 3}


def test_of_several_networks_one_is_asked_for() -> None:
    with pytest.raises(DataError) as caught:
        unwrapped(TWO, FILE)
    assert str(caught.value) == (
        "t.pth: holds 2 networks, model and model_ema: say which one, "
        "by --weights 't.pth#model' or --weights 't.pth#model_ema'"
    )
    for name, value in {"model": 1.0, "model_ema": 2.0}.items():
        assert unwrapped(TWO, Path(f"t.pth#{name}")).state["conv1.weight"][0] == value
    with pytest.raises(DataError, match=r"t.pth: holds no network 'ema'; did you mean 'model_ema'\? \(known: model, "):
        unwrapped(TWO, Path("t.pth#ema"))


def test_a_student_and_its_teacher_are_two() -> None:
    held = {"state_dict": {**prefixed("student.", 1.0), **prefixed("teacher.net.", 2.0)}}
    with pytest.raises(DataError, match=r"holds 2 networks, state_dict\.student and state_dict\.teacher"):
        unwrapped(held, FILE)
    found = unwrapped(held, Path("t.pth#teacher"))
    assert (found.key, found.prefixes) == ("state_dict.teacher", ("teacher.", "net."))
    assert found.state["conv1.weight"][0] == 2


def test_a_model_and_its_moving_average_by_prefixes_are_two() -> None:
    held = {**prefixed("model.", 1.0), **prefixed("model_ema.", 2.0)}
    with pytest.raises(DataError, match=r"holds 2 networks, model and model_ema: say which one, by --weights"):
        unwrapped(held, FILE)
    assert unwrapped(held, Path("t.pth#model_ema")).state["conv1.weight"][0] == 2


def test_a_moving_average_by_torch_itself() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(net))
    assert unwrapped({"model_ema": averaged.state_dict()}, FILE).state.keys() == net.state_dict().keys()


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        ([1, 2], "list"),
        ({}, "dict"),
        ({"epoch": 3, "optimizer": OPTIMISER}, "dict of epoch, optimizer"),
        ({"state_dict": {"a": 1}}, "dict of state_dict"),
        (torch.zeros(2), "Tensor"),
    ],
)
def test_what_holds_no_network(held: Any, kind: str) -> None:
    with pytest.raises(DataError) as caught:
        unwrapped(held, FILE)
    assert str(caught.value) == f"t.pth: no weights in it: expected names and tensors, got {kind}"


def test_nests_without_end_come_to_one() -> None:
    assert unwrapped(prefixed("module." * 5_000), FILE).prefixes == ("module.",) * 8
    held: dict[str, Any] = state()
    for _ in range(5):
        held = {"model": held}
    with pytest.raises(DataError, match="no weights in it"):
        unwrapped(held, FILE)


def test_the_file_of_a_name(tmp_path: Path) -> None:
    assert file_of(tmp_path / "t.pth#ema") == tmp_path / "t.pth"
    assert file_of(tmp_path / "t.pth") == tmp_path / "t.pth"
    (tmp_path / "odd#name").write_bytes(b"")
    assert file_of(tmp_path / "odd#name") == tmp_path / "odd#name"
