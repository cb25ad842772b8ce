#!/usr/bin/env python3
"""Makes montages of real footage whose cuts are known, because they were made here: film.py --set tune|held|hard|hard_held

Seed n gives montage n: its shots, its transitions, and its treatment, the n-th of TREATMENTS in turn, or of HARD.
"""

import dataclasses
import os
import random

import cv2
import numpy as np

import material
from footage import FILM, LARGE, Source
from treatments import HARD, MAXIMUM, MINIMUM, TREATMENTS, treatment_of

VISIBLE = 4
"""Least mean difference of the pictures before and after a cut, in grey levels: less is no cut to any viewer. Half of it
after the treatment."""
JUMP = 8
"""The same where both are of one shot of the clip, and the subject only seems to jump."""
CLEAR = 12
"""Below this, viewers disagree whether such a jump is a cut: it is labelled as ambiguous."""


@dataclasses.dataclass
class Shot:
    """Frames of one source: first, first + step, ..."""

    source: Source
    stretch: tuple[int, int]
    first: int
    length: int
    step: int

    def frame(self, n):
        """The number of its n-th picture in the source."""
        return self.first + n * self.step

    def thumb(self, n):
        return self.source.thumb(self.frame(n))

    def moves(self):
        """The mean difference of pictures that are eight apart."""
        pairs = [(n, n + 8) for n in range(0, self.length - 8, 8)]
        return np.mean([np.abs(self.thumb(a) - self.thumb(b)).mean() for a, b in pairs]) if pairs else 0.0


@dataclasses.dataclass
class Picture:
    """Pictures of sources, each with its weight; black fills up to a sum of 1. Then white over it."""

    layers: list
    white: float = 0.0


class Cutter:
    """Chooses the shots."""

    def __init__(self, rng, sources, treatment):
        self.rng = rng
        self.step = treatment.step
        self.shortest = treatment.shortest
        self.pick = treatment.pick
        self.visible = max(VISIBLE, VISIBLE / 2 / treatment.contrast)
        self.sources = [rng.choice(sources[:2])] if treatment.one_clip else sources

    def candidate(self, sources):
        """Any shot of these, long ones and short ones alike."""
        while True:
            source = self.rng.choice(sources)
            weights = [end - first for first, end in source.shots]
            first, end = self.rng.choices(source.shots, weights)[0]
            longest = min(MAXIMUM, (end - first) // self.step)
            if longest < self.shortest:
                continue
            length = round(self.shortest * (longest / self.shortest) ** (self.rng.random() ** 0.6))
            start = first + self.rng.randrange(end - first - length * self.step + 1)
            shot = Shot(source, (first, end), start, length, self.step)
            if min(shot.thumb(0).mean(), shot.thumb(length - 1).mean()) > 24:
                return shot

    def next(self, before):
        """A shot to follow: of the same clip, of another that looks alike, or any; but one that can be told."""
        while True:
            way = self.rng.random()
            if self.pick:
                many = self._picked(before)
            else:
                sources = [before.source] if way < 0.4 else self.sources
                many = [self.candidate(sources) for _ in range(12 if 0.4 < way < 0.7 else 1)]
                many.sort(key=lambda shot: difference(before, shot))
            for shot in many:
                if difference(before, shot) >= max(self.visible, JUMP if same_shot(before, shot) else 0):
                    return shot

    def _picked(self, before):
        """Candidates, those that the treatment prefers first."""
        if self.pick == "alike":
            return sorted((self.candidate(self.sources) for _ in range(20)), key=lambda shot: difference(before, shot))
        return sorted((self.candidate(self.sources) for _ in range(4)), key=Shot.moves, reverse=True)

    def brief(self, before):
        """A shot of 1 to 3 frames: the first one, or one to follow that is no jump within a shot."""
        while True:
            shot = self.next(before) if before else self.candidate(self.sources)
            if not before or not same_shot(before, shot):
                return dataclasses.replace(shot, length=self.rng.randint(1, 3))


def same_shot(before, shot):
    """Whether both are moments of one shot of a clip."""
    return shot.source is before.source and shot.stretch == before.stretch


def difference(before, shot):
    """Between the last picture of one shot and the first of the next, in grey levels."""
    if before.source.width != shot.source.width:
        raise ValueError("the sources of a montage have one size")
    return float(np.abs(before.thumb(before.length - 1) - shot.thumb(0)).mean())


class Montage:
    """The pictures of a montage, and their labels."""

    def __init__(self, rng, cutter, treatment, length):
        self.rng = rng
        self.treatment = treatment
        self.pictures = []
        self.cuts = []
        self.ambiguous = []
        self.unfinished = []
        self.gradual = []
        self.flashes = []
        self.shots = []
        shot = cutter.brief(None) if treatment.ends else cutter.candidate(cutter.sources)
        self._append(shot, 0)
        while len(self.pictures) < length:
            following = cutter.next(shot)
            while shot.length < MINIMUM and same_shot(shot, following):
                following = cutter.next(shot)
            self._join(shot, following)
            shot = following
        if treatment.ends:
            self._join(shot, cutter.brief(shot))
        self._flash()

    def _append(self, shot, begin):
        """The pictures of a shot from its `begin`-th on."""
        at = len(self.pictures) - begin
        self.pictures += [Picture([(shot.source, shot.frame(n), 1.0)]) for n in range(begin, shot.length)]
        self.shots.append({"at": at, "clip": shot.source.name, "first": shot.first, "length": shot.length})

    def _join(self, before, after):
        """One shot after the other: cut, dissolved, or faded through black."""
        room = min(before.length, after.length) // 2 - MINIMUM // 2
        if self.treatment.joins and room >= 12 and self.rng.random() < self.treatment.joins:
            getattr(self, f"_{self.treatment.join}")(before, after, room)
            return
        way = self.rng.random()
        shortest, longest = self.treatment.lengths
        if way < self.treatment.dissolves and room >= shortest:
            length = self.rng.randint(shortest, min(longest, room))
            first = len(self.pictures) - length
            for n in range(length):
                weight = (n + 1) / (length + 1)
                picture = self.pictures[first + n]
                picture.layers[0] = (*picture.layers[0][:2], 1 - weight)
                picture.layers.append((after.source, after.frame(n), weight))
            self.gradual.append(("dissolve", first, len(self.pictures) - 1))
            self._append(after, length)
        elif way < self.treatment.dissolves + self.treatment.fades and room >= 6:
            out, back = (self.rng.randint(6, min(25, room)) for _ in range(2))
            first = len(self.pictures) - out
            for n, picture in enumerate(self.pictures[first:]):
                picture.layers[0] = (*picture.layers[0][:2], 1 - (n + 1) / (out + 1))
            self.pictures += [Picture([])] * self.rng.randint(1, 8)
            back_first = len(self.pictures)
            self._append(after, 0)
            for n, picture in enumerate(self.pictures[back_first : back_first + back]):
                picture.layers[0] = (*picture.layers[0][:2], (n + 1) / (back + 1))
            self.gradual.append(("fade", first, back_first + back - 1))
        else:
            strength = difference(before, after)
            if same_shot(before, after) and strength < CLEAR:
                self.ambiguous.append((len(self.pictures) - 1, len(self.pictures)))
            else:
                self.cuts.append((len(self.pictures), strength))
            self._append(after, 0)

    def _weigh(self, first, weights):
        """Gives the pictures from `first` on these weights, as a fade does."""
        for picture, weight in zip(self.pictures[first:], weights, strict=False):
            picture.layers[0] = (*picture.layers[0][:2], weight)

    def _black(self, least, most):
        """Some frames of black."""
        self.pictures += [Picture([]) for _ in range(self.rng.randint(least, most))]

    def _fade_cut(self, before, after, room):
        """A cut within a fade: one that ends a fade early, one on the way down to black, or one on the way up."""
        way = self.rng.choice(["early", "down", "up"])
        out, back = (self.rng.randint(6, min(20, room)) for _ in range(2))
        level = self.rng.uniform(0.3, 0.7)
        strength = difference(before, after)
        first = len(self.pictures) - out
        if way == "early":
            self._weigh(first, np.linspace(1, level, out + 1)[1:])
            # Whether a fade that a cut ends is one of its own is a matter of taste.
            self.unfinished.append((first, len(self.pictures) - 4))
            self.cuts.append((len(self.pictures), strength))
            self._append(after, 0)
            return
        rest = self.rng.randint(4, 12)
        if way == "down":
            self._weigh(first, np.linspace(1, level, out + 1)[1:])
            cut = len(self.pictures)
            self._append(dataclasses.replace(after, length=rest), 0)
            self._weigh(cut, np.linspace(level, 0, rest + 2)[1:-1])
            self._black(1, 8)
            back_first = len(self.pictures)
            self._append(after, rest)
            self._weigh(back_first, np.linspace(0, 1, back + 2)[1:-1])
        else:
            # Its last frames come back from black.
            tail = self.pictures[-rest:]
            del self.pictures[-rest:]
            first -= rest
            self._weigh(first, np.linspace(1, 0, out + 2)[1:-1])
            self._black(1, 8)
            risen = len(self.pictures)
            self.pictures += tail
            self._weigh(risen, np.linspace(0, level, rest + 1)[1:])
            cut = back_first = len(self.pictures)
            self._append(after, 0)
            self._weigh(cut, np.linspace(level, 1, back + 1)[:-1])
        # Both shots are dimmed at the cut.
        self.cuts.append((cut, strength * level))
        self.gradual.append(("fade", first, back_first + back - 1))

    def _flash_black(self, before, after, room):
        """A flash up to four frames before a cut to black, or after a cut from black."""
        bright = float(before.thumb(before.length - 1).mean()) - 16
        near, length = self.rng.randint(0, 4), self.rng.randint(1, 3)
        white = self.rng.uniform(0.55, 1.0)
        last = len(self.pictures)
        before_black = self.rng.random() < 0.5
        if before_black:
            flash = last - near - length
        self.cuts.append((last, bright))
        self._black(5, 20)
        begin = len(self.pictures)
        self._append(after, 0)
        if not before_black or self.rng.random() < 0.5:
            self.cuts.append((begin, float(after.thumb(0).mean()) - 16))
        else:
            back = self.rng.randint(6, min(25, room))
            self._weigh(begin, np.linspace(0, 1, back + 2)[1:-1])
            self.gradual.append(("fade", begin, begin + back - 1))
        if not before_black:
            flash = begin + near
        for picture in self.pictures[flash : flash + length]:
            picture.white = white
        self.flashes.append((flash, flash + length - 1))

    def _flash(self):
        """Flashes some shots, clear of their ends, for a cut under a flash could not be told from it."""
        cuts = [cut for cut, _ in self.cuts] + [cut for _, cut in self.ambiguous]
        busy = [*((first, last) for _, first, last in self.gradual), *self.flashes, *self.unfinished]
        ends = [0, *cuts, *(last for _, last in busy)]
        begins = [*cuts, *(first for first, _ in busy), len(self.pictures)]
        for first, end in zip(sorted(ends), sorted(begins), strict=True):
            if end - first >= 32 and self.rng.random() < self.treatment.flashes:
                length = self.rng.randint(1, 3)
                at = self.rng.randint(first + 12, end - 12 - length)
                for picture in self.pictures[at : at + length]:
                    picture.white = self.rng.uniform(0.55, 1.0)
                self.flashes.append((at, at + length - 1))


class Look:
    """Turns pictures into planes as the treatment wants them."""

    def __init__(self, treatment, seed, width, height):
        self.treatment = treatment
        self.random = np.random.default_rng(seed)
        self.shape = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
        if treatment.noise:
            self.noise = self.random.normal(0, treatment.noise, (2 * height, 2 * width)).astype(np.int16)

    def planes(self, picture):
        """Y, U and V, 8 bits."""
        planes = self._mix(picture)
        if self.treatment.shake:
            planes = self._displace(planes)
        planes[0] = (planes[0] - 16) * self.treatment.contrast + 16 + self.treatment.lift
        planes[1:] = [(plane - 128) * self.treatment.colour + 128 for plane in planes[1:]]
        # The flash is brighter than any regrade.
        planes[0] += (235 - planes[0]) * picture.white
        if self.treatment.noise:
            (height, width), (top, left) = self.shape[0], self.random.integers(0, self.shape[0])
            planes[0] += self.noise[top : top + height, left : left + width]
        return [np.clip(plane + 0.5, 0, 255).astype(np.uint8) for plane in planes]

    def _mix(self, picture):
        black = [16.0, 128.0, 128.0]
        planes = [np.full(shape, level, np.float32) for shape, level in zip(self.shape, black, strict=True)]
        for source, frame, weight in picture.layers:
            for plane, layer, level in zip(planes, source.planes(frame), black, strict=True):
                plane += (layer.astype(np.float32) - level) * weight
        return planes

    def _displace(self, planes):
        """By another hand-held camera's move each frame. Enlarged, so that no border comes into view."""
        scale = self.shape[0][1] / 640
        x, y, turn = self.random.uniform(-1, 1, 3) * self.treatment.shake
        moved = []
        for plane in planes:
            height, width = plane.shape
            matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn * 0.12, 1.12)
            matrix[:, 2] += np.array([x, y]) * scale * width / self.shape[0][1]
            moved.append(cv2.warpAffine(plane, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
        return moved


def lose_packets(path, rng, bursts):
    """Drops runs of packets of the video from a TS, none from its first tenth."""
    with open(path, "rb") as file:
        packets = np.frombuffer(file.read(), np.uint8).reshape(-1, 188)
    pid = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    video = np.flatnonzero(pid == 0x100)
    keep = np.ones(len(packets), bool)
    for _ in range(bursts):
        first = rng.randrange(len(video) // 10, len(video) - 40)
        keep[video[first : first + rng.choice([1, 2, 5, 12, 30])]] = False
    with open(path, "wb") as file:
        file.write(packets[keep].tobytes())


def damage(clean, lossy):
    """The frames of `lossy`, (PTS, thumbs), that differ from the undamaged ones, and those next to a hole."""
    order = np.searchsorted(clean[0], lossy[0])
    wrong = np.abs(clean[1][order].astype(int) - lossy[1]).mean((1, 2)) > 1
    hole = np.flatnonzero(np.diff(order) > 1)
    wrong[hole] = wrong[hole + 1] = True
    return material.runs(wrong, 3)


def verify(name, made, clock, thumbs, cuts, fields):
    """Raises Unlike unless the decoded frames next to each cut look like the pictures that were made."""

    def distance(frame, picture):
        return np.abs(thumbs[frame].astype(int) - made[picture]).mean()

    for cut in cuts:
        frame = clock.at(cut)
        # Between two fields of a frame, the cut leaves that frame half one and half the other.
        last = frame - 1 if cut % fields == 0 else frame - 2
        # Where frames were dropped, or two fields make one frame, the one before shows an earlier picture.
        earlier = round((clock.pts[last] - clock.pts[0]) / material.TICKS * clock.fps)
        if distance(frame, cut) >= distance(frame, cut - 1) or distance(last, earlier) >= distance(last, cut):
            raise material.Unlike(f"{name}: the cut of frame {frame} is not where its label is")


def make(seed, footage, cache, folder):
    """Makes one montage and its labels."""
    rng = random.Random(seed)
    treatment = treatment_of(seed)
    name = f"{seed:04}_{treatment.name}"
    if os.path.exists(os.path.join(folder, f"{name}.json")):
        return
    large = treatment.size[1] > 720
    width, height = (1280, 720) if large else (640, 360)
    sources = [Source(footage, cache, clip, width, height) for clip in (LARGE if large else FILM)]
    seconds = rng.uniform(*(treatment.seconds or (30, 36 if large else 60)))
    montage = Montage(rng, Cutter(rng, sources, treatment), treatment, round(seconds * treatment.fps))

    path = os.path.join(folder, f".{name}.ts")
    filters = [treatment.filters] if treatment.filters else []
    filters += [f"scale={treatment.size[0]}:{treatment.size[1]}"] if treatment.size != (width, height) else []
    options = ["-vf", ",".join(filters)] if filters else []
    options += ["-fps_mode", "passthrough", "-enc_time_base", "1:90000"] if "select" in treatment.filters else []
    options += ["-c:v", treatment.codec, *treatment.options.split()]
    encoder = material.Encoder(path, width, height, treatment.fps, "yuv420p", options)
    look = Look(treatment, seed, width, height)
    made = []
    for picture in montage.pictures:
        planes = look.planes(picture)
        made.append(cv2.resize(planes[0], material.THUMB, interpolation=cv2.INTER_AREA).astype(np.int16))
        encoder.write(*planes)
    encoder.finish()

    pts, thumbs = material.decode(path)
    clock = material.Clock(pts, treatment.fps)
    expected = len(montage.pictures) // treatment.fields
    if "select" not in treatment.filters and abs(len(pts) - expected) > 1:
        raise SystemExit(f"{name}: {len(pts)} frames decoded, {expected} made")
    verify(name, made, clock, thumbs, [cut for cut, _ in montage.cuts], treatment.fields)
    broken = []
    if treatment.bursts:
        lose_packets(path, rng, treatment.bursts)
        lossy = material.decode(path)
        broken = damage((pts, thumbs), lossy)
        clock = material.Clock(lossy[0], treatment.fps)

    cuts = [clock.at(cut) for cut, _ in montage.cuts]
    labels = {
        "kind": "film",
        "seed": seed,
        "treatment": treatment.name,
        "frames_total": len(clock.pts),
        "first_pts": int(clock.pts[0]),
        "cut_frames": cuts,
        "cut_pts": [clock.seconds(cut) for cut in cuts],
        "cut_strength": [round(strength, 1) for _, strength in montage.cuts],
    }
    material.label(labels, "gradual", clock, [clock.interval(a, b) for _, a, b in montage.gradual])
    labels["gradual_kinds"] = [kind for kind, _, _ in montage.gradual]
    material.label(labels, "ambiguous", clock, [clock.interval(a, b) for a, b in montage.ambiguous + montage.unfinished])
    material.label(labels, "damage", clock, broken)
    material.label(labels, "flash", clock, [clock.interval(a, b) for a, b in montage.flashes])
    labels["shots"] = [{**shot, "at": clock.at(shot["at"])} for shot in montage.shots]
    material.publish(folder, name, labels)
    print(f"{name}: {len(pts)} frames, {len(cuts)} cuts, {len(montage.gradual)} gradual", flush=True)


COUNTS = {"tune": len(TREATMENTS), "held": len(TREATMENTS), "hard": len(HARD), "hard_held": len(HARD)}
"""Montages of each set."""


if __name__ == "__main__":
    material.make_set(__doc__, "film", COUNTS, make)
