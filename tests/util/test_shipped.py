from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.methods import config
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.errors import ConfigError, UnknownName


def test_studies_and_methods_are_found_by_name() -> None:
    studies = {path.stem: path for path in shipped.studies()}
    assert studies
    for name, path in studies.items():
        assert shipped.find(f"search_spaces/{name}") == shipped.study_file(name) == path
        assert shipped.find(name) == (config.method_file(name) if name in config.method_names() else path)
        assert path.is_file()
    for name in config.method_names():
        assert shipped.find(name) == config.method_file(name)


def test_every_study_asks_and_every_file_says_what_it_is() -> None:
    for path in shipped.studies():
        assert shipped.question(path).endswith("?")
        assert config.load(str(yamls.load(path).data["method"]))
    for name in config.method_names():
        assert len(shipped.headline(config.method_file(name))) > 20


def test_an_opening_is_a_sentence_however_its_lines_break(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# Images, 3.5 by 2 (et al. 2016), of\n# birds. And more.\na: 1  # not this\n")
    assert shipped.headline(path) == "Images, 3.5 by 2 (et al. 2016), of birds."
    path.write_text("# No end\na: 1\n# below\n")
    assert shipped.headline(path) == "No end"


def test_a_sentence_ends_at_a_full_stop_and_not_at_a_product() -> None:
    assert (
        shipped.first_sentence("L = A_t . F_t, over\n    all j. Then more.\n\nAnd more.")
        == "L = A_t . F_t, over all j."
    )
    assert shipped.first_sentence("No end\n\nAnd more.") == "No end"


def test_a_path_is_a_study_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert shipped.study_file(str(path)) == path, "whoever reads it says that it is not there"
    path.write_text("a: 1\n")
    assert shipped.question(path) == ""
    assert shipped.headline(path) == ""


def test_a_misspelt_path_names_the_nearest_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=r"spaces/mhda.yaml: .* did you mean the shipped study 'mhad'\?$"):
        shipped.study_file("spaces/mhda.yaml")
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(ConfigError, match=r"mien.yaml: there is no such file; did you mean 'mine.yaml'\?$"):
        yamls.load(shipped.study_file("mien.yaml"))


def test_an_unknown_name_names_the_nearest() -> None:
    name = shipped.studies()[0].stem
    with pytest.raises(UnknownName, match=f"unknown study '{name}x'; did you mean '{name}'"):
        shipped.study_file(f"{name}x")
    with pytest.raises(UnknownName, match="unknown study or method 'dfkd_fgcv'; did you mean 'dfkd_fgvc'"):
        shipped.find("dfkd_fgcv")
