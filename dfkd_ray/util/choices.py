"""What some options may be, in one place: the command line offers it, and what computes goes by it."""

from __future__ import annotations

from typing import Literal

PAPER = "paper"  # the preset that changes nothing
Precision = Literal["float32", "mixed", "bfloat16", "float16"]
Stored = Literal["float32", "bfloat16", "float16"]  # of weights that are frozen
Cache = Literal["memmap", "memory"]
Runner = Literal["ray", "serial"]
Targets = Literal["classes", "segmentation", "depth"]  # what a net is to tell: of an image, or of each of its positions
EVERY: tuple[Targets, ...] = ("classes", "segmentation", "depth")
NAMED: tuple[Targets, ...] = ("classes", "segmentation")  # where there are classes to choose from
