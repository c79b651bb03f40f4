"""The effects of an ablation, as `effects.arrow` holds them, and how the page calls them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from dfkd_ray import metrics
from dfkd_ray.report.view import Tables

HELPS, HURTS = "helps", "hurts"  # the verdicts of an effect that was told; all others leave it open
TOO_FEW = "too few pairs to tell"
SINGLE = ("simple", "main")  # of one component, or of one arm against another
_NUMBERS = (
    *("difference", "standard_error", "low", "high", "t_low", "t_high", "boot_low", "boot_high"),
    *("p_t", "p_wilcoxon", "p_holm"),
)
_SHORT = {HELPS: HELPS, HURTS: HURTS, TOO_FEW: "too few pairs"}


@dataclass(frozen=True)
class EffectRow:
    """One row of `effects.arrow`; what is missing or not finite is None."""

    component: str
    kind: str  # simple, main, interaction, shapley
    contrast: str  # in words
    metric: str
    difference: float | None
    standard_error: float | None
    low: float | None  # the interval of the verdict; tables of before there was one have none
    high: float | None
    t_low: float | None  # Student's, of this effect by itself
    t_high: float | None
    boot_low: float | None
    boot_high: float | None
    p_t: float | None
    p_wilcoxon: float | None
    p_holm: float | None
    pairs: int
    lost: int
    aliases: tuple[str, ...]
    exact: bool
    verdict: str

    @property
    def told(self) -> bool:
        """Whether it can be told from nothing."""
        return self.verdict in (HELPS, HURTS)

    @property
    def short(self) -> str:
        """The verdict in a word or three, for a chart."""
        return _SHORT.get(self.verdict, "not told apart")

    @property
    def rest(self) -> str | None:
        """Where one component was switched on against off: what the rest was meanwhile; None for other contrasts."""
        head = f"{self.component} on against off, "
        return self.contrast.removeprefix(head) if self.contrast.startswith(head) else None


def told(tables: Tables, metric: str, *kinds: str) -> list[EffectRow]:
    """The effects on a metric, in the order of the table; of all kinds unless some are named."""
    if tables.effects is None or not tables.is_ablation:
        return []
    rows = tables.effects.filter(pc.equal(tables.effects["metric"], metric)).to_pylist()
    return [effect for effect in map(_effect, rows) if not kinds or effect.kind in kinds]


def _effect(row: Mapping[str, Any]) -> EffectRow:
    made: dict[str, Any] = {name: row[name] or "" for name in ("component", "kind", "contrast", "metric", "verdict")}
    made |= {name: value if (value := row[name]) is not None and math.isfinite(value) else None for name in _NUMBERS}
    made |= {"pairs": row["pairs"] or 0, "lost": row["lost"] or 0}
    return EffectRow(**made, aliases=tuple(row["aliases"] or ()), exact=row["exact"] is not False)


def leading(tables: Tables) -> list[str]:
    """The metrics that the page shows first: every objective, then test accuracy at the last epoch."""
    every = every_metric(tables)
    return [m for m in dict.fromkeys([*(o.metric for o in tables.objectives), tables.quality.test_last]) if m in every]


def every_metric(tables: Tables) -> list[str]:
    """Every metric that an effect was told for, in the order of the table."""
    if tables.effects is None or not tables.is_ablation:
        return []
    return [m for m in pc.unique(tables.effects["metric"]).to_pylist() if m]


def same(tables: Tables) -> list[str]:
    """The comparisons of a method with itself: two arms are twins, and nothing differs in any metric."""
    if not any(arm.runs_as for arm in tables.arms):
        return []
    found = [effect for metric in every_metric(tables) for effect in told(tables, metric, *SINGLE)]
    differ = {effect.contrast for effect in found if effect.difference != 0 or effect.standard_error != 0}
    return [contrast for contrast in dict.fromkeys(effect.contrast for effect in found) if contrast not in differ]


def mode(tables: Tables, metric: str) -> str:
    """`min` or `max`: which way a metric is better."""
    return next((o.mode for o in tables.objectives if o.metric == metric), metrics.find(metric).better or "max")


def names(effects: Sequence[EffectRow]) -> list[str]:
    """What each effect is called among these: its component alone where that is clear."""
    said = [effect.component if _plain(effect) else effect.contrast or effect.component for effect in effects]
    return [name if said.count(name) == 1 else each.contrast or name for name, each in zip(said, effects)]


def _plain(effect: EffectRow) -> bool:
    return effect.kind not in SINGLE or effect.rest is not None
