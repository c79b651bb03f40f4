"""`python -m dfkd_ray` is `dfkd-ray`."""

from dfkd_ray.cli import main

main()
