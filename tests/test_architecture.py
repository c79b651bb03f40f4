"""Who may import whom, what loads what, which test a module has, what it is called, and how long a file may be."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
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
    ("cli", "api"),
    ("__main__",),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ROOMS = 18  # entries of the package at most: a newcomer should guess the file from the question
CORE = {"nets", "datasets", "teachers", "parts", "methods", "train"}  # knows no trial
TOWERS = {"stats", "study", "tune", "report"}  # never see a tensor

# Who may import which package of others; "tune" allows it to the whole room, "tune.search" to that module alone.
THIRD_PARTIES = {
    "torch": CORE | {"runs", "cli", "api", "util.seeding"},
    "torchvision": {"nets", "datasets"},
    "numpy": {"datasets", "teachers", "report", "runs", "stats"},
    "PIL": {"datasets", "runs.evaluation", "tune.pictures", "tune.observers.wandb"},
    "safetensors": {"teachers", "runs.checkpoint", "parts.sources.noisy_layer"},
    "sklearn": {"datasets", "runs.evaluation"},
    "onnxruntime": {"runs.export"},
    "yaml": {"util.yamls", "methods.origins", "report", "cli"},
    "pydantic": {"util.yamls"},
    "pandas": {"api"},
    "pyarrow": {"util.tables", "report", "datasets.pools", "api.frames"},
    "diffusers": {"nets.pipelines", "teachers.teach_diffusion"},
    "transformers": {"nets.pipelines"},
    "tokenizers": {"nets.pipelines.small"},
    "plotly": {"report", "api"},
    "jinja2": {"report.rendering"},
    "markupsafe": {"report.rendering"},
    "obstore": {"util.store"},
    "filelock": {"util.locks", "datasets.pools.shard"},
    "scipy": {"parts.losses.kdci", "datasets.fgvc", "report", "stats"},
    "mlflow": {"tune.observers.mlflow"},
    "optuna": {
        *("tune.search", "tune.sampling", "tune.hub", "tune.sight", "tune.importance", "tune.optuna_study"),
        *("tune.observers.optuna", "api.results"),
    },
    "optunahub": {"tune.hub"},
    "tensorboard": {"tune.observers.tensorboard"},
    "wandb": {"tune.observers.wandb"},
    "ray": {f"tune.ray_{name}" for name in ("cluster", "jobs", "leaving", "probe", "progress", "runner", "shards")},
    "rich": {"tune.observers.live", "cli"},
    "typer": {"cli"},
}

LONG_FILES = {
    "metrics.py": "one row a metric, and how its values are printed",
    "study/domains.py": "one class a domain",
    "util/yamls.py": "text to data to dataclasses, and back",
}
LONG_FUNCTIONS = {
    "api/commands.py: distill": "its arguments with a line of reference each",
    "teachers/teach.py: teach": "a training loop, from top to bottom",
    "report/charts/ranking.py: draw": "a figure, from top to bottom",
}
# A command is registered on the app of its package, so the package imports its modules last.
COMMANDS = (
    *("catalogue", "compare", "data", "evaluate", "explain", "export", "job", "page", "pool", "prune", "repair"),
    *("reproduce", "rm", "run", "simulate", "status", "study", "submit", "synthesize", "teach", "teach_diffusion"),
    "teachers",
)
CIRCLES = {frozenset({"dfkd_ray.cli", f"dfkd_ray.cli.{name}"}) for name in COMMANDS}
CIRCLES |= {frozenset({"dfkd_ray.cli", "dfkd_ray.cli.pool", "dfkd_ray.cli.prune"})}  # one command of several

# Tests mirror the package, name for name; what a package itself defines is tested by test_init, a method in YAML by
# the file of its name. The second part of a module's tests begins like the first: test_launch_ablations.
MIRRORS_NOTHING = {
    "test_architecture.py": "the package as a whole",
    "faults/test_faults.py": "the benchmark of faults, a try of each kind",
    "test_fuzz.py": "every reader of what others may have written",
    "test_search_spaces.py": "the studies that ship",
    "test_wheel.py": "what travels in the package",
    "benchmarks/test_results.py": "how RESULTS.md is kept",
    "benchmarks/test_step.py": "the benchmark of a step: the same written the published way, and the floors",
    "cli/test_ablate.py": "a command as its user meets it, from the file to the page",
    "cli/test_ablate_path.py": "the same, along a path",
    "cli/test_bounds.py": "absurd numbers, names and files in every command that takes them",
    "cli/test_dense.py": "dense tasks as their user meets them, from the teacher to the export",
    "cli/test_folder.py": "folder:PATH in every command that takes a task",
    "cli/test_report.py": "a command as its user meets it",
    "datasets/test_shared.py": "real images and teachers, where they are at hand",
    "deploy/test_deploy.py": "the files that bring a study to a cluster",
    "docs/test_contributing.py": "the documentation",
    "docs/test_own.py": "the documentation",
    "docs/test_pages.py": "the documentation",
    "docs/test_python.py": "the documentation",
    "docs/test_site.py": "the documentation",
    "docs/test_tutorial.py": "the documentation",
    "methods/test_contract.py": "every method that ships",
    "methods/test_contract_devices.py": "the same on a device that is not the CPU",
    "parts/losses/test_contract.py": "every term of the registry",
    "parts/memories/test_contract.py": "every memory of the registry",
    "parts/sources/test_contract.py": "every source of the registry",
    "parts/views/test_contract.py": "every view of the registry",
    "report/test_browser.py": "the page in a browser",
    "report/test_contract.py": "every chart of the registry",
    "report/test_table.py": "the table of trials in a browser",
    "report/test_example.py": "the example that ships",
    "report/evaluation/test_contract.py": "every chart of an evaluation",
}

# Modules of one name: a newcomer who is told it has to be told the room as well, so each pair has a reason.
COMMAND, PAGE, CHART = "a command and what it runs", "what is found and its place on the page", "a chart"
OF_BOTH = "the page of a study and that of an evaluation"
NETWORK = "a network and the source that trains it"
SAME_NAME = {
    ("cli.page", "report.evaluation.page", "report.page"): "a command, and the pages of a study and of an evaluation",
    ("cli.options", "tune.options"): "the options, and how the command line offers them",
    ("datasets.pools.card", "runs.card"): "what stands beside a pool, and beside a run",
    ("report.charts.front", "stats.front"): CHART,
    ("cli.export", "runs.export"): COMMAND,
    ("datasets.dense", "nets.dense", "runs.evaluation.dense"): "targets, networks and evaluations of positions",
    ("cli.transfer", "runs.evaluation.transfer"): "the options, and what they ask for",
    ("cli.pool", "datasets.pools.pool", "parts.memories.pool"): "a command, the images on the disk, those in memory",
    ("cli.repair", "tune.repair"): COMMAND,
    ("cli.run", "train.run"): "the commands of a run and its state",
    ("cli.subject", "runs.subject"): "the options, and what they mean",
    ("cli.study", "study", "study.study"): "the commands of a study, its room, and its dataclass",
    ("cli.teach", "teachers.teach"): COMMAND,
    ("cli.teach_diffusion", "teachers.teach_diffusion"): COMMAND,
    ("cli.teachers", "teachers"): "the commands of teachers that are there, and their room",
    ("cli.training", "datasets.training"): "what is shown of training and the images for it",
    ("datasets.pools.verify", "datasets.verify"): "the same question of a pool and of a data set",
    ("nets.generator", "parts.sources.generator"): NETWORK,
    ("nets.upsampling", "parts.sources.upsampling"): NETWORK,
    ("parts.losses", "report.charts.losses"): CHART,
    ("report.ablation", "study.ablation"): PAGE,
    ("report.arms", "study.arms"): PAGE,
    ("report.charts.cost", "runs.export.cost"): "a chart of what trials took; what an exported network takes",
    ("report.charts.history", "tune.history"): CHART,
    ("report.charts.importance", "tune.importance"): CHART,
    ("report.charts.curves", "tune.curves"): CHART,
    ("report.charts.hypervolume", "stats.hypervolume"): CHART,
    ("datasets.pools.pictures", "tune.pictures"): "images of a pool, and grids that a trial reports",
    ("report.effects", "stats.effects"): PAGE,
    ("report.evaluation", "runs.evaluation"): PAGE,
    ("report.evaluation.sections", "report.sections"): OF_BOTH,
    ("report.evaluation.view", "report.view"): OF_BOTH,
    ("report.published", "study.published"): PAGE,
}

# Public classes of one name: who reads the name alone has to know which one is meant.
SAME_CLASS = {
    ("nets.sharing.Ranks", "tune.ranks.Ranks"): "processes that share a run, and trials in their order",
    ("report.blocks.Picture", "tune.pictures.Picture"): "on a page, and on the disk",
    ("report.charts.history.History", "tune.history.History"): CHART,
}


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
    if name == PACKAGE.name:
        return set()  # what it offers is imported when it is used: see the test of what importing it loads
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


MODULES_OF = "import sys, {0}; print(*[name for name in sys.modules if name.split('.')[0] == '{0}'])"


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
        "dfkd_ray.api.commands",
    ]
    loads = json.loads(python(LOADS, json.dumps([*light, "dfkd_ray.train.loop", "dfkd_ray.runs.distillation"])))
    assert [name for name in loads["dfkd_ray"] if name not in sys.stdlib_module_names] == ["dfkd_ray"]
    assert len(python(MODULES_OF.format("dfkd_ray")).split()) == 1, "nor anything of its own"
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
    assert files == LONG_FILES.keys()
    assert long_functions == LONG_FUNCTIONS.keys()


TESTS = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}


def mirror(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.with_name(f"test_{'init' if inside.stem == '__init__' else inside.stem}.py").as_posix()


def needs_a_test(path: Path) -> bool:
    """Every module but a package's own that only gathers what its modules define."""
    body = TREES[name_of(path)].body if path.stem == "__init__" else []
    return path.stem != "__init__" or any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in body)


MIRRORED = {mirror(path) for path in (*MODULES.values(), *(PACKAGE / "methods").glob("*.yaml")) if needs_a_test(path)}


def test_every_module_has_its_test() -> None:
    assert set() == MIRRORED - TESTS


def test_every_test_has_its_module_or_a_reason() -> None:
    assert MIRRORS_NOTHING.keys() <= TESTS - MIRRORED
    seconds = tuple(f"{name.removesuffix('.py')}_" for name in MIRRORED)
    alone = {name for name in TESTS - MIRRORED if not name.startswith(seconds)}
    assert alone - MIRRORS_NOTHING.keys() == set()


def alike(names: Iterable[str]) -> set[tuple[str, ...]]:
    """Those that share their last part, inside the package."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition(".")[2], []).append(name.removeprefix("dfkd_ray."))
    return {tuple(same) for same in found.values() if len(same) > 1}


def test_no_two_modules_share_a_name_without_a_reason() -> None:
    assert alike(MODULES) == SAME_NAME.keys()


def test_no_two_public_classes_share_a_name_without_a_reason() -> None:
    classes = [f"{name}.{node.name}" for name in MODULES for node in TREES[name].body if isinstance(node, ast.ClassDef)]
    assert alike(name for name in classes if not name.rpartition(".")[2].startswith("_")) == SAME_CLASS.keys()


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
