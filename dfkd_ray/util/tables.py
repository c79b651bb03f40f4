"""The Arrow tables of a study, and of an evaluation: the one thing that the towers share.

- `trials.arrow`: one row a trial. `metrics` of the last and of the best epoch stand in columns of their own.
- `steps.arrow`: one row for each (trial, epoch, metric): learning curves, losses, seconds.
- `effects.arrow`, of an ablation alone: one row an effect (see stats/effects.py).
- `images.arrow`: encoded grids of synthetic images (trial, epoch, picture).

Of the evaluation of one student, in a folder of its own:

- `evaluation.arrow`: one row a real image: its class, what student and teacher name it. Whole numbers (accuracy,
  calibration) stand in the metadata under `measures`.
- `examples.arrow`: some of these images as pictures, and where the two networks look.

All are Arrow IPC files, zstd-compressed, and written atomically: a reader sees the old file or the new one, and never
half of one. Provenance stands in the schema's metadata as JSON under `dfkd_ray`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write

SCHEMA_VERSION = 1
METADATA_KEY = b"dfkd_ray"

TRIALS = pa.schema(
    [
        ("study", pa.string()),
        ("trial", pa.int32()),  # its number in the study, from 0
        ("arm", pa.string()),  # null outside ablations
        ("draw", pa.int32()),  # of the nuisance draws that all arms share
        ("tuning", pa.int32()),  # its number in the search of its arm; null: it counts for the effects
        ("seed", pa.int64()),
        ("fingerprint", pa.string()),  # of the resolved method
        ("changes", pa.string()),  # JSON: path -> value, as proposed
        ("method", pa.string()),  # JSON: the resolved method, every default filled in
        ("state", pa.string()),  # running, complete, pruned, failed
        ("reason", pa.string()),  # why it was pruned or failed, else null
        ("rung", pa.int32()),  # epoch at which a pruned trial was stopped
        ("epochs", pa.int32()),  # epochs done
        (
            "objectives",
            pa.list_(pa.float64()),
        ),  # the values the sampler was told, in the order of the study's objectives
        ("best_epoch", pa.int32()),  # chosen by the first objective
        ("started", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),  # of the trial's own work, over all its attempts
        ("host", pa.string()),
        ("device", pa.string()),
        (
            "peak_memory",
            pa.int64(),
        ),  # bytes at its highest: on the GPU, else resident in the trial's process
        ("attempts", pa.int32()),
        ("changed", pa.string()),  # null, or what was another than when the study was begun, and was accepted
        (
            "final",
            pa.map_(pa.string(), pa.float64()),
        ),  # metrics taken once at the end: test_accuracy/last, ...
    ]
)
STEPS = pa.schema(
    [
        ("trial", pa.int32()),
        ("epoch", pa.int32()),  # from 1
        ("seconds", pa.float64()),  # of the trial's own work, from its start
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)
IMAGES = pa.schema([("trial", pa.int32()), ("epoch", pa.int32()), ("format", pa.string()), ("picture", pa.binary())])
EFFECTS = pa.schema(
    [
        ("component", pa.string()),
        ("kind", pa.string()),  # simple, main, interaction, shapley
        ("contrast", pa.string()),  # in words
        ("metric", pa.string()),
        *[
            (name, pa.float64())
            for name in (
                *("difference", "standard_error"),  # in units of the metric
                *("t_low", "t_high"),  # Student's 95 % interval
                *("boot_low", "boot_high"),  # of the BCa bootstrap over pairs
                *("p_t", "p_wilcoxon", "p_holm"),
            )
        ],
        ("pairs", pa.int32()),
        ("lost", pa.int32()),  # pairs in which an arm of the contrast has failed
        ("aliases", pa.list_(pa.string())),  # what it cannot be told from
        ("exact", pa.bool_()),
        ("verdict", pa.string()),
    ]
)
EVALUATION = pa.schema(
    [
        ("index", pa.int32()),  # of the image in its split
        ("label", pa.int32()),  # its class, by number; the names are in the metadata
        *[
            (f"{net}{column}", kind)
            for net in ("student", "teacher")  # the teacher's are null where there is none
            for column, kind in (
                ("", pa.int32()),  # the class of the highest logit
                ("_confidence", pa.float32()),  # its softmax
                ("_rank", pa.int32()),  # how many classes have a higher logit than the image's own: 0 is right
                ("_x", pa.float32()),  # in the plane of t-SNE; null where it was not drawn
                ("_y", pa.float32()),
            )
        ],
        ("kl", pa.float32()),  # KL(teacher || student) in nats
    ]
)
EXAMPLES = pa.schema(
    [
        ("index", pa.int32()),
        ("what", pa.string()),  # image, or where a network looks: student, teacher
        ("format", pa.string()),
        ("picture", pa.binary()),
    ]
)
SCHEMAS: Mapping[str, pa.Schema] = {"trials": TRIALS, "steps": STEPS, "images": IMAGES}
OPTIONAL: Mapping[str, pa.Schema] = {"effects": EFFECTS}  # of some studies alone
EVALUATED: Mapping[str, pa.Schema] = {"evaluation": EVALUATION, "examples": EXAMPLES}  # of one student
ALL: Mapping[str, pa.Schema] = {**SCHEMAS, **OPTIONAL, **EVALUATED}


def table(kind: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]) -> pa.Table:
    """Rows as a table of the named kind, with `metadata` (plain JSON) in its schema."""
    note = json.dumps({"schema": SCHEMA_VERSION, **metadata}, default=str).encode()
    return pa.Table.from_pylist(list(rows), ALL[kind].with_metadata({METADATA_KEY: note}))


def write(data: pa.Table, path: Path, parquet: bool = False) -> None:
    """Write an Arrow IPC file (and a Parquet file beside it), each in one atomic step."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with atomic_write(path) as file, pa.ipc.new_file(file, data.schema, options=options) as writer:
        writer.write_table(data)
    if parquet:
        with atomic_write(path.with_suffix(".parquet")) as file:
            pq.write_table(data, file, compression="zstd")


def read(path: Path) -> pa.Table:
    """Read a table back; StudyError if it is missing, damaged or of a newer schema."""
    try:
        with pa.memory_map(str(path)) as source:
            data = pa.ipc.open_file(source).read_all()
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such table") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"{path}: not an Arrow file: {error}") from None
    version = metadata(data).get("schema")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise StudyError(f"{path}: schema version {version}, this dfkd-ray reads up to {SCHEMA_VERSION}")
    return data


def metadata(data: pa.Table) -> dict[str, Any]:
    """The study's own record in a table: versions, host, seed, the resolved study file. Empty for a foreign table."""
    try:
        loaded = json.loads((data.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
