"""What is told apart: the machine's accidents, and what a method has done by itself."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.exceptions import ObjectLostError, RayActorError

from dfkd_ray.tune.accidents import Accident, Hung, Recovery, check_seen, is_accident, reason
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.errors import ConfigError, DataError, MissingExtra, TrialFailed

ACCIDENTS = [
    OSError(errno.ENOSPC, "No space left on device", "/x"),
    OSError(errno.EIO, "Input/output error"),
    ConnectionResetError("by peer"),
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    DataError("cache.npy: this cache of images cannot be written or read"),
    RayActorError(),
    ObjectLostError("00", None, "here"),
    Hung("no sign of life"),
    Accident("told by a worker"),
]
SCIENCE = [
    TrialFailed("the loss is not finite at epoch 2"),
    ConfigError.at("source", "no such"),
    MissingExtra("diffusers", "diffusion", "the source"),
    ValueError("shapes"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError("CUDA error: device-side assert triggered"),
    KeyError("x"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", ACCIDENTS, ids=lambda error: type(error).__name__)
def test_accidents(error: Exception) -> None:
    assert is_accident(error)


@pytest.mark.parametrize("error", SCIENCE, ids=lambda error: type(error).__name__)
def test_what_is_a_trials_own(error: Exception) -> None:
    assert not is_accident(error)


def raised(act: Any) -> Exception:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_error_is_described_by_its_type_message_and_place() -> None:
    def fails() -> Any:
        return {}["x"]

    head, place = reason(raised(fails)).split("\n")
    assert head == "KeyError: 'x'"
    assert place.endswith('in fails: return {}["x"]')
    assert reason(ValueError("never raised")) == "ValueError: never raised"
    assert reason(Accident("as it was told")) == "as it was told"


def test_the_place_is_the_innermost_line_of_own_code_not_of_a_library() -> None:
    head, place = reason(raised(lambda: torch.ones(2) @ torch.ones(3))).split("\n")
    assert head.startswith("RuntimeError: ")
    assert f"{Path(__file__)}:" in place
    deep = reason(raised(lambda: torch.nn.Linear(2, 2)(torch.ones(3))))
    assert f"{Path(__file__)}:" in deep.split("\n")[1]


def test_a_full_disk_says_which_one_and_how_much_is_free(tmp_path: Path) -> None:
    said = reason(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "checkpoint.pt")))
    assert said.startswith(f"OSError: {tmp_path}/checkpoint.pt: no space left on /")
    assert said.endswith(" free")


def trial(number: int, stalled: int) -> Trial:
    return Trial(number, {}, 0, stalled=stalled, reason=f"accident of {number}")


def test_a_trial_is_tried_again_as_often_as_was_said_and_then_set_aside() -> None:
    recovery = Recovery(retries=2)
    for stalled in (0, 1, 2):
        recovery.met(trial(0, stalled))
    assert len(recovery.waiting) == 3
    assert (recovery.aside, recovery.cause) == ([], None)
    recovery.met(trial(0, 3))
    assert [each.number for each in recovery.aside] == [0]
    assert recovery.cause == "accident of 0"


def test_it_is_hopeless_when_more_in_a_row_than_run_at_a_time_are_set_aside() -> None:
    recovery = Recovery(retries=0)
    recovery.met(trial(0, 1))
    recovery.met(trial(1, 1))
    assert not recovery.hopeless(2)
    recovery.gained()
    recovery.met(trial(2, 1))
    recovery.met(trial(3, 1))
    assert not recovery.hopeless(2)
    recovery.met(trial(4, 1))
    assert recovery.hopeless(2)
    assert recovery.cause == "accident of 4"


def test_a_node_that_does_not_see_a_trials_folder_runs_none(tmp_path: Path) -> None:
    for place in (None, str(tmp_path), "s3://bucket/x/trials/0000"):
        check_seen(place)
    gone = tmp_path / "gone"
    said = f" does not see {gone}: nodes without a shared disk need --out s3://BUCKET/STUDY "
    with pytest.raises(Accident, match=said):
        check_seen(str(gone))
