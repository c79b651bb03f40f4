from __future__ import annotations

from dfkd_ray.report.markup import Html, escape, tag


def test_text_of_a_user_is_no_html() -> None:
    assert escape("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert tag("p", "<b>", title='"') == '<p title="&quot;">&lt;b&gt;</p>'
    assert tag("p", Html("<b>x</b>")) == "<p><b>x</b></p>"
