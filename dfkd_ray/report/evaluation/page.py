"""The page of an evaluation, from its tables alone."""

from __future__ import annotations

from dfkd_ray.report.chart import Drawn
from dfkd_ray.report.evaluation import sections
from dfkd_ray.report.evaluation.by_class import ByClass
from dfkd_ray.report.evaluation.confusion import Confusion
from dfkd_ray.report.evaluation.plane import Plane
from dfkd_ray.report.evaluation.reliability import Reliability
from dfkd_ray.report.evaluation.view import Evaluation
from dfkd_ray.report.markup import Html, join, section, tag
from dfkd_ray.report.page import Body, Figures, block, document
from dfkd_ray.util.tables import EVALUATED


def page(tables: Evaluation) -> str:
    """The whole page."""
    figures: Figures = {}

    def charted(key: str, title: str, chart: type[Drawn[Evaluation]], *more: Html) -> tuple[str, Html]:
        return title, section(key, title, block(f"{key}-chart", chart, tables, figures), *more)

    pairs = join((tag("h3", "The most confused pairs"), sections.pairs(tables)))
    body: Body = {
        "summary": ("The answer", sections.summary(tables)),
        "confusions": charted("confusions", "What is confused", Confusion, pairs),
        "classes": charted("classes", "The classes", ByClass, sections.classes(tables)),
        "calibration": charted("calibration", "How sure they are", Reliability),
        "images": ("Images", sections.pictures(tables)),
        "looks": ("Where they look", sections.looks(tables)),
        "features": charted("features", "The features", Plane, sections.missing_plane(tables)),
        "provenance": ("Provenance", sections.provenance(tables)),
    }
    return document(f"{tables.task.get('name') or 'An evaluation'}: evaluation", body, figures, EVALUATED)
