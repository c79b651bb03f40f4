"""A random forest over curves: the mean curve of a setting, and a recorded setting that is like it.

Trees of bootstrap samples; of one random threshold a feature the best is taken (Geurts, Ernst and Wehenkel, 2006), by
the variance of all values of a curve together. What a setting may come to beside its mean is what its neighbours had
left over, each as likely as the leaves weight it (Meinshausen, 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

TREES = 200
LEAF = 3  # samples that a leaf has at least

Curves = Sequence[Sequence[float]]


@dataclass(frozen=True)
class _Tree:
    """Its nodes, the root first: the feature that each is split by (-1: it is a leaf), at which threshold, its left
    child, which the right one follows, and the samples in it."""

    feature: Any
    threshold: Any
    left: Any
    members: list[Any]


class RandomForest:
    """Fitted to n samples of d features, each with a curve of k values; two or more.

    left_over: (n, k), by what each curve differs from the mean of the trees that did not draw its sample.
    explained: of each of the k values the share of its variance between samples that those means explain, at most 1.
    """

    def __init__(self, features: Sequence[Sequence[float]], curves: Curves, seed: int = 0) -> None:
        import numpy as np

        x, y = np.asarray(features, float), np.asarray(curves, float)
        rng, spread = np.random.default_rng(seed), y.std(0)
        scaled = (y - y.mean(0)) / np.where(spread > 0, spread, 1.0)
        drawn = [rng.integers(len(x), size=len(x)) for _ in range(TREES)]
        self._join([_grown(x, scaled, sample, rng) for sample in drawn])
        self.left_over: list[list[float]] = (y - self._unseen(x, y, drawn)).tolist()
        error, whole = np.square(self.left_over).mean(0), y.var(0)
        self.explained: list[float] = np.where(whole > 0, 1 - error / np.where(whole > 0, whole, 1.0), 0.0).tolist()

    def averaged(self, values: Curves) -> Callable[[Sequence[Sequence[float]]], list[list[float]]]:
        """The mean of any values (n, j) of the samples at settings (m, d), weighted by the leaves: (m, j)."""
        import numpy as np

        means = self._leaf_means(np.asarray(values, float))

        def mean(settings: Sequence[Sequence[float]]) -> list[list[float]]:
            found: list[list[float]] = means[self._leaves(np.asarray(settings, float))].mean(1).tolist()
            return found

        return mean

    def neighbour(self, setting: Sequence[float], chance: Random) -> int:
        """One of the samples, as likely as it has weight at a setting."""
        import numpy as np

        leaf = self._leaves(np.asarray([setting], float))[0, chance.randrange(TREES)]
        return int(self._samples[chance.randrange(self._starts[leaf], self._starts[leaf + 1])])

    def _join(self, trees: list[_Tree]) -> None:
        """All trees in one set of arrays, so that a setting goes down all of them at once."""
        import numpy as np

        self._roots = np.cumsum([0, *(len(tree.feature) for tree in trees[:-1])])
        self._feature = np.concatenate([tree.feature for tree in trees])
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        self._left = np.concatenate([tree.left + root for tree, root in zip(trees, self._roots)])
        self._number = np.cumsum(self._feature < 0) - 1  # of a leaf among all leaves
        leaves = [own for tree in trees for own, feature in zip(tree.members, tree.feature) if feature < 0]
        self._samples, self._starts = np.concatenate(leaves), np.cumsum([0, *map(len, leaves)])

    def _leaf_means(self, y: Any) -> Any:
        import numpy as np

        return np.add.reduceat(y[self._samples], self._starts[:-1]) / np.diff(self._starts)[:, None]

    def _leaves(self, x: Any) -> Any:
        """(m, trees): the leaf that each of m settings comes to."""
        import numpy as np

        node, rows = np.repeat(self._roots[None], len(x), 0), np.arange(len(x))[:, None]
        while (feature := self._feature[node]).max() >= 0:
            right = x[rows, feature] > self._threshold[node]
            node = np.where(feature < 0, node, self._left[node] + right)
        return self._number[node]

    def _unseen(self, x: Any, y: Any, drawn: list[Any]) -> Any:
        """Of each sample the mean of the trees that did not draw it; of all, where all did."""
        import numpy as np

        unseen = np.stack([np.bincount(sample, minlength=len(x)) == 0 for sample in drawn], 1)  # (n, trees)
        unseen[~unseen.any(1)] = True
        return np.einsum("ntk,nt->nk", self._leaf_means(y)[self._leaves(x)], unseen / unseen.sum(1, keepdims=True))


def _grown(x: Any, y: Any, sample: Any, rng: Any) -> _Tree:
    """A tree of some samples, in which one may stand more than once."""
    import numpy as np

    feature, threshold, left, members = [-1], [0.0], [0], [sample]
    for node, own in enumerate(members):  # which grows as they are split
        split = _split(x[own], y[own], rng)
        if split is not None:
            feature[node], threshold[node], left[node] = *split, len(members)
            right = x[own, split[0]] > split[1]
            members += [own[~right], own[right]]
            feature, threshold, left = [*feature, -1, -1], [*threshold, 0.0, 0.0], [*left, 0, 0]
    return _Tree(np.array(feature), np.array(threshold), np.array(left), members)


def _split(x: Any, y: Any, rng: Any) -> tuple[int, float] | None:
    """The best of one random threshold a feature; None where none leaves enough on both sides."""
    import numpy as np

    low, high = x.min(0), x.max(0)
    thresholds = low + (high - low) * rng.random(x.shape[1])
    right = x > thresholds
    count = right.sum(0)
    allowed = (count >= LEAF) & (len(x) - count >= LEAF)
    if not allowed.any():
        return None
    beyond = right.T.astype(float) @ y  # (d, k)
    others = np.maximum(len(x) - count, 1)
    gain = (beyond**2).sum(1) / np.maximum(count, 1) + ((y.sum(0) - beyond) ** 2).sum(1) / others
    best = int(np.argmax(np.where(allowed, gain, -np.inf)))
    return best, float(thresholds[best])
