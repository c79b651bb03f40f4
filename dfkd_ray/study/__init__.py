"""Studies: the file, its domains, its samplers and stoppers by name. No Ray, no Optuna, no torch."""

from dfkd_ray.study.reading import check, load, parse, plain
from dfkd_ray.study.study import Budget, Objective, Resources, Study

__all__ = ["Budget", "Objective", "Resources", "Study", "check", "load", "parse", "plain"]
