"""The processes of a run: what comes out of them, and how they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from dfkd_ray.nets.sharing import Ranks
from dfkd_ray.train.processes import check_shares, device_of, together
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import ConfigError


def counting(folder: Path, ranks: Ranks, device: str) -> Iterator[tuple[int, str, float]]:
    """Notes how far each rank is, and yields what all have summed up."""
    (folder / f"{ranks.own}").write_text(str(os.getpid()))
    for number in range(3):
        (folder / f"at {ranks.own}").write_text(str(number))
        total = torch.tensor(float(number + ranks.own))
        dist.all_reduce(total)
        yield number, device, float(total)


def failing(how: str, ranks: Ranks, device: str) -> Iterator[int]:
    yield 0
    if ranks.own == 1:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "leaves":
            os._exit(3)
        raise ConfigError.at("student.arch", "no such net") if how == "mistake" else Unportable("left", "right")
    dist.all_reduce(torch.zeros(()))  # the first waits for one who never comes
    yield 1


class Unportable(Exception):
    """What a pipe cannot carry."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_first_rank_is_heard_step_by_step_and_all_end_with_who_listens(tmp_path: Path) -> None:
    heard = together(2, partial(counting, tmp_path), "cpu")
    assert next(heard) == (0, "cpu", 1.0)
    assert (tmp_path / "at 0").read_text() == "0", "what nobody has asked for is not begun"
    assert next(heard) == (1, "cpu", 3.0)
    processes = [int((tmp_path / f"{own}").read_text()) for own in (0, 1)]
    assert not any(map(gone, processes))
    heard.close()  # type: ignore[attr-defined]
    assert all(map(gone, processes))


def test_they_end_by_themselves(tmp_path: Path) -> None:
    assert [total for _, _, total in together(2, partial(counting, tmp_path), "cpu")] == [1, 3, 5]
    assert gone(int((tmp_path / "1").read_text()))


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("mistake", ConfigError, r"^student\.arch: no such net$"),
        ("strange", RuntimeError, r"^Unportable: left and right$"),
        ("killed", ChildProcessError, r"^rank 1 of 2 has died \(signal 9: killed, or out of memory\); it goes on from"),
        ("leaves", ChildProcessError, r"^rank 1 of 2 has died \(exit code 3\)"),
    ],
)
def test_what_meets_one_rank_ends_all(how: str, kind: type[Exception], said: str) -> None:
    heard = together(2, partial(failing, how), "cpu")
    with pytest.raises(kind, match=said):
        assert list(heard) == [0]


def leaving_together(ranks: Ranks, device: str) -> Iterator[list[object]]:
    """Goes on until the first rank knows why not: all after the same round."""
    rounds = 0
    while not ranks.any(ranks.own == 0 and leaving.told() is not None):
        rounds += 1
        os.kill(os.getpid(), signal.SIGTERM)  # as a batch system sends it to all: who watches decides
        yield [rounds, "goes on"]
    there = ranks.whole(torch.tensor([[rounds]])).flatten().tolist()
    yield [*there, leaving.told()]


def test_who_is_told_to_leave_tells_the_ranks() -> None:
    heard = together(2, leaving_together, "cpu")
    assert next(heard) == [1, "goes on"]
    leaving.tell("its node is being drained")
    try:
        *_, (one, other, why) = heard
    finally:
        leaving.forget()
    assert one == other
    assert why == "its node is being drained"


def lonely(folder: Path) -> None:
    """Listens once, and is killed before it could end anybody."""
    next(together(2, partial(counting, folder), "cpu"))
    os.kill(os.getpid(), signal.SIGKILL)


def test_who_is_killed_leaves_no_rank_behind(tmp_path: Path) -> None:
    import multiprocessing

    process = multiprocessing.get_context("spawn").Process(target=lonely, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    ranks = [int((tmp_path / f"{own}").read_text()) for own in (0, 1)]
    while not all(map(gone, ranks)):
        time.sleep(0.1)


def test_each_rank_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu", 1, 2) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto", 1, 2) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda each: "H100")
    assert [device_of(name, 1, 2) for name in ("auto", "cuda")] == ["cuda:1", "cuda:1"]
    with pytest.raises(ConfigError, match=r"^runtime\.device: 2 GPUs of a trial cannot all be cuda:1: take cuda"):
        device_of("cuda:1", 0, 2)
    with pytest.raises(ConfigError, match=r"^resources\.gpu: a trial takes 4, this process sees 2: take --runner ray"):
        device_of("auto", 0, 4)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda each: ("L4", "A100")[each])
    with pytest.raises(
        ConfigError, match=r"^resources\.gpu: the GPUs of a trial are to be of one type, and not A100, L4$"
    ):
        device_of("auto", 0, 2)


def test_a_part_that_no_other_process_can_have_is_told() -> None:
    said = r"^resources\.gpu: a trial on 2 GPUs has processes of its own, .*lambda.*: define it in a module, or"
    with pytest.raises(ConfigError, match=said):
        next(together(2, lambda ranks, device: iter(()), "cpu"))


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    check_shares(8, 4)
    with pytest.raises(ConfigError, match=r"^schedule\.batch: 250 images cannot be shared by 4 GPUs: take 248 or 252$"):
        check_shares(250, 4)
    with pytest.raises(ConfigError, match=r"take 4$"):
        check_shares(3, 4)
