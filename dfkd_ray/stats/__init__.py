"""Statistics of paired comparisons: contrasts, effects with intervals and verdicts, power, aliases.

Usable alone, on any table of outcomes.
"""
