"""Plug-ins: code of one's own that a command loads, so that what it registers is known like what ships.

A plug-in is a file (`my_loss.py`), a folder with an `__init__.py`, a module by name, or the YAML file of a task. It is
named by `--plugin`, by `plugins:` in a study, or is installed and has an entry point in the group `dfkd_ray.plugins`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from dfkd_ray.runs import own_code
from dfkd_ray.tune.ledger import NAME, decode
from dfkd_ray.util.errors import ConfigError, DfkdError, Problem
from dfkd_ray.util.registry import forget

GROUP = "dfkd_ray.plugins"
YAML = (".yaml", ".yml")
FACE = "what a file of one's own registers by is imported so: from dfkd_ray import register"
_loaded: dict[str, str] = {}  # module -> digest of its files when they were loaded
_folders: list[str] = []  # in which plug-ins stand


def load(plugins: Iterable[str]) -> None:
    """Load plug-ins, once each, and again where a file has changed since; before them those that are installed.

    ConfigError names the file and the line of what cannot be loaded.
    """
    plugins = [*plugins]
    if plugins:
        from dfkd_ray.methods import config  # noqa: F401  what ships has its names first
    installed()
    for plugin in plugins:
        path = Path(plugin).expanduser()
        if path.suffix in YAML:
            _task(path)
        elif path.suffix == ".py" or path.is_dir():
            _file(path)
        else:
            _module(plugin)


def modules(plugins: Iterable[str]) -> tuple[str, ...]:
    """The names of their modules; a task in YAML has none."""
    paths = {plugin: Path(plugin) for plugin in plugins if Path(plugin).suffix not in YAML}
    return tuple(dict.fromkeys(p.stem if "/" in name or p.suffix == ".py" else name for name, p in paths.items()))


def facts(plugins: Iterable[str]) -> list[dict[str, str]]:
    """Which they are, by digests, for the provenance of a study."""
    return [{"name": name, **own_code.identity(name)} for name in modules(plugins)]


def recorded(folder: Path, given: Iterable[str] = ()) -> tuple[str, ...]:
    """The plug-ins of the study in a folder, as its ledger has them; one that is `given` stands for that of its name,
    which may lie elsewhere now."""
    if not (told := sessions(folder)):
        return tuple(given)
    studies, options = ([each[key] for each in told if key in each] for key in ("study", "options"))
    own = [each for study in studies for each in study.get("plugins", ())]
    held = (*own, *options[-1].get("plugin", ())) if options else own
    return tuple({Path(each).name: each for each in (*held, *given)}.values())


def sessions(folder: Path) -> list[dict[str, Any]]:
    """Records of how a study in a folder has begun, was amended and gone on with; none where there is no study."""
    kinds = (b'{"kind":"study"', b'{"kind":"amended"', b'{"kind":"resumed"')
    with suppress(OSError), (folder / NAME).open("rb") as lines:  # told by whoever reads the ledger
        return [record for line in lines if line.startswith(kinds) and (record := decode(line.rstrip())) is not None]
    return []


@cache
def installed() -> tuple[str, ...]:
    """Load those that are installed; the names of their modules."""
    found = metadata.entry_points(group=GROUP)
    for entry in found:
        with _telling(f"the plug-in {entry.name} of {entry.dist.name if entry.dist else 'a package'}"):
            entry.load()
    return tuple(entry.module for entry in found)


def origin(item: Any) -> str:
    """Where a component comes from, where dfkd-ray does not bring it: its file, or the package that is installed."""
    module = str(item.__module__)
    if module.partition(".")[0] == own_code.PACKAGE:
        return str(getattr(item, "file", ""))
    file = getattr(sys.modules.get(module), "__file__", None)
    return _shown(file) if file and own_code.is_own(file) else own_code.identity(module)["said"]


def _task(path: Path) -> None:
    """A task by the name of its YAML file."""
    from dfkd_ray.datasets import HERE, named

    path = path.resolve()
    name = path.stem
    if (HERE / f"{name}.yaml").is_file():
        raise _refused(path, f"the task {name} ships with dfkd-ray: give the file another name")
    named.load(str(path))  # its mistakes are told now

    def told() -> Any:
        return named.load(str(path))

    named.tasks._items.pop(name, None)
    named.tasks.register(name)(told)
    told.file = _shown(str(path))  # type: ignore[attr-defined]


def _module(name: str) -> None:
    """A module by its name, installed or below where one stands."""
    _importable(Path.cwd())
    importlib.invalidate_caches()
    if "/" in name or not all(part.isidentifier() for part in name.split(".")) or not _exists(name):
        raise _missing(Path(name), f"there is no file, folder or module {name!r}")
    with _telling(name, name):
        importlib.import_module(name)


def _exists(name: str) -> bool:
    top = name.partition(".")[0]
    return name in sys.modules or (find_spec(top) is not None)


def _file(path: Path) -> None:
    """A file, or a folder with an `__init__.py`, as the module of its name."""
    file = (path / "__init__.py" if path.is_dir() else path).resolve()
    if not file.is_file():
        raise _missing(path, f"there is no such file{': a package has an __init__.py' if path.is_dir() else ''}")
    name = file.parent.name if path.is_dir() else file.stem
    if not name.isidentifier():
        raise _refused(path, f"a module is called by letters, digits and _, and {name!r} is not: rename it")
    there = getattr(sys.modules.get(name), "__file__", None)
    if there is not None and Path(there).resolve() == file:
        if own_code.digest(name) == _loaded.setdefault(name, own_code.digest(name)):
            return
        drop(name)
    elif _is_taken(name):
        raise _refused(path, f"there is another module {name!r}: give the file another name")
    _importable(file.parent.parent if path.is_dir() else file.parent)
    with _telling(_shown(str(file)), name):
        _execute(name, file, path.is_dir())
    _check_beside(name, file.parent)
    _loaded[name] = own_code.digest(name)


def _is_taken(name: str) -> bool:
    """Whether another module has this name, loaded or installed."""
    if name in sys.modules or name in sys.stdlib_module_names:
        return True
    spec = find_spec(name)
    return spec is not None and spec.origin is not None and not own_code.is_own(spec.origin)


def _check_beside(name: str, folder: Path) -> None:
    """ConfigError where a plug-in has got another's file in place of the one beside it, since both have one name."""
    for module, file in own_code.modules(name).items():
        beside = (folder / f"{module}.py").resolve()
        if beside.is_file() and beside != file:
            drop(name)
            said = f"{name} would import {_shown(str(file))} in place of it, which is loaded: give one another name"
            raise _refused(beside, said)


def _execute(name: str, file: Path, package: bool) -> None:
    spec = spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)] if package else None)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


def _importable(folder: Path) -> None:
    """What stands beside a plug-in may be imported by it: after what is installed, before what stands beside others."""
    if (own := str(folder)) in _folders and own in sys.path:
        sys.path.remove(own)
    if own not in sys.path:
        sys.path.insert(
            min((sys.path.index(each) for each in _folders if each in sys.path), default=len(sys.path)), own
        )
        _folders.append(own)


def drop(name: str) -> None:
    """Take out a module with all that it imports of one's own, and what these have registered."""
    for each in own_code.modules(name):
        forget(each)
        sys.modules.pop(each, None)
    forget(name)
    sys.modules.pop(name, None)


class _telling:
    """What is raised within the block becomes a ConfigError that names the line in the plug-in."""

    def __init__(self, what: str, module: str | None = None) -> None:
        self.what, self.module = what, module

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if not isinstance(error, (Exception, SystemExit)):
            return
        if self.module is not None:
            drop(self.module)
        raise ConfigError([_problem(error, self.what)]) from error


def _problem(error: BaseException, what: str) -> Problem:
    """What went wrong, in the innermost line that is somebody's own."""
    said = str(error) if isinstance(error, DfkdError) else f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return Problem("", f"{type(error).__name__}: {error.msg}", _shown(error.filename or what), error.lineno)
    if isinstance(error, ImportError) and own_code.PACKAGE in str(error):
        said = f"{said}; {FACE}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if own_code.is_own(frame.filename)]
    return Problem("", said, _shown(own[-1].filename), own[-1].lineno) if own else Problem("", f"{what}: {said}")


def _missing(path: Path, said: str) -> ConfigError:
    near = difflib.get_close_matches(path.name, sorted({*_beside(path)} - {path.name}), n=1)
    hint = f"; did you mean {str(path.with_name(near[0]))!r}?" if near else ""
    return _refused(path, said + hint)


def _beside(path: Path) -> Iterator[str]:
    folder = path.parent
    if folder.is_dir():
        yield from (each.name for each in folder.iterdir() if each.suffix in (".py", *YAML) or each.is_dir())


def _refused(path: Path, said: str) -> ConfigError:
    return ConfigError([Problem("", f"{path}: {said}")])


def _shown(file: str) -> str:
    """A file as it is called from where one stands."""
    path = Path(file)
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)
