#!/usr/bin/env python3
"""Brings the labelled real clips into the form of the generated ones: as TS, copied where TS can carry the codec."""

import json
import os
import subprocess

import material

REENCODED = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10"]
"""For codecs that TS cannot carry. Near enough to lossless."""


def make(file, found, footage, cache):
    """One clip and its labels."""
    name = os.path.splitext(os.path.basename(file))[0]
    kind = "screen" if found["kind"] == "page_change" else "film"
    folder = os.path.join(cache, "footage", kind)
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(os.path.join(folder, f"{name}.json")):
        return
    path = os.path.join(folder, f".{name}.ts")
    coding = REENCODED if file.endswith((".webm", ".avi", ".gif")) else ["-c", "copy"]
    subprocess.run(
        [*material.FFMPEG, "-loglevel", "error", "-i", os.path.join(footage, file), "-map", "0:v:0"]
        + [*coding, "-fps_mode", "passthrough", "-f", "mpegts", path],
        check=True,
    )
    pts, _ = material.decode(path)
    if len(pts) != found["frames_total"]:
        raise SystemExit(f"{name}: {len(pts)} frames decoded, {found['frames_total']} labelled")
    labels = {"kind": kind, "frames_total": len(pts), "first_pts": int(pts[0])}
    cuts = found["cut_frames"]
    if kind == "film":
        labels["cut_frames"] = cuts
        labels |= {f"{each}_frames": found.get(f"{each}_frames", []) for each in ("gradual", "ambiguous", "damage")}
    else:
        # Only full pages are labelled: other changes between two of them are unknown.
        labels["partial"] = True
        bounds = zip([0, *cuts], [*cuts, len(pts)], strict=True)
        labels["states"] = [{"start": a, "end": b - 1, "kind": "page", "content_id": str(a)} for a, b in bounds]
        labels["changes"] = [{"frame": cut, "kind": "page"} for cut in cuts]
    material.publish(folder, name, labels)


def main():
    args = material.parse(material.options(__doc__))
    with open(os.path.join(args.footage, "labels.json"), encoding="utf-8") as file:
        for name, found in json.load(file).items():
            make(name, found, args.footage, args.cache)


if __name__ == "__main__":
    main()
