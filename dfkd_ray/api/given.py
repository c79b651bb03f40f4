"""A study, however Python gives it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document

Asked = str | Path | Mapping[str, Any] | Study  # a shipped study, a file, what stands in one, or one that was made


def document(study: Asked) -> Document:
    """A study as its file has it, wherever it comes from; UnknownName, or ConfigError for what is none."""
    if isinstance(study, Study):
        return Document(studies.plain(study))
    if isinstance(study, Mapping):
        return Document(_plain(study))
    if isinstance(study, str | Path):
        return yamls.load(shipped.study_file(str(study)))
    raise ConfigError.at("", f"expected a study: a name, a file, a mapping or a Study, got {study!r}")


def _plain(value: Any) -> Any:
    """What stands in a mapping, as it would in a file."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
