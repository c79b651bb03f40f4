"""What the tests of charts ask of rows and figures."""

from __future__ import annotations

import pyarrow as pa


def first_panel(rows: pa.Table) -> pa.Table:
    """The rows of the first panel, as the page gives them to `draw`."""
    return rows.filter(pa.compute.equal(rows["panel"], rows["panel"][0]))
