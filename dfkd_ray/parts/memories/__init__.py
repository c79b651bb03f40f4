"""What stands between the source and the student. Dropping a file here registers its memory."""

from dfkd_ray.util.registry import load_siblings

load_siblings(__name__, __path__)
