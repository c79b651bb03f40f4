"""dfkd-ray: the laboratory for data-free knowledge distillation.

Importing the package imports nothing heavier than the standard library.
"""

__version__ = "0.1.0"
