"""YAML as data: no tags that call code, no guessed types, no key twice, and every path knows its line.

Only `true`, `false`, `null` and plain numbers are more than text (the core schema of YAML 1.2): `no` stays a word,
`1e-3` is a number. `typed` turns plain data into a frozen dataclass and reports every mistake at once.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, DfkdError, Problem, UnknownName
from dfkd_ray.util.registry import did_you_mean

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the core schema of YAML 1.2 in place of the guesses of YAML 1.1, and with bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Counted before anything of it is there: a list of millions ends where it is too long."""
        self.nodes, self.depth = self.nodes + 1, self.depth + 1
        for bound, found, what in ((limits.DEPTH, self.depth, _DEEP), (limits.NODES, self.nodes, _MANY)):
            if found > bound:
                line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
                raise ConfigError([Problem("", what, line=line)])
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_DEEP = f"nested too deep: more than {limits.DEPTH} lists and mappings in one another"
_MANY = f"more than {limits.NODES:,} values, each alias counted with all that it stands for"
_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?\d+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.\d+|\d+\.\d*|\d+(?=[eE]))(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what either of the two schemas would not read as text: `no` and `0E0`."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *_Loader.yaml_implicit_resolvers.get(first, ())]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}
_ALLOWED = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "map", "seq")}


@dataclass(frozen=True)
class Document:
    """What a file says, and on which line (from 1) each path stands: `lines["search.a.b"]` (keys keep their dots)."""

    data: Any
    file: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """The line of `path`, or of the nearest enclosing path that stands in the file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path.rpartition(".")[0]
        return self.lines.get("")

    def locate(self, problems: Iterable[Problem]) -> ConfigError:
        """The same problems with this file and their lines, in the order of the file."""
        placed = [replace(p, file=p.file or self.file, line=p.line or self.line(p.path)) for p in problems]
        return ConfigError(sorted(placed, key=lambda p: p.line or 0))


def load(path: Path) -> Document:
    """Read a YAML file; ConfigError if it is missing, not text or not YAML."""
    try:
        text = limits.read(path, limits.YAML_BYTES).decode("utf-8")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.y*ml")], n=1)
        hint = f"; did you mean {str(path.with_name(near[0]))!r}?" if near else ""
        raise ConfigError([Problem("", f"there is no such file{hint}", file=str(path))]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([Problem("", f"cannot be read: {error}", file=str(path))]) from None
    return loads(text, str(path))


def loads(text: str, file: str | None = None) -> Document:
    """Read YAML text; ConfigError also for what is larger than `limits` has it."""
    reading = _Reading()
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = None if node is None else reading.plain(node, "", ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError([Problem("", f"not YAML: {what}", file, mark.line + 1 if mark else None)]) from None
    except ConfigError as error:
        raise Document(None, file).locate(error.problems) from None
    document = Document(data, file, reading.lines)
    if reading.problems:
        raise document.locate(reading.problems)
    return document


def dump(data: Any, **style: Any) -> str:
    """Plain data as YAML that reads back the same; `style`: of `yaml.dump`."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, **style))


def value(text: str) -> Any:
    """One value as it would stand in a file: `0.1`, `true`, `[1, 2]`, `{name: pool}`."""
    return loads(text).data


class _Reading:
    """A tree of YAML as plain data, with the line of each path; aliases are counted with what they stand for."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.nodes = self.characters = 0

    def plain(self, node: Any, path: str, above: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1
        self.nodes += 1
        if self.nodes > limits.NODES or self.characters > limits.YAML_BYTES:
            raise ConfigError([Problem("", _MANY, line=line)])
        self.lines.setdefault(path, line)
        if id(node) in above:
            return self._wrong(path, "an alias that contains itself", line)
        if node.tag not in _ALLOWED:
            return self._wrong(path, f"the tag {node.tag!r} is not allowed: YAML is data here", line)
        above = (*above, id(node))
        if len(above) > limits.DEPTH:
            raise ConfigError([Problem("", _DEEP, line=line)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            start = f"{path}." if path else ""
            return [self.plain(item, f"{start}{i}", above) for i, item in enumerate(node.value)]
        self.characters += len(node.value)
        kind = node.tag.rpartition(":")[2]
        try:
            return _SCALARS[kind](node.value)
        except limits.TooLarge as error:
            return self._wrong(path, str(error), line)
        except (KeyError, ValueError):
            return self._wrong(path, f"{node.value!r} is no {kind}", line)

    def _mapping(self, node: Any, path: str, above: tuple[int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if len(node.value) > limits.KEYS:
            self._wrong(path, f"has {len(node.value):,} keys, more than {limits.KEYS:,}", node.start_mark.line + 1)
            return out
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, "a key is a word here", line)
                continue
            key = key_node.value
            inner = f"{path}.{key}" if path else key
            try:
                limits.text(inner, limits.PATH)
            except limits.TooLarge as error:
                self._wrong(path, f"a key {error}", line)
                continue
            if key in out:
                self._wrong(inner, "stands twice", line)
            self.lines[inner] = line
            out[key] = self.plain(value_node, inner, above)
        return out

    def _wrong(self, path: str, message: str, line: int) -> None:
        self.problems.append(Problem(path, message, line=line))


_SCALARS: dict[str, Callable[[str], Any]] = {  # not PyYAML's, to which 010 is 8 and 08 a crash
    "null": lambda text: None,
    "bool": {"true": True, "false": False}.__getitem__,
    "int": limits.whole,
    "float": limits.real,
    "str": limits.text,
}


class Problems:
    """Collects mistakes, so that a file's reader can go on after one and report all."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        self.found.append(Problem(path, message))

    def attempt(self, path: str, read: Callable[..., T], *args: Any, **options: Any) -> T | None:
        """`read(...)`, or None after filing what it complained about under `path`."""
        try:
            return read(*args, **options)
        except ConfigError as error:
            self.found.extend(p.under(path) if path else p for p in error.problems)
        except (DfkdError, ValueError, TypeError) as error:
            self.add(path, str(error))
        return None

    def stop_if_any(self) -> None:
        if self.found:
            raise ConfigError(self.found)


def typed(cls: type[T], raw: Any) -> T:
    """A frozen dataclass from plain data, strictly: no unknown key, no missing key, no converted type.

    Lists stand for tuples. A field that holds another dataclass (or a tuple of them) is read the same way; one whose
    metadata name a `registry` holds a component of it (or a tuple of them). All mistakes come in one ConfigError.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected a mapping with {', '.join(f.name for f in _fields(cls))}, got {raw!r}")
    problems = Problems()
    known = {f.name: f for f in _fields(cls)}
    for key in raw:
        if key not in known:
            problems.add(key, f"no such field{did_you_mean(key, known)}")
    hints = _hints(cls)  # type: ignore[arg-type]  # classes are hashable
    values = {key: problems.attempt(key, _read, known[key], hints[key], raw[key]) for key in known if key in raw}
    for key, f in known.items():
        if key not in raw and f.default is MISSING and f.default_factory is MISSING:
            problems.add(key, "is missing")
    problems.stop_if_any()
    made = problems.attempt("", cls, **values)
    problems.stop_if_any()
    return typing.cast(T, made)


def _fields(cls: type) -> list[Field[Any]]:
    return [f for f in fields(cls) if f.init]


def _read(f: Field[Any], hint: Any, raw: Any) -> Any:
    """One field's value: a component, a nested dataclass, or plain data checked by pydantic."""
    from pydantic import ValidationError

    optional = type(None) in typing.get_args(hint)
    if raw is None and optional:
        return None
    if registry := f.metadata.get("registry"):
        read = partial(component, registry)
        return _several(read, registry.kind, raw) if typing.get_origin(hint) is tuple else read(raw)
    nested = [part for part in (hint, *typing.get_args(hint)) if isinstance(part, type) and is_dataclass(part)]
    if nested:
        read = partial(typed, nested[0])
        return _several(read, nested[0].__name__.lower(), raw) if typing.get_origin(hint) is tuple else read(raw)
    try:
        made = _adapter(hint).validate_python(_tuples(raw), strict=True)
    except ValidationError as error:
        messages = dict.fromkeys(e["msg"].removeprefix("Input should be ") for e in error.errors())
        if any(e["type"] in ("missing", "too_long") for e in error.errors()):
            messages = {f"a list of {len(typing.get_args(hint))}": None}
        raise ValueError(f"should be {' or '.join(messages)}, got {raw!r}") from None
    limits.check(f.name, made)
    return made


@cache
def _adapter(hint: Any) -> Any:
    """What checks plain data against a type: slow to make."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def component(registry: Any, raw: Any, name: str | None = None) -> Any:
    """`{name: pool, capacity: 4}` (or just `pool`) to the component that `registry` has under that name."""
    if isinstance(raw, str):
        raw = {"name": raw}
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected the name of a {registry.kind} or a mapping with one, got {raw!r}")
    rest = dict(raw)
    chosen = rest.pop("name", name)
    if chosen is None:
        raise ConfigError.at("name", f"which {registry.kind}? {did_you_mean('', registry).strip()}")
    try:
        cls = registry[chosen]
    except UnknownName as error:
        raise ConfigError.at("name" if "name" in raw else "", str(error)) from None
    return typed(cls, rest)


def _several(read: Callable[[Any], Any], kind: str, raw: Any) -> tuple[Any, ...]:
    if not isinstance(raw, (list, tuple)):
        raise ConfigError.at("", f"expected a list of {kind}s, got {raw!r}")
    problems = Problems()
    made = tuple(problems.attempt(str(i), read, item) for i, item in enumerate(raw))
    problems.stop_if_any()
    return made


def _tuples(raw: Any) -> Any:
    return tuple(_tuples(item) for item in raw) if isinstance(raw, list) else raw


def plain(spec: Any) -> Any:
    """The inverse of `typed` and `component`: every default filled in, as YAML would hold it."""
    if is_dataclass(spec) and not isinstance(spec, type):
        head = {"name": spec.registered_as} if hasattr(spec, "registered_as") else {}
        return head | {f.name: plain(getattr(spec, f.name)) for f in _fields(type(spec))}
    if isinstance(spec, (tuple, list)):
        return [plain(item) for item in spec]
    if isinstance(spec, Mapping):
        return {key: plain(item) for key, item in spec.items()}
    return spec
