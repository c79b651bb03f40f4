from __future__ import annotations

from dfkd_ray import metrics
from dfkd_ray.report.chart import axis, hover, plain


def test_plotly_text_keeps_no_tag_and_no_entity_that_plotly_would_read() -> None:
    assert plain("<b>&lt;</b>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;"
    assert hover("a<br>b\nc") == "a&lt;br&gt;b<br>c"


def test_an_axis_of_shares_is_in_per_cent_and_ends_where_they_do() -> None:
    share, ratio = axis("", metrics.DIVERSITY), axis("", metrics.RELATIVE_LAST)
    assert (share["tickformat"], ratio["tickformat"]) == (".3~p", ".3~p")
    assert share["autorangeoptions"] == {"clipmin": -0.02, "clipmax": 1.02}
    assert "autorangeoptions" not in ratio, "a student may be better than its teacher"
    assert axis("", metrics.KL) == axis("") == {"title": {"text": ""}}
