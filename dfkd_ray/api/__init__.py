"""The face in Python, which `dfkd_ray` itself offers: the commands as functions, and what they leave as objects."""
