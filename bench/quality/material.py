"""Code that the generators share: encoding pictures to TS, decoding the result again, and writing labelled clips."""

import argparse
import json
import os
import re
import subprocess
import sys

import numpy as np

TICKS = 90_000
FIRST_SEED = {"tune": 1, "held": 3001, "hard": 5001, "hard_held": 6001}
"""Of the sets that detectors are tuned on, and of those that are held aside for the final figures; the hard ones are film."""
THUMB = (64, 36)
"""Width and height of the small grey pictures that tell frames apart."""

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-y"]


class Encoder:
    """An ffmpeg that takes raw pictures on its stdin and writes a TS."""

    def __init__(self, path, width, height, fps, pixels, options):
        self.process = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-y", "-loglevel", "error", "-f", "rawvideo", "-pixel_format", pixels]
            + ["-video_size", f"{width}x{height}", "-framerate", str(fps), "-i", "-"]
            + [*options, "-f", "mpegts", path],
            stdin=subprocess.PIPE,
        )

    def write(self, *planes):
        for plane in planes:
            self.process.stdin.write(np.ascontiguousarray(plane).data)

    def finish(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit(f"{' '.join(self.process.args)} ended with {self.process.returncode}")


def times(messages):
    """PTS in ticks of the frames that ffmpeg's `showinfo` told of."""
    text = messages.decode(errors="replace")
    base = [int(part) for part in re.search(r"config in time_base: (\d+)/(\d+)", text).groups()]
    return [int(found) * base[0] * TICKS // base[1] for found in re.findall(r"pts: *(-?\d+) pts_time", text)]


def decode(path):
    """PTS in ticks, and small pictures of the luma, of all frames that ffmpeg decodes, in their order."""
    width, height = THUMB
    process = subprocess.Popen(
        [*FFMPEG, "-copyts", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1"]
        + ["-vf", f"showinfo=checksum=0,extractplanes=y,scale={width}:{height}:flags=area"]
        + ["-f", "rawvideo", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pixels, messages = process.communicate()
    thumbs = np.frombuffer(pixels, np.uint8).reshape(-1, height, width)
    pts = times(messages)
    if process.returncode != 0 or len(pts) != len(thumbs):
        raise SystemExit(f"{path}: {len(pts)} times, {len(thumbs)} pictures, ffmpeg ended with {process.returncode}")
    return np.array(pts), thumbs


class Clock:
    """Finds the decoded frame that shows frame `n` of the generated clip, of `fps` frames a second."""

    def __init__(self, pts, fps):
        self.pts = pts
        self.fps = fps

    def at(self, frame):
        """The first decoded frame that is not before `frame`: that itself, if it was neither dropped nor lost."""
        return int(np.searchsorted(self.pts, self.pts[0] + (frame - 0.5) / self.fps * TICKS))

    def interval(self, first, last):
        """The decoded frames from `first` to `last`, both of them included."""
        return [self.at(first), max(self.at(first), self.at(last + 1) - 1)]

    def seconds(self, frame):
        """ffmpeg's `pts_time` of a decoded frame: from the first one on."""
        return round(float(self.pts[frame] - self.pts[0]) / TICKS, 3)


def label(labels, name, clock, intervals):
    """Adds intervals of decoded frames to the labels, as frames and as seconds."""
    labels[f"{name}_frames"] = intervals
    labels[f"{name}_pts"] = [[clock.seconds(a), clock.seconds(b)] for a, b in intervals]


def runs(flags, gap):
    """The intervals in which `flags` is set, joined where no more than `gap` frames lie between two."""
    found = []
    for frame in np.flatnonzero(flags).tolist():
        if found and frame - found[-1][1] <= gap + 1:
            found[-1][1] = frame
        else:
            found.append([frame, frame])
    return found


def publish(folder, name, labels):
    """Gives a clip, which was made as `.NAME.ts`, its labels and its name: the video first, so a pair is whole."""
    draft = os.path.join(folder, f".{name}.json")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(labels, file, separators=(",", ":"))
        file.write("\n")
    os.rename(os.path.join(folder, f".{name}.ts"), os.path.join(folder, f"{name}.ts"))
    os.rename(draft, os.path.join(folder, f"{name}.json"))


def options(description):
    """Options of all generators: the folders of the material and of the real clips."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default="target/quality", help="where material lies")
    parser.add_argument("--footage", default="../shared/footage", help="the real clips")
    return parser


def parse(parser):
    args = parser.parse_args()
    if not os.path.exists(os.path.join(args.footage, "labels.json")):
        raise SystemExit(f"{args.footage}: no labels.json there; name the folder of the real clips with --footage")
    return args


class Unlike(Exception):
    """A clip that differs from its labels, and is no material."""


def make_set(description, kind, counts, make):
    """Makes a set of clips, `counts` by its name, by `make(seed, footage, cache, folder)`, where they are absent."""
    parser = options(description)
    parser.add_argument("--set", choices=counts, default="tune")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of all of the set")
    args = parse(parser)
    folder = os.path.join(args.cache, args.set, kind)
    os.makedirs(folder, exist_ok=True)
    for seed in args.seeds or range(FIRST_SEED[args.set], FIRST_SEED[args.set] + counts[args.set]):
        try:
            make(seed, args.footage, os.path.join(args.cache, "raw"), folder)
        except Unlike as error:
            print(f"{error}; left out", file=sys.stderr)
