from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import Registry, did_you_mean, forget, load_siblings


@pytest.fixture
def colours() -> Registry[type]:
    made = Registry[type]("colour")
    for name in ("red", "green", "blue"):
        made.register(name)(type(name, (), {}))
    return made


def test_look_up_iterate_and_count(colours: Registry[type]) -> None:
    assert list(colours) == ["blue", "green", "red"]
    assert len(colours) == 3
    assert "red" in colours
    assert "black" not in colours
    assert colours["red"].registered_as == "red"  # type: ignore[attr-defined]


def test_an_unknown_name_names_the_nearest_and_all(colours: Registry[type]) -> None:
    with pytest.raises(UnknownName) as caught:
        colours["gren"]
    assert str(caught.value) == "unknown colour 'gren'; did you mean 'green'? (known: blue, green, red)"


def test_a_name_is_taken_once(colours: Registry[type]) -> None:
    with pytest.raises(ValueError, match="colour 'red' is registered twice"):
        colours.register("red")(type("Other", (), {}))


def test_what_a_module_has_registered_is_forgotten(colours: Registry[type]) -> None:
    colours.register("own")(type("Own", (), {"__module__": "mine"}))
    forget("mine")
    assert list(colours) == ["blue", "green", "red"]


def test_a_tail_where_nothing_is_near_or_known() -> None:
    assert did_you_mean("zzz", ["a", "b"]) == " (known: a, b)"
    assert did_you_mean("zzz", []) == " (none is known)"
    assert did_you_mean(3, ["30"]) == "; did you mean '30'? (known: 30)"


def test_a_file_dropped_into_a_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "dropped"
    package.mkdir()
    (package / "__init__.py").write_text("seen = []\n")
    (package / "one.py").write_text("import dropped\ndropped.seen.append('one')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_siblings("dropped", [str(package)])
    assert sys.modules["dropped"].seen == ["one"]
    for name in ("dropped", "dropped.one"):
        del sys.modules[name]
