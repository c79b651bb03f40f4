"""The page of an evaluation of dense targets, from its tables alone."""

from __future__ import annotations

from collections.abc import Iterable

from dfkd_ray import metrics
from dfkd_ray.report.blocks import (
    Block,
    Captioned,
    Cell,
    Facts,
    Gallery,
    Heading,
    Inline,
    Number,
    Numbers,
    Picture,
    Section,
    Strip,
    Table,
    Text,
)
from dfkd_ray.report.chart import Drawn
from dfkd_ray.report.evaluation import sections
from dfkd_ray.report.evaluation.by_area import ByArea
from dfkd_ray.report.evaluation.by_image import ByImage
from dfkd_ray.report.evaluation.dense_view import DenseTables
from dfkd_ray.report.page import Figures, block, document
from dfkd_ray.util import words
from dfkd_ray.util.tables import OF_DENSE


def page(tables: DenseTables) -> str:
    """The whole page."""
    figures: Figures = {}

    def charted(key: str, title: str, chart: type[Drawn[DenseTables]], *more: Block) -> Section | None:
        drawn = block(f"{key}-chart", chart, tables, figures)
        return None if drawn is None else Section(key, title, title, [drawn, *more])

    shown = [
        _summary(tables),
        _images(tables),
        charted("classes", "The classes", ByArea, *_classes(tables)),
        charted("by-image", "The images, sorted", ByImage),
        sections.provenance(tables),
    ]
    return document(f"{tables.task.get('name') or 'An evaluation'}: evaluation", shown, figures, OF_DENSE)


def _summary(tables: DenseTables) -> Section:
    """What came out, in a sentence, in big numbers and in a table."""
    shown: list[Block] = [
        *sections.opening(tables),
        Text(sentence(tables), "answer"),
        Numbers(list(_numbers(tables)), first=True),
        _measures(tables),
        *([Text(sections.FLATTERED, "note")] if tables.split == "val" else []),
        Heading("What was evaluated", 2),
        Facts(list(sections.asked(tables))),
    ]
    return Section("summary", "The answer", None, shown)


def sentence(tables: DenseTables) -> str:
    """The answer, as plain text."""
    if not tables.qualities:
        return ""
    first = tables.qualities[0]
    teacher = ""
    if "teacher" in tables.networks:
        teacher = f", its teacher{sections.arch(tables, 'teacher')} {_value(tables, 'teacher', first.key)}"
    head = f"The student{sections.arch(tables, 'student')} has a {first.said} of {_value(tables, 'student', first.key)}"
    return f"{head} on {sections.where(tables)}{teacher}."


def _value(tables: DenseTables, network: str, key: str) -> str:
    return metrics.with_unit(metrics.measure(key).val, tables.share(network, key))


def _numbers(tables: DenseTables) -> Iterable[Number]:
    for quality in tables.qualities:
        for network in tables.networks:
            name = f"{quality.said[0].upper()}{quality.said[1:]}"
            yield Number(_value(tables, network, quality.key), name, f"of the {network}")


def _measures(tables: DenseTables) -> Table:
    rows: list[list[Inline | Cell]] = [
        [quality.said, *(Cell(_value(tables, network, quality.key), number=True) for network in tables.networks)]
        for quality in tables.qualities
    ]
    head = ["Measure", *map(str.capitalize, tables.networks)]
    return Table(head, rows, f"On all positions of {words.count(tables.evaluation.num_rows, 'image')}")


def _images(tables: DenseTables) -> Section | None:
    """Image, target and what each network tells, side by side."""
    if not tables.shown:
        return None
    whats = ["image", "target", *reversed(tables.networks)]
    order = words.listed([f"the {what}" if what != "target" else "its target" for what in whats])
    told = f"From the student's worst images to its best. From left to right {order}. {_colours(tables)}"
    held = dict(zip(tables.evaluation["index"].to_pylist(), tables.evaluation.to_pylist()))
    strips = [_strip(tables, index, whats, held[index]) for index in tables.shown]
    return Section("images", "Images", "Images", [Text(told, "reading"), Gallery("saliency", strips)])


def _colours(tables: DenseTables) -> str:
    ends = tables.note.get("depths")
    if tables.classes or not (isinstance(ends, list) and len(ends) == 2):
        return "The table of the classes says which colour is which." if tables.classes else ""
    near, far = map(words.number, ends)
    return f"Violet is near ({near} or less), yellow is far ({far} or more)."


def _strip(tables: DenseTables, index: int, whats: list[str], row: dict[str, float]) -> Captioned:
    said = {"image": "The image", "target": "Its target", "teacher": "What the teacher tells"}
    pictures = [
        Picture(*found, f"{said.get(what, 'What the student tells')}, image {index}")
        for what in whats
        if (found := tables.pictures.get((index, what)))
    ]
    quality = tables.of_image
    told = [f"{name} {metrics.with_unit(quality.val, row[name])}" for name in reversed(tables.networks)]
    return Captioned(Strip(pictures), f": {quality.said} of the {words.listed(told)}", f"image {index}")


def _classes(tables: DenseTables) -> list[Block]:
    """Every class with its colour."""
    shares, whole = [tables.by_class(network) for network in tables.networks], max(int(tables.counts.sum()), 1)
    rows: list[list[Inline | Cell]] = []
    for place, name in enumerate(tables.classes):
        swatch = tables.pictures.get((place, "class"))
        positions = float(tables.counts[place]) / whole
        rows.append(
            [
                Picture(*swatch, f"The colour of {name}") if swatch else "",
                name,
                Cell(words.percent(positions), positions, number=True),
                *(Cell(words.percent(own[place]), own[place], number=True) for own in shares),
            ]
        )
    head = ["Colour", "Class", "Of all positions", *(f"IoU of the {network}" for network in tables.networks)]
    return [Table(head, rows, "Every class")] if rows else []
