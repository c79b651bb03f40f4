"""What a method's file says of the code that it rests on: `# Code:` lines at its head, the mark `code` at its values.

    # Code: zju-vipa/CMI @9e79fa9 datafree_kd.py, scripts/cmi/cmi_cifar10.sh,
    #   synthesis/contrastive.py

    latent: 256    # code
    batch: 128     # code cmi_cifar10.sh: of the student

A line a repository: OWNER/NAME, commit, paths. A mark alone means the first file of the first line; with the tail of a
path it means that file; `all: code` speaks of all that stands under a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile
from textwrap import wrap

from dfkd_ray.util import code_files
from dfkd_ray.util.code_files import CodeFile
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean

FORM = f"# Code: {code_files.FORM}"
WIDTH = 120  # columns
_MARK = re.compile(r"(?P<all>all: )?code(?: (?P<file>[^\s,:;]+))?(?P<remark>[,:;] .+)?")
_BEGINS = re.compile(r"(all: )?(the )?((authors' )?code|authors)\b")  # what is meant as a mark, in whatever form


def head(text: str, file: str) -> tuple[CodeFile, ...]:
    """The files that the `# Code:` lines of a method's head name, in their order; none where there is no such line.

    ConfigError for a line of another form, and for a file that stands twice.
    """
    found: list[CodeFile] = []
    lines = text.splitlines()
    for number, more in _code_lines(lines).items():
        said = " ".join(line.lstrip("# ") for line in lines[number - 1 : number + more]).removeprefix("Code:").strip()
        try:
            named_here = code_files.parse(said)
        except ValueError as error:
            raise _error(file, number, f"# Code: {error}") from None
        for each in named_here:
            if each.whole in (other.whole for other in found):
                raise _error(file, number, f"{each.whole} stands twice")
            found.append(each)
    return tuple(found)


def code_lines(text: str) -> list[int]:
    """The numbers of the lines, from 1, that name code."""
    return [line for at, more in _code_lines(text.splitlines()).items() for line in range(at, at + more + 1)]


def _code_lines(lines: Sequence[str]) -> dict[int, int]:
    """Number of a `# Code:` line of the head -> in how many lines under it it goes on."""
    top = list(takewhile(lambda line: line.startswith("#"), lines))
    return {
        number: sum(1 for _ in takewhile(lambda line: line.startswith("#   "), top[number:]))
        for number, line in enumerate(top, start=1)
        if line.startswith("# Code:")
    }


def is_mark(comment: str) -> bool:
    """Whether a comment beside a value is meant to say that the value is the code's."""
    return bool(_BEGINS.match(comment))


def resolve(comment: str, files: Sequence[CodeFile], file: str, line: int) -> CodeFile:
    """The file that a mark means; ConfigError for a mark of another form, or one that means no file, or several."""
    mark = _MARK.fullmatch(comment)
    if mark is None:
        raise _error(file, line, f"expected `code`, or `code FILE: remark` with a file of the head, got {comment!r}")
    if not files:
        raise _error(file, line, f"`{comment}` names no code: the head of the file needs a line `{FORM}`")
    if mark["file"] is None:
        return files[0]
    meant = _ending_in(mark["file"], files)
    if not meant:
        names = short_names(files).values()
        raise _error(file, line, f"no `Code:` line has a file {mark['file']!r}{did_you_mean(mark['file'], names)}")
    if len(meant) > 1:
        which = " or ".join(short_names(files)[each] for each in meant)
        raise _error(file, line, f"{mark['file']!r} is one of {len(meant)} files: say {which}")
    return meant[0]


def short_names(files: Sequence[CodeFile]) -> Mapping[CodeFile, str]:
    """The shortest tail of each file's path that means it alone."""
    return {
        each: next((tail for tail in _tails(each) if _ending_in(tail, files) == [each]), each.whole) for each in files
    }


def _tails(each: CodeFile) -> Iterator[str]:
    parts = each.whole.split("/")
    yield from ("/".join(parts[i:]) for i in reversed(range(len(parts))))


def _ending_in(tail: str, files: Sequence[CodeFile]) -> list[CodeFile]:
    """The file that is called so in full, with or without its repository; else those whose paths end so."""
    full = [each for each in files if tail == each.whole] or [each for each in files if tail == each.path]
    return full or [each for each in files if each.whole.endswith(f"/{tail}")]


def named(comment: str, files: Sequence[CodeFile], file: str, line: int) -> str:
    """A mark with the short name of its file: `code datafree_kd.py: of the student`; any other comment as it is.

    So is a mark where the head names no code: files of before there were such lines are shown as they stand.
    """
    if not files or not is_mark(comment):
        return comment
    meant = short_names(files)[resolve(comment, files, file, line)]
    mark = _MARK.fullmatch(comment)
    assert mark is not None
    return f"{mark['all'] or ''}code {meant}{mark['remark'] or ''}"


def listed(files: Sequence[CodeFile]) -> Iterator[str]:
    """The `# Code:` lines again, so that a copy of what is shown says where its values were read: `head` reads them."""
    for (repository, commit), some in groupby(files, key=lambda each: (each.repository, each.commit)):
        said = f"# Code: {repository} @{commit} {', '.join(each.path for each in some)}"
        yield from wrap(said, WIDTH, subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False)


def _error(file: str, line: int, message: str) -> ConfigError:
    return ConfigError([Problem("", message, file, line)])
