"""The tables that ship: complete, marked, in range, and in agreement with what can be computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from dfkd_ray.methods import config
from dfkd_ray.study import published
from dfkd_ray.study.published import Mark, Paper, PublishedTable
from dfkd_ray.util import code_files
from dfkd_ray.util.errors import UnknownName

NAMES = published.names()
RUNNABLE = [name for name in NAMES if published.load(name).runnable]
every_table = pytest.mark.parametrize("name", NAMES)
every_runnable = pytest.mark.parametrize("name", RUNNABLE)

# places in the grid, and how many of them the source leaves empty; counted by hand
SIZES = {
    "cgdd/abstract": (3, 0),
    "cmi/cifar10": (35, 0),
    "cmi/cifar100": (25, 0),
    "cudfkd/cifar10": (40, 0),
    "cudfkd/cifar100": (32, 0),
    "cudfkd/stability_cifar10": (21, 0),
    "cudfkd/stability_cifar100": (21, 0),
    "dafl/cifar": (4, 0),
    "dfad/classification": (12, 6),
    "dfkd_fgvc/table1": (33, 0),
    "dfkd_fgvc/table2": (24, 0),
    "dfkd_fgvc/table3": (12, 0),
    "dfkd_fgvc/table4": (15, 0),
    "dfkd_fgvc/table5": (12, 0),
    "diff_dfkd/teachers": (2, 0),
    "dm_kd/cifar100": (5, 0),
    "dm_kd/imagenet": (6, 0),
    "fast_datafree/cifar10": (50, 0),
    "fast_datafree/cifar100": (55, 0),
    "fast_datafree/imagenet": (18, 2),
    "fast_datafree/imagenet_hours": (3, 0),
    "spaceshipnet/cifar100_seeds": (4, 0),
}


def gaps(table: PublishedTable, better: str, worse: str) -> list[float]:
    """The difference of two rows in each column, in points."""
    out = []
    for column in table.columns:
        one, other = table.value(better, column), table.value(worse, column)
        assert one is not None
        assert other is not None
        out.append(one - other)
    return out


def test_every_table_has_the_size_of_its_source() -> None:
    found = {name: published.load(name) for name in NAMES}
    sizes = {name: len(table.row_names) * len(table.columns) for name, table in found.items()}
    missing = {name: sizes[name] - len(table.cells) for name, table in found.items()}
    assert {name: (sizes[name], missing[name]) for name in found} == SIZES


@every_table
def test_every_number_is_in_range_and_says_where_it_was_read(name: str) -> None:
    table = published.load(name)
    assert (table.id, table.row_names) == (name, tuple(dict.fromkeys(cell.row for cell in table.cells)))
    for cell in table.cells:
        assert cell.value > 0
        assert cell.value <= 100 or table.unit == "hours"
        assert cell.mark in get_args(Mark)
        assert bool(cell.via) == (cell.mark == "secondary")
        assert not cell.via or code_files.parse(cell.via)
        assert table.cell(cell.row, cell.column) == cell
    for text in (
        table.number,
        table.title,
        table.metric,
        table.unit,
        table.task,
        table.teacher,
        table.student,
        table.rows,
    ):
        assert text
    assert all(table.columns.values())
    assert all((table.source.short, table.source.title, table.source.authors, table.source.venue))


def test_only_what_stands_in_a_paper_is_marked_as_read() -> None:
    read = {name for name in NAMES if {cell.mark for cell in published.load(name).cells} == {"read"}}
    assert read == {"cgdd/abstract", *(f"dfkd_fgvc/table{i}" for i in range(1, 6))}


def test_what_can_be_re_run_and_why_the_rest_cannot() -> None:
    of_methods = {f"{paper}/{task}" for paper in ("cmi", "cudfkd", "fast_datafree") for task in ("cifar10", "cifar100")}
    assert set(RUNNABLE) == {f"dfkd_fgvc/table{i}" for i in (3, 4, 5)} | of_methods
    for name in NAMES:
        table = published.load(name)
        assert table.runnable == bool(table.runs) == bool(table.claims) == (not table.not_run)


def of(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the method that they name as data, as a study's trials take it."""
    named = changes.get("method")
    return dict(changes) if named is None else {**changes, "method": config.plain(config.load(named))}


@every_runnable
def test_every_arm_is_a_row_and_a_change_that_the_method_takes(name: str) -> None:
    table = published.load(name)
    assert table.method is not None
    left = [row for row in table.row_names if row not in table.arms]
    assert [row for row in table.row_names if row in table.arms] == list(table.arms)
    assert all(row.startswith(("teacher", "student", "KD", "Fast-")) for row in left), "every method here has its arm"
    method = config.load(table.method)
    prints = {row: config.fingerprint(config.change(method, of(changes))) for row, changes in table.arms.items()}
    assert len(set(prints.values())) == len(prints), "no two rows are the same method"
    assert config.fingerprint(method) in prints.values(), "one row is the method as it is"
    for run in table.runs.values():
        config.change(method, {path: value for path, value in run.items() if path != "task"})


@every_runnable
def test_every_claim_weighs_arms_that_exist_and_holds_in_the_printed_numbers(name: str) -> None:
    table = published.load(name)
    for claim in table.claims:
        assert claim.weights.keys() <= table.arms.keys()
        assert sum(claim.weights.values()) == pytest.approx(0)
        assert published.printed(table, claim) > 0, f"the paper states what its own table denies: {claim.text}"
    assert len({claim.text for claim in table.claims}) == len(table.claims)


# Differences that the reader of the paper worked out by hand, column by column, and what they are called here.
BY_HAND: dict[str, Mapping[str, Any]] = {
    "dfkd_fgvc/table3": {
        "SFCL helps the baseline": (3.07, 2.33, 2.92),
        "MHAD helps the baseline": (4.56, 5.12, 4.37),
        "SFCL helps where MHAD is": (0.90, 1.97, 1.22),
        "MHAD helps where SFCL is": (2.39, 4.76, 2.67),
        "The two gains overlap, so that together they are less than their sum": (2.17, 0.36, 1.70),
    },
    "dfkd_fgvc/table4": {"The generator's attention helps": (1.88, 2.65, 2.12)},
    "dfkd_fgvc/table5": {"order 1 beats order 2": (1.19, -1.09, 1.06)},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_contrasts_are_those_worked_out_by_hand(name: str) -> None:
    table = published.load(name)
    claims = {claim.text: claim for claim in table.claims}
    for text, wanted in BY_HAND[name].items():
        found = [published.printed(table, claims[text], column) for column in table.runs]
        assert found == pytest.approx(list(wanted), abs=1e-6)
        assert published.printed(table, claims[text]) == pytest.approx(sum(wanted) / 3, abs=1e-6)


def test_dfkd_fgvc_agrees_with_itself() -> None:
    """The full method stands in four tables; the printed averages are the averages; the margins are the known ones."""
    tables = {i: published.load(f"dfkd_fgvc/table{i}") for i in range(1, 6)}
    rows = {1: "DFKD-FGVC", 3: "+MHAD+SFCL", 4: "lambda 0.05", 5: "order 3"}
    for i, row in rows.items():
        assert [tables[i].value(row, column) for column in tables[3].columns] == [65.76, 71.89, 56.93]
    for row in tables[5].row_names:
        assert tables[5].value(row, "average") == pytest.approx(tables[5].value(row), abs=0.0051)
    assert gaps(tables[1], "DFKD-FGVC", "CMI") == pytest.approx([2.19, 3.15, 3.40])
    assert gaps(tables[1], "DFKD-FGVC", "MAD")[0] == pytest.approx(2.02)
    assert gaps(tables[1], "teacher, real data", "student, real data") == pytest.approx([1.44, 6.79, 18.27])
    assert gaps(tables[2], "DFKD-FGVC", "CMI") == pytest.approx([2.11, 2.33, 0.82])


def test_papers_that_quote_each_other_agree_where_they_are_known_to() -> None:
    cmi, fast = (published.load(f"{paper}/cifar10") for paper in ("cmi", "fast_datafree"))
    for row in cmi.row_names:
        assert gaps(cmi, row, row) == [0] * 5
        assert [cmi.value(row, column) for column in cmi.columns] == [fast.value(row, c) for c in fast.columns]
    cmi, fast = (published.load(f"{paper}/cifar100") for paper in ("cmi", "fast_datafree"))
    differ = {
        row
        for row in cmi.row_names
        if [cmi.value(row, c) for c in cmi.columns] != [fast.value(row, c) for c in cmi.columns]
    }
    assert differ == {"DAFL", "ZSKT", "DFQ"}
    for row in cmi.row_names:
        assert cmi.value(row, "r34-r18") == fast.value(row, "r34-r18"), row


def test_cudfkd_copies_cmis_rows_but_for_two_values_of_cifar10() -> None:
    cmi, cudfkd = (published.load(f"{paper}/cifar10") for paper in ("cmi", "cudfkd"))
    same = {"DAFL": "DAFL", "ZSKT": "ZSKT", "ADI": "DeepInv", "DFQ": "DFQ", "CMI": "CMI"}
    differ = {
        (row, column)
        for row, theirs in same.items()
        for column in cudfkd.columns
        if cudfkd.value(row, column) != cmi.value(theirs, column)
    }
    assert differ == {("DAFL", "w40-2-w16-1"), ("ADI", "w40-2-w16-1")}


def test_logs_end_where_the_table_stands_and_a_best_seed_is_best() -> None:
    imagenet = published.load("fast_datafree/imagenet")
    for column in imagenet.columns:
        logged = imagenet.value("Fast-50, end of the logs", column)
        assert logged is not None
        assert logged == pytest.approx(imagenet.value("Fast-50", column), abs=0.01)
    seeds = published.load("spaceshipnet/cifar100_seeds")
    mean, best = (seeds.value(f"six seeds, {what}", "r34-r18") for what in ("mean", "best"))
    assert mean is not None
    assert best is not None
    assert best > mean


def test_every_file_says_what_it_is() -> None:
    files = sorted(Path(published.__file__).parent.glob("*.yaml"))
    assert {path.stem for path in files} == {name.partition("/")[0] for name in NAMES}
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in files)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("dfkd_fgvc/tabel3", "dfkd_fgvc/table3"),
        ("dfkd_fvgc/table3", "dfkd_fgvc/table3"),
        ("fast_datafree/imagent", "fast_datafree/imagenet"),
        ("../published/cgdd", ""),
        ("dfkd_fgvc", ""),
        ("", ""),
    ],
)
def test_an_unknown_table_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName) as caught:
        published.load(name)
    message = str(caught.value)
    assert message.startswith(f"unknown table {name!r}")
    assert f"did you mean {nearest!r}" in message if nearest else True
    assert all(known in message for known in NAMES)


def test_a_value_that_the_source_does_not_give_is_none() -> None:
    table = published.load("fast_datafree/imagenet")
    assert table.cell("DeepInv-2k", "resnet18") is None
    assert table.value("DeepInv-2k", "resnet18") is None
    assert table.value("DeepInv-2k", "resnet50") == 68.0
    assert table.value("DeepInv-2k") is None, "data alone has no columns to take a mean over"
    assert table.value("no such row", "resnet50") is None


def test_a_reference_names_a_table_and_perhaps_a_column() -> None:
    for name in RUNNABLE:
        table = published.load(name)
        for column in (None, *table.runs):
            assert published.find(published.reference(table, column)) == (table, column)
    assert published.reference(published.load("dfkd_fgvc/table3"), "cub200") == "dfkd_fgvc/table3#cub200"
    for reference, message in {
        "dfkd_fgvc/table#cub200": "unknown table 'dfkd_fgvc/table'; did you mean 'dfkd_fgvc/table",
        "dfkd_fgvc/table5#average": r"dfkd_fgvc/table5 has no run for 'average' \(known: aircraft, cars196, cub200\)",
        "dfkd_fgvc/table5#cub20": "no run for 'cub20'; did you mean 'cub200'",
        "dfkd_fgvc/table5#": "no run for ''",
        "dfkd_fgvc/table1#aircraft": "no run for 'aircraft'",
    }.items():
        with pytest.raises(UnknownName, match=message):
            published.find(reference)


@pytest.mark.parametrize(
    ("authors", "citation"),
    [
        ("Ada Lovelace", "Lovelace, ICML 2001"),
        ("Ada Lovelace, Alan M. Turing", "Lovelace and Turing, ICML 2001"),
        ("Ada Lovelace, Alan M. Turing, Kurt Gödel", "Lovelace et al., ICML 2001"),
    ],
)
def test_a_citation_is_who_where_and_when(authors: str, citation: str) -> None:
    assert Paper("X", "On x", authors, "ICML 2001").citation == citation
    assert Paper("X", "On x", authors, "ICML 2001; later elsewhere").citation == citation
