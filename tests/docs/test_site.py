"""The site: built strictly, whole, in need of nothing from elsewhere, and with every name that is registered."""

from __future__ import annotations

import importlib.util
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.main import get_command

import dfkd_ray
import dfkd_ray.report.charts  # fills the registry
from dfkd_ray import cli, datasets, metrics, nets
from dfkd_ray.cli import kinds
from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import lr_schedules, optimizers
from dfkd_ray.report.chart import charts
from dfkd_ray.study import published
from dfkd_ray.study.domains import domains
from dfkd_ray.util import shipped
from dfkd_ray.util.registry import Registry
from dfkd_ray.util.words import NBSP
from tests.docs.blocks import ROOT

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings")),
    reason="mkdocs-material, with mkdocstrings, builds the site; it comes with the extras `docs` and `dev`",
)


class Page(HTMLParser):
    """What a page is linked to, what it loads, its anchors, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(given["href"])
        elif "src" in given:
            self.loaded.append(given["src"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mkdocs build` does, in this process, which has the package imported; a warning ends it."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    out = tmp_path_factory.mktemp("site")
    made = load_config(str(ROOT / "docs" / "mkdocs.yml"), site_dir=str(out))
    assert made.strict
    build(made)
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    paths = (path for path in site.rglob("*.html") if path.name != "404.html")  # whose links are those of a server
    found = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    assert len(found) > 50
    return found


def headed(page: Page) -> set[str]:
    """The anchors of a gallery's page are the names of its entries, as MkDocs writes them."""
    return {anchor for anchor in page.anchors if not anchor.startswith("__")}


REGISTRIES: dict[str, Registry[Any]] = {
    **{kind: kinds.registry(kind) for kind in kinds.COMPONENTS},
    **{"charts": charts, "domains": domains, "readers": datasets.readers},
    **{"optimizers": optimizers, "lr_schedules": lr_schedules},
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_registered_name_has_an_entry(site: Path, pages: dict[Path, Page], kind: str) -> None:
    registry = REGISTRIES[kind]
    assert len(registry) > 1
    anchors = headed(pages[site / "gallery" / f"{kind}.html"])
    assert {name.replace("+", "") for name in registry} <= anchors


def test_every_method_task_net_table_and_study_has_its_place(site: Path, pages: dict[Path, Page]) -> None:
    for name in config.method_names():
        text = "".join(pages[site / "gallery" / "methods" / f"{name}.html"].words)
        assert f"# {name}, fingerprint {config.fingerprint(config.load(name))}" in text, "what `show` prints"
        assert "Evidence" in text or name == "noise_kd"
    assert set(datasets.names()) <= headed(pages[site / "gallery" / "tasks.html"])
    assert {path.stem for path in shipped.studies()} <= headed(pages[site / "gallery" / "studies.html"])
    listed = "".join(pages[site / "gallery" / "nets.html"].words).split()
    assert set(nets.classifiers) <= set(listed)
    told = "".join(pages[site / "gallery" / "published.html"].words)
    assert [name for name in published.names() if name not in told] == []


def test_every_metric_has_its_row(site: Path, pages: dict[Path, Page]) -> None:
    told = " ".join("".join(pages[site / "reference" / "metrics.html"].words).split())
    assert [row.label for row in metrics.ROWS if row.label not in told] == []
    assert [row.name for row in metrics.ROWS if row.name not in told] == []
    assert "0.0 % to 100.0 %" in told.replace(NBSP, " ")


def test_a_loss_has_its_formula_its_fields_and_their_defaults(site: Path, pages: dict[Path, Page]) -> None:
    text = " ".join(" ".join(pages[site / "gallery" / "losses.html"].words).split())
    assert "L = T^2 mean_b KL(softmax(t_b / T) || softmax(s_b / T)), with the teacher's logits t detached." in text
    assert re.search(r"temperature number 1\.0 T\.", text)
    assert "arXiv 2404.12037" in text


def test_files_of_the_checkout_are_included_as_they_stand(site: Path, pages: dict[Path, Page]) -> None:
    for name, files in {
        "concepts/loop.html": ["dfkd_ray/train/loop.py"],
        "adding.html": [
            "dfkd_ray/parts/losses/l2.py",
            "tests/parts/losses/test_l2.py",
            "dfkd_ray/datasets/digits.yaml",
        ],
    }.items():
        text = "".join(pages[site / name].words)
        for file in files:
            assert (ROOT / file).read_text(encoding="utf-8").strip() in text
    for name, heading in {"contributing.html": "Floors", "measured.html": "Habits of the loop"}.items():
        assert heading in "".join(pages[site / name].words)
    assert [path for path, page in pages.items() if "--8" in "".join(page.words)] == []


def test_every_command_and_option_stands_in_the_reference(site: Path, pages: dict[Path, Page]) -> None:
    text = " ".join("".join(pages[site / "reference" / "commands.html"].words).split())

    def look(command: object, words: str) -> None:
        shown = {name: inner for name, inner in getattr(command, "commands", {}).items() if not inner.hidden}
        for name, inner in shown.items():
            path = f"{words} {name}"
            assert path in text
            for parameter in inner.params:
                if not parameter.hidden:
                    options = [option for option in parameter.opts if option.startswith("-")]
                    assert [part for part in (*options, parameter.help or "") if _plain(part) not in text] == []
            look(inner, path)

    root = get_command(cli.app)
    assert len(root.commands) >= 13  # type: ignore[attr-defined]
    look(root, "dfkd-ray")


def test_every_name_of_the_face_in_python_stands_in_the_reference(pages: dict[Path, Page], site: Path) -> None:
    page = pages[site / "reference" / "python.html"]
    text = "".join("".join(page.words).split())
    for name in (name for name in dfkd_ray.__all__ if name not in ("register", "study")):
        assert f"dfkd_ray.{name}" in page.anchors
        about = inspect.getdoc(getattr(dfkd_ray, name))
        assert about is not None
        assert "".join(about.partition("\n")[0].replace("`", "").split()) in text
    assert "sweep(study:Asked,*,quiet:bool=False,**options:Any)->Results" in text, "its signature"


def _plain(said: str) -> str:
    """As it reads once Markdown's code signs are gone."""
    return " ".join(said.replace("`", "").split())


def test_links_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https", link
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.name}: {link}")
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.name}: no anchor {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    """No fonts, scripts or styles of a network; the search's index is a script, so that pages work as files."""
    for path, page in pages.items():
        assert page.loaded
        for link in page.loaded:
            parts = urlsplit(link)
            assert not parts.netloc, f"{path.name}: {link}"
            assert parts.scheme == "data" or (path.parent / parts.path).is_file(), link
    assert (site / "search" / "search_index.js").is_file()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"url\((?!['\"]?data:)[^)]*//[^)]*\)", styles) == []
