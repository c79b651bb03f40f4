"""`gliders`: aircraft from above, drawn from a seed; 12 classes that differ only in small parts.

wing (straight, swept, delta) x tail (plain, v) x engines (2, 4), in colour, under random heading (up, give or take
20 degrees), size, position, colours, gradient backgrounds and noise. A light airframe of any tint over a dark ground,
warm engines, cool tails: the parts that decide are small, but they stand out, so that a generator which knows the
teacher alone can hit upon them.
The set exists nowhere on disk: `draw(count, seed)` makes it, 12,000 images in 2 to 4 s of one core. `gliders_parts` has
the part that each pixel shows, and `gliders_depth` how far away it is, in place of the class.

Geometry. In the aircraft's own frame u runs to the nose, v to a wing tip, and the fuselage reaches from -1 to 1. An
aircraft is symmetric, so every part is drawn once over (u, |v|) as a signed distance d (negative inside), and an edge
covers a pixel by clip(1/2 - d, 0, 1) with d in pixels: anti-aliasing without supersampling. `gliders64` is the same
drawing at twice the side: lengths in pixels grow with the side.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIZE = 32
WINGS = ("straight", "swept", "delta")
TAILS = ("plain", "v")
ENGINES = (2, 4)
CLASSES = tuple(f"{wing}-{tail}-{engines}" for wing, tail, engines in itertools.product(WINGS, TAILS, ENGINES))
PARTS = ("ground", "fuselage", "wing", "tail", "engine")
GROUND = 2.0  # how far away it is, in lengths; an aircraft of 13.5 pixels to a length is at 1, as if a camera saw it
HEADING = 0.35  # radians to either side of up
SPLITS = {"train": (12_000, 1), "val": (1_200, 2), "test": (2_400, 3)}  # images, seed

# By wing: u of the leading edge at root and tip, u of the trailing edge at root and tip, v of the tip.
_WING = np.array(
    [[0.22, 0.14, -0.20, -0.14, 0.98], [0.48, -0.38, 0.08, -0.62, 0.94], [0.62, -0.50, -0.54, -0.56, 0.86]]
)
# By tail: the stabiliser is a stroke from (u, |v|) to (u, |v|); straight across, or two fins that point backwards.
_TAIL = np.array([[-0.84, 0.00, -0.84, 0.32], [-0.48, 0.10, -0.95, 0.56]])
_ENGINE_V = np.array([[0.38, 0.38], [0.30, 0.66]])  # by engines: |v| of the inner and the outer pair
_FUSELAGE, _STROKE, _NACELLE, _COCKPIT = 0.105, 0.11, 0.115, 0.07  # radii
_CHUNK = 32  # images at a time: the planes of one chunk stay in the cache


class Scenes(NamedTuple):
    """images (N, S, S, 3) uint8; labels (N,) int64; parts (N, S, S) uint8, of `PARTS`; depth (N, S, S) float32."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    parts: NDArray[np.uint8]
    depth: NDArray[np.float32]


def split(which: str, size: int = SIZE) -> Scenes:
    """`train`, `val` or `test`: own seeds, so no image is in two splits."""
    return drawn(*SPLITS[which], size)


def draw(count: int, seed: int, size: int = SIZE) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and labels of `drawn`."""
    return drawn(count, seed, size)[:2]


def drawn(count: int, seed: int, size: int = SIZE) -> Scenes:
    """`count` images, their labels 0 1 2 ... 11 0 1 ..., and what is seen at each pixel: the part on top that covers
    half of it or more, and its distance, that of the aircraft's scale.

    Image i depends on `seed` and i alone: a shorter draw is the beginning of a longer one. PCG64 and float64
    throughout, so another machine differs by a grey level in a stray pixel at most.
    """
    poses, noise = (np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(2))
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    uniform = poses.random((count, 24))
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    parts, depth = np.empty((count, size, size), np.uint8), np.empty((count, size, size), np.float32)
    for start in range(0, count, _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        clean, parts[part], depth[part] = _render(labels[part], uniform[part], size)
        grain = noise.standard_normal(clean.shape) * 0.02
        images[part] = np.rint(np.clip(clean + grain, 0, 1) * 255)
    return Scenes(images, labels, parts, depth)


def _render(labels: NDArray[np.int64], uniform: Array, size: int) -> tuple[Array, Array, Array]:
    """Images (n, size, size, 3) in [0, 1], without noise, from labels (n,) and uniform random numbers (n, 24); parts
    and depth (n, size, size)."""
    wing, tail, engines = labels // 4, labels // 2 % 2, labels % 2
    column = iter(uniform.T[:, :, None, None])  # each (n, 1, 1)

    def between(low: float, high: float) -> Array:
        drawn: Array = low + (high - low) * next(column)
        return drawn

    pixel, unit = np.arange(size) + 0.5 - size / 2, size / SIZE
    angle, scale = between(-HEADING, HEADING) - np.pi / 2, between(12.5, 14.5) * unit
    x, y = pixel[None, None, :] - between(-1.25, 1.25) * unit, pixel[None, :, None] - between(-1.25, 1.25) * unit
    u = (np.cos(angle) * x + np.sin(angle) * y) / scale
    v = np.abs((np.cos(angle) * y - np.sin(angle) * x) / scale)

    def cover(distance: Array) -> Array:
        share: Array = np.clip(0.5 - distance * scale, 0, 1)[..., None]
        return share

    toward = between(0, 2 * np.pi)
    along = ((np.cos(toward) * pixel[None, None, :] + np.sin(toward) * pixel[None, :, None]) / size + 0.7) / 1.4
    image = _mix(_colour(next(column), between(0.2, 0.7), between(0.05, 0.35)),
                 _colour(next(column), between(0.2, 0.7), between(0.05, 0.35)), along[..., None])  # fmt: skip
    body = _colour(next(column), between(0.0, 0.25), between(0.80, 1.0))
    engine = _colour(between(-0.06, 0.10), between(0.85, 1.0), between(0.85, 1.0))  # warm
    fin = _colour(between(0.48, 0.60), between(0.75, 1.0), between(0.85, 1.0))  # cool

    over = (
        ("wing", body * between(0.85, 0.95)[..., None], _wing(u, v, wing)),
        ("tail", fin, _tail(u, v, tail)),
        ("fuselage", body, _along_u(u, v, -0.88, 0.88, 0.0, _FUSELAGE)),
        ("engine", engine, _engines(u, v, wing, engines)),
        ("fuselage", np.zeros(3), _along_u(u, v, 0.58, 0.72, 0.0, _COCKPIT)),  # its cockpit
    )
    parts = np.zeros(image.shape[:-1])
    for name, colour, distance in over:
        image = _mix(image, colour, cover(distance))
        parts[distance <= 0] = PARTS.index(name)
    return image, parts, np.where(parts == 0, GROUND, 13.5 * unit / scale)


def _wing(u: Array, v: Array, kind: NDArray[np.int64]) -> Array:
    """Distance to a wing: behind its leading edge, before its trailing edge, inside its tip."""
    front, front_tip, back, back_tip, span = _WING[kind].T[:, :, None, None]
    sweep, rake = (front_tip - front) / span, (back_tip - back) / span
    before = (u - front - sweep * v) / np.hypot(1, sweep)
    behind = (back + rake * v - u) / np.hypot(1, rake)
    distance: Array = np.maximum(np.maximum(before, behind), v - span)
    return distance


def _tail(u: Array, v: Array, kind: NDArray[np.int64]) -> Array:
    """Distance to the stabiliser, a stroke with round ends."""
    u0, v0, u1, v1 = _TAIL[kind].T[:, :, None, None]
    du, dv = u1 - u0, v1 - v0
    t = np.clip(((u - u0) * du + (v - v0) * dv) / (du**2 + dv**2), 0, 1)
    distance: Array = np.hypot(u - u0 - t * du, v - v0 - t * dv) - _STROKE
    return distance


def _engines(u: Array, v: Array, wing: NDArray[np.int64], kind: NDArray[np.int64]) -> Array:
    """Distance to the nearest nacelle on the leading edge; with two engines inner and outer pair coincide."""
    front, front_tip, _, _, span = _WING[wing].T[:, :, None, None]
    inner, outer = (
        _along_u(u, v, lead - 0.14, lead + 0.12, at, _NACELLE)
        for at in _ENGINE_V[kind].T[:, :, None, None]
        for lead in [front + (front_tip - front) / span * at]
    )
    return np.minimum(inner, outer)


def _along_u(u: Array, v: Array, rear: Any, front: Any, at: Any, radius: float) -> Array:
    """Distance to a capsule that runs along u from `rear` to `front` at |v| = `at`."""
    distance: Array = np.hypot(u - np.clip(u, rear, front), v - at) - radius
    return distance


def _mix(under: Array, over: Array, share: Array) -> Array:
    return under + (over - under) * share


def _colour(hue: Array, saturation: Array, value: Array) -> Array:
    """HSV, each (n, 1, 1) in [0, 1], to RGB (n, 1, 1, 3)."""
    ramp = np.abs((hue[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    rgb: Array = value[..., None] * (1 - saturation[..., None] * (1 - np.clip(ramp, 0, 1)))
    return rgb
