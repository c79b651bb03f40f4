"""Fractions: aliases against the textbook, by multiplying words, and against pyDOE3; the smallest ones."""

from __future__ import annotations

from itertools import chain, combinations, product

import pytest

from dfkd_ray.stats.aliases import LETTERS, Fraction, hidden, most_factors, pairs, sign, smallest, spelled, word

# Montgomery, Design and Analysis of Experiments, chapter 8: generators, defining relation, and the alias chains of main
# effects and two-way interactions up to order 3.
TEXTBOOK = {
    "2^(4-1)_IV": (
        "D=ABC",
        "I=ABCD",
        "A=BCD B=ACD C=ABD D=ABC AB=CD AC=BD AD=BC",
    ),
    "2^(5-1)_V": (
        "E=ABCD",
        "I=ABCDE",
        "A B C D E AB=CDE AC=BDE AD=BCE AE=BCD BC=ADE BD=ACE BE=ACD CD=ABE CE=ABD DE=ABC",
    ),
    "2^(5-2)_III": (
        "D=AB E=AC",
        "I=ABD=ACE=BCDE",
        "A=BD=CE B=AD=CDE C=AE=BDE D=AB=BCE E=AC=BCD BC=DE=ABE=ACD BE=CD=ABC=ADE",
    ),
    "2^(6-2)_IV": (
        "E=ABC F=BCD",
        "I=ABCE=ADEF=BCDF",
        "A=BCE=DEF B=ACE=CDF C=ABE=BDF D=AEF=BCF E=ABC=ADF F=ADE=BCD AB=CE AC=BE AD=EF AE=BC=DF AF=DE BD=CF BF=CD",
    ),
}


def fraction(generators: str) -> Fraction:
    made = [each.split("=")[1] for each in generators.split()]
    base = max(LETTERS.index(letter) for letter in "".join(made)) + 1
    return Fraction(base + len(made), tuple(word(each) for each in made))


@pytest.mark.parametrize("name", TEXTBOOK)
def test_the_textbook(name: str) -> None:
    generators, relation, chains = TEXTBOOK[name]
    made = fraction(generators)
    runs, resolution = name[2:].strip("()").split(")_")
    assert f"{made.factors}-{made.factors - made.base}" == runs
    assert {3: "III", 4: "IV", 5: "V"}[made.resolution] == resolution
    assert "=".join(["I", *map(spelled, made.relation)]) == relation
    for written in chains.split():
        first, *others = written.split("=")
        assert [spelled(each) for each in made.aliases(word(first))] == others, written


def times(*words: str) -> str:
    """A letter that stands twice is gone."""
    letters = "".join(words)
    return "".join(sorted(letter for letter in set(letters) if letters.count(letter) % 2))


@pytest.mark.parametrize("generators", [generators for generators, *_ in TEXTBOOK.values()])
def test_by_multiplying_words(generators: str) -> None:
    made = fraction(generators)
    identities = [each.replace("=", "") for each in generators.split()]
    subsets = chain.from_iterable(combinations(identities, n) for n in range(1, len(identities) + 1))
    relation = [times(*subset) for subset in subsets]
    assert {spelled(each) for each in made.relation} == set(relation)
    letters = LETTERS[: made.factors]
    for effect in map("".join, chain(combinations(letters, 1), combinations(letters, 2))):
        for longest in (2, 3, made.factors):
            alike = {times(effect, each) for each in relation}
            expected = {each for each in alike if len(each) <= longest}
            assert {spelled(each) for each in made.aliases(word(effect), longest)} == expected


@pytest.mark.parametrize(("factors", "resolution"), list(product(range(3, 9), (3, 4, 5))))
def test_a_second_opinion_on_the_matrix_and_its_aliases(factors: int, resolution: int) -> None:
    from pyDOE3 import fracfact
    from pyDOE3.doe_factorial import fracfact_aliasing

    made = smallest(factors, resolution)
    if made is None:
        assert (factors, resolution) in {(3, 4), (3, 5), (4, 5)}
        return
    letters = [*LETTERS[: made.base], *map(spelled, made.generators)]
    matrix = fracfact(" ".join(letters))
    assert made.signs() == tuple(tuple(int(each) for each in row) for row in matrix)
    groups, _ = fracfact_aliasing(matrix)
    chains = [group.upper().split(" = ") for group in groups]
    for effect in [*(1 << i for i in range(factors)), *(1 << a | 1 << b for a, b in pairs(factors))]:
        group = next(each for each in chains if spelled(effect) in each)
        expected = {each for each in group if len(each) <= 3} - {spelled(effect)}
        assert {spelled(each) for each in made.aliases(effect)} == expected


@pytest.mark.parametrize(("factors", "resolution"), list(product(range(3, 13), (3, 4, 5))))
def test_the_resolution_is_reached(factors: int, resolution: int) -> None:
    """No product of fewer columns than that is constant: looked up in the runs themselves."""
    made = smallest(factors, resolution)
    if made is None:
        return
    runs = made.signs()
    assert len(runs) == 1 << made.base < 1 << factors
    assert len(set(runs)) == len(runs)
    columns = [sum((level > 0) << i for i, level in enumerate(column)) for column in zip(*runs)]
    everywhere = (1 << len(runs)) - 1
    for size in range(1, resolution):
        for chosen in combinations(columns, size):
            total = 0
            for column in chosen:
                total ^= column
            assert total not in (0, everywhere)


def reachable(base: int, factors: int, resolution: int) -> bool:
    """By trying all sets of columns: fewer than `resolution` of them never add up to nothing."""
    units = [1 << i for i in range(base)]
    for more in combinations(set(range(1, 1 << base)) - set(units), factors - base):
        columns = [*units, *more]
        sums = (chosen for size in range(2, resolution) for chosen in combinations(columns, size))
        if all(sum(1 for bit in range(base) if sum(c >> bit & 1 for c in chosen) % 2) for chosen in sums):
            return True
    return False


@pytest.mark.parametrize(("base", "resolution"), [(2, 3), (3, 3), (3, 4), (4, 4), (3, 5), (4, 5), (5, 5)])
def test_the_number_of_runs_is_the_smallest(base: int, resolution: int) -> None:
    most = most_factors(base, resolution)
    assert reachable(base, most, resolution)
    assert not reachable(base, most + 1, resolution)


# Words of length 3, 4, 5, ... of designs of minimum aberration (Chen, Sun and Wu, 1993, and Montgomery, table 8.14).
@pytest.mark.parametrize(
    ("factors", "resolution", "lengths"),
    [
        (3, 3, (1,)),
        (4, 3, (0, 1)),  # asked for III: IV costs no more runs
        (5, 3, (2, 1, 0)),
        (6, 3, (4, 3, 0, 0)),
        (7, 3, (7, 7, 0, 0, 1)),
        (4, 4, (0, 1)),
        (5, 4, (0, 0, 1)),
        (6, 4, (0, 3, 0, 0)),
        (7, 4, (0, 7, 0, 0, 0)),
        (8, 4, (0, 14, 0, 0, 0, 1)),
        (9, 4, (0, 6, 8, 0, 0, 1, 0)),
        (5, 5, (0, 0, 1)),
        (6, 5, (0, 0, 0, 1)),
        (7, 5, (0, 0, 0, 0, 1)),
        (8, 5, (0, 0, 2, 1, 0, 0)),
    ],
)
def test_minimum_aberration(factors: int, resolution: int, lengths: tuple[int, ...]) -> None:
    made = smallest(factors, resolution)
    assert made is not None
    found = [each.bit_count() for each in made.relation]
    assert tuple(found.count(length) for length in range(3, factors + 1)) == lengths


def test_generators_as_in_the_textbook_where_it_has_no_choice() -> None:
    for factors, resolution, generators in [(4, 4, "D=ABC"), (5, 5, "E=ABCD"), (5, 3, "D=AB E=AC"), (6, 5, "F=ABCDE")]:
        assert smallest(factors, resolution) == fraction(generators)


def test_wanted_interactions_choose_the_generators() -> None:
    plain = smallest(5, 3)
    wanted = ((0, 1), (0, 2))  # AB and AC
    assert plain == fraction("D=AB E=AC")
    assert [(pair, spelled(hider)) for pair, hider in hidden(plain, wanted)] == [((0, 1), "D"), ((0, 2), "E")]
    chosen = smallest(5, 3, wanted)
    assert chosen is not None
    assert chosen.base == plain.base
    assert list(hidden(chosen, wanted)) == []


def test_a_wanted_interaction_is_hidden_by_another_that_stands_before_it() -> None:
    made = smallest(4, 4, ((0, 1), (0, 2), (2, 3)))
    assert made == fraction("D=ABC")
    assert list(hidden(made, ((0, 1), (0, 2), (2, 3)))) == [((2, 3), word("AB"))]


def test_words() -> None:
    assert [spelled(each) for each in (0, 1, 0b1011, 1 << 8)] == ["I", "A", "ABD", "J"]
    assert word("ABD") == 0b1011
    assert [sign(word("AC"), run) for run in ((1, 1, 1), (-1, 1, 1), (-1, 1, -1), (1, -1, 1))] == [1, -1, 1, 1]
    assert list(pairs(3)) == [(0, 1), (0, 2), (1, 2)]
