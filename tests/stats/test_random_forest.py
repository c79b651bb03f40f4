"""The forest: weights that are weights, what it has not seen, and a shape that it finds."""

from __future__ import annotations

import random
from collections import Counter
from random import Random

import numpy as np
import pytest

from dfkd_ray.stats import random_forest
from dfkd_ray.stats.random_forest import LEAF, TREES, RandomForest

N = 40


def data(noise: float = 0.0, seed: int = 0) -> tuple[list[list[float]], list[list[float]]]:
    """A step along the first of two features, in a curve of two values; the second one is twice the first."""
    chance = random.Random(seed)
    x = [[chance.random(), chance.random()] for _ in range(N)]
    tops = [float(a > 0.5) + noise * chance.gauss(0, 1) for a, _ in x]
    return x, [[top, 2 * top] for top in tops]


@pytest.fixture(scope="module")
def fitted() -> RandomForest:
    return RandomForest(*data())


def test_a_mean_is_weighted_and_neighbours_are_drawn_by_these_weights(fitted: RandomForest) -> None:
    _, y = data()
    ((*weights,),) = fitted.averaged(np.eye(N).tolist())([[0.52, 0.3]])
    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0
    expected = [sum(w * curve[i] for w, curve in zip(weights, y)) for i in range(2)]
    assert fitted.averaged(y)([[0.52, 0.3]])[0] == pytest.approx(expected)
    chance, often = Random(0), 2000
    seen = Counter(fitted.neighbour([0.52, 0.3], chance) for _ in range(often))
    assert sum(abs(seen[i] / often - w) for i, w in enumerate(weights)) < 0.25
    assert all(weights[i] > 0 for i in seen)


def test_it_finds_a_step_and_no_other_feature(fitted: RandomForest) -> None:
    _, y = data()
    low, high, other = fitted.averaged(y)([[0.1, 0.2], [0.9, 0.2], [0.9, 0.8]])
    assert low[0] < 0.15
    assert high[0] > 0.85
    assert other[1] == pytest.approx(2 * other[0])
    assert high[0] == pytest.approx(other[0], abs=0.1)


def test_what_is_explained_is_of_samples_that_were_not_seen() -> None:
    x, y = data()
    made = RandomForest(x, y)
    variance, error = np.var(y, axis=0), np.mean(np.square(made.left_over), axis=0)
    assert made.explained == pytest.approx(list(1 - error / variance))
    assert made.explained[0] > 0.8
    chance = random.Random(1)
    noise = [[chance.gauss(0, 1)] for _ in x]  # a forest that looked at its own samples would explain most of it
    assert RandomForest(x, noise).explained[0] < 0.1


def test_leaves_have_the_fewest_samples_and_each_tree_all_that_it_drew(fitted: RandomForest) -> None:
    sizes = np.diff(fitted._starts)
    assert sizes.min() >= LEAF
    assert sizes.sum() == TREES * N


def test_the_same_seed_is_the_same_forest() -> None:
    at, (x, y) = [[0.4, 0.4]], data(noise=0.1)
    one, same, other = (RandomForest(x, y, seed).averaged(y)(at) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize("x", [[[0.5]] * 2, [[0.5]] * 9, [[float(i)] for i in range(9)]])
def test_nothing_to_split_by_and_nothing_to_explain(x: list[list[float]]) -> None:
    made = RandomForest(x, [[0.25]] * len(x))
    assert made.averaged([[0.25]] * len(x))([[7.0]]) == [[pytest.approx(0.25)]]
    assert made.explained == [0.0]
    assert [each[0] for each in made.left_over] == pytest.approx([0.0] * len(x))


def test_a_split_is_the_best_of_one_threshold_a_feature() -> None:
    x, y = (np.asarray(each) for each in data())
    rng = np.random.default_rng(3)
    found = random_forest._split(x, y, rng)
    thresholds = x.min(0) + (x.max(0) - x.min(0)) * np.random.default_rng(3).random(2)
    left = [[y[x[:, i] <= t], y[x[:, i] > t]] for i, t in enumerate(thresholds)]
    costs = [
        np.inf if min(map(len, halves)) < LEAF else sum(((half - half.mean(0)) ** 2).sum() for half in halves)
        for halves in left
    ]
    best = int(np.argmin(costs))
    assert found == (best, pytest.approx(thresholds[best]))
