"""A registry of samplers in a folder, and OptunaHub's reader of such a folder where the package is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HALF = '''"""Draws ranges from their lower part alone."""

import optuna

from .share import SHARE

__all__ = ["HalfSampler"]


class HalfSampler(optuna.samplers.RandomSampler):
    def __init__(self, seed=None, share=SHARE):
        super().__init__(seed)
        self.share = share

    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        low = getattr(distribution, "low", None)
        return value if low is None else low + self.share * (value - low)
'''
SEEDLESS = "import optuna\n\n\nclass Fixed(optuna.samplers.BaseSampler):\n    def __init__(self):\n        pass\n"
TWO = "from optuna.samplers import RandomSampler\n\nclass One(RandomSampler): ...\n\nclass Two(RandomSampler): ...\n"


def registry(folder: Path) -> Path:
    """A folder with three packages."""
    packages = {"half": HALF, "seedless": SEEDLESS, "two": TWO, "broken": "import no_such_module_at_all\n"}
    for name, text in packages.items():
        (folder / "samplers" / name).mkdir(parents=True)
        (folder / "samplers" / name / "__init__.py").write_text(text)
    (folder / "samplers" / "half" / "share.py").write_text("SHARE = 0.5\n")
    return folder


def load_local_module(package: str, *, registry_root: str) -> ModuleType:
    """As `optunahub.load_local_module` has it."""
    name = f"optunahub_registry.package.{package.replace('/', '.')}"
    spec = importlib.util.spec_from_file_location(name, Path(registry_root) / package / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_module(package: str, *, ref: str) -> ModuleType:
    raise OSError(f"no network: {package} at {ref}")


@pytest.fixture
def optunahub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed: a stand-in that reads a folder as it does."""
    for name in [each for each in sys.modules if each.startswith("optunahub_registry")]:
        monkeypatch.delitem(sys.modules, name)
    if importlib.util.find_spec("optunahub") is None:
        made = ModuleType("optunahub")
        made.__dict__.update(load_local_module=load_local_module, load_module=load_module)
        monkeypatch.setitem(sys.modules, "optunahub", made)
        monkeypatch.setitem(sys.modules, "optunahub_registry", ModuleType("optunahub_registry"))
