"""Fractional factorials of two levels: generators, defining relation and aliases, by multiplying words.

A word is a set of factors, kept as the bits of an int (factor 0 is bit 0, written A). Levels are +1 (on) and -1 (off),
so each factor times itself is I, and the product of two words is what only one of them has: `a ^ b`
(Box, Hunter and Hunter, 2005, chapter 6; Montgomery, 2017, chapter 8).

pyDOE3 is the second opinion in the tests. Its generators are not taken: `fracfact_by_res(7, 5)` has the word DEFG, so
it is of resolution IV, and `fracfact_opt` knows no resolution and needs about a minute for nine factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice, product

LETTERS = "ABCDEFGHJKLMNOPQ"  # no I: it is the identity
ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII", 9: "IX", 10: "X"}
# The largest number of factors at resolution V by base factors: the longest binary linear codes of distance 5 with so
# many check bits (Grassl, codetables.de). Without an entry there is only the full factorial.
_MOST_AT_V = {4: 5, 5: 6, 6: 8, 7: 11, 8: 17}
_EFFORT = 50_000  # words that the search for the least aberration may look at

Pair = tuple[int, int]


@dataclass(frozen=True)
class Fraction:
    """A fraction of 2^factors runs: the last factors are products of the first ones, as the generators say.

    >>> Fraction(4, (word("ABC"),)).resolution
    4
    """

    factors: int
    generators: tuple[int, ...]  # of the last factors, each a word of base factors

    @property
    def base(self) -> int:
        """How many factors vary freely; there are 2^base runs."""
        return self.factors - len(self.generators)

    @property
    def relation(self) -> tuple[int, ...]:
        """The defining relation: every word that is I, the shortest first."""
        words = [0]
        for j, generator in enumerate(self.generators):
            words += [each ^ generator ^ 1 << (self.base + j) for each in words]
        return tuple(sorted(words[1:], key=_order))

    @property
    def resolution(self) -> int:
        """The length of the shortest word that is I."""
        return min(each.bit_count() for each in self.relation)

    def aliases(self, effect: int, longest: int = 3) -> tuple[int, ...]:
        """The words that cannot be told from `effect`, up to a length, the shortest first."""
        chain = (each ^ effect for each in self.relation)
        return tuple(sorted((each for each in chain if each.bit_count() <= longest), key=_order))

    def signs(self) -> tuple[tuple[int, ...], ...]:
        """The design matrix, runs x factors: +1 is on, -1 is off; the first factor changes slowest."""
        return tuple(
            (*run, *(sign(generator, run) for generator in self.generators))
            for run in product((-1, 1), repeat=self.base)
        )


def sign(effect: int, run: Sequence[int]) -> int:
    """The column of a word in one run: the product of its factors' levels."""
    return -1 if sum(level < 0 for i, level in enumerate(run) if effect >> i & 1) % 2 else 1


def word(letters: str) -> int:
    """`ABD` to its bits."""
    return sum(1 << LETTERS.index(letter) for letter in letters)


def spelled(effect: int) -> str:
    """Bits to `ABD`; no factor at all is I."""
    return "".join(letter for i, letter in enumerate(LETTERS) if effect >> i & 1) or "I"


def hidden(fraction: Fraction, wanted: Sequence[Pair]) -> Iterator[tuple[Pair, int]]:
    """(interaction, what hides it): a main effect, or a wanted interaction that stands before it."""
    words = [1 << a | 1 << b for a, b in wanted]
    for i, pair in enumerate(wanted):
        chain = fraction.aliases(words[i], 2)
        yield from ((pair, each) for each in chain if each.bit_count() == 1 or each in words[:i])


@cache
def smallest(factors: int, resolution: int, wanted: tuple[Pair, ...] = ()) -> Fraction | None:
    """The fraction of at least this resolution with the fewest runs, or None where only all 2^factors have it.

    Among those of one size: one that hides the fewest of the wanted interactions, then one of minimum aberration, that
    is, with the fewest words of length 3, then 4, ... (Fries and Hunter, 1980), then the first in Yates order. Above
    nine factors it is the best of those that were looked at, not proven to be of minimum aberration.
    """
    base = next((b for b in range(resolution - 1, factors) if most_factors(b, resolution) >= factors), None)
    if base is None:
        return None
    count = factors - base
    # Without wishes the least aberration is at the highest resolution that so many runs can have: prune by that one.
    reach = resolution if wanted else max(r for r in (3, 4, 5) if most_factors(base, r) >= factors)
    words = [each for each in range(1 << base) if each.bit_count() >= reach - 1]
    found = (Fraction(factors, chosen) for chosen in _chosen(words, base, count, reach, bool(wanted)))

    def badness(fraction: Fraction) -> tuple[int, ...]:
        lengths = [each.bit_count() for each in fraction.relation]
        hides = len({pair for pair, _ in hidden(fraction, wanted)})
        return (hides, *(lengths.count(length) for length in range(resolution, factors + 1)))

    return min(islice(found, max(1, _EFFORT >> count)), key=badness)


def most_factors(base: int, resolution: int) -> int:
    """The largest number of factors in 2^base runs at resolution III, IV or V."""
    return {3: (1 << base) - 1, 4: 1 << base - 1, 5: _MOST_AT_V.get(base, base)}[resolution]


def _chosen(words: Sequence[int], base: int, count: int, resolution: int, any_order: bool) -> Iterator[tuple[int, ...]]:
    """Every choice of generators whose defining relation has no word below the resolution, depth first.

    `any_order`: also which of the last factors is which product; it matters where some interactions are wanted.
    """

    def extend(chosen: tuple[int, ...], relation: list[int], start: int) -> Iterator[tuple[int, ...]]:
        if len(chosen) == count:
            yield chosen
            return
        for i in range(start, len(words)):
            new = words[i] | 1 << (base + len(chosen))
            more = [new ^ each for each in relation]
            if all(each.bit_count() >= resolution for each in more):
                yield from extend((*chosen, words[i]), relation + more, 0 if any_order else i + 1)

    return extend((), [0], 0)


def pairs(factors: int) -> Iterator[Pair]:
    """All two-way interactions, in order."""
    return combinations(range(factors), 2)


def _order(effect: int) -> tuple[int, str]:
    return effect.bit_count(), spelled(effect)
