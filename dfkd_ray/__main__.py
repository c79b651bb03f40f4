"""`python -m dfkd_ray` is `dfkd-ray`."""

import sys

from dfkd_ray.cli import main

sys.argv[0] = "dfkd-ray"  # for the provenance of what is run
main()
