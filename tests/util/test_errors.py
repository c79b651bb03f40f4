from __future__ import annotations

import inspect
import pickle
import re

import pytest

from dfkd_ray.util import errors
from dfkd_ray.util.errors import ConfigError, DfkdError, MissingExtra, Problem

KINDS = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_dfkd_error_with_a_docstring(kind: type[Exception]) -> None:
    assert issubclass(kind, DfkdError)
    assert kind.__doc__


def test_the_tree_at_the_top_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(kind.__name__ for kind in KINDS if kind is not DfkdError)
    above = {kind: (errors.StudyError if kind is errors.GivenUp else DfkdError,) for kind in KINDS}
    assert all(kind.__bases__ == above[kind] for kind in KINDS if kind is not DfkdError)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.b", "is missing"), "a.b: is missing"),
        (Problem("a", "is missing", "x.yaml", 3), "x.yaml:3: a: is missing"),
        (Problem("", "not YAML", "x.yaml"), "x.yaml: not YAML"),
        (Problem("", "just this"), "just this"),
    ],
)
def test_a_problem_says_file_line_path_and_what(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_problem_seen_from_further_out() -> None:
    assert Problem("b", "x", "f", 2).under("a") == Problem("a.b", "x", "f", 2)
    assert Problem("", "x").under("a").under("z").path == "z.a"


def test_a_config_error_reports_all_its_problems() -> None:
    error = ConfigError(Problem(path, "is missing") for path in "ab")
    assert str(error) == "a: is missing\nb: is missing"
    assert [problem.path for problem in error.problems] == ["a", "b"]
    assert str(ConfigError.at("p", "no")) == "p: no"


def test_a_missing_extra_says_what_to_install() -> None:
    assert "pip install 'dfkd-ray[digits]'" in str(MissingExtra("scikit-learn", "digits", "the task digits"))


def test_mistakes_come_out_of_another_process_as_they_were() -> None:
    error = ConfigError([Problem("a.b", "wrong", "study.yaml", 3), Problem("c", "too large")])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == (str(error), error.problems)
