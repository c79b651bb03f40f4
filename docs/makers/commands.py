"""The reference of the command line, from the objects that parse it: every command and option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from dfkd_ray import cli
from makers import markup


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    root = get_command(cli.app)
    entries = (_entry(words, command) for words, command in commands(root) if words)
    general = markup.text(
        "Every command answers `--help`. A mistake ends in one message and exit code 2, Ctrl-C in exit code 130 and "
        "the command that goes on from there."
    )
    yield "reference/commands.md", "Commands", markup.page("Commands", general, _options((), root), *entries)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it, a group before what is in it."""
    if command.hidden:
        return
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def _entry(words: tuple[str, ...], command: Any) -> str:
    name = " ".join(words)
    usage = _context(words, command).get_usage().partition(": ")[2].split()
    about = markup.text(command.help or "")
    return "\n\n".join([f"## `{name}`", about, markup.fence(" ".join(usage)), _options(words, command)])


def _options(words: tuple[str, ...], command: Any) -> str:
    """A row each, as `--help` has them; what every command has is left out."""
    ctx = _context(words, command)
    found = (parameter.get_help_record(ctx) for parameter in command.get_params(ctx))
    rows = [_row(*record) for record in found if record is not None and "--help" not in record[0]]
    return markup.table(("option", "meaning", "default"), rows) if rows else ""


def _row(name: str, said: str) -> tuple[str, str, str]:
    about, bracket, rest = said.rpartition("  [")
    if not bracket:
        about, rest = ("", rest[1:]) if rest.startswith("[") and rest.endswith("]") else (rest, "")
    facts = [fact for fact in rest.removesuffix("]").split("; ") if fact]
    default = [fact.removeprefix("default: ") for fact in facts if fact.startswith("default: ")]
    others = [fact for fact in facts if not fact.startswith("default: ")]
    shown = ", ".join(markup.text(each) if each.startswith("(") else markup.code(each) for each in default)
    return markup.code(name), markup.text(about), ", ".join([shown] * bool(shown) + others)


def _context(words: tuple[str, ...], command: Any) -> Any:
    return command.make_context(" ".join(("dfkd-ray", *words)), [], resilient_parsing=True)
