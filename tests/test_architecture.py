"""Who may import whom, what loads what, and how long a file may be."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dfkd_ray"

# Each room imports from lower floors only. A room is a module, or a package as a whole.
FLOORS: list[tuple[str, ...]] = [
    ("__init__",),
    ("util",),
    ("metrics",),
    ("stats", "nets"),
    ("report",),
    ("study", "datasets"),
    ("tune", "teachers", "parts"),
    ("methods",),
    ("train",),
    ("runs",),
    ("cli",),
    ("__main__",),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ROOMS = 18  # entries of the package at most: a newcomer should guess the file from the question
CORE = {"nets", "datasets", "teachers", "parts", "methods", "train"}  # knows no trial
TOWERS = {"stats", "study", "tune", "report"}  # never see a tensor

# Who may import which package of others; "tune" allows it to the whole room, "tune.search" to that module alone.
THIRD_PARTIES = {
    "torch": CORE | {"runs", "cli", "util.seeding"},
    "torchvision": {"nets", "datasets"},
    "numpy": {"datasets", "teachers", "report", "runs", "stats"},
    "PIL": {"datasets", "runs.evaluation"},
    "safetensors": {"teachers", "runs.checkpoint", "parts.sources.noisy_layer"},
    "sklearn": {"datasets", "runs.evaluation"},
    "onnxruntime": {"runs.export"},
    "yaml": {"util.yamls", "methods.origins", "report", "cli"},
    "pydantic": {"util.yamls"},
    "pyarrow": {"util.tables", "report", "datasets.pools"},
    "diffusers": {"nets.pipelines", "teachers.teach_diffusion"},
    "transformers": {"nets.pipelines"},
    "tokenizers": {"nets.pipelines.small"},
    "plotly": {"report"},
    "jinja2": {"report.rendering"},
    "markupsafe": {"report.rendering"},
    "filelock": {"util.locks", "datasets.pools.shard"},
    "scipy": {"parts.losses.kdci", "datasets.fgvc", "report", "stats"},
    "optuna": {"tune.search"},
    "ray": {"tune.ray_runner", "tune.ray_cluster", "tune.ray_shards"},
    "rich": {"tune.live", "cli"},
    "typer": {"cli"},
}

LONG_FILES = {
    "tune/tuner.py": "who decides, told as one story",
    "tune/search.py": "every sampler, and importance",
    "study/domains.py": "one class a domain",
    "util/yamls.py": "text to data to dataclasses, and back",
}
LONG_FUNCTIONS = {
    "teachers/teach.py: teach": "a training loop, from top to bottom",
    "report/charts/ranking.py: draw": "a figure, from top to bottom",
}
# A command is registered on the app of its package, so the package imports its modules last.
COMMANDS = (
    *("catalogue", "data", "evaluate", "export", "pool", "reproduce", "run", "study", "synthesize", "teach"),
    "teach_diffusion",
)
CIRCLES = {frozenset({"dfkd_ray.cli", f"dfkd_ray.cli.{name}"}) for name in COMMANDS}


def name_of(path: Path) -> str:
    parts = ["dfkd_ray", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
every_module = pytest.mark.parametrize("name", MODULES)


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported anywhere in a module, also inside functions; relative imports are not used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> set[str]:
    """The modules of the package that a module imports."""
    found = set()
    for target in imported(TREES[name]):
        if target.split(".")[0] == "dfkd_ray":
            found.add(target if target in MODULES else target.rpartition(".")[0])
    return found - {name}


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_every_room_has_a_floor_and_every_floor_its_rooms() -> None:
    assert {room_of(name) for name in MODULES} == set(FLOOR)


@every_module
def test_imports_go_down(name: str) -> None:
    room = room_of(name)
    up = [target for target in own(name) if room_of(target) != room and FLOOR[room_of(target)] >= FLOOR[room]]
    assert up == [], f"{name} is on floor {FLOOR[room]}"


def test_there_are_no_circles_inside_a_part() -> None:
    below: dict[str, set[str]] = {}

    def reach(name: str, path: tuple[str, ...]) -> set[str]:
        if name in path:
            circle = frozenset(path[path.index(name) :])
            assert circle in CIRCLES, f"a circle: {' -> '.join([*path, name])}"
            return set()
        if name not in below:
            below[name] = {*own(name), *(deep for each in own(name) for deep in reach(each, (*path, name)))}
        return below[name]

    for name in MODULES:
        reach(name, ())
    assert "dfkd_ray.util.errors" in below["dfkd_ray.train.loop"], "the walk goes all the way"


@every_module
def test_packages_of_others_stay_where_they_belong(name: str) -> None:
    wild = []
    for target in imported(TREES[name]):
        other = target.split(".")[0]
        if other in sys.stdlib_module_names or other == "dfkd_ray":
            continue
        allowed = THIRD_PARTIES.get(other, set())
        parts = name.split(".")[1:]
        if not allowed & {".".join(parts[:end]) for end in range(len(parts) + 1)}:
            wild.append(target)
    assert wild == []


def test_the_towers_and_the_core_do_not_know_each_other() -> None:
    for name in MODULES:
        seen = {room_of(target) for target in own(name)}
        if room_of(name) in TOWERS:
            assert not seen & CORE, name
        if room_of(name) in CORE:
            assert not seen & TOWERS, name


def test_the_hall_has_few_doors() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= ROOMS


HEAVY = {
    *("torch", "torchvision", "numpy", "scipy", "sklearn", "pandas", "PIL", "safetensors", "pydantic"),
    *("ray", "optuna", "pyarrow", "plotly", "rich", "jinja2", "filelock"),
}
LOADS = """
import importlib, json, sys
before = set(sys.modules)
out = {}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    out[name] = sorted({module.split(".")[0] for module in set(sys.modules) - before})
print(json.dumps(out))
"""


def python(code: str, *arguments: str) -> str:
    env = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_heavy() -> None:
    """One process, so that each import adds to those before it."""
    light = [
        "dfkd_ray",
        "dfkd_ray.metrics",
        "dfkd_ray.study.published",
        "dfkd_ray.tune",
        "dfkd_ray.report",
        "dfkd_ray.study",
        "dfkd_ray.cli",
    ]
    loads = json.loads(python(LOADS, json.dumps([*light, "dfkd_ray.train.loop", "dfkd_ray.runs.distillation"])))
    assert [name for name in loads["dfkd_ray"] if name not in sys.stdlib_module_names] == ["dfkd_ray"]
    for name in light:
        assert not set(loads[name]) & HEAVY, name
    assert "torch" in loads["dfkd_ray.train.loop"]
    for name in ("dfkd_ray.train.loop", "dfkd_ray.runs.distillation"):
        assert not set(loads[name]) & {"ray", "optuna", "pyarrow", "plotly", "scipy", "sklearn", "rich"}, name


ALONE = """
import sys
for name in "ray optuna pyarrow plotly scipy sklearn pandas rich typer".split():
    sys.modules[name] = None
import torch
from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
schedule = {"epochs": 1, "rounds": 1, "student_steps": 2, "batch": 4}
method = config.change(config.load("noise_kd"), {f"schedule.{key}": value for key, value in schedule.items()})
pair = nets.build("resnet8", 10), nets.build("resnet8", 10)
run = Run(method, *pair, (3, 32, 32), (0.5,) * 3, (0.5,) * 3, 0, Runtime("cpu"), torch.device("cpu"))
print([epoch.number for epoch in distill(run)])
"""


def test_the_core_runs_where_torch_is_all_there_is() -> None:
    assert python(ALONE).strip() == "[1]"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_files_and_functions_are_short_or_have_a_reason() -> None:
    files, long_functions = set(), set()
    for path in MODULES.values():
        text, at = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
        if len(text.splitlines()) > 250:
            files.add(at)
        for function in functions(ast.parse(text)):
            if (function.end_lineno or 0) - function.lineno >= 40:
                long_functions.add(f"{at}: {function.name}")
    assert sorted(files - LONG_FILES.keys()) == []
    assert sorted(long_functions - LONG_FUNCTIONS.keys()) == []


@every_module
def test_a_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name])


# Split, so that this file does not hold what it looks for.
MACHINE = re.compile("|".join(["/(opt|work|root|home)" + "/", "pypi" + r"\.", "python" + "hosted"]))
TEXTS = {".py", ".yaml", ".yml", ".md", ".toml", ".json", ".js", ".css", ".html", ".sh"}


@pytest.mark.parametrize("folder", ["dfkd_ray", "tests", "search_spaces", "docs", "benchmarks", "deploy"])
def test_no_file_knows_the_machine_it_was_written_on(folder: str) -> None:
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in TEXTS:
            found = MACHINE.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path}: {found}"
