#!/usr/bin/env python3
"""Makes recordings of a screen whose every change is known, because it was made here: screen.py --set tune|held

Seed n gives clip n: its acts, its looks, and its format, the n-th of FORMATS in turn. Pages are drawn by Chromium;
what moves over them (videos, cameras, cursor, caret, clock) is laid over their pictures.
"""

import dataclasses
import os
import random

import cv2
import numpy as np

import acts
import material
import pages
from browser import Browser
from footage import FILM, Source

RESTS = 1.0
"""Seconds for which content has to rest to be a state."""
SHIFTED = 8
"""Greatest mean difference of a decoded picture from the generated one, in grey levels."""


@dataclasses.dataclass
class Format:
    """How a clip is recorded."""

    name: str
    size: tuple[int, int]
    fps: int
    options: str
    acts: tuple


X264 = "-preset veryfast"
LIVE = "-preset superfast -tune zerolatency"
S, E, T, B, V, C = acts.slides, acts.editor, acts.terminal, acts.browsing, acts.video, acts.call
FORMATS = [
    Format("slides", (1280, 720), 30, f"{X264} -b:v 1500k -maxrate 2M -bufsize 2M -g 60 -bf 2", (S, S, V, S)),
    Format("slides_pumping", (1280, 720), 25, f"{LIVE} -b:v 500k -maxrate 500k -bufsize 250k -g 25", (S, S)),
    Format("editor", (1920, 1080), 30, f"{X264} -crf 23 -g 300 -bf 3", (E, E)),
    Format("editor_terminal", (1280, 720), 60, f"{LIVE} -b:v 1M -maxrate 1M -bufsize 500k -g 120", (E, T, E)),
    Format("terminal", (1600, 900), 15, f"{X264} -crf 28 -g 75 -bf 2", (T, T)),
    Format("browser", (1920, 1080), 25, f"{X264} -b:v 2500k -maxrate 4M -bufsize 4M -g 250 -bf 2", (B, B)),
    Format("browser_video", (1280, 720), 30, f"{LIVE} -b:v 1200k -maxrate 1500k -bufsize 700k -g 60", (V, B, V, B)),
    Format("call", (1280, 720), 30, f"{LIVE} -b:v 1M -maxrate 1200k -bufsize 600k -g 90", (C, C, C)),
    Format("call_large", (1920, 1080), 15, f"{X264} -b:v 3M -maxrate 4M -bufsize 4M -g 45 -bf 2", (C, S, C)),
    Format("five_a_second", (1600, 900), 5, f"{X264} -crf 26 -g 50 -bf 0", (S, E, B, T)),
    Format("desktop", (1920, 1080), 10, f"{LIVE} -crf 33 -g 10 -maxrate 2M -bufsize 1M", (B, E, V, S, T)),
    Format("everything", (1366, 768), 20, f"{X264} -b:v 800k -maxrate 1M -bufsize 1M -g 100 -bf 3", (S, B, C, E, T)),
]

ARROW = np.array([[0, 0], [0, 17], [4, 13], [7, 20], [10, 19], [7, 12], [12, 12]])


class Overlay:
    """Moving parts that are no content: a clock, a camera in the corner, a cursor."""

    def __init__(self, rng, stage):
        self.width, self.height = stage.width, stage.height
        self.zoom = stage.height / 720
        digits = stage.sheet(pages.digits(stage.theme), height=60)
        self.digits = [digits.pixels[top:bottom, left:right] for left, top, right, bottom in digits.boxes["digit"]]
        self.clock = rng.randrange(3600 * 24) if rng.random() < 0.5 else None
        self.camera = None
        if rng.random() < 0.35:
            wide = round(self.width * rng.uniform(0.12, 0.22)) // 2 * 2
            high = wide * 9 // 16 // 2 * 2
            corner = (self.width - wide - 12, self.height - high - 12, self.width - 12, self.height - 12)
            self.camera = (corner, *stage.footage())
        self.moves = self._moves(rng) if rng.random() < 0.75 else []

    def _moves(self, rng):
        """Moves of the cursor: time, duration, start and end."""
        now, place, moves = 0.0, (self.width / 2, self.height / 2), []
        while now < 240:
            now += rng.expovariate(1 / 3)
            to = (rng.uniform(0, self.width - 20), rng.uniform(0, self.height - 30))
            moves.append((now, rng.uniform(0.2, 1.0), place, to))
            now += moves[-1][1]
            place = to
        return moves

    def draw(self, pixels, now):
        if self.camera:
            play(pixels, self.camera, now)
        if self.clock is not None:
            self._draw_clock(pixels, self.clock + int(now))
        move = next((move for move in reversed(self.moves) if move[0] <= now), None)
        if move:
            began, seconds, start, end = move
            part = min(1.0, (now - began) / seconds)
            part = part * part * (3 - 2 * part)
            place = np.array(start) + (np.array(end) - np.array(start)) * part
            shape = (ARROW * self.zoom + place).astype(np.int32)
            cv2.fillPoly(pixels, [shape], (0, 0, 0))
            cv2.polylines(pixels, [shape], True, (255, 255, 255), 1, cv2.LINE_AA)

    def _draw_clock(self, pixels, seconds):
        text = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        right = self.width - 8
        for character in reversed(text):
            digit = self.digits[10 if character == ":" else int(character)]
            pixels[4 : 4 + len(digit), right - digit.shape[1] : right] = digit
            right -= digit.shape[1]


def play(pixels, tile, now):
    """Lays the picture of `now` over the place of a tile. All clips play at 25 frames a second, to and fro."""
    (left, top, right, bottom), source, first = tile
    count = len(source.pixels)
    at = (first + int(now * 25)) % (2 * count - 2)
    picture = cv2.cvtColor(source.pixels[at if at < count else 2 * count - 2 - at], cv2.COLOR_YUV2BGR_I420)
    pixels[top:bottom, left:right] = cv2.resize(picture, (right - left, bottom - top), interpolation=cv2.INTER_AREA)


class Recording:
    """A timeline of beats, as frames and labels."""

    def __init__(self, beats, fps):
        self.fps = fps
        self.beats = beats
        ends = np.cumsum([beat.seconds for beat in beats])
        self.bounds = [0, *np.ceil(ends * fps).astype(int).tolist()]
        """The first frame of each beat, and the end."""

    def frames(self, overlay):
        """All pictures in turn."""
        for beat, first, end in zip(self.beats, self.bounds, self.bounds[1:], strict=False):
            for frame in range(first, end):
                now = frame / self.fps
                pixels = beat.draw((frame - first + 1) / (end - first)).copy()
                for tile in beat.tiles:
                    play(pixels, tile, now)
                if beat.caret and now % 1.06 < 0.53:
                    left, top, bottom = beat.caret
                    pixels[top:bottom, left : left + 2] = 255 - pixels[top:bottom, left : left + 2]
                overlay.draw(pixels, now)
                yield pixels

    def states(self):
        """The stretches in which content rests long enough, in frames, both ends included."""
        found = []
        for beat, first, end in zip(self.beats, self.bounds, self.bounds[1:], strict=False):
            if beat.content is None or first == end:
                continue
            if found and found[-1]["end"] == first - 1 and found[-1]["content_id"] == beat.content:
                found[-1]["end"] = end - 1
            else:
                found.append({"start": first, "end": end - 1, "kind": beat.kind, "content_id": beat.content})
        return [state for state in found if state["end"] - state["start"] + 1 >= RESTS * self.fps]

    def changes(self):
        """Frames where the content begins to change or to move."""
        found, before = [], None
        for beat, first, end in zip(self.beats, self.bounds, self.bounds[1:], strict=False):
            if first < end and first > 0 and (beat.content is None or beat.content != before):
                found.append({"frame": first, "kind": beat.kind})
            before = beat.content if first < end else before
        return found


def record(stage, chosen, seconds):
    """Acts one after the other, until the time is over."""
    beats = []
    while sum(beat.seconds for beat in beats) < seconds:
        for act in chosen:
            if stage.rng.random() < 0.5:
                stage.theme = pages.Theme(stage.rng, stage.height)
            part = seconds / len(chosen) * stage.rng.uniform(0.8, 1.2)
            following = act(stage, min(part, max(6, seconds - sum(beat.seconds for beat in beats))))
            if beats and stage.rng.random() < 0.3:
                beats += acts.transition(stage.rng, beats[-1].draw(1.0), following[0].draw(0.0))
            beats += following
            if sum(beat.seconds for beat in beats) >= seconds:
                break
    return beats


def make(seed, footage, cache, folder, clips=FILM):
    """Makes one clip and its labels. `clips` are those of the folder `footage` that play in its tiles."""
    rng = random.Random(seed)
    form = FORMATS[(seed - 1) % len(FORMATS)]
    name = f"{seed:04}_{form.name}"
    if os.path.exists(os.path.join(folder, f"{name}.json")):
        return
    width, height = form.size
    sources = [Source(footage, cache, clip, 640, 360) for clip in clips]
    with Browser() as browser:
        stage = acts.Stage(rng, browser, pages.Theme(rng, height), width, height, sources)
        overlay = Overlay(rng, stage)
        recording = Recording(record(stage, form.acts, rng.uniform(60, 90)), form.fps)

    path = os.path.join(folder, f".{name}.ts")
    options = ["-pix_fmt", "yuv420p", "-c:v", "libx264", *form.options.split()]
    encoder = material.Encoder(path, width, height, form.fps, "bgr24", options)
    made = []
    for pixels in recording.frames(overlay):
        made.append(cv2.cvtColor(cv2.resize(pixels, material.THUMB, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY))
        encoder.write(pixels)
    encoder.finish()

    pts, thumbs = material.decode(path)
    clock = material.Clock(pts, form.fps)
    if len(pts) != len(made):
        raise SystemExit(f"{name}: {len(pts)} frames decoded, {len(made)} made")
    # Luma keeps to 16 to 235.
    expected = np.array(made) * (219 / 255) + 16
    wrong = np.flatnonzero(np.abs(thumbs - expected).mean((1, 2)) > SHIFTED)
    if len(wrong):
        raise SystemExit(f"{name}: frame {wrong[0]} does not look like the one that was made")

    states = recording.states()
    for state in states:
        state |= {"start_pts": clock.seconds(state["start"]), "end_pts": clock.seconds(state["end"])}
    changes = recording.changes()
    for change in changes:
        change["pts"] = clock.seconds(change["frame"])
    labels = {
        "kind": "screen",
        "seed": seed,
        "format": form.name,
        "frames_total": len(pts),
        "fps": form.fps,
        "first_pts": int(pts[0]),
        "states": states,
        "changes": changes,
    }
    material.publish(folder, name, labels)
    print(f"{name}: {len(pts)} frames, {len(states)} states, {len(changes)} changes", flush=True)


if __name__ == "__main__":
    material.make_set(__doc__, "screen", {"tune": len(FORMATS), "held": len(FORMATS)}, make)
