"""The gallery of methods: what each rests on, what fills its slots, and every value with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from dfkd_ray.methods import config, marks, origins
from dfkd_ray.util import shipped
from dfkd_ray.util.code_files import CodeFile
from makers import markup

EVIDENCE = {
    "read": "read in the paper or its authors' code",
    "secondary": "from secondary sources",
    "reconstruction": "a reconstruction",
    "own": "our own",
    None: "not stated",
}


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown): a list, and a page a method."""
    about = (
        "Each method is one YAML file on one [loop](../../concepts/loop.md). `dfkd-ray cp NAME .` copies it, "
        "`dfkd-ray diff A B` says where two differ."
    )
    rows = ([f"[{name}]({name}.md)", markup.text(_opening(name)), _evidence(name)] for name in config.method_names())
    table = markup.table(("method", "what", "evidence"), rows)
    yield "gallery/methods/index.md", "Methods", markup.page("Methods", about, table)
    for name in config.method_names():
        yield f"gallery/methods/{name}.md", name, _page(name)


def _page(name: str) -> str:
    plain = config.plain(config.load(name))
    slots = ((f"[{slot}](../../concepts/method.md)", filled) for slot, filled in _slots(plain))
    return markup.page(
        name,
        *_header(name),
        "## Slots",
        markup.table(("slot", "filled by"), slots),
        "## Every value, and where it comes from",
        markup.text(f"What `dfkd-ray show {name}` prints."),
        markup.fence(markup.printed("show", name), "yaml"),
    )


def _opening(name: str) -> str:
    return shipped.headline(config.method_file(name))


def _evidence(name: str) -> str:
    return EVIDENCE[origins.evidence(name)]


def _header(name: str) -> Iterator[str]:
    """What the file says of itself: its title line, its evidence and the rest; then the code that it was read in."""
    path = config.method_file(name)
    written = path.read_text("utf-8")
    code = set(marks.code_lines(written))
    lines = enumerate(takewhile(lambda line: line.startswith("#"), written.splitlines()), start=1)
    said = " ".join(line.removeprefix("#").strip() for number, line in lines if number not in code)
    before, marker, after = said.partition("Evidence: ")
    yield f"**{markup.text(before)}**"
    yield f"**Evidence:** {markup.text(after)}" if marker else ""
    files = marks.head(written, str(path))
    yield "**Code:** " + ", ".join(map(_code, files)) if files else ""


def _code(file: CodeFile) -> str:
    """A link to a file as it was at the commit."""
    address = f"https://github.com/{file.repository}/blob/{file.commit}/{file.path}"
    return f"[{markup.text(f'{file.repository}: {file.path}')}]({address})"


def _slots(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each slot in a few words; components are links."""
    yield "teacher", _or_task(plain["teacher"]["arch"])
    student = plain["student"]
    parts = [_or_task(student["arch"]), _linked("optimizers", student["optimizer"])]
    yield "student", ", ".join([*parts, f"schedule {_linked('lr_schedules', student['lr_schedule'])}"])
    source = plain["source"]
    told = [_linked("sources", source)]
    told += [f"{key} {_linked(kind, source[key])}" for key, kind in _OF_A_SOURCE.items() if source.get(key)]
    told += [f"labels {markup.code(source['labels'])}"] if source.get("labels", "none") != "none" else []
    yield "source", ", ".join(told)
    yield "source loss", _terms(plain["source_loss"])
    yield "memory", _linked("memories", plain["memory"])
    views = (
        f"{where}: {', '.join(_linked('views', v) for v in found)}" for where, found in plain["views"].items() if found
    )
    yield "views", "; ".join(views) or "none"
    yield "student loss", _terms(plain["student_loss"])
    yield "schedule", ", ".join(f"{key} {markup.code(markup.value(value))}" for key, value in plain["schedule"].items())


_OF_A_SOURCE = {
    "lifecycle": "lifecycles",
    "condition": "conditioners",
    "augment": "augmentations",
    "optimizer": "optimizers",
}


def _or_task(arch: str | None) -> str:
    return "the task's" if arch is None else markup.code(arch)


def _linked(kind: str, spec: Mapping[str, Any]) -> str:
    return f"[{spec['name']}](../{kind}.md#{spec['name']})"


def _terms(terms: Mapping[str, Any]) -> str:
    found = (
        f"{markup.value(term['weight'])} · [{name}](../losses.md#{term.get('name', name)})"
        + (f" from epoch {term['start'] + 1}" if term["start"] else "")
        for name, term in terms.items()
    )
    return "<br>".join(found) or "none"
