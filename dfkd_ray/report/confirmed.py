"""What confirmed the winner of a sweep, as page and terminal say it: the fresh estimate beside the value that won.

The input is what the tables carry under `confirmed`, see `tune/confirm.py`; a foreign table may lack any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report.blocks import Block, Cell, Inline, Mark, Number, Section, Strong, Table, Text
from dfkd_ray.report.effects import HELPS, HURTS
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words
from dfkd_ray.util.words import NBSP

Note = Mapping[str, Any]
MODEL = (
    "The probability of being the best takes values as setting + seed + normal noise of one spread, and settings as "
    "exchangeable with a spread of their own, over whose size it is averaged."
)


def sentences(note: Note) -> Iterator[str]:
    """The answer, then the winner's curse, then the defaults, as plain text; how far it is where it is not over."""
    settings = _settings(note)
    if not settings:
        return
    if not note.get("complete"):
        yield _open(note)
        return
    yield _first(note, settings[0], len(settings))
    yield _curse(note, settings[0])
    if said := _against(note, settings[0]):
        yield said


def _open(note: Note) -> str:
    """How far it is, or that nothing came of it."""
    ended, wanted = note.get("ended"), note.get("wanted")
    if ended == wanted:
        return f"The winner could not be confirmed: none of the {wanted} trials on fresh seeds has a value that counts."
    return f"The winner is being confirmed: {ended} of {wanted} trials on fresh seeds have ended."


def _first(note: Note, first: Note, count: int) -> str:
    metric = str(note.get("metric"))
    over = f" over all {count} settings" if count > 1 else ""
    best = first.get("best")
    sure = f"; it is the best of the {count} with probability {_share(best)}" if count > 1 and is_number(best) else ""
    searched = metrics.with_unit(metric, first.get("searched"))
    return (
        f"{_capital(first)} is confirmed: {metrics.inside(metric)} {metrics.with_unit(metric, first.get('mean'))} on "
        f"{words.count(first.get('n') or 0, 'fresh seed')} ({_interval(metric, first)}{over}), where the search had "
        f"{searched}{sure}."
    )


def _curse(note: Note, first: Note) -> str:
    """What of the value that won the search was luck."""
    metric, won = str(note.get("metric")), part(note, "won")
    who = "It" if won.get("trial") == first.get("trial") else f"Trial {won.get('trial')}"
    head = f"{who} won the search"
    size = won.get("value")
    if not is_number(size):
        return f"{head}, and has no value on the fresh seeds."
    ends = "" if won.get("low") is None else f" (95{NBSP}% interval {_ends(metric, won)})"
    amount = metrics.changed(metric, abs(size), signed=False)
    if size == 0:
        return f"{head}; there was no winner's curse: its fresh mean is the value that won."
    if size < 0:
        return f"{head}; there was no winner's curse: its fresh mean is {amount} better than the value that won."
    return f"{head} with a value that is {amount} better than its fresh mean: the winner's curse{ends}."


def _against(note: Note, first: Note) -> str:
    """The setting beside the defaults, by the rule of all verdicts."""
    metric, control, told = str(note.get("metric")), part(note, "control"), part(first, "against")
    if control.get("mean") is None:
        why = "; ".join(map(str, part(note, "refused").values()))
        return f"The defaults have no value on the fresh seeds{f': {why}' if why else ''}."
    reached = metrics.with_unit(metric, control["mean"])
    if control.get("runs_as") == first.get("name"):
        return "It is the method's defaults."
    if not is_number(told.get("difference")):
        return f"The defaults reach {reached}."
    interval = (
        f" (95{NBSP}% interval {_ends(metric, told)}, p{NBSP}{_p(told.get('p'))})"
        if told.get("low") is not None
        else ""
    )
    verdict = {HELPS: "better than", HURTS: "worse than"}.get(str(told.get("verdict")))
    what = f"it is {verdict} them" if verdict else str(told.get("verdict"))
    gain = told["difference"] if note.get("mode") == "max" else -told["difference"]
    if not verdict and gain < 0:
        what += ", and the defaults have the better mean"
    return (
        f"The defaults reach {reached}; it has {metrics.changed(metric, told['difference'])} pair by pair{interval}: "
        f"{what}."
    )


def numbers(note: Note, quality: metrics.Quality = metrics.ACCURACY) -> list[Number]:
    """The big numbers of a winner that is confirmed; none where the confirmation is not over."""
    settings, won = _settings(note), part(note, "won")
    if not note.get("complete") or not settings:
        return []
    first, metric = settings[0], str(note.get("metric"))
    whose = f"{first.get('name')}, mean of {words.count(first.get('n') or 0, 'fresh seed')}"
    shown = [Number(metrics.with_unit(metric, first.get("mean")), metrics.label(metric), whose)]
    if is_number(first.get("test")):
        tested = metrics.with_unit(quality.test_last, first["test"])
        shown.append(Number(tested, f"Test {quality.said}", f"{whose}, last epoch"))
    if is_number(won.get("value")):
        luck = f"what trial {won.get('trial')} won by, over its fresh mean"
        shown.append(Number(metrics.changed(metric, won["value"]), "Winner's curse", luck))
    return shown


def section(tables: Tables) -> Section | None:
    """The settings that were confirmed, one beside the other; None where nothing was."""
    note = tables.confirmed
    settings = _settings(note)
    if not settings:
        return None
    metric = str(note.get("metric"))
    head: list[Inline] = ["Setting", "In the search", "Fresh mean", f"95{NBSP}% interval", "Seeds", "Best of them"]
    head += ["Against the defaults", "Verdict"]
    rows = [_row(metric, each) for each in settings]
    if (control := part(note, "control")) and control.get("runs_as") is None:
        rows.append(_row(metric, control))
    lost = [f"{each.get('name')} ({each['lost']})" for each in (*settings, control) if each.get("lost")]
    read = (
        f"The best {len(settings)} of the search and the defaults ran again with seeds {_seeds(note)}, by which "
        f"nothing was chosen. Intervals hold for all settings together."
    )
    shown: list[Block] = [Text(read, "reading"), Table(head, rows, "What fresh seeds say", best=0)]
    if not note.get("complete"):
        shown.insert(0, Text(_open(note), "warning"))
    if lost:
        shown.append(
            Text(
                f"Without a value that counts (failed, degenerate, or outside of a constraint): {words.listed(lost)}.",
                "note",
            )
        )
    return Section("confirmed", "Confirmed", "Confirmed on fresh seeds", [*shown, Text(MODEL, "note")])


def _row(metric: str, each: Note) -> list[Inline | Cell]:
    told = part(each, "against")
    difference = told.get("difference")
    change = metrics.changed(metric, difference) if is_number(difference) else words.DASH
    ends = f" ({_ends(metric, told)})" if told.get("low") is not None else ""
    best = each.get("best") if "searched" in each else None
    verdict = str(told.get("verdict") or words.DASH)
    return [
        Strong(str(each.get("name"))),
        Cell(metrics.with_unit(metric, each.get("searched")), number=True),
        Cell(metrics.with_unit(metric, each.get("mean")), number=True),
        Cell(_within(metric, each), number=True),
        Cell(str(each.get("n")), number=True),
        Cell(_share(best) if is_number(best) else words.DASH, number=True),
        Cell(f"{change}{ends}", number=True),
        Mark(verdict, "verdict", verdict if verdict in (HELPS, HURTS) else "open") if told else words.DASH,
    ]


def _settings(note: Note) -> list[Note]:
    told = note.get("settings")
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []


def _within(metric: str, each: Note) -> str:
    low, high = metrics.within(metric, each.get("low"), each.get("high"))
    return words.DASH if low is None else f"{metrics.with_unit(metric, low)} to {metrics.with_unit(metric, high)}"


def _interval(metric: str, each: Note) -> str:
    return f"95{NBSP}% interval {_within(metric, each)}"


def _ends(metric: str, told: Note) -> str:
    return f"{metrics.difference(metric, told.get('low'))} to {metrics.difference(metric, told.get('high'))}"


def _share(value: Any) -> str:
    return f"{value:.2f}"


def _p(value: Any) -> str:
    said = words.probability(value)
    return said if said.startswith("<") else f"={NBSP}{said}"


def _seeds(note: Note) -> str:
    seeds = note.get("seeds")
    return words.shorten(", ".join(map(str, seeds))) if isinstance(seeds, list) else words.DASH


def _capital(each: Note) -> str:
    name = str(each.get("name"))
    return f"{name[0].upper()}{name[1:]}" if name else name
