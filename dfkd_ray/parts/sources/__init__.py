"""Where synthetic images come from. Dropping a file here registers its source."""

from dfkd_ray.util.registry import load_siblings

load_siblings(__name__, __path__)
