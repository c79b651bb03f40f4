"""The command line as a whole: help at once, one message for a mistake, a traceback for whoever asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_ray import __version__, cli
from dfkd_ray.util.errors import ConfigError, DataError, Problem
from tests.cli.commands import dfkd, refused

ROOT = Path(__file__).parents[2]
COMMANDS = [
    *("ls", "show", "cp", "distill", "teach", "sweep", "ablate", "reproduce", "diff", "evaluate", "export"),
    *("resume", "repair", "plan", "validate", "report", "open", "synthesize", "teach-diffusion"),
    *("submit", "status", "logs", "stop", "pull", "compare", "explain", "rm", "simulate"),
]

HELP = """
import contextlib, io, json, sys
from dfkd_ray.cli import main
texts = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["dfkd-ray", *words]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main()
    texts[" ".join(words)] = out.getvalue()
heavy = "torch torchvision numpy ray optuna pyarrow plotly yaml scipy PIL diffusers transformers".split()
print(json.dumps({"texts": texts, "loaded": [name for name in heavy if name in sys.modules]}))
"""


def python(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, cwd=cwd)


def test_help_of_every_command_loads_nothing_heavy() -> None:
    """All in one process: if one of them loaded something, it would still be there."""
    asked = [["--help"], *([command, "-h"] for command in COMMANDS)]
    done = python("-c", HELP, json.dumps(asked))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["loaded"] == []
    for command in COMMANDS:
        assert f" {command} " in said["texts"]["--help"]
        text = said["texts"][f"{command} -h"]
        assert f"Usage: dfkd-ray {command} " in text
        assert "Traceback" not in text
    assert "reports/<study>" in said["texts"]["sweep -h"], "defaults that depend on the arguments are shown"
    assert "the study's resources" in " ".join(said["texts"]["resume -h"].replace("│", " ").split())
    assert "reports/<method>-<task>-seed<seed>" in "".join(said["texts"]["distill -h"].split()).replace("│", "")


def test_the_list_of_commands_is_complete() -> None:
    shown = [command for command in cli.app.registered_commands if not command.hidden]
    assert sorted(command.name or command.callback.__name__ for command in shown) == sorted(COMMANDS)


def test_version() -> None:
    assert dfkd("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(("word", "meant"), [("swep", "sweep"), ("distil", "distill"), ("lst", "ls")])
def test_an_unknown_command_names_the_nearest(word: str, meant: str) -> None:
    done = dfkd(word)
    assert done.code == 2
    assert f"No such command '{word}'. Did you mean '{meant}'?" in done.err


def test_no_command_is_help() -> None:
    done = dfkd()
    assert done.code == 2
    assert "Usage: dfkd-ray" in done.out + done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "mhda"], "unknown study 'mhda'; did you mean 'mhad'? (known: "),
        (["plan", "mhda"], "unknown study 'mhda'; did you mean 'mhad'? (known: "),
        (["validate", "mhda"], "unknown study 'mhda'; did you mean 'mhad'? (known: "),
        (["ablate", "componnets"], "unknown study 'componnets'; did you mean 'components'? (known: "),
        (
            ["reproduce", "dfkd_fgcv/table3"],
            "unknown table 'dfkd_fgcv/table3'; did you mean 'dfkd_fgvc/table3'?",
        ),
        (["cp", "dfkd_fgcv"], "unknown study or method 'dfkd_fgcv'; did you mean 'dfkd_fgvc'? (known: "),
        (["show", "dfkd_fgcv"], "unknown method, task or study 'dfkd_fgcv'; did you mean 'dfkd_fgvc'? (known: "),
        (["show", "glider", "--grid"], "unknown task 'glider'; did you mean 'gliders'? (known: "),
        (["ls", "net"], "unknown kind 'net'; did you mean 'nets'? (known: "),
        (["distill", "dfkd_fgcv"], "unknown method 'dfkd_fgcv'; did you mean 'dfkd_fgvc'? (known: "),
        (["distill", "noise_kd", "--task", "glider"], "unknown task 'glider'; did you mean 'gliders'? (known: "),
        (["teach", "glider"], "unknown task 'glider'; did you mean 'gliders'? (known: "),
        (["teach", "gliders", "--arch", "resnet9"], "unknown net 'resnet9'; did you mean 'resnet"),
    ],
)
def test_an_unknown_name_names_the_nearest(words: list[str], message: str, tmp_path: Path) -> None:
    assert refused(*words, cwd=tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "nofile.yaml"], "nofile.yaml: there is no such file"),
        (["distill", "nofile.yaml"], "nofile.yaml: there is no such file"),
        (["distill", "noise_kd", "--weights", "no.pt"], "no.pt: there is no such file"),
        (["distill", "noise_kd", "--data", "no.npz"], "no.npz: there is no such file"),
        (["distill", "noise_kd", "--task", "cifar10"], "the task cifar10 ships no teacher, and `dfkd-ray teachers"),
        (["distill", "noise_kd", "--device", "cuda:99"], "runtime.device: 'cuda:99' cannot be used here: "),
        (["distill", "noise_kd", "--device", "gpu"], "runtime.device: 'gpu' cannot be used here: "),
        (["resume", "nodir"], "nodir holds no study to resume: there is no ledger.jsonl"),
        (["report", "nodir"], "nodir: a report needs trials.arrow, steps.arrow and images.arrow, missing here"),
        (["cp", "mhad", "no/where.yaml"], "no: there is no such folder"),
    ],
)
def test_what_is_not_there_is_said_in_one_line_and_leaves_nothing(
    words: list[str], message: str, tmp_path: Path
) -> None:
    said = refused(*words, cwd=tmp_path)
    assert message in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precision", "float64"], "'float64' is not one of 'float32', 'mixed', 'bfloat16', 'float16'"),
        (["--cache", "disk"], "'disk' is not one of 'memmap', 'memory'"),
        (["--runner", "slurm"], "'slurm' is not one of 'ray', 'serial'"),
        (["--threads", "-1"], "should be greater than or equal to 0"),
    ],
)
@pytest.mark.parametrize("command", [["distill", "noise_kd"], ["sweep", "mhad"], ["plan", "mhad"]])
def test_what_an_option_may_be_is_said_before_anything_is_read(
    command: list[str], words: list[str], message: str, tmp_path: Path
) -> None:
    done = dfkd(*command, *words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert message in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_several_mistakes_are_counted_and_stand_below_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Problem("a", "one", "f.yaml", 1), Problem("b.c", "two", "f.yaml", 2)]
    assert cli._message(ConfigError(problems)) == "2 mistakes\n  f.yaml:1: a: one\n  f.yaml:2: b.c: two"
    assert cli._message(ConfigError(problems[:1])) == "f.yaml:1: a: one"


def test_a_file_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused("distill", "noise_kd", "--out", "file/run", cwd=tmp_path) == "file/run: Not a directory"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = python("-m", "dfkd_ray", "--debug", "resume", "nodir", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.rstrip().endswith("StudyError: nodir holds no study to resume: there is no ledger.jsonl")
    assert refused("resume", "nodir", cwd=tmp_path), "and it does not stick"


def test_an_error_that_nobody_meant_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Path:
        raise RuntimeError("a bug")

    monkeypatch.setattr("dfkd_ray.util.shipped.find", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        dfkd("cp", "mhad")
    monkeypatch.setattr("dfkd_ray.util.shipped.find", lambda name: (_ for _ in ()).throw(DataError("meant")))
    assert refused("cp", "mhad") == "meant"
