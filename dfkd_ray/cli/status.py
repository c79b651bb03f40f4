"""`status`: how a study stands, running or not; of a cluster its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray.cli import app, completion, dashboard, options, printing, studies
from dfkd_ray.runs import outcome
from dfkd_ray.util import store
from dfkd_ray.util.errors import DfkdError, StudyError
from dfkd_ray.util.words import typed


@app.command(epilog="Examples: dfkd-ray status reports/mhad; dfkd-ray status s3://bucket/mhad --json; dfkd-ray status.")
def status(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY|JOB",
            help="A study or a run by its folder, its URI or its name under reports/; else a job of the cluster. "
            "Without it: all jobs.",
            autocompletion=completion.runs,
        ),
    ] = None,
    address: dashboard.Address = None,
    insecure: options.Insecure = False,
    json: printing.Json = False,
) -> None:
    """How a study stands, running or not, from any terminal; or the jobs of a cluster, the newest last."""
    if what is not None and address is None and is_place(what):
        _study(what, json)
        return
    with _hinted(what, address), dashboard.connected(address, insecure) as jobs:
        found = [jobs.one(what)] if what else jobs.all()
    if json:
        printing.as_json([dashboard.plain(each) for each in found])
        return
    for each in found:
        printing.say(dashboard.line(each))
    if not found:
        typer.echo(f"no job at {jobs.address}")


def is_place(what: str) -> bool:
    """Whether something is meant as a study: a path, a URI, or a name under reports/; a job has none of these."""
    return store.is_uri(what) or "/" in what or Path(what).exists() or Path("reports", what).exists()


class _hinted:
    """An error within the block says that there is no study of that name either."""

    def __init__(self, what: str | None, address: str | None) -> None:
        from dfkd_ray.tune.standing import nearest

        named = what is not None and address is None
        self.said = f"; nor is there a study {what} under reports/{nearest(str(what))}" if named else ""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        if self.said and isinstance(error, DfkdError):
            raise StudyError(f"{error}{self.said}") from None


def _study(place: str, json: bool) -> None:
    from dfkd_ray.tune.standing import found, standing

    folder = found(place)
    seen = standing(folder)
    rows, looks = studies.effects_in(folder)
    if json:
        printing.as_json({**seen.plain(), **({"effects": rows} if rows else {})})
        return
    for line in studies.lines(seen):
        printing.say(line)
    if rows_of := list(studies.running(seen)):
        printing.table(rows_of)
    for line in outcome.effects(rows, looks) if rows else ():
        printing.say(line)
    if seen.state == "interrupted":
        printing.say(f"go on: dfkd-ray resume {typed(store.place_of(folder))}")
