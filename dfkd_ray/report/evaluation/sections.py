"""The sections of an evaluation's page that are words and tables; those that are images stand in `gallery`."""

from __future__ import annotations

from collections.abc import Iterable

from dfkd_ray.report.blocks import Block, Cell, Facts, Heading, Inline, Number, Numbers, Section, Table, Text
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.report.evidence import recorded
from dfkd_ray.report.view import part
from dfkd_ray.util import words

SURE = 0.01  # a difference of confidence and accuracy from which a network is too sure, or too little
FLATTERED = "A run's best epoch is chosen on the validation split, so its best student is flattered here."
MEASURES = {
    "top1": "Top-1 accuracy",
    "top5": "Top-5 accuracy",
    "classes": "Mean of the classes' accuracies",
    "confidence": "Mean confidence",
    "ece": "Expected calibration error",
}


def summary(tables: EvaluationTables) -> Section:
    """What came out, in a sentence, in big numbers and in a table."""
    shown: list[Block] = [
        *opening(tables),
        Text(sentence(tables), "answer"),
        Numbers(list(_numbers(tables)), first=True),
        measures_table(tables),
        Text(_caution(tables), "note"),
        Heading("What was evaluated", 2),
        Facts(list(asked(tables))),
    ]
    return Section("summary", "The answer", None, shown)


def opening(tables: EvaluationTables) -> list[Block]:
    """What stands above the answer."""
    whose = part(tables.note, "run").get("name") or tables.network("student").get("weights")
    above = " · ".join(str(item) for item in (whose, tables.task.get("name")) if item)
    return [Text(above, "eyebrow"), Heading("How good is the student?", 1)]


def where(tables: EvaluationTables) -> str:
    """`500 test images of gliders`."""
    of = [tables.split, "image" if tables.evaluation.num_rows == 1 else "images", "of", tables.task.get("name")]
    return " ".join(map(str, [words.number(tables.evaluation.num_rows), *filter(None, of)]))


def sentence(tables: EvaluationTables) -> str:
    """The answer, as plain text."""
    right, chance = words.percent(tables.share("student", "top1")), words.percent(1 / max(len(tables.classes), 1))
    teacher = ""
    if "teacher" in tables.networks:
        teacher = f", its teacher{arch(tables, 'teacher')} {words.percent(tables.share('teacher', 'top1'))}"
    named = f"The student{arch(tables, 'student')} names {right} of {where(tables)} right"
    return f"{named}{teacher}; chance is {chance}. {_sureness(tables)}"


def arch(tables: EvaluationTables, network: str) -> str:
    """` (resnet8)`; empty where nobody knows it."""
    found = tables.network(network).get("arch")
    return f" ({found})" if found else ""


def _sureness(tables: EvaluationTables) -> str:
    sure, right, error = (tables.share("student", key) for key in ("confidence", "top1", "ece"))
    if sure is None or right is None or error is None:
        return ""
    under = "not sure enough" if right - sure > SURE else "as sure as it may be"
    too = "too sure of itself" if sure - right > SURE else under
    return f"It is {too}: sure to {words.percent(sure)} on average, with a calibration error of {words.percent(error)}."


def _numbers(tables: EvaluationTables) -> Iterable[Number]:
    yield Number(words.percent(tables.share("student", "top1")), "Top-1 accuracy", "of the student")
    if "teacher" in tables.networks:
        yield Number(words.percent(tables.share("teacher", "top1")), "Teacher's top-1", "on the same images")
        kl = words.number(tables.share("kl"))
        note = f"with the teacher's top class; KL {kl} nats"
        yield Number(words.percent(tables.share("agreement")), "Agreement", note)
    yield Number(words.percent(tables.share("student", "ece")), "Calibration error", "expected, of the student")


def measures_table(tables: EvaluationTables) -> Table:
    """Every measure of both networks, side by side."""
    rows: list[list[Inline | Cell]] = []
    for key, name in MEASURES.items():
        values = [tables.share(network, key) for network in tables.networks]
        if any(value is not None for value in values):
            rows.append([name, *(Cell(words.percent(value), number=True) for value in values)])
    head = ["Measure", *map(str.capitalize, tables.networks)]
    return Table(head, rows, f"On {words.count(tables.evaluation.num_rows, 'image')}")


def _caution(tables: EvaluationTables) -> str:
    told = "Confidence is the softmax of the top class; the calibration error is over 15 bins of equal width."
    if tables.split == "val":
        told += f" {FLATTERED}"
    return told


def asked(tables: EvaluationTables) -> Iterable[tuple[str, object]]:
    """What was evaluated, on which images."""
    run, known = part(tables.note, "run"), {name: tables.network(name) for name in tables.networks}
    yield "Task", tables.task.get("name")
    of = f" of {len(tables.classes)} classes" if tables.classes else ""
    drawn = f", drawn by {shares}" if (shares := tables.note.get("drawn_by")) else ""
    yield "Images", f"{words.number(tables.evaluation.num_rows)}{of}, split {tables.split}{drawn}"
    for name, own in known.items():
        size = words.number(own.get("parameters")) if isinstance(own.get("parameters"), int) else None
        weights = f" from {own['weights']}" if own.get("weights") else ""
        other = ", not the one that taught the student" if name == "teacher" and run.get("own_teacher") is False else ""
        yield name.capitalize(), f"{own.get('arch')}{weights}" + (f", {size} parameters" if size else "") + other
    yield "Epoch of the run", run.get("which")
    yield "Seed of the run", run.get("seed")
    yield "Fingerprint of the method", run.get("fingerprint")
    yield "Input normalised by", tables.task.get("normalised_by")


def classes(tables: EvaluationTables) -> list[Block]:
    """Every class that has images, in a table that sorts."""
    shares = [tables.by_class(network) for network in tables.networks]
    known = [place for place, images in enumerate(tables.counts) if images]
    rows: list[list[Inline | Cell]] = [
        [
            tables.classes[place],
            Cell(words.number(int(tables.counts[place])), float(tables.counts[place]), number=True),
            *(Cell(words.percent(share[place]), share[place], number=True) for share in shares),
            _confused(tables, place),
        ]
        for place in sorted(known, key=lambda place: shares[0][place] or 0.0)
    ]
    head = ["Class", "Images", *map(str.capitalize, tables.networks), "Most often confused with"]
    return [Table(head, rows, "Every class")] if rows else []


def _confused(tables: EvaluationTables, label: int) -> str:
    """What the student takes a class for most often, where it does."""
    wrong = [(images, -named) for (of, named), images in tables.confusions.items() if of == label != named]
    images, named = max(wrong, default=(0, 0))
    return f"{tables.classes[-named]} ({images})" if images else words.DASH


def missing_plane(tables: EvaluationTables) -> list[Text]:
    """Why there is no plane, where there is none."""
    why = part(tables.note, "plane").get("missing")
    return [Text(f"Not drawn: {why}.", "note")] if why else []


def provenance(tables: EvaluationTables) -> Section:
    return Section("provenance", "Provenance", "Provenance", [Facts(recorded(tables.note))])
