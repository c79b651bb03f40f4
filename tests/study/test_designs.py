"""Designs one by one: their arms by name and level, and their contrasts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.study.components import Component
from dfkd_ray.study.designs import AddOneIn, Both, Design, Ladder, LeaveOneOut
from dfkd_ray.study.factorials import Factorial
from tests.study.parts import ALL, MHAD, SFCL, VIEW, differences, levels


def test_leave_one_out() -> None:
    arms = LeaveOneOut().arms(ALL, {})
    assert levels(arms) == {
        "full": "on on 2 rich",
        "without mhad": "off on 2 rich",
        "without sfcl": "on off 2 rich",
        "order=1": "on on 1 rich",
        "order=3": "on on 3 rich",
        "view=plain": "on on 2 plain",
    }
    assert arms[0].changes == {"loss.mhad.order": 2, "view": 2}
    assert arms[1].changes == {"loss.mhad": None, "view": 2}, "the order is left out with the loss"
    assert differences(LeaveOneOut().contrasts(ALL, arms)) == [
        ("mhad on against off, the rest on", "full", "without mhad"),
        ("sfcl on against off, the rest on", "full", "without sfcl"),
        ("order 2 against 1, the rest on", "full", "order=1"),
        ("order 2 against 3, the rest on", "full", "order=3"),
        ("view rich against plain, the rest on", "full", "view=plain"),
    ]


def test_add_one_in() -> None:
    arms = AddOneIn().arms(ALL, {})
    assert levels(arms) == {
        "none": "off off 1 plain",
        "only mhad": "on off 1 plain",
        "only sfcl": "off on 1 plain",
        "only order=2": "off off 2 plain",
        "only order=3": "off off 3 plain",
        "only view=rich": "off off 1 rich",
    }
    assert arms[3].changes == arms[0].changes, "an order of nothing; both arms are kept"
    assert differences(AddOneIn().contrasts(ALL, arms)) == [
        ("mhad on against off, the rest off", "only mhad", "none"),
        ("sfcl on against off, the rest off", "only sfcl", "none"),
        ("order 2 against 1, the rest off", "only order=2", "none"),
        ("order 3 against 1, the rest off", "only order=3", "none"),
        ("view rich against plain, the rest off", "only view=rich", "none"),
    ]


def test_both_ends_have_each_arm_once() -> None:
    arms = Both().arms((MHAD, SFCL), {})
    assert levels(arms) == {"full": "on on", "without mhad": "off on", "without sfcl": "on off", "none": "off off"}
    found = Both().contrasts((MHAD, SFCL), arms)
    assert differences(found) == [
        ("mhad on against off, the rest on", "full", "without mhad"),
        ("sfcl on against off, the rest on", "full", "without sfcl"),
        ("mhad on against off, the rest off", "without sfcl", "none"),
        ("sfcl on against off, the rest off", "without mhad", "none"),
    ]
    assert [(each.component, each.exact) for each in found if each.kind == "shapley"] == [
        ("mhad", True),
        ("sfcl", True),
    ]


def test_both_ends_estimate_shapley_values_of_more_components() -> None:
    components = (MHAD, SFCL, VIEW, Component("more", {"off": {"more": 0}, "on": {}}, "on", "off"))
    arms = Both().arms(components, {})
    assert len(arms) == 10
    values = [each for each in Both().contrasts(components, arms) if each.kind == "shapley"]
    assert [(each.component, each.exact) for each in values] == [(c.name, False) for c in components]
    assert list(Both().notes(components, arms))[1] == (
        "Shapley values are estimated from 10 of 16 coalitions: interactions of three and more components can bias them"
    )
    three = Both().arms(components[:3], {})
    assert all(each.exact for each in Both().contrasts(components[:3], three)), "three at both ends are all there is"
    assert len(list(Both().notes(components[:3], three))) == 1


def test_a_ladder_climbs_in_its_order() -> None:
    design = Ladder(("sfcl", "mhad", "view", "order"))
    arms = design.arms(ALL, {})
    assert levels(arms) == {
        "none": "off off 1 plain",
        "sfcl": "off on 1 plain",
        "mhad + sfcl": "on on 1 plain",
        "mhad + sfcl + view=rich": "on on 1 rich",
        "full": "on on 2 rich",
    }
    assert differences(design.contrasts(ALL, arms)) == [
        ("sfcl on against off, the rest off", "sfcl", "none"),
        ("mhad on against off, sfcl on", "mhad + sfcl", "sfcl"),
        ("view rich against plain, mhad, sfcl on", "mhad + sfcl + view=rich", "mhad + sfcl"),
        ("order 2 against 1, mhad, sfcl, view on", "full", "mhad + sfcl + view=rich"),
    ]
    assert [arm.name for arm in Ladder().arms(ALL, {})][:3] == ["none", "mhad", "mhad + sfcl"], "as they are written"


some_components = st.lists(st.integers(2, 3), min_size=2, max_size=4).map(
    lambda counts: [
        Component(f"c{i}", {str(n): {f"p{i}": n} for n in range(count)}, str(count - 1), "0")
        for i, count in enumerate(counts)
    ]
)


@settings(deadline=None, max_examples=60)
@given(some_components, st.sampled_from([LeaveOneOut(), AddOneIn(), Both(), Ladder(), Factorial()]))
def test_every_design_on_any_components(components: list[Component], design: Design) -> None:
    arms = design.arms(components, {})
    assert len({arm.name for arm in arms}) == len({str(arm.levels) for arm in arms}) == len(arms)
    for contrast in design.contrasts(components, arms):
        assert sum(contrast.weights.values()) == pytest.approx(0, abs=1e-12)
        assert set(contrast.weights) <= {arm.name for arm in arms}
        assert sum(weight for weight in contrast.weights.values() if weight > 0) > 0
    additive = {f"c{i}": 3.0**i for i in range(len(components))}
    values = {arm.name: sum(additive[name] * int(level) for name, level in arm.levels.items()) for arm in arms}
    for contrast in design.contrasts(components, arms):
        found = sum(weight * values[arm] for arm, weight in contrast.weights.items())
        if contrast.kind == "interaction":
            assert found == pytest.approx(0, abs=1e-9)
        elif contrast.kind == "shapley":
            assert found == pytest.approx(additive[contrast.component])
        else:  # a difference of so many levels
            _, high, _, low, *_ = contrast.name.replace(",", "").split()
            assert found == pytest.approx(additive[contrast.component] * (int(high) - int(low)))
