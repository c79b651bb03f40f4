"""The code that a method's file names, and the marks that say which value is from which file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.methods import marks
from dfkd_ray.util.code_files import CodeFile
from dfkd_ray.util.errors import ConfigError

HEAD = """# A method: of nobody.
# Evidence: read
# Code: some-one/CMI @9e79fa9 datafree_kd.py, scripts/cmi/cmi_cifar10.sh,
#   synthesis/contrastive.py
# Two things are counted otherwise.
# Code: others/Data.Free @{commit} main.py, scripts/main.py, lib/cmi/contrastive.py
source: generator
# Code: far/below @1234567 not_at_the_head.py
""".replace("{commit}", "c161591" + "0" * 33)
CMI = [
    CodeFile("some-one/CMI", "9e79fa9", path)
    for path in ("datafree_kd.py", "scripts/cmi/cmi_cifar10.sh", "synthesis/contrastive.py")
]
OTHERS = [
    CodeFile("others/Data.Free", "c161591" + "0" * 33, path)
    for path in ("main.py", "scripts/main.py", "lib/cmi/contrastive.py")
]
FILES = (*CMI, *OTHERS)


def test_the_head_names_repository_commit_and_files() -> None:
    assert marks.head(HEAD, "mine.yaml") == FILES
    assert marks.code_lines(HEAD) == [3, 4, 6]
    assert marks.head("# A method.\n# Its code is read.\nsource: generator\n", "mine.yaml") == ()


def test_a_line_of_another_form_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        marks.head("# A method.\n# Code: one/CMI 9e79fa9\n#   a.py\n", "mine.yaml")
    form = "`OWNER/NAME @COMMIT path/of/file.py, path/of/other.sh`"
    assert str(caught.value) == f"mine.yaml:2: # Code: expected {form}, got 'one/CMI 9e79fa9 a.py'"


def test_a_file_stands_once() -> None:
    with pytest.raises(ConfigError, match=r"^mine.yaml:2: one/CMI/a.py stands twice$"):
        marks.head("# Code: one/CMI @9e79fa9 a.py\n# Code: one/CMI @1234567 b.py, a.py\n", "mine.yaml")


@pytest.mark.parametrize(
    ("comment", "meant"),
    [
        ("code", FILES[0]),
        ("code: of the student", FILES[0]),
        ("code, k = 5", FILES[0]),
        ("code; 1 in its other scripts", FILES[0]),
        ("all: code", FILES[0]),
        ("all: code cmi_cifar10.sh", FILES[1]),
        ("code cmi_cifar10.sh: at epochs 25, 30 and 35", FILES[1]),
        ("code synthesis/contrastive.py", FILES[2]),
        ("code lib/cmi/contrastive.py, not its script", FILES[5]),
        ("code cmi/contrastive.py", FILES[5]),
        ("code main.py", FILES[3]),  # the whole path of one, the tail of another
        ("code Data.Free/scripts/main.py", FILES[4]),
    ],
)
def test_a_mark_means_one_file(comment: str, meant: CodeFile) -> None:
    assert marks.resolve(comment, FILES, "mine.yaml", 9) == meant
    assert marks.is_mark(comment)


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("code cmi_cifar1.sh", "no `Code:` line has a file 'cmi_cifar1.sh'; did you mean 'cmi_cifar10.sh'? (known: "),
        ("code contrastive.py", "'contrastive.py' is one of 2 files: say synthesis/contrastive.py or cmi/contrastive"),
        ("code e_kd.py", "no `Code:` line has a file 'e_kd.py'"),  # a tail of whole names
        ("code for CIFAR", "expected `code`, or `code FILE: remark` with a file of the head, got 'code for CIFAR'"),
        ("authors' code", "expected `code`, or `code FILE: remark` with a file of the head, got"),
        ("the code's", "expected `code`, or `code FILE: remark` with a file of the head, got"),
    ],
)
def test_a_mark_that_means_none_or_several_is_refused(comment: str, said: str) -> None:
    assert marks.is_mark(comment)
    with pytest.raises(ConfigError) as caught:
        marks.resolve(comment, FILES, "mine.yaml", 9)
    assert str(caught.value).startswith(f"mine.yaml:9: {said}")


def test_without_a_head_a_mark_is_an_error_and_is_shown_as_it_stands() -> None:
    with pytest.raises(ConfigError, match=r"^mine.yaml:3: `code: k` names no code: the head of the file needs a line"):
        marks.resolve("code: k", (), "mine.yaml", 3)
    assert marks.named("code: k", (), "mine.yaml", 3) == "code: k"
    assert marks.named("authors' code", (), "mine.yaml", 3) == "authors' code"


def test_a_mark_is_shown_with_its_file_and_other_comments_as_they_are() -> None:
    assert marks.named("code: k", FILES, "", 1) == "code datafree_kd.py: k"
    assert marks.named("all: code", FILES, "", 1) == "all: code datafree_kd.py"
    assert marks.named("code lib/cmi/contrastive.py, or so", FILES, "", 1) == "code cmi/contrastive.py, or so"
    for other in ("Table 1", "reconstruction: value of the code of CMI", "codes differ", "coded by hand"):
        assert marks.named(other, FILES, "", 1) == other


def test_the_files_are_listed_as_a_head_names_them() -> None:
    assert list(marks.listed(FILES[:4])) == [
        "# Code: some-one/CMI @9e79fa9 datafree_kd.py, scripts/cmi/cmi_cifar10.sh, synthesis/contrastive.py",
        f"# Code: others/Data.Free @c161591{'0' * 33} main.py",
    ]


PARTS = st.lists(st.sampled_from(["a", "b", "c.py"]), min_size=1, max_size=4).map("/".join)
MANY = st.lists(
    st.builds(CodeFile, st.sampled_from(["a/b", "b/a"]), st.just("1234567"), PARTS), unique_by=lambda f: f.whole
)


@given(MANY)
def test_what_is_listed_is_read_again(files: list[CodeFile]) -> None:
    assert marks.head("\n".join(marks.listed(files)), "copy.yaml") == tuple(files)


@given(MANY.filter(bool))
def test_every_file_has_a_short_name_that_means_it(files: list[CodeFile]) -> None:
    for each, name in marks.short_names(files).items():
        assert marks.resolve(f"code {name}", files, "", 1) == each
