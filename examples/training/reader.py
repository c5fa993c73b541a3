"""Reads a scene from pixels alone, without the model or the renderer: which shapes, which colours.

The same algorithm as the Java class dev.diptych.examples.world.SceneReader, which decides what the
project reports; this one lets the training be judged where it runs. A picture that is not clearly a
scene gives None.
"""

from __future__ import annotations

import math

import numpy as np

import world

PALETTE = np.array(list(world.COLOURS.values()), dtype=np.float64)
BACKGROUND = np.array(world.BACKGROUND, dtype=np.float64)


def _star(r: float) -> list[tuple[float, float]]:
    points = []
    for i in range(10):
        radius = 1.0518 * r * (1.0 if i % 2 == 0 else math.sin(math.radians(18)) / math.cos(math.radians(36)))
        angle = math.radians(-90 + 36 * i)
        points.append((radius * math.cos(angle), 0.1 * r + radius * math.sin(angle)))
    return points


def _template(shape: int, r: float) -> np.ndarray:
    """Coverage [40, 40] of a shape whose centre is the middle, from its outline."""
    at = (np.arange(200) + 0.5) / 5 - 20
    x, y = at[None, :], at[:, None]
    if shape == 0:
        hit = x * x + y * y <= r * r
    else:
        outline = {
            1: [(-r, -r), (r, -r), (r, r), (-r, r)],
            2: [(0.0, -r), (r, r), (-r, r)],
            3: _star(r),
        }[shape]
        hit = np.zeros((200, 200), dtype=bool)
        for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1]):
            if y0 != y1:
                crosses = (y0 <= y) != (y1 <= y)
                hit ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return hit.reshape(40, 5, 40, 5).mean(axis=(1, 3))


_TEMPLATES = [(s, z, _template(s, world.EXTENTS[z] / 2)) for s in range(4) for z in range(2)]


def _components(mask: np.ndarray) -> list[np.ndarray]:
    seen, found = np.zeros_like(mask), []
    for y, x in zip(*np.nonzero(mask)):
        if seen[y, x]:
            continue
        seen[y, x] = True
        pixels, stack = [], [(y, x)]
        while stack:
            cy, cx = stack.pop()
            pixels.append((cy, cx))
            for ny in range(max(0, cy - 1), min(mask.shape[0], cy + 2)):
                for nx in range(max(0, cx - 1), min(mask.shape[1], cx + 2)):
                    if mask[ny, nx] and not seen[ny, nx]:
                        seen[ny, nx] = True
                        stack.append((ny, nx))
        found.append(np.array(pixels))
    return found


def read(rgb: np.ndarray, why: list[str] | None = None) -> world.Scene | None:
    """The scene of a picture [64, 64, 3] uint8, or None."""

    def unreadable(reason: str) -> None:
        if why is not None:
            why.append(reason)

    pixels = rgb.astype(np.float64)
    distance = np.sqrt(((pixels - BACKGROUND) ** 2).sum(-1))
    things = []
    for component in _components(distance > 70):
        if len(component) < 8:
            if len(component) > 3:
                return unreadable("specks")
            continue
        ys, xs = component[:, 0], component[:, 1]
        strongest = np.argsort(-distance[ys, xs], kind="stable")[: max(4, len(component) // 2)]
        colour = np.median(pixels[ys[strongest], xs[strongest]], axis=0)
        apart = np.sqrt(((PALETTE - colour) ** 2).sum(-1))
        order = np.argsort(apart)
        if apart[order[0]] > 70 or apart[order[0]] > 0.7 * apart[order[1]]:
            return unreadable(f"colour {colour}")
        ink = colour - BACKGROUND
        cover = np.zeros((64, 64))
        y0, y1 = max(0, ys.min() - 2), min(64, ys.max() + 3)
        x0, x1 = max(0, xs.min() - 2), min(64, xs.max() + 3)
        part = ((pixels[y0:y1, x0:x1] - BACKGROUND) @ ink) / (ink @ ink)
        cover[y0:y1, x0:x1] = np.where(part < 0.12, 0.0, np.minimum(part, 1.0))
        if cover.sum() < 30:
            return unreadable("small blob")
        middle_y = (ys.min() + ys.max() + 1) / 2
        middle_x = (xs.min() + xs.max() + 1) / 2
        padded = np.zeros((64 + 64, 64 + 64))
        padded[32:96, 32:96] = cover
        best: dict[int, tuple[float, int, int, int]] = {}
        for shape, size, template in _TEMPLATES:
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    cy, cx = round(middle_y) + dy, round(middle_x) + dx
                    window = padded[cy + 12 : cy + 52, cx + 12 : cx + 52]
                    both = np.minimum(window, template).sum()
                    score = both / (cover.sum() + template.sum() - both)
                    if score > best.get(shape, (0.0,))[0]:
                        best[shape] = (score, size, cx, cy)
        ranked = sorted(best.items(), key=lambda e: -e[1][0])
        if len(ranked) < 1 or ranked[0][1][0] < 0.72:
            return unreadable(f"no shape fits: {ranked[0][1][0] if ranked else 0:.2f}")
        if len(ranked) > 1 and ranked[0][1][0] - ranked[1][1][0] < 0.04:
            return unreadable(f"two shapes fit: {ranked[:2]}")
        shape, (_, size, x, y) = ranked[0]
        things.append(world.Thing(int(order[0]), shape, size, int(x), int(y)))
    if len(things) == 1:
        return world.Scene(tuple(things))
    if len(things) != 2:
        return unreadable(f"{len(things)} things")
    dx, dy = abs(things[0].x - things[1].x), abs(things[0].y - things[1].y)
    if max(dx, dy) < 1.3 * min(dx, dy):
        return unreadable("a diagonal")
    vertical = dy > dx
    things.sort(key=lambda t: t.y if vertical else t.x)
    return world.Scene(tuple(things), vertical)


def same(found: world.Scene | None, wanted: world.Scene) -> bool:
    """Equal in everything that a prompt says: kinds, colours, sizes, relation."""
    def said(s: world.Scene):
        return [(t.colour, t.shape, t.size) for t in s.things], s.vertical and len(s.things) > 1

    return found is not None and said(found) == said(wanted)
