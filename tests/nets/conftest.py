from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Each test starts from the same weights, alone or in company."""
    torch.manual_seed(0)
