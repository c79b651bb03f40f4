"""The libraries `diffusers` and `transformers`: imported where they are needed, and silent."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from dfkd_ray.util.errors import MissingExtra


def installed(purpose: str) -> None:
    """MissingExtra where one of them is missing; imports neither."""
    for package in ("diffusers", "transformers"):
        if find_spec(package) is None:
            raise MissingExtra(package, "diffusion", purpose)


def libraries(purpose: str) -> tuple[Any, Any]:
    """`diffusers` and `transformers`; MissingExtra without them."""
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise MissingExtra(error.name or "diffusers", "diffusion", purpose) from None
    return diffusers, transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and the advice of the libraries: what is wrong is an error here."""
    from diffusers.utils import logging as ours
    from transformers.utils import logging as theirs

    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    before, bars = (ours.get_verbosity(), theirs.get_verbosity()), theirs.is_progress_bar_enabled()
    for each in (ours, theirs):
        each.set_verbosity(logging.CRITICAL)
        each.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.setLevel(level)
        ours.set_verbosity(before[0])
        theirs.set_verbosity(before[1])
        if bars:
            for each in (ours, theirs):
                each.enable_progress_bar()
