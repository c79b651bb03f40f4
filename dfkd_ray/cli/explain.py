"""`explain`: what a setting is, whose, its default, and what values it has in methods and studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, completion, printing
from dfkd_ray.util import shipped
from dfkd_ray.util.words import number, shorten

if TYPE_CHECKING:
    from dfkd_ray.methods.explaining import Explanation, Owner

Searched = Mapping[str, Any]  # name of a study -> the domain of a path in its search, as its file has it


@app.command(epilog="Examples: dfkd-ray explain student_loss.high_order.weight; dfkd-ray explain schedule.")
def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Of a setting, as `--set` and studies have it; or of a component, such as student_loss.kd.",
            autocompletion=completion.paths,
        ),
    ],
    json: printing.Json = False,
) -> None:
    """Say what a setting is: its source, its default, its values in all methods that ship, what studies search."""
    from dfkd_ray.methods.explaining import explain as explained

    found, searched = explained(path), _searched(path)
    if json:
        told = {"path": path, "owners": [vars(each) for each in found.owners], "fields": found.fields}
        uses = [vars(use) for use in found.uses]
        printing.as_json({**told, "methods": uses, "searched": searched, "typical": _typical(found, searched)})
        return
    printing.say(path)
    for owner in found.owners:
        for line in _owner(owner, alone=len(found.owners) == 1):
            printing.say(line)
    if found.fields:
        printing.say(f"settings: {', '.join(found.fields)}; dfkd-ray explain {path}.{found.fields[0]}")
    if found.uses:
        typer.echo("in the methods that ship:")
        printing.table([(f"  {use.method}", _short(use.value), use.origin) for use in found.uses])
    if searched:
        typer.echo("searched in the studies that ship:")
        printing.table([(f"  {name}", printing.value(domain)) for name, domain in searched.items()])
    for what, said in _typical(found, searched).items():
        printing.say(f"typical {what}: {said}")


def _owner(owner: Owner, alone: bool) -> Iterator[str]:
    """Lines about a component, and its field."""
    yield f"  of {owner.name}: {owner.what}" if owner.field else f"  {owner.name}: {owner.what}"
    if owner.about:
        yield f"    {owner.field}: {owner.about}"
    if alone and owner.source not in ("", owner.what):
        yield f"    source: {owner.source}"
    if owner.field:
        default = "none, it has to be given" if owner.needed else printing.value(owner.default)
        yield f"    default: {default}"


def _short(value: Any) -> str:
    """A value in a column: of a component its name, of a sum its terms."""
    if isinstance(value, Mapping):
        return str(value["name"]) if "name" in value else shorten(", ".join(value) or "{}")
    return printing.value(value)


def _searched(path: str) -> dict[str, Any]:
    """What each study that ships searches at a path."""
    from dfkd_ray.util import yamls

    raw = {each.stem: yamls.load(each).data.get("search") or {} for each in shipped.studies()}
    return {name: search[path] for name, search in raw.items() if path in search}


def _typical(found: Explanation, searched: Searched) -> dict[str, str]:
    """The values in methods, and the range that is searched, in words; of numbers from the lowest to the highest."""
    bounds = [bound for domain in searched.values() for bounds in domain.values() for bound in _numbers(bounds)]
    told = {"in methods": _range([use.value for use in found.uses]), "in searches": _range(bounds)}
    return {what: said for what, said in told.items() if said}


def _numbers(bounds: Any) -> list[Any]:
    return [each for each in bounds if _is_number(each)] if isinstance(bounds, Sequence) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _range(values: Sequence[Any]) -> str:
    plain = list(dict.fromkeys(value for value in values if not isinstance(value, (Mapping, list))))
    if not plain:
        return ""
    if all(map(_is_number, plain)):
        low, high = min(plain), max(plain)
        return number(low) if low == high else f"{number(low)} to {number(high)}"
    return ", ".join(map(printing.value, plain))
