"""The cluster that jobs are sent to: what it is told is nobody's path."""

from __future__ import annotations

from dfkd_ray.cli.dashboard import plain_name
from tests.cli.commands import refused


def test_a_name_from_elsewhere_leads_nowhere_else() -> None:
    found = [plain_name(name) for name in ("mhad_2", "../../etc", "a b/c?d", "", "/", "x" * 500)]
    assert found == ["mhad_2", "etc", "a-b-c-d", "study", "study", "x" * 100]


def test_what_is_no_address_is_refused_by_every_command() -> None:
    for words in (("status",), ("logs", "j"), ("stop", "j"), ("pull", "j")):
        told = refused(*words, "--address", "nonsense")
        assert told == "the address of a Ray dashboard is http://HOST:8265, got 'nonsense'"
