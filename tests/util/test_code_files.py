"""Repository, commit and files in one line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.util.code_files import CodeFile, parse

HEX = "0123456789abcdef"
PATHS = st.lists(st.from_regex(r"[\w.-]+(/[\w.-]+){0,3}", fullmatch=True), min_size=1, max_size=4)


@given(st.from_regex(r"[\w.-]+/[\w.-]+", fullmatch=True), st.text(HEX, min_size=7, max_size=40), PATHS)
def test_what_is_written_is_read(repository: str, commit: str, paths: list[str]) -> None:
    said = f"{repository} @{commit} {', '.join(paths)}"
    assert parse(said) == tuple(CodeFile(repository, commit, path) for path in paths)
    assert parse(said)[0].whole == f"{repository}/{paths[0]}"


@pytest.mark.parametrize(
    "said",
    [
        "one/CMI 9e79fa9 a.py",
        "CMI @9e79fa9 a.py",
        "one/CMI/more @9e79fa9 a.py",
        "one/CMI @9e79f a.py",
        "one/CMI @9E79FA9 a.py",
        f"one/CMI @{'0' * 41} a.py",
        "one/CMI @9e79fa9",
        "one/CMI @9e79fa9 a.py b.py",
        "one/CMI @9e79fa9 a.py,",
        "README of one/CMI, commit 9e79fa9",
        "",
    ],
)
def test_another_form_is_refused(said: str) -> None:
    form = "expected `OWNER/NAME @COMMIT path/of/file.py, path/of/other.sh`, got "
    with pytest.raises(ValueError, match=re.escape(form + repr(said))):
        parse(said)
