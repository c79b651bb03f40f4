"""The sections of an evaluation's page that are images: pairs that are confused, right and wrong, where they look."""

from __future__ import annotations

from collections.abc import Iterable

from dfkd_ray.report.blocks import (
    Block,
    Captioned,
    Cell,
    Empty,
    Gallery,
    Heading,
    Inline,
    Picture,
    Section,
    Strip,
    Table,
    Text,
)
from dfkd_ray.report.evaluation.view import EvaluationTables, ImageRow
from dfkd_ray.report.view import part
from dfkd_ray.util import words

MOST = 12  # images of a kind


def pairs(tables: EvaluationTables) -> Block:
    """The most confused pairs, with images of each."""
    head = ["Shows", "Named", "Images", "Of the class", *(["Teacher too"] if "teacher" in tables.networks else [])]
    if not tables.confused:
        return Empty("The student confuses no two classes.")
    head += ["The surest of them, then what it is named"]
    return Table(head, [_pair(p, tables) for p in tables.confused])


def _pair(pair: dict[str, int], tables: EvaluationTables) -> list[Inline | Cell]:
    label, named, images = pair["label"], pair["named"], pair.get("images", 0)
    share = images / max(pair.get("of", images), 1)
    rows = tables.rows.values()
    sure = [row for row in rows if row.label == label and row.named["student"] == named]
    right = [row for row in rows if row.label == named and row.right]
    shown = [*_surest(sure)[:3], *_surest(right)[:1]]
    teacher = [Cell(words.number(pair.get("teacher")), number=True)] if "teacher" in tables.networks else []
    return [
        tables.classes[label],
        tables.classes[named],
        Cell(words.number(images), number=True),
        Cell(words.percent(share), number=True),
        *teacher,
        _strip(tables, ((row, "image") for row in shown)),
    ]


def pictures(tables: EvaluationTables) -> Section | None:
    """What the student names wrong, and what it names right."""
    if not tables.rows:
        return None
    wrong = _surest(row for row in tables.rows.values() if not row.right)
    right = {row.label: row for row in sorted(tables.rows.values(), key=lambda row: -row.index) if row.right}
    kinds = {
        "Wrong": ("The mistakes of which the student is surest.", wrong, "The student made no mistake."),
        "Right": (
            "One of a class.",
            sorted(right.values(), key=lambda row: row.index),
            "The student named none right.",
        ),
    }
    blocks: list[Block] = []
    for title, (said, rows, none) in kinds.items():
        tiles = Gallery("tiles", [_tile(tables, row) for row in rows[:MOST]])
        blocks += [Heading(title), *([Text(said, "reading"), tiles] if rows else [Empty(none)])]
    return Section("images", "Images", "Images", blocks)


def _surest(rows: Iterable[ImageRow]) -> list[ImageRow]:
    return sorted(rows, key=lambda row: (-row.confidence["student"], row.index))


def _tile(tables: EvaluationTables, row: ImageRow) -> Captioned:
    sure = words.percent(row.confidence["student"])
    named = sure if row.right else f"named {tables.classes[row.named['student']]}, {sure}"
    return Captioned(_image(tables, row, "image"), named, tables.classes[row.label], apart=True)


def _image(tables: EvaluationTables, row: ImageRow, what: str) -> Picture | None:
    found = tables.pictures.get((row.index, what))
    seen = "An image" if what == "image" else f"Where the {what} looks"
    return Picture(*found, f"{seen}: {tables.classes[row.label]}") if found else None


def _strip(tables: EvaluationTables, whats: Iterable[tuple[ImageRow, str]]) -> Strip:
    found = (_image(tables, row, what) for row, what in whats)
    return Strip([picture for picture in found if picture is not None])


def saliency(tables: EvaluationTables) -> Section | None:
    """Grad-CAM of both networks on the same images: figure 5 of DFKD-FGVC."""
    title, shown = "Where they look", [n for n in reversed(tables.networks) if (n in {w for _, w in tables.pictures})]
    blind = part(part(tables.note, "looks"), "missing")
    notes = [Text(f"Of the {name} it cannot be told: {why}", "note") for name, why in blind.items()]
    rows = [row for row in tables.rows.values() if any((row.index, n) in tables.pictures for n in shown)]
    if not rows:
        return Section("saliency", title, title, notes) if notes else None
    order = words.listed(["the image", *(f"the {name}" for name in shown)])
    told = (
        f"Grad-CAM (Selvaraju et al., ICCV 2017) for the class that the image shows. From left to right {order}: "
        "yellow is where its last stage finds evidence for the class, violet where it finds none."
    )
    overlaid = [
        _overlaid(tables, row, ["image", *shown]) for row in sorted(rows, key=lambda row: (row.right, row.index))
    ]
    return Section("saliency", title, title, [Text(told, "reading"), Gallery("saliency", overlaid), *notes])


def _overlaid(tables: EvaluationTables, row: ImageRow, whats: list[str]) -> Captioned:
    strip = _strip(tables, ((row, what) for what in whats))
    named = {f"the {name} names": row.named[name] for name in reversed(tables.networks)}
    if len(named) > 1 and len({*named.values()}) == 1:
        named = {"both name": row.named["student"]}
    wrong = [f"{who} it {tables.classes[by]}" for who, by in named.items() if by != row.label]
    return Captioned(strip, f": {words.listed(wrong)}" if wrong else "", tables.classes[row.label])
