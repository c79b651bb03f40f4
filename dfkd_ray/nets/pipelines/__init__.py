"""Frozen latent diffusion models, from the library `diffusers`; nothing of it is imported before one is opened."""

from dfkd_ray.nets.pipelines.load import Storage, check, load, prompts_of
from dfkd_ray.nets.pipelines.pipeline import Pipeline

__all__ = ["Pipeline", "Storage", "check", "load", "prompts_of"]
