"""Augmentations of synthetic images: inside synthesis (what teacher and student judge) and before the student learns.

None is on by default: a flip is right for aircraft and wrong for digits, so a method or a study asks for it. Views see
pictures, black 0 and white 1, as they do in the codes of this field: what they fill in is black, as at the border of a
crop when teachers of CIFAR learn, and not the mean colour that a 0 is once it is normalised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dfkd_ray.nets.heads import ToData
from dfkd_ray.parts.slots import View, views


@dataclass(frozen=True)
class Views:
    """synthesis: between the source and what judges it; student: between the memory and the student's step."""

    synthesis: tuple[View, ...] = field(default=(), metadata={"registry": views})
    student: tuple[View, ...] = field(default=(), metadata={"registry": views})


def augment(chain: tuple[View, ...], images: Tensor, rng: torch.Generator, to_data: ToData) -> Tensor:
    """The images (B, C, H, W) through each view in turn, as pictures; what comes and goes is `to_data`'s range."""
    if not chain:
        return images
    pictures = to_data.pictures(images)
    for view in chain:
        pictures = view(pictures, rng)
    seen: Tensor = to_data(pictures)
    return seen
