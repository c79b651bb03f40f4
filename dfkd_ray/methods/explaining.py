"""What a path of a method is: whose field, what its docstring says of it, its default, and the methods that have it.

Everything is read from the components themselves: nothing is said here that does not stand there.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any

from dfkd_ray.methods import config, origins
from dfkd_ray.methods.method import Method
from dfkd_ray.parts.slots import memories, sources
from dfkd_ray.parts.total_loss import TotalLoss, Weighted, terms
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import did_you_mean

_PAPER = re.compile(r"arXiv|et al\.|\b(?:ICCV|CVPR|ECCV|WACV|AAAI|ICLR|ICML|NeurIPS)\b")
_SLOTS = {"source": sources, "memory": memories}
_WEIGHTED = ("weight", "start", "ramp")  # of every term, beside its own fields


@dataclass(frozen=True)
class Owner:
    """A component with the field that a path ends in, or the component that it leads to (`field` is empty then).

    about: what its docstring says of the field. source: its sentences that name a paper. default: plain data. needed:
    there is none, so that the field has to be given.
    """

    name: str
    what: str
    source: str
    field: str = ""
    about: str = ""
    default: Any = None
    needed: bool = False


@dataclass(frozen=True)
class Use:
    """The value in a method as it ships, and where that comes from: see `origins`."""

    method: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Explanation:
    path: str
    owners: tuple[Owner, ...]
    uses: tuple[Use, ...]
    fields: tuple[str, ...] = ()  # below it, where it leads to one component


def explain(path: str) -> Explanation:
    """UnknownName, with the nearest, for a path that neither a component nor a method that ships has."""
    *parents, last = path.split(".")
    uses = tuple(_uses(path))
    holders = _classes(parents)
    own = {_definer(cls, last): cls for cls in holders if last in _names(cls)} if parents else {}
    if own:
        return Explanation(path, tuple(_of_field(cls, last, holders[0]) for cls in own.values()), uses)
    found = _classes([*parents, last])
    shown = [cls for cls in found if cls is not Weighted]
    if not shown and not uses:
        raise UnknownName(f"no method has a path {path!r}{_nearest(path)}")
    term = Weighted in found
    below = [*(_WEIGHTED if term else ()), *_names(shown[0])] if len(shown) == 1 and shown[0] is not TotalLoss else []
    owners = tuple(Owner(_called(cls), head(cls), paper(cls)) for cls in shown)
    return Explanation(path, owners, uses, tuple(below))


def head(cls: type) -> str:
    """The first paragraph of a component's docstring, in one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split())


def paper(cls: type) -> str:
    """The sentences of a component's docstring, before its fields, that name a paper."""
    text = inspect.cleandoc(cls.__doc__ or "")
    entry = _entries(cls).search(text)
    before = " ".join(text[: entry.start() if entry else None].split())
    said = re.split(r"(?<=[a-z0-9)\]]\.) (?=[A-Z])", before)
    return " ".join(each for each in said if _PAPER.search(each))


def about(cls: type, name: str) -> str:
    """What the docstring of a component, or of what it is made from, says of a field; empty where it says nothing."""
    for base in cls.__mro__:
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        if name not in text:
            continue
        entries = list(_entries(cls).finditer(text))
        ends = [*(entry.start() for entry in entries[1:]), len(text)]
        for entry, end in zip(entries, ends):
            if name in entry[1].split(", "):
                return " ".join(text[entry.end() : end].partition("\n\n")[0].split())
    return ""


def _entries(cls: type) -> re.Pattern[str]:
    """Where a docstring begins to speak of fields: `order: ` or `mean, std: `."""
    names = "|".join(map(re.escape, _names(cls))) or r"(?!)"
    return re.compile(rf"(?<!\S)((?:{names})(?:, (?:{names}))*):\s")


def _names(cls: type) -> dict[str, Field[Any]]:
    return {f.name: f for f in fields(cls)} if is_dataclass(cls) else {}


def _of_field(cls: type, name: str, first: type) -> Owner:
    """`first`: of what may stand there; of a term, whose weight is no field of its own, the term."""
    f = _names(cls)[name]
    made = f.default if f.default_factory is MISSING else f.default_factory()
    default = 1.0 if cls is Weighted and name == "weight" else made
    needed = default is MISSING
    said = about(cls, name) or (head(cls) if cls is Weighted else "")
    whose = first if cls is Weighted else cls
    return Owner(
        _called(whose), head(whose), paper(whose), name, said, None if needed else yamls.plain(default), needed
    )


def _called(cls: type) -> str:
    return str(getattr(cls, "registered_as", cls.__name__))


def _definer(cls: type, name: str) -> type:
    """The class, of a component's own or above it, that states a field."""
    return next(base for base in cls.__mro__ if name in inspect.get_annotations(base))


def _classes(keys: Iterable[str]) -> tuple[type, ...]:
    """What may stand at a path: the classes of components; of a term its own, and that of its weight."""
    found: tuple[type, ...] = (Method,)
    for key in keys:
        found = tuple(dict.fromkeys(inner for cls in found for inner in _inside(cls, key)))
    return found


def _inside(cls: type, key: str) -> Iterator[type]:
    if cls is Method and key in _SLOTS:
        yield from (_SLOTS[key][name] for name in _SLOTS[key])
    elif cls is TotalLoss:
        yield from (*_terms(key), Weighted)
    elif key in _names(cls):
        if registry := _names(cls)[key].metadata.get("registry"):
            yield from (registry[name] for name in registry)
        else:
            hint = typing.get_type_hints(cls)[key]
            yield from (
                each for each in (hint, *typing.get_args(hint)) if is_dataclass(each) and isinstance(each, type)
            )


def _terms(name: str) -> Iterator[type]:
    """The class of a term by the name that it has in a sum, which a method may have given it."""
    if name in terms:
        yield terms[name]
        return
    for method in map(config.load, config.method_names()):
        for loss in (method.source_loss, method.student_loss):
            if name in loss.parts:
                yield type(loss.parts[name].term)


@cache
def _plain(name: str) -> Mapping[str, Any]:
    """A method that ships, resolved."""
    return config.plain(config.load(name))


def _uses(path: str) -> Iterator[Use]:
    for name in config.method_names():
        node: Any = _plain(name)
        for key in path.split("."):
            node = node.get(key, MISSING) if isinstance(node, Mapping) else MISSING
        if node is not MISSING:
            yield Use(name, node, origins.origin(name, path))


def _nearest(path: str) -> str:
    """The hint of an unknown path: among those that share what is right of it."""
    known = {p for name in config.method_names() for p in _below(_plain(name))}
    right = path
    while right and right not in known:
        right = right.rpartition(".")[0]
    here = {each for each in known if each.rpartition(".")[0] == right}
    return did_you_mean(path, here or known)


def _below(raw: Any, at: str = "") -> Iterator[str]:
    for key, value in raw.items() if isinstance(raw, Mapping) else ():
        path = f"{at}.{key}" if at else str(key)
        yield path
        yield from _below(value, path)
