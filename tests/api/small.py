"""A sweep and an ablation of a second, as Python says them."""

from __future__ import annotations

from typing import Any

SCHEDULE = {"epochs": 2, "rounds": 1, "student_steps": 2, "batch": 4}
KD = "student_loss.kd.temperature"
BOTH: dict[str, Any] = {
    "method": "noise_kd",
    "task": "gliders",
    "objective": {"metric": "val_accuracy"},
    "fixed": {f"schedule.{name}": value for name, value in SCHEDULE.items()},
}
SWEEP: dict[str, Any] = {
    **BOTH,
    "study": "warmth",
    "question": "Which temperature is <best>?",
    "search": {KD: {"log": (1, 20)}},
    "sampler": "random",
    "budget": {"trials": 3},
}
ABLATION: dict[str, Any] = {**BOTH, "study": "parts", "arms": {"soft": {KD: 8.0}, "hard": {KD: 1.0}}, "seeds": 2}
