"""What a user typed, without the secrets in it: for whatever of it goes to the disk or to a page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

HIDDEN = "REDACTED"

_NAME = re.compile(
    r"token(?!i)|secret|passw|passphrase|pwd|signature|credential|bearer|auth(?!or)|sig$|key$|key[-_]?id$|^x-(amz|goog)-",
    re.IGNORECASE,
)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s&;#'"]+)"""
_USER = re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*:/{1,2})[^\s/?#]+@", re.IGNORECASE)
_ASSIGNED = re.compile(rf"(?<![\w./-])(?P<keep>-{{0,2}}(?P<name>[A-Za-z_][\w-]*)=){_VALUE}")
_OPTION = re.compile(rf"(?<![\w./-])(?P<keep>--?(?P<name>[A-Za-z][\w-]*)\s+){_VALUE}")
_BEARER = re.compile(r"(?P<keep>\bbearer\s+)[^\s'\"]{8,}", re.IGNORECASE)
_KNOWN = re.compile(  # that say by their form what they are
    r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abp]-)[\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
)


def redacted(text: str) -> str:
    """`text` with REDACTED for each secret in it.

    That is user and password of a URL; the value of an option (`--token X`, `--password=X`), of a query's parameter
    (`?signature=X`, `&X-Amz-Credential=X`) and of a word like those of an environment (`HF_TOKEN=X`) whose name says
    so; a bearer's token; tokens of a known form. What is redacted already stays as it is.
    """
    text = _USER.sub(rf"\g<keep>{HIDDEN}@", text)
    for pattern in (_ASSIGNED, _OPTION):
        text = pattern.sub(_hide_if_named, text)
    return _KNOWN.sub(HIDDEN, _BEARER.sub(rf"\g<keep>{HIDDEN}", text))


def redacted_command(words: Iterable[str]) -> str:
    """A command line, each word as the program got it, quoted for a shell."""
    return shlex.join(_words(words))


def redacted_facts(value: Any) -> Any:
    """Plain data with every text in it redacted; keys stay."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_facts(each) for key, each in value.items()}
    return [redacted_facts(each) for each in value] if isinstance(value, (list, tuple)) else value


def _words(words: Iterable[str]) -> Iterator[str]:
    secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        whole = re.fullmatch(r"-{0,2}[A-Za-z_][\w-]*", name) is not None and _NAME.search(name) is not None
        if secret and not word.startswith("--"):
            yield HIDDEN
        else:
            yield f"{name}={HIDDEN}" if whole and equals else redacted(word)
        secret = whole and not equals and word.startswith("-")


def _hide_if_named(found: re.Match[str]) -> str:
    return found["keep"] + HIDDEN if _NAME.search(found["name"]) else found[0]
