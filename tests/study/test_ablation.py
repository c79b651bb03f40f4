"""What a study file says of an ablation, read and written back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray import study
from dfkd_ray.study import ablation, arms
from dfkd_ray.study.ablation import Ablation, Tune
from dfkd_ray.study.by_hand import ByHand
from dfkd_ray.study.components import Component
from dfkd_ray.study.designs import Design, Ladder, LeaveOneOut
from dfkd_ray.study.factorials import FractionalFactorial
from dfkd_ray.study.seeds import Seeds
from dfkd_ray.util.yamls import Document, loads
from tests.study.parts import EXAMPLE, SEARCH, changed, parsed

RELAXED = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])


def read(text: str) -> Ablation:
    made = parsed(text).ablation
    assert made is not None
    return made


# ---- what it says


def test_the_example() -> None:
    made = read(EXAMPLE)
    assert made.design == LeaveOneOut()
    assert made.seeds == Seeds((0, 1, 2), 3)
    assert [each.name for each in made.components] == ["mhad", "sfcl", "order", "view"]
    assert (made.draws, made.points, made.tune, made.spread, dict(made.hand)) == (None, 1, None, None, {})
    assert [arm.name for arm in made.arms] == [
        *("full", "without mhad", "without sfcl", "order=1", "order=3", "view=plain"),
    ]
    assert (made.pairs, made.trials, parsed().trials) == (3, 18, 18)
    assert len(made.contrasts()) == 5
    assert parsed().search == {}


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("4", Seeds((0, 1, 2, 3), 4)),
        ("[7, 0, 9]", Seeds((7, 0, 9), 3)),
        ("{start: 4, max: 6, until: 1.5}", Seeds((0, 1, 2, 3, 4, 5), 4, 1.5)),
        ("{max: 5, until: 1}", Seeds((0, 1, 2, 3, 4), 3, 1.0)),
        ("2", Seeds((0, 1), 2)),
    ],
)
def test_seeds(text: str, seeds: Seeds) -> None:
    assert read(changed(("seeds: 3", f"seeds: {text}"))).seeds == seeds


def test_trials_are_counted() -> None:
    assert read(changed(("seeds: 3", "seeds: 4"), more=f"{SEARCH}draws: 5\n")).trials == 6 * 4 * 5
    assert read(changed(more=f"{SEARCH}tune: {{trials: 7}}\n")).trials == 6 * (3 + 7)
    assert read(changed(("leave_one_out", "path"))).trials is None
    assert read(changed(("seeds: 3", "seeds: {max: 9, until: 1}"))).trials == 18, "before seeds are added"


def test_one_draw_that_is_said_is_enough() -> None:
    """All arms at one point of the space; it has to be said, since it may have been forgotten."""
    made = read(changed(more=f"{SEARCH}draws: 1\n"))
    assert (made.draws, made.points, made.trials) == (1, 1, 18)
    assert ablation.plain(made)["draws"] == 1
    assert "draws" not in ablation.plain(read(EXAMPLE))


def test_a_seed_of_its_own_is_written_back_as_a_sweeps_is() -> None:
    """It is 0, which is no mistake to be told of where a ledger is read."""
    written = study.plain(parsed())
    assert written["seed"] == 0
    assert study.parse(Document(written)) == parsed()


def test_arms_by_hand_need_no_design() -> None:
    text = EXAMPLE[: EXAMPLE.index("design")] + "arms: {one: {}, two: {a.b: null}}\nseeds: 3\n"
    made = read(text)
    assert (made.design, made.components) == (ByHand(), ())
    assert dict(made.hand) == {"one": {}, "two": {"a.b": None}}
    assert read(text.replace("arms:", "design: {name: arms, compare: [[one, two]]}\narms:")).design == ByHand(
        (("one", "two"),)
    )


def test_a_sweep_is_none() -> None:
    assert ablation.parse({"search": {}, "seed": 3}) is None


def test_the_effects_of_a_path_are_those_of_what_was_chosen() -> None:
    made = read(changed(("leave_one_out", "path")))
    assert made.contrasts() == ()
    assert [each.component for each in made.contrasts(("sfcl", "mhad"))] == ["sfcl", "mhad"]


# ---- read and written back

switches = [Component(name, {"off": {name: None}, "on": {}}, "on", "off") for name in "pqrst"]
HAND = {"one": {}, "two": {"a.b": 1, "c": [None, "x"]}, "three": {"c": {"name": "d"}}}


def fitting(name: str) -> st.SearchStrategy[Design]:
    """Designs of this name for the five switches."""
    if name == "ladder":
        return st.permutations([each.name for each in switches]).map(lambda order: Ladder(tuple(order)))
    if name == "fractional_factorial":
        return st.builds(FractionalFactorial, st.sampled_from([3, 4, 5]), st.sampled_from([(), ("p x q",)]))
    if name == "arms":
        return st.sampled_from([ByHand(), ByHand((("three", "two"),))])
    return st.just(arms.designs[name]())


seeds_of_all_kinds = st.one_of(
    st.integers(2, 9).map(lambda n: Seeds(tuple(range(n)), n)),
    st.lists(st.integers(0, 99), min_size=2, max_size=5, unique=True).map(lambda s: Seeds(tuple(s), len(s))),
    st.tuples(st.integers(2, 5), st.integers(0, 4), st.floats(0.01, 9)).map(
        lambda t: Seeds(tuple(range(t[0] + t[1])), t[0], t[2])
    ),
)


@st.composite
def ablations(draw: st.DrawFn, name: str) -> tuple[Ablation, Mapping[str, Any]]:
    """An ablation and the parts of its study that go with it."""
    nuisance = draw(st.sampled_from(["none", "draws", "tune"] if name != "path" else ["none", "draws"]))
    seeds = draw(seeds_of_all_kinds.filter(lambda seeds: name != "path" or seeds.until is None))
    made = Ablation(
        design=draw(fitting(name)),
        seeds=seeds,
        components=() if name == "arms" else tuple(switches),
        hand=HAND if name == "arms" else {},
        draws=draw(st.integers(1, 4)) if nuisance == "draws" else None,
        tune=draw(st.builds(Tune, st.integers(2, 9), st.integers(100, 999))) if nuisance == "tune" else None,
        spread=draw(st.none() | st.floats(0.1, 9)),
    )
    return made, {} if nuisance == "none" else {"search": {"x": {"log": [1, 2]}}}


@RELAXED
@given(data=st.data(), name=st.sampled_from(list(arms.designs)))
def test_plain_and_read_are_inverse(data: st.DataObject, name: str) -> None:
    made, more = data.draw(ablations(name))
    assert ablation.parse(ablation.plain(made)) == made
    raw = {
        "study": "s",
        "method": "m",
        "task": "t",
        "objective": {"metric": "kl/noise"},
        **ablation.plain(made),
        **more,
    }
    whole = study.parse(Document(raw))
    assert whole.ablation == made
    written = study.plain(whole)
    assert study.parse(Document(written)) == whole
    assert study.plain(study.parse(loads(yaml.safe_dump(written, sort_keys=False)))) == written


def test_components_of_every_form_are_written_back() -> None:
    made = parsed()
    assert study.parse(Document(study.plain(made))) == made
    written = study.plain(made)
    assert "search" not in written
    assert written["seeds"] == [0, 1, 2]
    assert written["design"] == {"name": "leave_one_out"}
