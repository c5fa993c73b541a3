"""Groups of pictures to train on: a scene, each thing of a pair alone, and the scene with one thing
changed, twice. The edits of a group lead from one of its pictures to another."""

from __future__ import annotations

import dataclasses
import random
from typing import Callable

import torch

import world

LEARNT = {"remove": 0.4, "add": 0.12}  # shares that are kept of edits that there are many of


class Groups:
    """What `encode` makes of the pictures [N, H, W, 3] of planned scenes, group by group."""

    def __init__(self, encode: Callable[[torch.Tensor], torch.Tensor], seed: int,
                 planned: list[world.Scene]):
        self.encode, self.planned, self.rng = encode, planned, random.Random(seed)
        self.scenes: list[list[world.Scene]] = []
        self.encoded: list[torch.Tensor] = []  # of every scene of a group
        self.edits: list[list[tuple[world.Edit, int, int]]] = []
        self.pairs: list[int] = []
        self.storied: list[int] = []  # pairs of two kinds

    def grow(self, count: int) -> None:
        """Takes in the next `count` planned scenes."""
        new = self.planned[len(self.scenes) : len(self.scenes) + count]
        if not new:
            return
        groups = [self.group(scene) for scene in new]
        rgb = torch.stack([torch.from_numpy(world.render(s)) for scenes, _ in groups for s in scenes])
        encoded = self.encode(rgb)
        for (scenes, edits), part in zip(groups, encoded.split([len(s) for s, _ in groups])):
            if len(scenes[0].things) > 1:
                self.pairs.append(len(self.scenes))
                if world.name(scenes[0].things[0]) != world.name(scenes[0].things[1]):
                    self.storied.append(len(self.scenes))
            self.scenes.append(scenes)
            self.encoded.append(part.clone())
            self.edits.append(edits)

    def group(self, scene: world.Scene) -> tuple[list[world.Scene], list[tuple[world.Edit, int, int]]]:
        scenes = [scene]
        edits: list[tuple[world.Edit, int, int]] = []
        if len(scene.things) > 1:
            scenes += [world.Scene((t,)) for t in scene.things]
        for turn in range(2):
            while True:
                which = turn % len(scene.things)
                edit = world.changed(scene, which, self.rng)
                if edit.after.is_held_out() == scene.is_held_out():
                    break
            scenes.append(edit.after)
            at = len(scenes) - 1
            edits += [(edit, 0, at), (world.Edit(edit.kind, edit.after, scene, which), at, 0)]
            if len(scene.things) > 1:
                edits += self.leave(scenes, at, which)
        if len(scene.things) > 1:
            edits += self.leave(scenes, 0, 0) + self.leave(scenes, 0, 1)
        return scenes, [e for e in edits if e[0].is_clear()]

    @staticmethod
    def leave(scenes: list[world.Scene], at: int, which: int) -> list[tuple[world.Edit, int, int]]:
        alone = 2 - which  # where the other thing stands alone
        return [(world.Edit("remove", scenes[at], scenes[alone], which), at, alone),
                (world.Edit("add", scenes[alone], scenes[at], which), alone, at)]

    def pick(self, rng: random.Random, alone: float) -> tuple[world.Scene, torch.Tensor]:
        """A scene and its picture; a share of them single things where one of a pair would stand."""
        if rng.random() < alone:
            i = rng.choice(self.pairs)
            which = 1 + rng.randrange(2)
        else:
            i = rng.randrange(len(self.scenes))
            which = 0
            if rng.random() < 0.5:  # one of the changed ones
                which = len(self.scenes[i]) - 1 - rng.randrange(2)
        return self.scenes[i][which], self.encoded[i][which]

    def edit(self, rng: random.Random) -> tuple[world.Edit, torch.Tensor, torch.Tensor]:
        while True:
            i = rng.randrange(len(self.scenes))
            if self.edits[i]:
                edit, before, after = rng.choice(self.edits[i])
                if edit.before.things[1:] == () and edit.kind != "add" and rng.random() < 0.5:
                    continue  # with one thing there is no telling which
                if edit.mistaken().is_held_out():
                    continue  # else what never occurs tells which thing is meant
                if rng.random() < LEARNT.get(edit.kind, 1.0):
                    return edit, self.encoded[i][before], self.encoded[i][after]

    def story(self, rng: random.Random, whole: float = 0.0) -> tuple[world.Story, list[torch.Tensor]]:
        """A story and its pictures; a share of them has all three in any case."""
        i = rng.choice(self.storied)
        story = world.story_of(self.scenes[i][0], rng)
        if rng.random() < whole:
            story = dataclasses.replace(story, pictures=3)
        encoded = self.encoded[i]
        return story, [encoded[2 - story.newcomer], encoded[0], encoded[2 - story.leaver]][: story.pictures]
