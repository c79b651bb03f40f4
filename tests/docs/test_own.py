"""The pages on code of one's own: each is typed here exactly as it is printed, in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.runs import plugins
from tests.cli.commands import dfkd, few_images
from tests.docs.blocks import PAGES, blocks, commands

PRINTED = {
    "loss": "soft_l1 L = mean |teacher - student|^power. [my_loss.py]",
    "network": "small_net 0.01 M parameters at 10 classes, stages first, second [my_net.py]",
    "data_set": "wrote stripes.png",
}


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    for name in ("my_loss", "my_other_loss", "my_net", "my_data"):
        plugins.drop(name)


@pytest.mark.parametrize("page", PRINTED)
def test_every_block_does_what_the_page_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ""
    for block in blocks(PAGES / "own" / f"{page}.md"):
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        for words in commands(block) if block.language == "sh" else ():
            with few_images():
                done = dfkd(*words[1:], cwd=tmp_path)
            assert done.code == 0, f"{page}.md, line {block.line}: {done.err}"
            said += done.out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert PRINTED[page] in lines
