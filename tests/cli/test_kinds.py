from __future__ import annotations

import re
from pathlib import Path

import pytest

from dfkd_ray import datasets
from dfkd_ray.cli.kinds import KINDS
from dfkd_ray.methods import config
from dfkd_ray.runs import plugins
from dfkd_ray.util import shipped
from tests.cli.commands import dfkd


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_a_name_and_a_line_each(kind: str) -> None:
    done = dfkd("ls", kind)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    if kind != "presets":  # which go from the longest to the shortest
        assert lines == sorted(lines)
    found = [re.fullmatch(r"(\S+)( {2,})(\S.{8,})", line) for line in lines]
    assert all(found), "a name, a gap, and what it is"
    if kind != "nets":  # whose numbers are aligned to the right
        assert len({match.start(3) for match in found if match}) == 1, "in two columns"


def test_what_is_listed_is_what_there_is() -> None:
    names = {
        kind: [line.split()[0] for line in dfkd("ls", kind).out.splitlines()]
        for kind in ("studies", "methods", "tasks", "losses", "nets", "memories")
    }
    assert names["studies"] == [path.stem for path in shipped.studies()]
    assert names["methods"] == config.method_names()
    assert names["tasks"] == datasets.names()
    assert {"kd", "high_order", "semantic_contrast", "batchnorm", "adversarial"} <= set(names["losses"])
    assert {"fresh", "pool"} <= set(names["memories"])
    assert dfkd("ls").out == dfkd("ls", "studies").out
    assert "mhad" in names["studies"]
    assert "  0.08 M parameters at 10 classes, stages layer1, layer2, layer3" in dfkd("ls", "nets").out


def test_a_sentence_is_not_cut() -> None:
    for kind in ("methods", "tasks"):
        for line in dfkd("ls", kind).out.splitlines():
            sentence = re.sub(r" \[(reconstruction|from secondary sources|our own)\]$", "", line)
            assert sentence[-1] in ".:)", line


def test_what_a_plug_in_brings_says_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "listed.py").write_text(
        "from dfkd_ray import register\n"
        "register.net('listed_net')(lambda classes, channels: __import__('torch').nn.Linear(classes, classes))\n"
        "@register.metric('listed_metric', better='max')\ndef listed(images):\n    'Half of it. More.'\n"
        "@register.reader('listed_reader')\ndef read(split, folder):\n    'Reads nothing.'\n"
    )
    told = {
        "nets": "0.00 M parameters at 10 classes, stages none [listed.py]",
        "metrics": "Half of it. [listed.py]",
        "readers": "Reads nothing. [listed.py]",
    }
    for kind, line in told.items():
        lines = dfkd("ls", kind, "--plugin", "listed.py", cwd=tmp_path).out.splitlines()
        assert [each.split(maxsplit=1)[1] for each in lines if each.startswith("listed_")] == [line]
    plugins.drop("listed")
