"""How real files become hostile ones: values that nobody means, and mutations of data, of text and of bytes.

Every choice comes from the `random.Random` that is given, so an input can be made again from its number.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import yaml

NUMBERS: list[Any] = [
    *(0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64, 10**9, 10**12, 10**30, 10**400, int("9" * 4_200)),
    *(0.0, -0.0, 1e-320, 1e-30, 0.5, 1e9, 1e100, 1e308, -1e308, float("inf"), float("-inf"), float("nan")),
]
TEXTS: list[str] = [
    *(
        "",
        " ",
        "\n",
        "\t",
        "\0",
        "a\0b",
        "\x1b[2J",
        "\x7f",
        "\ud800",
        "\u202e",
        "\ufeff",
        "\u2028",
        "e\u0301",
        "雪" * 50,
    ),
    *("a" * 300, "a" * 20_000, "a." * 400, "." * 50, "/", ".", "..", "~", "../../../outside", "x/../../y", "/dev/null"),
    *(
        "null",
        "true",
        "no",
        "1e3",
        "0x10",
        "1_000",
        "NaN",
        ".inf",
        "<<",
        "*a",
        "&a",
        "!x",
        "%",
        "@",
        "`",
        "{",
        "[",
        "- ",
    ),
    *(
        "${HOME}",
        "$(true)",
        "%s%n",
        "{0}",
        "{{7*7}}",
        "<script>",
        "'",
        '"',
        "\\",
        "con",
        "nul",
        "-",
        "--help",
        "folder:.",
    ),
]
OTHERS: list[Callable[[], Any]] = [
    *(lambda: None, lambda: True, lambda: False, list, dict, lambda: [[]], lambda: [None], lambda: {"": None}),
    *(lambda: {"name": None}, lambda: {"name": "kd"}, lambda: {"choice": []}, lambda: {"int": [1, 10**12]}),
    *(lambda: [0] * 2_000, lambda: {f"k{i}": i for i in range(1_500)}, lambda: ["a"] * 200, lambda: nested(100)),
    *(lambda: nested(20), lambda: list(range(50)), lambda: {"log": [1e-300, 1e300]}, lambda: [1, "a", None, {}]),
]
SNIPPETS: list[str] = [
    *(
        "\n",
        "\n\n---\n",
        "\t",
        "  ",
        ": ",
        ": :",
        " #",
        "\0",
        "\ufeff",
        "\r",
        "\x85",
        "&a [*a]",
        "*a",
        "!!python/name:os",
        "!!int x",
    ),
    *(
        "? ",
        "- ",
        "|\n",
        ">-\n",
        "{",
        "[",
        "}",
        "]",
        ",",
        "'",
        '"',
        "<<: *a",
        "%YAML 1.3\n",
        "...",
        "\ud83d\ude00",
        "9" * 400,
    ),
    *(
        "[" * 3_000,
        "{a: " * 500,
        "- " * 500,
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        "1e999",
        "=",
        "\\",
        '"\\ud800"',
        '"\\0"',
    ),
]


Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's are ten times as fast
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def value(rng: Random) -> Any:
    """A value that no honest file has, of any type."""
    kind = rng.randrange(3)
    return rng.choice(NUMBERS) if kind == 0 else rng.choice(TEXTS) if kind == 1 else rng.choice(OTHERS)()


def mutated(data: Any, rng: Random, others: Sequence[Any] = ()) -> Any:
    """Plain data with one to three places changed; others: data of the same kind that parts may be taken from."""
    data = copy.deepcopy(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        holders = [each for each in _holders(data) if each]
        if not holders:
            return value(rng)
        holder = rng.choice(holders)
        key: Any = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        _change(holder, key, rng, others)
    return data


def _holders(data: Any) -> list[Any]:
    """Every mapping and every list in plain data, the outermost first."""
    if not isinstance(data, (dict, list)):
        return []
    inner = data.values() if isinstance(data, dict) else data
    return [data, *(holder for each in inner for holder in _holders(each))]


def _change(holder: Any, key: Any, rng: Random, others: Sequence[Any]) -> None:
    old, what = holder[key], rng.randrange(8)
    if what < 3:
        holder[key] = value(rng)
    elif what == 3:
        del holder[key]
    elif what == 4:
        holder[key] = rng.choice([[old], {"a": old}, str(old), [old, old], {"name": old}])
    elif what == 5:
        donors = [each for other in others for each in _holders(other) if each]
        donor = rng.choice(donors) if donors else {"a": 1}
        holder[key] = copy.deepcopy(rng.choice(list(donor.values()) if isinstance(donor, dict) else donor))
    elif what == 6 and isinstance(old, (int, float)) and abs(old) < 2**1000:
        holder[key] = rng.choice([-old, old * 10**9, old + 0.5, str(old), not old])
    elif isinstance(holder, dict):
        holder[rng.choice([f"{key}x", str(key)[::-1], *TEXTS])] = holder.pop(key) if what == 6 else copy.deepcopy(old)
    else:
        holder.insert(key, old)


def as_yaml(data: Any) -> bytes:
    try:
        return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return yaml.safe_dump(data, sort_keys=False).encode()


def of_yaml(text: bytes) -> Any:
    return yaml.load(text, Loader)


def as_json(data: Any) -> bytes:
    return json.dumps(data).encode()


def scribbled(text: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Text with one to three lines lost, doubled, moved or broken."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        lines, what = text.split(b"\n"), rng.randrange(5)
        at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
        if what == 0:
            del lines[at : at + rng.randint(1, 3)]
        elif what == 1:
            lines.insert(to, lines[at])
        elif what == 2:
            lines[at] = rng.choice([b" ", b"  ", b"\t", b"- "]) + lines[at]
        else:
            place = rng.randrange(len(lines[at]) + 1)
            snippet = rng.choice(SNIPPETS).encode("utf-8", "surrogatepass")
            lines[at] = lines[at][:place] + snippet + lines[at][place + rng.randint(0, 3) :]
        text = b"\n".join(lines)
    return broken(text, rng, others) if rng.random() < 0.2 else text


def broken(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Bytes with some bits flipped, a piece lost, doubled or overwritten, an end cut off, or another file's put on."""
    made, what = bytearray(data), rng.randrange(6)
    at, size = rng.randrange(len(made) + 1), rng.choice([1, 2, 4, 8, 64, 4_096])
    if what == 0:
        for _ in range(rng.choice([1, 1, 1, 8, 64])):
            if made:
                made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    elif what == 1:
        made[at : at + size] = rng.choice([b"\0", b"\xff", b"\x7f"]) * len(made[at : at + size])
    elif what == 2:
        del made[at:]
    elif what == 3:
        del made[at : at + size]
    elif what == 4:
        made[at:at] = made[at : at + size] or b"\0" * size
    else:
        other = rng.choice(others) if others else data[::-1]
        made[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(made)
