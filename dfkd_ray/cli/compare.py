"""`compare`: what differs between two runs, or two studies, in settings and in results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from dfkd_ray import metrics
from dfkd_ray.cli import app, completion, printing
from dfkd_ray.util.words import DASH, for_terminal

Place = Annotated[
    str,
    typer.Argument(
        help="The folder of a study, a `distill` or a trial, its URI, or its name under reports/.",
        autocompletion=completion.runs,
    ),
]


@app.command(
    epilog="Examples: dfkd-ray compare reports/mhad reports/mhad2; dfkd-ray compare mhad/trials/0003 kd-seed0."
)
def compare(one: Place, other: Place, json: printing.Json = False) -> None:
    """Say what differs between two runs, or two studies: settings first, then what was measured.

    Of a run and a study the study's best trial is compared.
    """
    from dfkd_ray.methods import config
    from dfkd_ray.tune.comparison import sides

    a, b = sides(one, other)
    settings = config.diff(dict(a.settings), dict(b.settings))
    results = {name: (a.results.get(name), b.results.get(name)) for name in dict.fromkeys([*a.results, *b.results])}
    if json:
        printing.as_json(
            {
                "kind": a.kind,
                "places": [one, other],
                "settings": [{"path": path, "values": list(both)} for path, both in settings.items()],
                "results": [_plain(name, both) for name, both in results.items()],
            }
        )
        return
    for side in (a, b):
        if side.said:
            printing.say(side.said)
    printing.columns(_rows(one, other, settings) if settings else [("settings", "the same", "")])
    typer.echo("")
    printing.columns(list(_measured(one, other, results)))


def _rows(one: str, other: str, settings: Mapping[str, tuple[Any, Any]]) -> list[tuple[str, ...]]:
    return [
        ("settings", one, other),
        *((path, printing.value(x), printing.value(y)) for path, (x, y) in settings.items()),
    ]


def _measured(
    one: str, other: str, results: Mapping[str, tuple[float | None, float | None]]
) -> Iterator[tuple[str, ...]]:
    yield "results", one, other, "difference"
    for name, (a, b) in results.items():
        yield name, _printed(name, a), _printed(name, b), "" if a is None or b is None else _difference(name, b - a)


def _plain(name: str, both: tuple[float | None, float | None]) -> dict[str, Any]:
    a, b = both
    return {"name": name, "values": [a, b], "difference": None if a is None or b is None else b - a}


def _printed(name: str, number: float | None) -> str:
    """A result as the page prints it; an effect is a difference itself."""
    from dfkd_ray.tune.comparison import EFFECT, metric_of

    if name.startswith(EFFECT):
        return DASH if number is None else _difference(name, number)
    return for_terminal(metrics.with_unit(metric_of(name), number))


def _difference(name: str, number: float) -> str:
    from dfkd_ray.tune.comparison import metric_of

    return for_terminal(metrics.changed(metric_of(name), number))
