"""The files of deploy/: valid where a schema is at hand, of one Ray, and their commands are commands of dfkd-ray."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from dfkd_ray import __version__, cli
from dfkd_ray.study import published
from dfkd_ray.tune.ray_setup import OLDEST

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
CRD = "DFKD_RAY_KUBERAY_CRD"  # names a copy of KubeRay's ray.io_rayjobs.yaml: the whole schema, 1.4 MB


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(text(name)))


@pytest.mark.parametrize("name", ["aws.yaml", "on_premises.yaml"])
def test_the_launchers_files_fit_rays_own_schema(name: str) -> None:
    ray = Path(str(metadata.distribution("ray").locate_file("ray")))
    schema = json.loads((ray / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    (made,) = documents(name)
    jsonschema.validate(made, schema)
    assert "~/.ray/auth_token" in made["file_mounts"], "all nodes have the token of this machine"
    for commands in (made["head_start_ray_commands"], made["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token ray start" in commands[-1]
    assert "--dashboard-host=127.0.0.1" in made["head_start_ray_commands"][-1]


# What a RayJob may have, by KubeRay's CRD (ray.io/v1, operator 1.5): the parts that are used, each with all its names.
NAMES: dict[str, set[str]] = {
    "": {"apiVersion", "kind", "metadata", "spec", "status"},
    "spec": {
        *("activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint", "managedBy"),
        *("entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "metadata", "rayClusterSpec"),
        *("runtimeEnvYAML", "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate"),
        *("preRunningDeadlineSeconds", "suspend", "ttlSecondsAfterFinished"),
    },
    "spec.rayClusterSpec": {
        *("authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec"),
        *("headServiceAnnotations", "managedBy", "rayVersion", "suspend", "upgradeStrategy", "workerGroupSpecs"),
    },
    "spec.rayClusterSpec.authOptions": {"enableK8sTokenAuth", "mode", "secretName"},
    "spec.rayClusterSpec.autoscalerOptions": {
        *("env", "envFrom", "idleTimeoutSeconds", "image", "imagePullPolicy", "resources", "securityContext"),
        *("upscalingMode", "version", "volumeMounts"),
    },
    "spec.rayClusterSpec.headGroupSpec": {
        *("enableIngress", "headService", "labels", "rayStartParams", "resources", "serviceType", "template"),
    },
    "spec.rayClusterSpec.workerGroupSpecs": {
        *("groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams"),
        *("replicas", "resources", "scaleStrategy", "suspend", "template"),
    },
}


def test_the_rayjob_has_names_that_there_are() -> None:
    claim, job = documents("kuberay.yaml")
    assert (claim["kind"], job["apiVersion"], job["kind"]) == ("PersistentVolumeClaim", "ray.io/v1", "RayJob")
    for path, names in NAMES.items():
        part: Any = job
        for key in path.split(".") if path else ():
            part = part[key]
        for each in part if isinstance(part, list) else [part]:
            assert each.keys() <= names, path


def test_the_rayjob_is_behind_a_token_and_its_gpus_come_when_they_are_asked_for() -> None:
    claim, job = documents("kuberay.yaml")
    spec = job["spec"]["rayClusterSpec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"] is True
    (workers,) = spec["workerGroupSpecs"]
    assert (workers["minReplicas"], workers["replicas"], workers["maxReplicas"]) == (0, 0, 8)
    (worker,) = workers["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    for group in (spec["headGroupSpec"], workers):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    drains = shlex.split(worker["lifecycle"]["preStop"]["exec"]["command"][2].partition(";")[0])
    deadline = int(drains[drains.index("--deadline-remaining-seconds") + 1])
    assert deadline <= workers["template"]["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.skipif(CRD not in os.environ, reason=f"{CRD} names no copy of KubeRay's CRD")
def test_the_rayjob_fits_the_whole_crd() -> None:
    crd = yaml.safe_load(Path(os.environ[CRD]).read_text(encoding="utf-8"))
    schema = next(each for each in crd["spec"]["versions"] if each["name"] == "v1")["schema"]["openAPIV3Schema"]
    assert list(misfits(schema, documents("kuberay.yaml")[1])) == []


def misfits(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """What an API server would say of a value: a structural schema knows all names, and says so by no keyword."""
    if schema.get("x-kubernetes-int-or-string"):
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, kinds.get(schema.get("type", ""), object)):
        yield f"{path}: no {schema['type']}"
    elif isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        for key, inner in value.items():
            if key in known or other:
                yield from misfits(known.get(key, other), inner, f"{path}.{key}")
            elif known and not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{key}: unknown"
        yield from (f"{path}.{key}: missing" for key in schema.get("required", ()) if key not in value)
    elif isinstance(value, list):
        for inner in value:
            yield from misfits(schema["items"], inner, path)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: none of {schema['enum']}"


def test_the_task_of_skypilot_has_names_that_there_are() -> None:
    """By sky/utils/schemas.py: what a task, and its resources, may have of what is used, and of which kind."""
    (task,) = documents("skypilot.yaml")
    text_ = {"type": "string"}
    jsonschema.validate(
        task,
        {
            "additionalProperties": False,
            "properties": {
                "name": text_,
                "num_nodes": {"type": "integer"},
                "resources": {
                    "additionalProperties": False,
                    "properties": {
                        "accelerators": {"type": ["string", "object"]},
                        "cpus": {"type": ["string", "number"]},
                        "use_spot": {"type": "boolean"},
                        "disk_size": {"type": ["integer", "string"]},
                        "image_id": {"type": ["string", "object", "null"]},
                    },
                },
                "secrets": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
                "envs": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
                "file_mounts": {"type": "object"},
                "run": text_,
            },
        },
    )
    assert task["secrets"] == {"RAY_AUTH_TOKEN": None}, "no token stands in a file"
    assert task["envs"]["RAY_AUTH_MODE"] == "token"
    shell(task["run"])


def shell(script: str) -> None:
    """bash takes it, and shellcheck where there is one."""
    checks = [["bash", "-n"], *([["shellcheck", "-s", "bash", "-"]] if shutil.which("shellcheck") else [])]
    for command in checks:
        done = subprocess.run(command, input=script, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_batch_script_is_one_and_asks_for_a_signal_before_its_end() -> None:
    script = text("slurm.sh")
    shell(script)
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", script, re.MULTILINE))
    assert asked["signal"] == "B:USR1@300", "to the shell, which hands it to the driver; dfkd-ray takes USR1 as Ctrl-C"
    assert {"requeue", "exclusive"} <= asked.keys()
    assert asked["ntasks-per-node"] == "1", "one Ray a node"


def test_what_symmetric_run_takes_is_what_it_is_given() -> None:
    from ray.scripts import symmetric_run

    words = text("slurm.sh").replace("\\\n", " ")
    (line,) = [line for line in words.splitlines() if line.startswith("srun ")]
    given, separator, driver = line.partition("symmetric-run ")[2].partition(" -- ")
    assert driver.endswith('"$@" --address auto --continue --out "$out/study" &')
    options = {option for parameter in symmetric_run.symmetric_run.params for option in parameter.opts}
    assert separator
    assert {word for word in given.split() if word.startswith("--")} - options == {"--num-cpus"}
    rest = symmetric_run.curate_and_validate_ray_start_args(["--address", "h:1", "--min-nodes", "2", "--num-cpus", "4"])
    assert rest == ["--num-cpus", "4"]


def test_the_image_is_of_the_ray_that_all_files_name_and_runs_as_nobody_in_particular() -> None:
    lines = [line for line in text("Dockerfile").replace("\\\n", " ").splitlines() if line and line[0] != "#"]
    steps = [line.split(maxsplit=1) for line in lines]
    known = {"FROM", "ARG", "RUN", "COPY", "USER", "WORKDIR", "ENV", "CMD"}
    assert {step for step, _ in steps} <= known
    assert steps[0][0] == "FROM"
    assert not steps[0][1].endswith(":latest")
    assert ":" in steps[0][1]
    assert [rest for step, rest in steps if step == "USER"] == ["1000"]
    (ray,) = [rest.partition("=")[2] for step, rest in steps if step == "ARG"]
    assert tuple(map(int, ray.split(".")[:2])) >= OLDEST
    assert documents("kuberay.yaml")[1]["spec"]["rayClusterSpec"]["rayVersion"] == ray
    for step, rest in steps:
        for source in rest.split()[:-1] if step == "COPY" else ():
            assert (ROOT / source).exists(), source
    shell("\n".join(rest for step, rest in steps if step == "RUN"))
    if shutil.which("hadolint"):
        subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], check=True)


def test_the_image_has_what_a_study_in_a_store_needs() -> None:
    assert "--out s3://" in text("skypilot.yaml")
    assert "store" in re.findall(r"/src\[([a-z,]+)\]", text("Dockerfile"))[0].split(",")


def said(script: str) -> Iterator[list[str]]:
    """The command lines of dfkd-ray in a file, its comments too."""
    joined = re.sub(r"\\?\n#? +(?=--|\")", " ", script)
    for found in re.findall(r"dfkd-ray ((?:sweep|ablate|reproduce|submit|status)\b[^\n'&]*)", joined):
        yield shlex.split(found, comments=True)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".yaml"], ids=lambda path: path.name)
def test_its_commands_are_commands(path: Path) -> None:
    lines = list(said(path.read_text(encoding="utf-8")))
    assert lines
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    for command, *rest in lines:
        own = {option for parameter in commands[command].params for option in parameter.opts}
        if command == "submit":
            own |= {option for parameter in commands["reproduce"].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= own
        if command in ("reproduce", "submit") and "/table" in rest[0]:
            assert published.load(rest[0]).runnable
        if command in ("reproduce", "sweep", "ablate"):
            assert "--continue" in rest, "whatever is begun again goes on"


def test_an_image_is_named_by_the_version() -> None:
    for path in FILES:
        for tag in re.findall(r"dfkd-ray:([\w.]+)", path.read_text(encoding="utf-8")):
            assert tag == __version__, path
