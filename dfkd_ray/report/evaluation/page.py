"""The page of an evaluation, from its tables alone."""

from __future__ import annotations

from dfkd_ray.report.blocks import Block, Heading, Section
from dfkd_ray.report.chart import Drawn
from dfkd_ray.report.evaluation import gallery, sections
from dfkd_ray.report.evaluation.by_class import ByClass
from dfkd_ray.report.evaluation.confusion import Confusion
from dfkd_ray.report.evaluation.plane import Plane
from dfkd_ray.report.evaluation.reliability import Reliability
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.report.page import Figures, block, document
from dfkd_ray.util.tables import EVALUATED


def page(tables: EvaluationTables) -> str:
    """The whole page."""
    figures: Figures = {}

    def charted(key: str, title: str, chart: type[Drawn[EvaluationTables]], *more: Block) -> Section:
        drawn = block(f"{key}-chart", chart, tables, figures)
        return Section(key, title, title, [*([] if drawn is None else [drawn]), *more])

    pairs = [Heading("The most confused pairs"), gallery.pairs(tables)]
    shown = [
        sections.summary(tables),
        charted("confusions", "What is confused", Confusion, *pairs),
        charted("classes", "The classes", ByClass, *sections.classes(tables)),
        charted("calibration", "How sure they are", Reliability),
        gallery.pictures(tables),
        gallery.saliency(tables),
        charted("features", "The features", Plane, *sections.missing_plane(tables)),
        sections.provenance(tables),
    ]
    return document(f"{tables.task.get('name') or 'An evaluation'}: evaluation", shown, figures, EVALUATED)
