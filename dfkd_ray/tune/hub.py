"""Samplers from OptunaHub, or from a registry of one's own: an open door, whose code is named by what is in it.

Optuna's samplers keep what they have to remember in the study, since several processes may share one; so one of these
too is made anew for each proposal, from a seed of the trial's own. What it keeps on itself alone is gone with it.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from optuna.samplers import BaseSampler

from dfkd_ray.study.specs import Optunahub
from dfkd_ray.util.errors import ConfigError, MissingExtra
from dfkd_ray.util.registry import did_you_mean


def build(spec: Optunahub, seed: int) -> BaseSampler:
    """The sampler, with this seed; ConfigError where the package cannot be had, or its class is not to be used so."""
    kind = _class(spec, _module(spec))
    takes = inspect.signature(kind).parameters
    if not any(name == "seed" or p.kind is p.VAR_KEYWORD for name, p in takes.items()):
        raise _wrong(spec, f"{kind.__name__} takes no `seed`, so no study of it could be run again")
    if "seed" in spec.options:
        raise _wrong(spec, "the seed stands beside `options`, not among them")
    try:
        return kind(**spec.options, seed=seed)
    except Exception as error:  # of somebody else's code
        raise _wrong(spec, f"{kind.__name__} is not made: {type(error).__name__}: {error}") from error


def identity(spec: Optunahub) -> dict[str, str]:
    """What a ledger keeps of the code: a digest of all files of the package, and what it is."""
    root = Path(str(_module(spec).__file__)).parent
    made = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            made.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    place = spec.registry or f"OptunaHub at {spec.ref}"
    return {"digest": made.hexdigest(), "said": f"{spec.package} of {place}, optunahub {_version()}"}


def _module(spec: Optunahub) -> ModuleType:
    try:
        import optunahub
    except ImportError:
        raise MissingExtra("optunahub", "optunahub", f"the sampler {spec.package}") from None
    if spec.registry is not None:
        _there(spec, Path(spec.registry))
    try:
        if spec.registry is None:
            found = optunahub.load_module(spec.package, ref=spec.ref)
        else:
            found = optunahub.load_local_module(spec.package, registry_root=spec.registry)
    except Exception as error:  # git, the network, or the package's own code
        where = "" if spec.registry else "; without a network say `registry: FOLDER`, a copy of the registry's packages"
        raise _wrong(spec, f"not loaded: {type(error).__name__}: {error}{where}") from error
    assert isinstance(found, ModuleType)
    return found


def _there(spec: Optunahub, registry: Path) -> None:
    """ConfigError where a folder has no such package, with the nearest one."""
    if not (registry / spec.package / "__init__.py").is_file():
        known = sorted(path.parent.relative_to(registry).as_posix() for path in registry.glob("*/*/__init__.py"))
        raise _wrong(spec, f"no such package in {registry}{did_you_mean(spec.package, known) if known else ''}")


def _class(spec: Optunahub, module: ModuleType) -> Any:
    """The sampler's class: the one that is named, or the only one of the package."""
    known = dict(_classes(module))
    if spec.sampler is not None:
        if spec.sampler not in known:
            raise _wrong(spec, f"no sampler {spec.sampler!r}{did_you_mean(spec.sampler, known)}")
        return known[spec.sampler]
    if len(known) != 1:
        which = f"several: say `sampler:` {', '.join(known)}" if known else "none"
        raise _wrong(spec, f"one sampler is wanted, and there are {which}")
    return next(iter(known.values()))


def _classes(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Those that the package offers, not what it has imported from Optuna."""
    for name in getattr(module, "__all__", None) or vars(module):
        found = getattr(module, name, None)
        if inspect.isclass(found) and issubclass(found, BaseSampler) and found.__module__.partition(".")[0] != "optuna":
            yield name, found


def _version() -> str:
    try:
        return metadata.version("optunahub")
    except metadata.PackageNotFoundError:
        return "unknown"


def _wrong(spec: Optunahub, what: str) -> ConfigError:
    return ConfigError.at("", f"optunahub {spec.package}: {what}")
