"""Augmentations: one view, one file. Dropping a file here registers its view."""

from dfkd_ray.util.registry import load_siblings

load_siblings(__name__, __path__)
