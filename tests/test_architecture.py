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

# Each part imports from lower floors only. A part is a module, or a package as a whole.
FLOORS: list[tuple[str, ...]] = [
    ("__init__", "errors", "streams", "whole"),
    ("registry", "provenance", "tables"),
    ("yamls", "nets", "optimizers", "pipelines"),
    ("shipped", "signals", "mixing", "pools"),
    ("objective", "slots"),
    ("losses", "sources", "memories", "views", "tasks", "evaluate"),
    ("method",),
    ("config", "runtime"),
    ("annotated",),
    ("run",),
    ("loop",),
    ("published",),  # this and the next two never see a tensor
    ("study", "report"),
    ("sweep",),
    ("keeper", "path_to"),
    ("examiner",),
    ("trainable",),
    ("probe", "study_file", "taught", "synthesis"),
    ("planning", "evaluation", "export"),
    ("cli",),
    ("__main__",),
]
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
CORE = {part for part in FLOOR if FLOOR[part] <= FLOOR["loop"]} - {"tables", "pools"}
TOWERS = {"published", "study", "sweep", "report"}

# Who may import which package of others; "sweep" allows it to the whole part, "sweep.search" to that module alone.
THIRD_PARTIES = {
    "torch": CORE - {"errors", "registry", "yamls", "shipped", "provenance", "whole", "__init__"}
    | {"keeper", "examiner", "trainable", "probe", "taught", "evaluation", "export", "synthesis", "pools", "cli"},
    "torchvision": {"nets", "tasks"},
    "numpy": {"tasks", "report", "study.contrasts", "study.paired"},
    "PIL": {"tasks", "evaluation", "pools"},
    "safetensors": {"tasks", "keeper", "sources.noisy_layer"},
    "sklearn": {"tasks", "evaluation"},
    "onnxruntime": {"export"},
    "yaml": {"yamls", "annotated", "report", "cli"},
    "pydantic": {"yamls"},
    "pyarrow": {"tables", "report", "pools"},
    "diffusers": {"pipelines", "tasks.teach_diffusion"},
    "transformers": {"pipelines"},
    "tokenizers": {"pipelines.small"},
    "plotly": {"report"},
    "scipy": {"losses.kdci", "tasks.fgvc", "report", "study.paired", "study.power"},
    "optuna": {"sweep.search"},
    "ray": {"sweep.ray_runner", "sweep.ray_cluster", "sweep.ray_shards"},
    "rich": {"sweep.live", "cli"},
    "typer": {"cli"},
}

LONG_FILES = {
    "sweep/conductor.py": "who decides, told as one story",
    "sweep/search.py": "every sampler, and importance",
    "study/domains.py": "one class a domain",
    "yamls.py": "text to data to dataclasses, and back",
}
LONG_FUNCTIONS = {
    "tasks/teach.py: teach": "a training loop, from top to bottom",
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


def part_of(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_every_part_has_a_floor_and_every_floor_its_parts() -> None:
    assert {part_of(name) for name in MODULES} == set(FLOOR)


@every_module
def test_imports_go_down(name: str) -> None:
    part = part_of(name)
    up = [target for target in own(name) if part_of(target) != part and FLOOR[part_of(target)] >= FLOOR[part]]
    assert up == [], f"{name} is on floor {FLOOR[part]}"


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
        if part_of(name) not in allowed and name.removeprefix("dfkd_ray.") not in allowed:
            wild.append(target)
    assert wild == []


def test_the_towers_and_the_core_do_not_know_each_other() -> None:
    for name in MODULES:
        seen = {part_of(target) for target in own(name)}
        if part_of(name) in TOWERS:
            shared = {"__init__", "errors", "registry", "yamls", "shipped", "provenance", "whole"}
            assert not seen & (CORE - shared), name
        if part_of(name) in CORE:
            assert not seen & TOWERS, name


HEAVY = {
    *("torch", "torchvision", "numpy", "scipy", "sklearn", "pandas", "PIL", "safetensors", "pydantic"),
    *("ray", "optuna", "pyarrow", "plotly", "rich"),
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
from dfkd_ray import config, nets
from dfkd_ray.loop import distill
from dfkd_ray.run import Run
from dfkd_ray.runtime import Runtime
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


# Slots are protocols, held by the tests of what fills them; the examiner is held by those of trainable.
WITHOUT_A_TEST = {"slots", "examiner"}


def test_the_tests_of_the_core_mirror_it() -> None:
    parts = {*CORE, "tables", "keeper", "trainable"} - WITHOUT_A_TEST - {"__init__"}
    wanted = [f"test_{part}.py" for part in parts if (PACKAGE / f"{part}.py").exists()]
    for folder, pattern in {
        "losses": "[!_]*.py",
        "sources": "[!_]*.py",
        "memories": "[!_]*.py",
        "methods": "*.yaml",
    }.items():
        wanted += [f"{folder}/test_{path.stem}.py" for path in (PACKAGE / folder).glob(pattern)]
    assert [name for name in sorted(wanted) if not (ROOT / "tests" / name).exists()] == []
