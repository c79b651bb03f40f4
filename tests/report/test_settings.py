from __future__ import annotations

import pytest

from dfkd_ray.report.settings import parameters


def test_every_domain_of_a_study_file_is_understood() -> None:
    search = {
        "a.order": {"choice": [1, 2, 3]},
        "a.weight": {"log": [0.1, 100]},
        "a.rate": {"uniform": [0, 1]},
        "a.count": {"int": [1, 8], "step": 2},
        "a.flag": {"bool": True},
    }
    found = parameters(search, [])
    assert [(p.label, p.kind) for p in found] == [
        ("order", "choice"),
        ("weight", "log"),
        ("rate", "uniform"),
        ("count", "int"),
        ("flag", "choice"),
    ]
    assert found[4].options == (False, True)
    assert found[1].domain == "0.1 to 100, logarithmic"


def test_a_condition_is_said_in_words() -> None:
    (one, _) = parameters(
        {"a.x": {"uniform": [0, 1], "when": {"b.order": [2, 3]}}, "b.order": {"choice": [1, 2, 3]}}, []
    )
    assert one.condition == "order is 2 or 3"


@pytest.mark.parametrize(
    ("domain", "value", "share"),
    [
        ({"log": [0.1, 1000]}, 10, 0.5),
        ({"uniform": [-1, 3]}, 0, 0.25),
        ({"int": [1, 5]}, 5, 1.0),
        ({"choice": ["a", "b"]}, "b", 0.75),
        ({"uniform": [2, 2]}, 2, 0.5),
        ({"uniform": [0, 1]}, "off", None),
        ({"log": [0.1, 1]}, 0, None),
    ],
)
def test_where_a_value_stands(domain: object, value: object, share: float | None) -> None:
    (one,) = parameters({"x": domain}, [])
    assert one.share(value) == (share if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("domain", "value", "edge"),
    [
        ({"log": [1, 100]}, 99, "upper"),
        ({"log": [1, 100]}, 1.1, "lower"),
        ({"log": [1, 100]}, 50, None),
        ({"uniform": [0, 1]}, 0.95, "upper"),
        ({"uniform": [0, 1]}, 0.94, None),
        ({"int": [1, 8]}, 8, "upper"),
        ({"int": [1, 100]}, 99, None),
        ({"choice": [3, 1, 2]}, 3, "upper"),
        ({"choice": [1, 2, 3]}, 2, None),
        ({"choice": [1, 2]}, 2, None),
        ({"choice": ["a", "b", "c"]}, "c", None),
        ({"bool": True}, True, None),
    ],
)
def test_the_edge_of_a_range(domain: object, value: object, edge: str | None) -> None:
    (one,) = parameters({"x": domain}, [])
    assert one.edge(value) == edge


def test_without_a_study_file_the_changes_that_differ_are_the_settings_and_have_no_edge() -> None:
    seen = [{"fixed": 3, "weight": 0.5, "kind": "a"}, {"fixed": 3, "weight": 2.0, "kind": "b"}]
    found = parameters(None, seen)
    assert [(p.path, p.kind, p.declared) for p in found] == [("weight", "uniform", False), ("kind", "choice", False)]
    assert found[0].edge(2.0) is None


def test_true_is_not_one_but_a_whole_float_is() -> None:
    (one,) = parameters({"x": {"choice": [1, True, {"name": "pool"}]}}, [])
    assert [one.place(v) for v in (1.0, True, {"name": "pool"}, "else")] == [0, 1, 2, None]
