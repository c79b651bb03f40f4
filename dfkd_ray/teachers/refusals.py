"""What a file is that holds no weights which can be opened, in the words of a message, and what to do about it."""

from __future__ import annotations

import pickletools  # names what a pickle asks for, and loads nothing  # nosec B403
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from dfkd_ray.util.words import some

HEAD = 1024  # bytes that tell what a file is
HEADER = 100_000_000  # bytes of the longest header that safetensors reads
UNREAD = 4  # the first protocol of pickle that torch does not read without running code
_PROTOCOL = b"\x80"  # begins a pickle, and the number of its protocol follows
_MODULE = re.compile(r"torch\.nn\.modules\.|torch\.nn\.parallel\.|torch\.fx\.")
_PLAIN = re.compile(  # what is let through, see `container.ALLOWED`
    r"torch\.(?!nn\.modules|nn\.parallel|fx).*|collections\.(OrderedDict|Counter|defaultdict)|_codecs\.encode"
    r"|numpy\.(dtype|dtypes\..*|_?core\.multiarray\.scalar)|argparse\.Namespace|(__builtin__|builtins)\.(set|complex)"
)
_SAVE = "torch.save(net.state_dict(), 'weights.pt')"
_MAGIC = {
    b"\x89HDF": "an HDF5 file, as Keras writes its weights: there is no reader for it",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"7z\xbc\xaf": "packed by 7-Zip: unpack it first",
    b"Rar!": "packed by RAR: unpack it first",
    b"\x93NUMPY": "one array of numpy's: weights are tensors with names",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def by_its_bytes(path: Path, head: bytes) -> str | None:
    """What a file is that begins so, where that is no weights; None where it may be some."""
    size, text = path.stat().st_size, head.lstrip().lower()
    if not size:
        return "is empty: its copy or download came to nothing"
    if text.startswith(b"version https://git-lfs"):
        return f"a pointer of Git LFS in place of the file{_size(head)}: `git lfs pull` brings the file itself"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        title = re.search(rb"<title>\s*(.*?)\s*</title>", head, re.IGNORECASE | re.DOTALL)
        named = f" ({title[1].decode(errors='replace')!r})" if title else ""
        return f"an HTML page{named}, not weights: its link led to a page; take the link of the raw file"
    if text.startswith((b"{", b"[")) and _is_text(head):
        kind = "the index of weights in several files" if b'"weight_map"' in path.read_bytes()[:HEADER] else "JSON"
        return f"{kind}, not weights: name the file with the tensors"
    if zipfile.is_zipfile(path):
        return _zipped(path)
    if head.startswith(b"PK"):
        return f"cut short, or damaged: a zip archive without its end, {size:,} bytes: copy or download it again"
    return next((told for magic, told in _MAGIC.items() if head.startswith(magic)), None)


def _size(pointer: bytes) -> str:
    found = re.search(rb"^size (\d{1,15})$", pointer, re.MULTILINE)
    return f" of {int(found[1]):,} bytes" if found else ""


def _is_text(head: bytes) -> bool:
    return not re.search(rb"[\x00-\x08\x0e-\x1f]", head)


def _zipped(path: Path) -> str | None:
    """What an archive is that torch.save did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive: copy or download it again"
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner:
        advice = f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt') saves its weights alone"
        return f"a TorchScript archive, which is a program: where you trust it, {advice}"
    if "archive_format" in inner or any(name.startswith("models/") for name in inner):
        return "a program of torch.export, not weights: save the state_dict of its module"
    if any(name.endswith(".npy") for name in names):
        return "an .npz of numpy's arrays: weights are tensors with names, as safetensors holds them"
    if "data.pkl" not in inner:
        return f"a zip archive of {some(names, 3)}: unpack it, and name the file of weights in it"
    return None


def by_its_pickle(path: Path) -> str:
    """Why a file that may be torch.save's was not opened: what it asks for that would run code, or that it is none."""
    try:
        pickles = list(_pickles(path))
        asked = list(dict.fromkeys(name for data in pickles for name in _globals(data)))
        protocol = max((data[1] for data in pickles if data[:1] == _PROTOCOL), default=0)
    except Exception:  # a damaged file raises almost anything
        asked, protocol = [], 0
    blocked = [name for name in asked if not _PLAIN.fullmatch(name)]
    if any(_MODULE.match(name) for name in blocked):
        net = next((name for name in blocked if not name.startswith("torch.")), blocked[0])
        where = f"where it can be opened, {_SAVE} saves its weights alone"
        return f"a whole network ({net}) that was pickled with its code, which would run: {where}"
    if blocked:
        held = f"it holds more than tensors and plain data, and that could run code: {some(blocked, 4)}"
        return f"not opened: {held}; where you trust it, {_SAVE} saves the weights alone"
    if protocol >= UNREAD:
        again = f"save it again without pickle_protocol, as {_SAVE} does"
        return f"written with pickle protocol {protocol}, which is not read: {again}"
    return f"neither safetensors nor a file of torch.save, or damaged: {_SAVE} writes one"


def _pickles(path: Path) -> Iterator[bytes]:
    """The pickle in a zip of torch.save's, or those at the beginning of a file of its old format."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.partition("/")[2] == "data.pkl")
            if archive.getinfo(name).file_size <= HEADER:
                yield archive.read(name)
        return
    with path.open("rb") as file:
        data = file.read(HEADER)
    while data[:1] == _PROTOCOL and (end := _end(data)):
        yield data[:end]
        data = data[end:]


def _end(data: bytes) -> int:
    """Behind the first pickle of several; 0 where it has no end."""
    try:
        for operation, _, place in pickletools.genops(data):
            if operation.name == "STOP" and place is not None:
                return place + 1
    except ValueError:
        pass
    return 0


def _globals(data: bytes) -> Iterator[str]:
    """What a pickle asks for by name; nothing of it is run. From protocol 4 on a name is two texts that were put on the
    stack just before, a text that came up earlier from the memo; "?" stands for one that is made otherwise."""
    memo: dict[object, str] = {}
    before, last = "?", "?"
    for operation, argument, _ in pickletools.genops(data):
        if operation.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif operation.name == "STACK_GLOBAL":
            yield f"{before}.{last}"
        if "PUT" in operation.name or operation.name == "MEMOIZE":
            memo[len(memo) if argument is None else argument] = last
            continue
        text = argument if "UNICODE" in operation.name else memo.get(argument) if "GET" in operation.name else None
        before, last = last, "?" if text is None else str(text)
