"""Loss terms: one term, one file, one paper, one test. Dropping a file here registers its term."""

from dfkd_ray.util.registry import load_siblings

load_siblings(__name__, __path__)
