"""The real clips that material is cut from: their frames as raw pictures, and the stretches without a labelled cut."""

import functools
import json
import os
import subprocess

import numpy as np

from material import FFMPEG

FILM = [
    "edited/bbb_120s_1280x720p24_fmp4.mp4",
    "edited/bbb_trailer_640x360p25_vp8.webm",
    "edited/bikes_640x272p25.mp4",
    "edited/craft_704x576p25.mp4",
    "edited/pedestrians_static_768x576p10_vtest.avi",
    "edited/testvideo_fades_1280x720p30.mp4",
    "ts/bbb_1080p30_h264.ts",
    "ts/hls_bbb_60s_640x360p24_h264.ts",
]
LARGE = [FILM[0], FILM[5], FILM[6]]
"""The clips that are sharp enough to be shown large."""
MARGIN = 4
"""Distance kept from intervals, in frames: the precision of the labels of fades."""


class Source:
    """A clip, decoded once to a file of raw pictures that fill the given size."""

    def __init__(self, footage, cache, name, width, height):
        self.name = name
        self.footage = footage
        self.width = width
        self.height = height
        raw = os.path.join(cache, f"{os.path.basename(name)}.{width}x{height}.yuv")
        if not os.path.exists(raw):
            os.makedirs(cache, exist_ok=True)
            fill = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"
            subprocess.run(
                [*FFMPEG, "-loglevel", "error", "-i", os.path.join(footage, name), "-map", "0:v:0"]
                + ["-fps_mode", "passthrough", "-vf", f"{fill},format=yuv420p", "-f", "rawvideo", f"{raw}.part"],
                check=True,
            )
            os.rename(f"{raw}.part", raw)
        self.pixels = np.memmap(raw, np.uint8, "r").reshape(-1, height * 3 // 2, width)

    @functools.cached_property
    def shots(self):
        """The longest stretches, as [first, end), in which nothing is labelled. Only for these, labels have to be there."""
        with open(os.path.join(self.footage, "labels.json"), encoding="utf-8") as file:
            labels = json.load(file)[self.name]
        count = len(self.pixels)
        if count != labels["frames_total"]:
            raise SystemExit(f"{self.name}: {count} frames decoded, {labels['frames_total']} labelled")
        usable = np.ones(count, bool)
        for kind in ("gradual_frames", "ambiguous_frames", "damage_frames"):
            for first, last in labels.get(kind, []):
                usable[max(0, first - MARGIN) : last + MARGIN + 1] = False
        bounds = sorted({0, count, *labels["cut_frames"], *(np.flatnonzero(np.diff(usable)) + 1).tolist()})
        return [(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if usable[a]]

    def planes(self, frame):
        """Y, U and V of a frame."""
        picture = self.pixels[frame]
        luma = picture[: self.height]
        chroma = picture[self.height :].reshape(2, self.height // 2, self.width // 2)
        return luma, chroma[0], chroma[1]

    def thumb(self, frame):
        """A coarse look at a frame, to compare it with others."""
        return self.planes(frame)[0][4::8, 4::8].astype(np.int16)
