"""Where synthetic images come from. Dropping a file here registers its source."""

from dfkd_ray.registry import load_siblings

load_siblings(__name__, __path__)
