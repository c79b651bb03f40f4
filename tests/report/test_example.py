"""The examples under `reports/`: tables of studies that were run; README and findings have their figures from these."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import report
from dfkd_ray.util import tables

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "reports" / "example"
README, FINDINGS = (
    " ".join((ROOT / name).read_text(encoding="utf-8").split()) for name in ("README.md", "docs/pages/findings.md")
)


def rows(study: str, table: str = "trials") -> list[dict[str, Any]]:
    return tables.read(EXAMPLES / study / f"{table}.arrow").to_pylist()


PICTURED = {
    "mhad": (1, 2, 4, 7, 9),
    "fgvc_claims": (1, 2, 4, 7, 9),
    "methods": (1, 2, 4, 7, 9),
    "methods_cifar10": (1, 2, 5, 8, 10),
    "guidance": (1, 2, 4, 5),
}


@pytest.mark.parametrize(("study", "epochs"), PICTURED.items())
def test_its_page_is_built_from_the_tables_alone(study: str, epochs: tuple[int, ...], tmp_path: Path) -> None:
    for path in (EXAMPLES / study).glob("*.arrow"):
        shutil.copy(path, tmp_path)
    page = report.build(tmp_path).read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert all(f"epoch {epoch}</figcaption>" in page for epoch in epochs), "pictures of the best trial"
    best = max((r for r in rows(study) if r["state"] == "complete"), key=lambda row: row["objectives"][0])
    if study == "mhad":
        assert f"test {100 * dict(best['final'])['test_accuracy/last']:.1f} % at its last epoch" in page


def test_the_readme_says_what_the_sweeps_tables_say() -> None:
    trials = rows("mhad")
    best = max((row for row in trials if row["state"] == "complete"), key=lambda row: row["objectives"][0])
    stopped = sum(row["state"] == "pruned" for row in trials)
    assert f"{len(trials)} trials, {stopped} of them stopped early" in README
    validation, test = 100 * best["objectives"][0], 100 * dict(best["final"])["test_accuracy/last"]
    said = f"at {validation:.1f} % validation accuracy, by which it was chosen, and {test:.1f} % test accuracy"
    assert f"seed {best['seed']}) {said}, both at the last epoch" in README


COMPARED = {  # the effect, whether the page turns it round, and what it says
    "+MHAD against baseline": (1, "+43.2 [+17.6, +68.7], p 0.008"),
    "+SFCL against baseline": (1, "-9.9 [-55.4, +35.5], p 1"),
    "both against +SFCL": (1, "+37.7 [+2.0, +73.3], p 0.042"),
    "both against +MHAD": (1, "-15.5 [-38.2, +7.3], p 0.16"),
    "plain features against both": (-1, "-0.4 [-23.1, +22.3], p 1"),
    "both against both at lambda 0": (1, "+0.2 [-22.5, +22.9], p 1"),
    "both against order 2": (1, "+6.0 [-25.1, +37.2]"),
    "order 2 against order 1": (1, "-8.9 [-46.7, +29.0]"),
}


def test_the_findings_say_what_the_ablations_tables_say() -> None:
    effects = {row["contrast"]: row for row in rows("fgvc_claims", "effects") if row["metric"] == "val_accuracy"}
    assert len(effects) == 15
    told = {contrast for contrast, row in effects.items() if row["verdict"] in ("helps", "hurts")}
    assert told == {"+MHAD against baseline", "both against +SFCL"}
    assert "of fifteen comparisons five seeds told two" in FINDINGS
    assert f"p {effects['attention joint against both']['p_holm']:.2g}, cannot be told" in FINDINGS
    for contrast, (sign, said) in COMPARED.items():
        row = effects[contrast]
        difference, *ends = (100 * sign * row[key] for key in ("difference", "low", "high"))
        shown = f"{difference:+.1f} [{min(ends):+.1f}, {max(ends):+.1f}]"
        p = f", p {row['p_holm']:.2g}" if "p" in said else ""
        assert shown + p == said
        assert said in FINDINGS


def test_the_collapse_of_a_joint_attention_is_in_the_tables() -> None:
    joint = {row["trial"] for row in rows("fgvc_claims") if row["arm"] == "attention joint"}
    found = re.search(r"its mean falls from ([\d.]+) to ([\d.]+) \(teacher\)", FINDINGS)
    assert found
    for epoch, said in zip((1, 9), found.groups()):
        of = [
            row["value"]
            for row in rows("fgvc_claims", "steps")
            if row["trial"] in joint and (row["metric"], row["epoch"]) == (GAUGE, epoch)
        ]
        assert len(of) == 5
        assert f"{sum(of) / len(of):.2f}" == said


GAUGE = "loss/student/high_order/attention_teacher"


SECTIONS = {
    "methods": "## Every method at one budget",
    "methods_cifar10": "## Every method on real images, at the preset of a laptop",
}


def by_arm(study: str) -> dict[str, list[float]]:
    """Test accuracy at the last epoch in per cent, by seed."""
    found: dict[str, list[float]] = {}
    for row in rows(study):
        found.setdefault(row["arm"], []).append(100 * dict(row["final"])["test_accuracy/last"])
    return found


@pytest.mark.parametrize(("study", "title"), SECTIONS.items())
def test_the_findings_have_every_method_as_the_tables_have_it(study: str, title: str) -> None:
    """Student's interval of three values, written out: the quantile 0.975 at 2 degrees of freedom is 4.302653."""
    arms = by_arm(study)
    assert {len(found) for found in arms.values()} == {3}
    section = FINDINGS[FINDINGS.index(title) + 2 :].partition(" ## ")[0]
    cells = re.findall(r"\| ((?:[a-z_]+ \| )+)\|[-|]+ \| ((?:[\d.]+ \[[\d., ]+\] \| ?)+)", section)
    said = {name: cell for names, values in cells for name, cell in zip(names.split(" | "), values.split(" | "))}
    said.pop("", None)
    assert said.keys() == arms.keys()
    for name, values in arms.items():
        mean = sum(values) / 3
        half = 4.302653 * (sum((v - mean) ** 2 for v in values) / 2 / 3) ** 0.5
        low, high = max(mean - half, 0.0), min(mean + half, 100.0)  # no interval of an accuracy leaves 0 to 100 %
        assert said[name].strip(" |") == f"{mean:.1f} [{low:.1f}, {high:.1f}]", name


def test_the_findings_say_which_methods_are_told_apart_on_gliders() -> None:
    arms = by_arm("methods")
    effects = [row for row in rows("methods", "effects") if row["metric"] == "val_accuracy"]
    told = {row["contrast"].partition(" ")[0]: row for row in effects if row["verdict"] == "helps"}
    best_first = sorted(arms, key=lambda name: -sum(arms[name]))
    assert told.keys() == {*best_first[: best_first.index("mad") + 1]} - {"cpsc", "dfq"}, "all down to mad but these"
    assert (len(told), len(effects)) == (14, 22)
    for name, unit in (("fast", " points"), ("mad", "")):
        difference, low, high = (100 * told[name][key] for key in ("difference", "low", "high"))
        assert f"{name} by {difference:+.1f}{unit} [{low:+.1f}, {high:+.1f}]" in FINDINGS
    p_of = {row["contrast"].partition(" ")[0]: row["p_holm"] for row in effects}
    but = f"all down to mad but cpsc (p {p_of['cpsc']:.2g}) and dfq (p {p_of['dfq']:.2g}): "
    assert f"Fourteen of 22 are told apart from `noise_kd` on validation accuracy, {but}" in FINDINGS


def test_the_findings_say_which_methods_are_told_apart_on_cifar10() -> None:
    effects = [row for row in rows("methods_cifar10", "effects") if row["metric"] == "val_accuracy"]
    told = {row["contrast"].partition(" ")[0]: row for row in effects if row["verdict"] == "helps"}
    arms = by_arm("methods_cifar10")
    best_first = sorted(arms, key=lambda name: -sum(arms[name]))
    assert told.keys() == {*best_first[: best_first.index("cpsc") + 1]}
    assert (len(told), len(effects)) == (11, 22)
    for name, unit in (("two_stage", " points"), ("cpsc", "")):
        difference, low, high = (100 * told[name][key] for key in ("difference", "low", "high"))
        assert f"{name} by {difference:+.1f}{unit} [{low:+.1f}, {high:+.1f}]" in FINDINGS
    next_one = {row["contrast"].partition(" ")[0]: row for row in effects}[best_first[best_first.index("cpsc") + 1]]
    said = f"{next_one['contrast'].partition(' ')[0]} (p {next_one['p_holm']:.2g}) and what follows are not"
    assert "Eleven of 22 are told apart from `noise_kd` on validation accuracy, all down to cpsc: " in FINDINGS
    assert said in FINDINGS


def test_the_findings_say_what_the_tables_of_the_guidance_say() -> None:
    """Student's interval of five values, written out: the quantile 0.975 at 4 degrees of freedom is 2.776445."""
    steps = rows("guidance", "steps")
    asked = {row["trial"]: row["value"] for row in steps if (row["metric"], row["epoch"]) == ("asked/source", 5)}
    by_arm: dict[str, list[tuple[float, float]]] = {}
    for row in rows("guidance"):
        test = dict(row["final"])["test_accuracy/last"]
        by_arm.setdefault(row["arm"], []).append((100 * asked[row["trial"]], 100 * test))
    components = ("guidance", "cutmix", "name")
    for arm, pairs in by_arm.items():
        assert len(pairs) == 5
        on = components if arm == "full" else () if arm == "none" else arm.split(" + ")
        shares, tests = zip(*pairs)
        mean = sum(tests) / 5
        half = 2.776445 * (sum((v - mean) ** 2 for v in tests) / 4 / 5) ** 0.5
        low, high = max(mean - half, 0.0), min(mean + half, 100.0)
        levels = " | ".join("on" if name in on else "off" for name in components)
        said = f"| {levels} | {sum(shares) / 5:.1f} % | {mean:.1f} [{low:.1f}, {high:.1f}] |"
        assert said in FINDINGS, said
    assert len(by_arm) == 8
    effects = {(row["metric"], row["contrast"].partition(" ")[0]): row for row in rows("guidance", "effects")}
    row = effects["asked/source", "guidance"]
    difference, low, high = (100 * row[key] for key in ("difference", "low", "high"))
    assert f"{difference:+.1f} points [{low:+.1f}, {high:+.1f}] over all arms, p {row['p_holm']:.2g}." in FINDINGS
    for component in ("guidance", "cutmix"):
        assert effects["val_accuracy", component]["verdict"].startswith("cannot be told"), "so the page says"
