"""The Arrow tables of a study, and of an evaluation: the one thing that the towers share.

- `trials.arrow`: one row a trial. `metrics` of the last and of the best epoch stand in columns of their own.
- `steps.arrow`: one row for each (trial, epoch, metric): learning curves, losses, seconds.
- `effects.arrow`, of an ablation alone: one row an effect (see stats/effects.py).
- `images.arrow`: encoded grids of synthetic images (trial, epoch, picture).

Of the evaluation of one student, in a folder of its own:

- `evaluation.arrow`: one row a real image: its class, what student and teacher name it. Whole numbers (accuracy,
  calibration) stand in the metadata under `measures`.
- `examples.arrow`: some of these images as pictures, and where the two networks look.
- `dense.arrow` in the place of `evaluation.arrow` of dense targets: one row an image, how well each network does.

All are Arrow IPC files, zstd-compressed, and written atomically: a reader sees the old file or the new one, and never
half of one. Provenance stands in the schema's metadata as JSON under `dfkd_ray`, and a seal under `seal`, which is
looked at before Arrow sees the file: of damaged bytes it can crash.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfkd_ray.util import damage
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.sealed import BLANK, KEY, seal_file
from dfkd_ray.util.words import typed

SCHEMA_VERSION = 1
METADATA_KEY = b"dfkd_ray"
Column = Sequence[Any] | tuple[Sequence[int], Sequence[str]]  # values, or numbers of names and the names
Columns = Mapping[str, Column]
BATCH = 1 << 18  # rows that are packed together: a reader unpacks so many at a time

TRIALS = pa.schema(
    [
        ("study", pa.string()),
        ("trial", pa.int32()),  # its number in the study, from 0
        ("arm", pa.string()),  # null outside ablations, but for what confirms the winner of a sweep
        ("draw", pa.int32()),  # of the nuisance draws that all arms share
        ("tuning", pa.int32()),  # its number in the search of its arm; null: it counts for the effects
        ("phase", pa.string()),  # confirm: it confirms the winner of the search; else null
        ("setting", pa.int32()),  # the trial of its first seed, where a sampler goes by means over several; else null
        ("seed", pa.int64()),
        ("fingerprint", pa.string()),  # of the resolved method
        ("changes", pa.string()),  # JSON: path -> value, as proposed
        ("method", pa.string()),  # JSON: the resolved method, every default filled in
        ("state", pa.string()),  # running, complete, pruned, failed
        ("reason", pa.string()),  # why it was pruned or failed, else null
        ("unmet", pa.string()),  # constraints that it does not keep to, else null
        ("rung", pa.int32()),  # epoch at which a pruned trial was stopped
        ("epochs", pa.int32()),  # epochs done
        ("objectives", pa.list_(pa.float64())),  # the study's, in their order; what samplers go by, see `setting`
        ("best_epoch", pa.int32()),  # chosen by the first objective
        ("started", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),  # of the trial's own work, over all its attempts
        ("host", pa.string()),
        ("device", pa.string()),
        ("peak_memory", pa.int64()),  # bytes at its highest: on the GPU, else resident in the trial's process
        ("parameters", pa.int64()),  # of the student; null in tables of an older version
        ("attempts", pa.int32()),
        ("proposed_by", pa.string()),  # model, start-up (drawn at random), null: no model, or of an older version
        ("changed", pa.string()),  # null, or what was another than when the study was begun, and was accepted
        ("final", pa.map_(pa.string(), pa.float64())),  # taken once at the end: test_accuracy/last, ...
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
                *("low", "high"),  # the interval of the verdict: over all effects of its family
                *("t_low", "t_high"),  # Student's 95 % interval, of this effect by itself
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
# of an image by itself its mean IoU, or the RMSE of its depth; the teacher's is null where there is none
DENSE = pa.schema([("index", pa.int32()), ("student", pa.float32()), ("teacher", pa.float32())])
# what: image; student, teacher, where they look or what they tell; target; class, whose number is the index then
EXAMPLES = pa.schema([("index", pa.int32()), ("what", pa.string()), ("format", pa.string()), ("picture", pa.binary())])
SCHEMAS: Mapping[str, pa.Schema] = {"trials": TRIALS, "steps": STEPS, "images": IMAGES}
OPTIONAL: Mapping[str, pa.Schema] = {"effects": EFFECTS}  # of some studies alone
EVALUATED: Mapping[str, pa.Schema] = {"evaluation": EVALUATION, "examples": EXAMPLES}  # of one student
OF_DENSE: Mapping[str, pa.Schema] = {"dense": DENSE, "examples": EXAMPLES}  # of one of dense targets
ALL: Mapping[str, pa.Schema] = {**SCHEMAS, **OPTIONAL, **EVALUATED, **OF_DENSE}


def table(kind: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]) -> pa.Table:
    """Rows as a table of the named kind, with `metadata` (plain JSON) in its schema."""
    return pa.Table.from_pylist(list(rows), _schema(kind, metadata))


def batched(kind: str, batches: Iterable[Columns], metadata: Mapping[str, Any]) -> pa.RecordBatchReader:
    """Columns by name as a table of the named kind that is never in memory as a whole: `write` takes it once."""
    schema = _schema(kind, metadata)
    found = (
        pa.RecordBatch.from_arrays([_column(each[f.name], f.type) for f in schema], schema=schema) for each in batches
    )
    return pa.RecordBatchReader.from_batches(schema, found)


def _schema(kind: str, metadata: Mapping[str, Any]) -> pa.Schema:
    note = json.dumps({"schema": SCHEMA_VERSION, **metadata}, default=str).encode()
    return ALL[kind].with_metadata({METADATA_KEY: note})


def _column(values: Column, kind: pa.DataType) -> pa.Array:
    if isinstance(values, tuple):
        codes, names = values
        return pa.DictionaryArray.from_arrays(_column(codes, pa.int32()), list(names)).cast(kind)
    if isinstance(values, array):
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
    return pa.array(values, kind)


def write(data: pa.Table | pa.RecordBatchReader, path: Path, parquet: bool = False) -> None:
    """Write an Arrow IPC file, sealed (and a Parquet file beside it), each in one atomic step."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    batches = data.to_batches(BATCH) if isinstance(data, pa.Table) else data
    sealed = data.schema.with_metadata({**(data.schema.metadata or {}), KEY: BLANK})
    with atomic_write(path) as file:
        with pa.ipc.new_file(file, sealed, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        seal_file(file)
    if parquet:
        with (
            atomic_write(path.with_suffix(".parquet")) as file,
            pa.memory_map(str(path)) as source,
            pq.ParquetWriter(file, data.schema, compression="zstd", write_page_checksum=True) as writer,
        ):
            written = pa.ipc.open_file(source)
            for number in range(written.num_record_batches):
                writer.write_batch(written.get_batch(number))


def read(path: Path) -> pa.Table:
    """Read a table back; StudyError if it is missing, damaged or of another schema."""
    with opened(path) as file:
        return file.read_all()


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A table's rows, some at a time, and of its columns these alone: what is left out is never unpacked."""
    with opened(path) as file:
        wanted = [place for place, name in enumerate(file.schema.names) if name in columns]
        with pa.memory_map(str(path)) as source:
            part = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=wanted))
            for number in range(part.num_record_batches):
                yield part.get_batch(number)


@contextmanager
def opened(path: Path) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """An Arrow file to read from; StudyError if it is missing, damaged or of another schema."""
    try:
        damage.check(path, _way(path))
        source = pa.memory_map(str(path))
        file = pa.ipc.open_file(source)
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such table") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"{path}: not an Arrow file: {error}") from None
    with source:
        _fit(path, file.schema)
        yield file


def _fit(path: Path, schema: pa.Schema) -> None:
    """StudyError for a table of a newer version, or whose columns have other types than those of its name."""
    version = metadata(schema).get("schema")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise StudyError(f"{path}: schema version {version}, this dfkd-ray reads up to {SCHEMA_VERSION}; {_way(path)}")
    wanted = {field.name: _plain(field.type) for field in ALL.get(path.stem, ())}
    for field in schema:
        if _plain(field.type) != wanted.get(field.name, _plain(field.type)):
            other = f"column {field.name} is {field.type}, not {wanted[field.name]}"
            raise StudyError(f"{path}: of another schema: {other}; {_way(path)}")


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, also where these are kept in a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _way(path: Path) -> str:
    alone = "evaluate" if path.stem in (*EVALUATED, *OF_DENSE) else "simulate" if path.stem == "simulation" else None
    again = alone or f"resume {typed(path.parent)}"
    return f"take it from a copy, or write it again: dfkd-ray {again}"


def metadata(data: pa.Table | pa.Schema) -> dict[str, Any]:
    """The study's own record in a table: versions, host, seed, the resolved study file. Empty for a foreign table."""
    schema = data if isinstance(data, pa.Schema) else data.schema
    try:
        loaded = json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
