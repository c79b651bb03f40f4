"""A network by its weights: which one it is, without keeping it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest(weights: Mapping[str, Tensor]) -> str:
    """64 bits of SHA-256 over a state, in hexadecimal."""
    made = hashlib.sha256()
    for name, value in sorted(weights.items()):
        made.update(name.encode())
        made.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())  # numpy knows no bfloat16
    return made.hexdigest()[:16]
