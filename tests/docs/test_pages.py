"""What the pages that are written by hand say about commands, studies and methods is so."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from dfkd_ray import __version__, cli
from dfkd_ray.methods import config
from dfkd_ray.runs import study_file
from dfkd_ray.util import shipped, yamls
from tests.docs.blocks import PAGES, ROOT, Block, blocks, commands

BLOCKS = [(page, block) for page in sorted(PAGES.rglob("*.md")) for block in blocks(page)]
SLOTS = ("source", "source_loss", "student_loss", "schedule", "memory", "student")


def of(language: str) -> pytest.MarkDecorator:
    found = [
        pytest.param(block, id=f"{page.stem} {block.line}") for page, block in BLOCKS if block.language == language
    ]
    assert found
    return pytest.mark.parametrize("block", found)


def exists(words: list[str], whole: bool = True) -> None:
    """A command line names a command, options that this has, and (`whole`) as many words as it needs."""
    command: Any = get_command(cli.app)
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    assert not hasattr(command, "commands"), f"{words} names no command"
    known = {option for parameter in command.params for option in parameter.opts}
    if command.name == "submit":  # takes what the command takes that it sends
        known |= {option for each in get_command(cli.app).commands["reproduce"].params for option in each.opts}  # type: ignore[attr-defined]
    assert [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known] == []
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    assert not whole or len(rest) >= sum(argument.required for argument in arguments), words


@of("sh")
def test_commands_and_their_options_exist(block: Block) -> None:
    for words in commands(block):
        if words[0] == "dfkd-ray":
            exists(words)


def test_commands_within_the_text_exist() -> None:
    """Those that are typed as they stand, and shorter ones that begin with the name of a command."""
    known = set(getattr(get_command(cli.app), "commands", {}))
    found = []
    for page in (ROOT / "README.md", ROOT / "reports" / "README.md", *PAGES.rglob("*.md")):
        for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text(encoding="utf-8")):
            words = code.removeprefix("dfkd-ray ").split()
            if (whole := code.startswith("dfkd-ray ")) or (len(words) > 1 and words[0] in known):
                found.append(words)
                exists(["dfkd-ray", *words], whole)
    assert len(found) > 50


def test_commands_of_the_readme_and_of_the_studies_exist() -> None:
    found = [words for block in blocks(ROOT / "README.md") if block.language == "sh" for words in commands(block)]
    comments = [line for path in shipped.studies() for line in path.read_text(encoding="utf-8").splitlines()]
    found += [shlex.split(line[1:], comments=True) for line in comments if line.startswith("#   dfkd-ray ")]
    own = [words[at:] for words in found for at, word in enumerate(words) if word.endswith("dfkd-ray")]
    assert len(own) > 25
    for words in own:
        exists(words)


@of("yaml")
def test_studies_and_methods_are_valid(block: Block) -> None:
    if block.text.startswith("--8<--"):
        return  # a file of the package, as it stands
    document = yamls.loads(block.text)
    data = document.data
    if "plugins" in data:
        return  # test_own.py types it, beside its plug-in
    if "study" in data:
        study_file.open_document(document)
    elif "method" not in data and set(data) <= set(SLOTS):
        config.parse(data)


@of("python")
def test_examples_run(block: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if "reports/example" not in block.text:
        return  # the tutorial's have a test of their own; the others are files of the package
    monkeypatch.chdir(ROOT)
    exec(compile(block.text, "page", "exec"), {})
    assert len(capsys.readouterr().out) > 20


def test_pictures_are_where_they_are_linked() -> None:
    assert "(docs/report.png)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("claims.png", "guidance.png"):
        assert f"(assets/{name})" in (PAGES / "findings.md").read_text(encoding="utf-8")
        assert (ROOT / "docs" / name).is_file()
    assert "(assets/simulation.svg)" in (PAGES / "simulation.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "simulation.svg").is_file()


def test_messages_that_are_explained_are_messages_of_the_program() -> None:
    text = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "dfkd_ray").rglob("*.py"))
    page = (PAGES / "troubleshooting.md").read_text(encoding="utf-8")
    said = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(said) > 12
    for message in said:
        for part in filter(None, (part.strip() for part in message.split("..."))):
            assert part in text, message


def test_the_citation_is_of_this_version() -> None:
    cited = yamls.loads((ROOT / "CITATION.cff").read_text(encoding="utf-8")).data
    assert (cited["title"].partition(":")[0], cited["version"]) == ("dfkd-ray", __version__)
