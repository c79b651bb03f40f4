"""The sections of an evaluation's page that are words, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable

from dfkd_ray.report.answer import figures
from dfkd_ray.report.evaluation.view import Evaluation, Row
from dfkd_ray.report.evidence import recorded
from dfkd_ray.report.markup import Cell, Html, facts, image, join, paragraph, section, table, tag
from dfkd_ray.report.view import part
from dfkd_ray.util import words

MOST = 12  # images of a kind
SURE = 0.01  # a difference of confidence and accuracy from which a network is too sure, or too little
MEASURES = {
    "top1": "Top-1 accuracy",
    "top5": "Top-5 accuracy",
    "classes": "Mean of the classes' accuracies",
    "confidence": "Mean confidence",
    "ece": "Expected calibration error",
}


def summary(tables: Evaluation) -> Html:
    """What came out, in a sentence, in big numbers and in a table."""
    whose = part(tables.note, "run").get("name") or tables.network("student").get("weights")
    above = " · ".join(str(item) for item in (whose, tables.task.get("name")) if item)
    parts = [
        paragraph(above, "eyebrow"),
        tag("h1", "How good is the student?"),
        paragraph(sentence(tables), "answer"),
        figures(list(_numbers(tables)), first=True),
        measured(tables),
        paragraph(_caution(tables), "note"),
        tag("h2", "What was evaluated", class_="small"),
        facts(_asked(tables)),
    ]
    return tag("section", join(parts, "\n"), id="summary")


def sentence(tables: Evaluation) -> str:
    """The answer, as plain text."""
    of = [tables.split, "image" if tables.evaluation.num_rows == 1 else "images", "of", tables.task.get("name")]
    where = " ".join(map(str, [words.number(tables.evaluation.num_rows), *filter(None, of)]))
    right, chance = words.percent(tables.share("student", "top1")), words.percent(1 / max(len(tables.classes), 1))
    teacher = ""
    if "teacher" in tables.networks:
        teacher = f", its teacher{_arch(tables, 'teacher')} {words.percent(tables.share('teacher', 'top1'))}"
    named = f"The student{_arch(tables, 'student')} names {right} of {where} right"
    return f"{named}{teacher}; chance is {chance}. {_sureness(tables)}"


def _arch(tables: Evaluation, network: str) -> str:
    arch = tables.network(network).get("arch")
    return f" ({arch})" if arch else ""


def _sureness(tables: Evaluation) -> str:
    sure, right, error = (tables.share("student", key) for key in ("confidence", "top1", "ece"))
    if sure is None or right is None or error is None:
        return ""
    under = "not sure enough" if right - sure > SURE else "as sure as it may be"
    too = "too sure of itself" if sure - right > SURE else under
    return f"It is {too}: sure to {words.percent(sure)} on average, with a calibration error of {words.percent(error)}."


def _numbers(tables: Evaluation) -> Iterable[tuple[str, str, str]]:
    yield words.percent(tables.share("student", "top1")), "Top-1 accuracy", "of the student"
    if "teacher" in tables.networks:
        yield words.percent(tables.share("teacher", "top1")), "Teacher's top-1", "on the same images"
        kl = words.number(tables.share("kl"))
        yield words.percent(tables.share("agreement")), "Agreement", f"with the teacher's top class; KL {kl} nats"
    yield words.percent(tables.share("student", "ece")), "Calibration error", "expected, of the student"


def measured(tables: Evaluation) -> Html:
    """Every measure of both networks, side by side."""
    rows = []
    for key, name in MEASURES.items():
        values = [tables.share(network, key) for network in tables.networks]
        if any(value is not None for value in values):
            rows.append([name, *(Cell(words.percent(value), number=True) for value in values)])
    return table(
        ["", *map(str.capitalize, tables.networks)], rows, f"On {words.count(tables.evaluation.num_rows, 'image')}"
    )


def _caution(tables: Evaluation) -> str:
    told = "Confidence is the softmax of the top class; the calibration error is over 15 bins of equal width."
    if tables.split == "val":
        told += " A run's best epoch is chosen on the validation split, so its best student is flattered here."
    return told


def _asked(tables: Evaluation) -> Iterable[tuple[str, object]]:
    run, known = part(tables.note, "run"), {name: tables.network(name) for name in tables.networks}
    yield "Task", tables.task.get("name")
    yield "Images", f"{words.number(tables.evaluation.num_rows)} of {len(tables.classes)} classes, split {tables.split}"
    for name, own in known.items():
        size = words.number(own.get("parameters")) if isinstance(own.get("parameters"), int) else None
        weights = f" from {own['weights']}" if own.get("weights") else ""
        other = ", not the one that taught the student" if name == "teacher" and run.get("own_teacher") is False else ""
        yield name.capitalize(), f"{own.get('arch')}{weights}" + (f", {size} parameters" if size else "") + other
    yield "Epoch of the run", run.get("which")
    yield "Seed of the run", run.get("seed")
    yield "Fingerprint of the method", run.get("fingerprint")
    yield "Input normalised by", tables.task.get("normalised_by")


def pairs(tables: Evaluation) -> Html:
    """The most confused pairs, with images of each."""
    head = ["Shows", "Named", "Images", "Of the class", *(["Teacher too"] if "teacher" in tables.networks else [])]
    if not tables.confused:
        return tag("div", "The student confuses no two classes.", class_="empty")
    return table([*head, "The surest of them, then what it is named"], [_pair(p, tables) for p in tables.confused])


def _pair(pair: dict[str, int], tables: Evaluation) -> list[object]:
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
        tag("div", join(_image(tables, row, "image") for row in shown), class_="strip"),
    ]


def classes(tables: Evaluation) -> Html:
    """Every class that has images, in a table that sorts."""
    shares = [tables.by_class(network) for network in tables.networks]
    known = [place for place, images in enumerate(tables.counts) if images]
    rows = [
        [
            tables.classes[place],
            Cell(words.number(int(tables.counts[place])), float(tables.counts[place]), number=True),
            *(Cell(words.percent(share[place]), share[place], number=True) for share in shares),
            _confused(tables, place),
        ]
        for place in sorted(known, key=lambda place: shares[0][place] or 0.0)
    ]
    head = ["Class", "Images", *map(str.capitalize, tables.networks), "Most often confused with"]
    return table(head, rows, "Every class") if rows else Html()


def _confused(tables: Evaluation, label: int) -> str:
    """What the student takes a class for most often, where it does."""
    wrong = [(images, -named) for (of, named), images in tables.confusions.items() if of == label != named]
    images, named = max(wrong, default=(0, 0))
    return f"{tables.classes[-named]} ({images})" if images else words.DASH


def pictures(tables: Evaluation) -> Html:
    """What the student names wrong, and what it names right."""
    if not tables.rows:
        return Html()
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
    blocks: list[object] = []
    for title, (said, rows, none) in kinds.items():
        tiles = tag("div", join(_tile(tables, row) for row in rows[:MOST]), class_="tiles")
        blocks += [tag("h3", title), paragraph(said, "reading") if rows else Html()]
        blocks.append(tiles if rows else tag("div", none, class_="empty"))
    return section("images", "Images", *blocks)


def _surest(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.confidence["student"], row.index))


def _tile(tables: Evaluation, row: Row) -> Html:
    sure = words.percent(row.confidence["student"])
    named = sure if row.right else f"named {tables.classes[row.named['student']]}, {sure}"
    caption = join((tag("strong", tables.classes[row.label]), Html("<br>"), named))
    return tag("figure", join((_image(tables, row, "image"), tag("figcaption", caption))))


def _image(tables: Evaluation, row: Row, what: str) -> Html:
    found = tables.pictures.get((row.index, what))
    seen = "An image" if what == "image" else f"Where the {what} looks"
    return image(*found, f"{seen}: {tables.classes[row.label]}") if found else Html()


def looks(tables: Evaluation) -> Html:
    """Grad-CAM of both networks on the same images: figure 5 of DFKD-FGVC."""
    title, shown = "Where they look", [n for n in reversed(tables.networks) if (n in {w for _, w in tables.pictures})]
    blind = part(part(tables.note, "looks"), "missing")
    notes = [paragraph(f"Of the {name} it cannot be told: {why}", "note") for name, why in blind.items()]
    rows = [row for row in tables.rows.values() if any((row.index, n) in tables.pictures for n in shown)]
    if not rows:
        return section("looks", title, *notes) if notes else Html()
    order = words.listed(["the image", *(f"the {name}" for name in shown)])
    told = (
        f"Grad-CAM (Selvaraju et al., ICCV 2017) for the class that the image shows. From left to right {order}: "
        "yellow is where its last stage finds evidence for the class, violet where it finds none."
    )
    figures_ = [_looked(tables, row, ["image", *shown]) for row in sorted(rows, key=lambda row: (row.right, row.index))]
    return section("looks", title, paragraph(told, "reading"), tag("div", join(figures_), class_="looks"), *notes)


def _looked(tables: Evaluation, row: Row, whats: list[str]) -> Html:
    strip = tag("div", join(_image(tables, row, what) for what in whats), class_="strip")
    named = {f"the {name} names": row.named[name] for name in reversed(tables.networks)}
    if len(named) > 1 and len({*named.values()}) == 1:
        named = {"both name": row.named["student"]}
    wrong = [f"{who} it {tables.classes[by]}" for who, by in named.items() if by != row.label]
    caption = join((tag("strong", tables.classes[row.label]), f": {words.listed(wrong)}" if wrong else ""))
    return tag("figure", join((strip, tag("figcaption", caption))))


def missing_plane(tables: Evaluation) -> Html:
    """Why there is no plane, where there is none."""
    why = part(tables.note, "plane").get("missing")
    return paragraph(f"Not drawn: {why}.", "note") if why else Html()


def provenance(tables: Evaluation) -> Html:
    return section("provenance", "Provenance", facts(recorded(tables.note)))
