"""The charts of the page, one file each. Dropping a file here registers its chart."""

from dfkd_ray.util.registry import load_siblings

load_siblings(__name__, __path__)
