#!/usr/bin/env python3
"""Draws the scores of a real clip, the frames of each detector, and the labels: plot.py CLIP OUT.svg

One line of marks for each detector: filled where it agrees with the labels, hollow where it does not.
"""

import html
import json
import os
import subprocess
import sys
import tempfile

import material

WIDTH, LEFT, ROW, CURVE = 1000, 110, 22, 150
DETECTORS = {"film": ["scene", "adaptive", "auto"], "screen": ["scene", "screen", "auto"]}
NEAR = {"film": 0.05, "screen": 1.0}
"""Seconds from a label to the frame that shows it; a screen has to come to rest first."""
COLOURS = {"scene": "#b25d00", "adaptive": "#00699c", "screen": "#00699c", "auto": "#3c3c3c"}


def measure(scenes, clip, detect, folder):
    """Returns the scores of all frames as (seconds, score), and the kept frames as (change, reason)."""
    scores = os.path.join(folder, f"{detect}.ndjson")
    command = [scenes, "--detect", detect, "--scores", scores, "--out", os.path.join(folder, detect)]
    done = subprocess.run(command, input=clip + "\n", capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    frames = [event for event in events if event["type"] == "frame"]
    with open(scores, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    measured = [(line["frame"]["timestamp"], line["frame"]["score"]) for line in lines if "frame" in line]
    return measured, [(f.get("change", f["timestamp"]), f["reason"]) for f in frames]


def draw(name, kind, labels, measured, kept):
    seconds = measured[-1][0]
    most = max(score for _, score in measured[1:])
    rows = len(kept)
    height = CURVE + ROW * rows + 60

    def x(at):
        return LEFT + (WIDTH - LEFT - 20) * at / seconds

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18">{html.escape(name)}: ffmpeg\'s scene score (0 to {most:.2f}); labelled changes are lines</text>',
    ]
    for first, last in labels["gradual"]:
        width = max(1.0, x(last) - x(first))
        out.append(f'<rect x="{x(first):.1f}" y="26" width="{width:.1f}" height="{CURVE - 6 + ROW * rows}" fill="#e8f0d8"/>')
    for cut in labels["cuts"]:
        out.append(f'<path d="M{x(cut):.1f} 26V{CURVE + 20 + ROW * rows}" stroke="#9ac27c" stroke-width="1"/>')
    points = " ".join(f"{x(at):.1f},{CURVE + 20 - (CURVE - 10) * score / most:.1f}" for at, score in measured[1:])
    out.append(f'<polyline points="{points}" fill="none" stroke="#777" stroke-width="0.8"/>')
    for row, (detect, found) in enumerate(kept.items()):
        y = CURVE + 36 + ROW * row
        out.append(f'<text x="8" y="{y + 4}" fill="{COLOURS[detect]}">{detect}</text>')
        for at, reason in found:
            if reason in ("first", "interval"):
                continue
            right = any(abs(at - cut) <= NEAR[kind] for cut in labels["cuts"])
            right |= any(first - 0.1 <= at <= last + 0.5 for first, last in labels["gradual"])
            fill = COLOURS[detect] if right else "white"
            out.append(f'<circle cx="{x(at):.1f}" cy="{y}" r="4" fill="{fill}" stroke="{COLOURS[detect]}"/>')
    for tick in range(0, int(seconds) + 1, 10 if seconds > 40 else 5):
        out.append(f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle" fill="#777">{tick} s</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = material.options(__doc__)
    parser.add_argument("clip", help="as labels.json names it")
    parser.add_argument("out")
    parser.add_argument("--cht-scenes", default="target/release/cht-scenes", metavar="PATH")
    args = material.parse(parser)
    with open(os.path.join(args.footage, "labels.json"), encoding="utf-8") as file:
        labelled = json.load(file)[args.clip]
    kind = "screen" if args.clip.startswith("screen/") else "film"
    labels = {"cuts": labelled["cut_pts"], "gradual": labelled.get("gradual_pts", [])}
    with tempfile.TemporaryDirectory() as folder:
        ts = os.path.join(folder, "clip.ts")
        coded = ["-c", "copy"] if args.clip.endswith("mp4") else ["-c:v", "libx264", "-preset", "veryfast"]
        source = os.path.join(args.footage, args.clip)
        subprocess.run([*material.FFMPEG, "-loglevel", "error", "-i", source, "-an", *coded, ts], check=True)
        kept = {}
        for detect in DETECTORS[kind]:
            measured, kept[detect] = measure(args.cht_scenes, ts, detect, folder)
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(draw(os.path.basename(args.clip), kind, labels, measured, kept))


if __name__ == "__main__":
    sys.exit(main())
