"""The picture world that the demo models are trained on: scenes, their pixels, words, stories and edits.

Everything here is exact integer arithmetic, so that another language can repeat it: the Java class
dev.diptych.examples.world.SceneRenderer draws the same pixels, and PictureWorld holds out the same
combinations. `python world.py golden FILE`, `stories FILE` and `edits FILE` write what proves it.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, replace

import numpy as np

SIDE = 64
BACKGROUND = (244, 244, 238)
COLOURS = {
    "red": (214, 40, 40),
    "green": (34, 150, 62),
    "blue": (38, 84, 214),
    "yellow": (240, 196, 20),
    "purple": (146, 52, 176),
    "black": (28, 28, 32),
}
SHAPES = ("circle", "square", "triangle", "star")
SIZES = ("small", "large")
EXTENTS = (16, 26)
COLOUR_NAMES = tuple(COLOURS)

ABOVE, BELOW, LEFT, RIGHT = range(4)
RELATIONS = ("above", "below", "left", "right")
INVERSE = (BELOW, ABOVE, RIGHT, LEFT)

HOLDOUT_SEED = 1


def held_out(colour: int, shape: int, relation: int) -> bool:
    """Whether the combination "an object of this colour and shape stands in this relation to the
    other one" never occurs in training. A fifth of the 96 combinations, spread so that an object
    loses at most one of its four relations."""
    return (colour + 2 * shape + 3 * relation + HOLDOUT_SEED) % 5 == 0


@dataclass(frozen=True)
class Thing:
    colour: int
    shape: int
    size: int
    x: int  # centre, in whole pixels from the left edge
    y: int  # centre, in whole pixels from the top edge


@dataclass(frozen=True)
class Scene:
    """One thing, or two with the upper or left one first."""

    things: tuple[Thing, ...]
    vertical: bool = False

    def is_held_out(self) -> bool:
        if len(self.things) < 2:
            return False
        first, second = self.things
        relation = ABOVE if self.vertical else LEFT
        return held_out(first.colour, first.shape, relation) or held_out(
            second.colour, second.shape, INVERSE[relation]
        )


def random_scene(rng: random.Random, single: float = 0.12) -> Scene:
    def thing(x: int, y: int) -> Thing:
        return Thing(rng.randrange(6), rng.randrange(4), rng.randrange(2), x, y)

    if rng.random() < single:
        return Scene((thing(32 + 2 * rng.randint(-5, 5), 32 + 2 * rng.randint(-5, 5)),))
    vertical = rng.random() < 0.5
    things = []
    for base in (15, 49):
        along = base + 2 * rng.randint(-1, 1)
        across = 32 + 2 * rng.randint(-3, 3)
        things.append(thing(across, along) if vertical else thing(along, across))
    return Scene(tuple(things), vertical)


def alone(seed: int, count: int) -> list[Scene]:
    """Single things where one of a pair would stand: they tell how every thing looks in every place
    without telling how it stands to another."""
    rng = random.Random(seed)
    pairs = (random_scene(rng, 0.0) for _ in range(count))
    return [Scene((rng.choice(pair.things),)) for pair in pairs]


def scenes(seed: int, count: int, want_held_out: bool, single: float = 0.12) -> list[Scene]:
    """The first `count` scenes of a seed that are (or are not) held out."""
    rng = random.Random(seed)
    found: list[Scene] = []
    while len(found) < count:
        scene = random_scene(rng, single)
        if scene.is_held_out() == want_held_out:
            found.append(scene)
    return found


# --- pixels -------------------------------------------------------------------------------------

# Normals of the five lines of an upright pentagram, times 1000: a point is inside the star when it
# is on the inner side of at least four of them.
STAR_NORMALS = ((0, -1000), (951, -309), (588, 809), (-588, 809), (-951, -309))


def inside(shape: int, dx, dy, r: int):
    """Whether offsets from the centre, in eighths of a pixel, are inside a shape of half extent r."""
    if shape == 0:
        return dx * dx + dy * dy <= r * r
    if shape == 1:
        return (abs(dx) <= r) & (abs(dy) <= r)
    if shape == 2:
        return (dy <= r) & (2 * abs(dx) <= dy + r)
    on_inner_side = 0
    for nx, ny in STAR_NORMALS:
        on_inner_side = on_inner_side + (nx * 10 * dx + ny * (10 * dy - r) <= 3250 * r).astype(int)
    return on_inner_side >= 4


def _mask(shape: int, size: int) -> np.ndarray:
    """How many of the 4x4 sub-samples of each pixel are inside, for a centre at (16, 16) of 32x32."""
    sample = 2 * np.arange(32 * 4) + 1 - 8 * 16
    hit = inside(shape, sample[None, :], sample[:, None], 4 * EXTENTS[size])
    return hit.reshape(32, 4, 32, 4).sum(axis=(1, 3))


_MASKS = {(shape, size): _mask(shape, size) for shape in range(4) for size in range(2)}
_RGB = np.array(list(COLOURS.values()), dtype=np.int64)


def render(scene: Scene) -> np.ndarray:
    """The picture, [64, 64, 3] uint8."""
    picture = np.empty((SIDE + 32, SIDE + 32, 3), dtype=np.int64)
    picture[:] = BACKGROUND
    for t in scene.things:
        n = _MASKS[t.shape, t.size][:, :, None]
        area = picture[t.y : t.y + 32, t.x : t.x + 32]
        area[:] = (area * (16 - n) + _RGB[t.colour] * n + 8) >> 4
    return picture[16 : 16 + SIDE, 16 : 16 + SIDE].astype(np.uint8)


# --- words --------------------------------------------------------------------------------------

VERTICAL_WORDS = (("above", "over"), ("below", "under"))
HORIZONTAL_WORDS = (("to the left of", "left of"), ("to the right of", "right of"))


def name(thing: Thing) -> str:
    return f"{SIZES[thing.size]} {COLOUR_NAMES[thing.colour]} {SHAPES[thing.shape]}"


def caption(scene: Scene) -> str:
    """The one form that the model answers with: the upper or left thing first."""
    if len(scene.things) == 1:
        return f"a {name(scene.things[0])}"
    word = "above" if scene.vertical else "to the left of"
    return f"a {name(scene.things[0])} {word} a {name(scene.things[1])}"


def prompt(scene: Scene, rng: random.Random) -> str:
    """One of the many ways to ask for a scene."""
    if rng.random() < 0.35:
        text = caption(scene)
        return swapped(scene) if len(scene.things) == 2 and rng.random() < 0.35 else text
    article = "the" if rng.random() < 0.15 else "a"

    def noun(thing: Thing) -> str:
        size = SIZES[thing.size]
        if rng.random() < 0.2:
            size = ("little", "big")[thing.size]
        return f"{article} {size} {COLOUR_NAMES[thing.colour]} {SHAPES[thing.shape]}"

    if len(scene.things) == 1:
        text = noun(scene.things[0])
    else:
        first, second = scene.things
        turned = rng.random() < 0.45
        words = (VERTICAL_WORDS if scene.vertical else HORIZONTAL_WORDS)[turned]
        word = words[rng.random() < 0.35]
        if turned:
            first, second = second, first
        text = f"{noun(first)} {word} {noun(second)}"
    lead = rng.choice(
        ("", "", "", "draw ", "Draw ", "Please draw ", "There is ", "there is ",
         "A picture of ", "a picture of ", "Show me ", "draw me ")
    )
    if lead == "" and rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    return lead + text + ("." if rng.random() < 0.3 else "")


def swapped(scene: Scene) -> str:
    """The caption told from the other thing."""
    first, second = scene.things
    word = "below" if scene.vertical else "to the right of"
    return f"a {name(second)} {word} a {name(first)}"


CAPTION_QUESTION = "Describe the picture."
CAPTION_QUESTIONS = (
    CAPTION_QUESTION, "Describe the image.", "What is in the picture?", "What do you see?",
    "What does the picture show?", "Caption this picture.", "What is in the image?",
    "Describe this picture.",
)


def caption_question(rng: random.Random) -> str:
    return CAPTION_QUESTION if rng.random() < 0.5 else rng.choice(CAPTION_QUESTIONS)


def question(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """A question about a detail, and its answer."""
    kind = rng.random()
    thing = rng.choice(scene.things)
    colour, shape = COLOUR_NAMES[thing.colour], SHAPES[thing.shape]
    same_shape = sum(t.shape == thing.shape for t in scene.things)
    same_colour = sum(t.colour == thing.colour for t in scene.things)
    if kind < 0.25 and same_shape == 1:
        spelling = "colour" if rng.random() < 0.5 else "color"
        return f"What {spelling} is the {shape}?", colour
    if kind < 0.35 and same_colour == 1:
        return f"What shape is {colour}?", f"a {shape}"
    if kind < 0.5:
        return "How many shapes are there?", ("one", "two")[len(scene.things) - 1]
    if kind < 0.75 and len(scene.things) == 2 and (same_shape == 1 or same_colour == 1):
        first, second = scene.things
        asked, other = rng.choice(((first, second), (second, first)))
        if scene.vertical:
            word = "below" if asked is first else "above"
        else:
            word = "to the right of" if asked is first else "to the left of"
        if rng.random() < 0.15:
            word = rng.choice([w for w in ("above", "below", "to the left of", "to the right of")
                               if w != word])
            return f"What is {word} the {COLOUR_NAMES[asked.colour]} {SHAPES[asked.shape]}?", "nothing"
        return f"What is {word} the {COLOUR_NAMES[asked.colour]} {SHAPES[asked.shape]}?", f"a {name(other)}"
    if rng.random() < 0.5:
        asked = (thing.colour, thing.shape)
    else:
        near = rng.random() < 0.5  # half of the wrong guesses share a feature with the scene
        asked = (thing.colour if near else rng.randrange(6), rng.randrange(4))
    there = any((t.colour, t.shape) == asked for t in scene.things)
    return f"Is there a {COLOUR_NAMES[asked[0]]} {SHAPES[asked[1]]}?", "yes" if there else "no"


# --- stories ------------------------------------------------------------------------------------

JOINS = (("above", "below"), ("on the left", "on the right"))  # of the newcomer, by direction


@dataclass(frozen=True)
class Story:
    """One thing, then another joins it, then one of them leaves: one to three pictures."""

    pair: Scene  # what the second picture shows; two different kinds
    newcomer: int  # which thing of the pair joins
    leaver: int  # which thing of the pair leaves
    pictures: int

    def scenes(self) -> list[Scene]:
        """What each picture shows; every thing keeps its place."""
        things = self.pair.things
        first, last = Scene((things[1 - self.newcomer],)), Scene((things[1 - self.leaver],))
        return [first, self.pair, last][: self.pictures]

    def lines(self) -> list[str]:
        """What is said before each picture."""
        things = self.pair.things
        word = JOINS[not self.pair.vertical][self.newcomer]
        return [
            f"a {name(things[1 - self.newcomer])}",
            f"then a {name(things[self.newcomer])} joins it {word}",
            f"then the {name(things[self.leaver])} leaves",
        ][: self.pictures]

    def told(self) -> list[str]:
        """The same with what the picture will show, where the line alone does not say it."""
        lines, scenes = self.lines(), self.scenes()
        return lines[:1] + [f"{line}: {caption(s)}" for line, s in zip(lines[1:], scenes[1:])]

    def request(self) -> str:
        return "Tell a story: " + ", ".join(self.lines())


def random_story(rng: random.Random) -> Story:
    while True:
        pair = random_scene(rng, 0.0)
        if name(pair.things[0]) != name(pair.things[1]):
            return story_of(pair, rng)


def story_of(pair: Scene, rng: random.Random) -> Story:
    pictures = (1, 2, 2, 2, 3, 3, 3, 3, 3, 3)[rng.randrange(10)]
    return Story(pair, rng.randrange(2), rng.randrange(2), pictures)


def stories(seed: int, count: int, want_held_out: bool) -> list[Story]:
    """The first `count` stories of a seed whose pair is (or is not) held out."""
    rng = random.Random(seed)
    found: list[Story] = []
    while len(found) < count:
        story = random_story(rng)
        if story.pair.is_held_out() == want_held_out:
            found.append(story)
    return found


OPEN_REQUESTS = ("Tell me a story.", "Tell a story.", "Tell me a story", "Draw a story.")


def story_prompt(story: Story, rng: random.Random) -> str:
    """One of the ways to ask for a story; one in eight leaves the story to the model."""
    if rng.random() < 0.125:
        return rng.choice(OPEN_REQUESTS)
    if rng.random() < 0.3:
        return story.request()
    lines = story.lines()
    if len(lines) > 1 and rng.random() < 0.2:
        before, word = lines[1].split(" joins it ")
        lines[1] = f"{before} comes {word} it" if story.pair.vertical else f"{before} comes {word}"
    if len(lines) > 2 and rng.random() < 0.2:
        lines[2] = lines[2].replace(" leaves", " goes away")
    if rng.random() < 0.1:
        lines = [line.replace(" small ", " little ").replace(" large ", " big ") for line in lines]
    leads = ("Tell a story: ", "Tell me a story: ", "Draw a story: ", "A story: ", "a story: ")
    text = ", ".join(lines)
    if len(lines) > 1 and rng.random() < 0.4:
        text = text if rng.random() < 0.5 else text[0].upper() + text[1:]
    else:
        text = rng.choice(leads) + text
    return text + ("." if rng.random() < 0.3 else "")


def _golden_stories(path: str) -> None:
    """Sixty-four stories: their things as in the pictures' golden file, words and pixels."""
    import zlib

    rng = random.Random(21)
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("# written by world.py stories: pair = thing;thing of colour,shape,size,x,y\n")
        out.write("# relation, held out, newcomer, leaver, CRC-32 of each picture's RGB bytes, lines, told\n")
        for _ in range(64):
            s = random_story(rng)
            things = ";".join(f"{t.colour},{t.shape},{t.size},{t.x},{t.y}" for t in s.pair.things)
            relation = "above" if s.pair.vertical else "left"
            crcs = ",".join(f"{zlib.crc32(render(scene).tobytes()):08x}" for scene in s.scenes())
            out.write(f"{things}\t{relation}\t{int(s.pair.is_held_out())}\t{s.newcomer}\t{s.leaver}"
                      f"\t{crcs}\t{'|'.join(s.lines())}\t{'|'.join(s.told())}\n")


# --- edits --------------------------------------------------------------------------------------

EDITS = ("colour", "shape", "size", "remove", "add")


def references(scene: Scene, which: int) -> list[str]:
    """The ways to speak of one thing of a scene that fit no other, the shortest first."""
    thing = scene.things[which]
    others = [t for i, t in enumerate(scene.things) if i != which]
    size, colour, shape = SIZES[thing.size], COLOUR_NAMES[thing.colour], SHAPES[thing.shape]
    found = []
    for words, features in (
        (shape, ("shape",)), (f"{colour} {shape}", ("shape", "colour")),
        (f"{size} {shape}", ("shape", "size")),
        (f"{size} {colour} {shape}", ("shape", "colour", "size")),
    ):
        if not any(all(getattr(o, f) == getattr(thing, f) for f in features) for o in others):
            found.append(f"the {words}")
    return found


@dataclass(frozen=True)
class Edit:
    """One thing of a picture gets another colour, shape or size, leaves, or joins. Every thing keeps
    its place."""

    kind: str  # one of EDITS
    before: Scene
    after: Scene
    thing: int  # which thing of the larger scene

    def is_held_out(self) -> bool:
        """By what the result shows; when one thing is left, by what it was taken from."""
        return (self.before if self.kind == "remove" else self.after).is_held_out()

    def is_clear(self) -> bool:
        """Whether words tell which thing is meant."""
        return self.kind == "add" or bool(references(self.before, self.thing))

    def instruction(self) -> str:
        """One way to ask for it, word for word."""
        return self.wordings()[0]

    def mistaken(self) -> Scene:
        """The result if the other thing were meant."""
        if self.kind in ("remove", "add") or len(self.before.things) < 2:
            return self.after
        new = getattr(self.after.things[self.thing], self.kind)
        things = tuple(t if i == self.thing else replace(t, **{self.kind: new})
                       for i, t in enumerate(self.before.things))
        return Scene(things, self.before.vertical)

    def told(self) -> str:
        """What is there and what it becomes."""
        return f"{caption(self.before)}, then {caption(self.after)}"

    def wordings(self, reference: str | None = None) -> list[str]:
        new = self.after.things[self.thing] if self.kind != "remove" else None
        if self.kind == "add":
            where = JOINS[not self.after.vertical][self.thing]
            return [f"{verb} a {name(new)} {where}" for verb in ("add", "put")]
        the = reference or references(self.before, self.thing)[0]
        if self.kind == "remove":
            return [f"remove {the}", f"delete {the}", f"erase {the}", f"take {the} away"]
        if self.kind == "colour":
            colour = COLOUR_NAMES[new.colour]
            return [f"make {the} {colour}", f"turn {the} {colour}", f"paint {the} {colour}",
                    f"change {the} to {colour}"]
        if self.kind == "size":
            size, more = SIZES[new.size], (("smaller",), ("larger", "bigger"))[new.size]
            return [f"make {the} {size}"] + [f"make {the} {m}" for m in more]
        shape = SHAPES[new.shape]
        return [f"turn {the} into a {shape}", f"make {the} a {shape}", f"replace {the} with a {shape}",
                f"change {the} to a {shape}"]


def changed(scene: Scene, which: int, rng: random.Random) -> Edit:
    """Another colour (half of the time), shape or size for one thing; it may not be clear."""
    t = scene.things[which]
    kind = ("colour", "colour", "shape", "size")[rng.randrange(4)]
    if kind == "colour":
        new = Thing((t.colour + rng.randint(1, 5)) % 6, t.shape, t.size, t.x, t.y)
    elif kind == "shape":
        new = Thing(t.colour, (t.shape + rng.randint(1, 3)) % 4, t.size, t.x, t.y)
    else:
        new = Thing(t.colour, t.shape, 1 - t.size, t.x, t.y)
    things = tuple(new if i == which else other for i, other in enumerate(scene.things))
    return Edit(kind, scene, Scene(things, scene.vertical), which)


def random_edit(rng: random.Random) -> Edit:
    while True:
        scene = random_scene(rng)
        which = rng.randrange(len(scene.things))
        kind = rng.random()
        if len(scene.things) == 1 or kind < 0.55:
            edit = changed(scene, which, rng)
        elif kind < 0.8:
            edit = Edit("remove", scene, Scene((scene.things[1 - which],)), which)
        else:
            edit = Edit("add", Scene((scene.things[1 - which],)), scene, which)
        if edit.is_clear():
            return edit


def edits(seed: int, count: int, want_held_out: bool) -> list[Edit]:
    """The first `count` edits of a seed that are (or are not) held out."""
    rng = random.Random(seed)
    found: list[Edit] = []
    while len(found) < count:
        edit = random_edit(rng)
        if edit.is_held_out() == want_held_out:
            found.append(edit)
    return found


def edit_prompt(edit: Edit, rng: random.Random) -> str:
    """One of the many ways to ask for an edit."""
    if rng.random() < 0.2:
        return edit.instruction()
    the = None
    if edit.kind != "add":
        known = references(edit.before, edit.thing)
        the = known[-1] if rng.random() < 0.3 else rng.choice(known)
    words = edit.wordings(the)
    text = words[0] if rng.random() < 0.4 else rng.choice(words)
    if rng.random() < 0.1:
        text = text.replace(" small ", " little ").replace(" large ", " big ")
    if rng.random() < 0.1:
        return "Please " + text + ("." if rng.random() < 0.5 else "")
    if rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    return text + ("." if rng.random() < 0.3 else "")


def _line(scene: Scene) -> str:
    things = ";".join(f"{t.colour},{t.shape},{t.size},{t.x},{t.y}" for t in scene.things)
    return things + "\t" + ("none" if len(scene.things) == 1 else "above" if scene.vertical else "left")


def _golden_edits(path: str) -> None:
    """Sixty-four edits: both scenes, words and pixels."""
    import zlib

    rng = random.Random(22)
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("# written by world.py edits: scene = thing[;thing] of colour,shape,size,x,y and relation\n")
        out.write("# kind, thing, held out, scene before, scene after, CRC-32 of both pictures, instruction\n")
        for _ in range(64):
            e = random_edit(rng)
            crcs = ",".join(f"{zlib.crc32(render(s).tobytes()):08x}" for s in (e.before, e.after))
            out.write(f"{e.kind}\t{e.thing}\t{int(e.is_held_out())}\t{_line(e.before)}\t{_line(e.after)}"
                      f"\t{crcs}\t{e.instruction()}\n")


def _golden(path: str) -> None:
    """Sixty-four scenes and the CRC-32 of their pixels, then the held-out table."""
    import zlib

    rng = random.Random(20)
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("# written by world.py golden: scene = thing[;thing] of colour,shape,size,x,y\n")
        out.write("# relation, held out, CRC-32 of the RGB bytes, caption\n")
        for i in range(64):
            s = random_scene(rng, 0.2)
            things = ";".join(f"{t.colour},{t.shape},{t.size},{t.x},{t.y}" for t in s.things)
            relation = "none" if len(s.things) == 1 else "above" if s.vertical else "left"
            crc = zlib.crc32(render(s).tobytes())
            out.write(f"{things}\t{relation}\t{int(s.is_held_out())}\t{crc:08x}\t{caption(s)}\n")
        table = "".join(
            str(int(held_out(c, s, r))) for c in range(6) for s in range(4) for r in range(4)
        )
        out.write(f"held-out\t{table}\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "golden":
        _golden(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "stories":
        _golden_stories(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "edits":
        _golden_edits(sys.argv[2])
    else:
        sys.exit("usage: python world.py golden|stories|edits FILE")
