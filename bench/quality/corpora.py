#!/usr/bin/env python3
"""Brings a public corpus of shot boundaries into the form of the generated clips: corpora.py --corpus BBC --root DIR

DIR is the folder of the corpus, in the layout of PySceneDetect's benchmark (`benchmark/dataset.py` in its repository):

    BBC        videos/bbc_ID.mp4   fixed/ID-scenes.txt       Baraldi et al. 2015, arXiv:1510.08893
    AutoShot   videos/ID.mp4       annotations/ID.txt        Zhu et al. 2023 (SHOT), arXiv:2304.06116
    ClipShots  videos/NAME.mp4     annotations/test.json, video_lists/test.txt      Tang et al. 2018, arXiv:1808.04234
    RAI        ID.mp4 or videos/ID.mp4      labels/ID_gt.txt       Baraldi et al. 2015; as TransNetV2's repository reads it

All frames are counted from 0. A line of the text files is a shot: its first and last frame.
"""

import argparse
import glob
import json
import os
import subprocess
import sys

import material
from real import REENCODED

LISTED = ["BBC", "RAI", "ClipShots", "AutoShot"]


def shots(path):
    """The shots of a text file, as (first frame, last frame)."""
    with open(path, encoding="utf-8") as file:
        return [(int(a), int(b)) for a, b in (line.split()[:2] for line in file if line.strip())]


def by_id(pattern, strip=""):
    """The files of a pattern, by their names up to the first dot, without `strip`."""
    return {os.path.basename(path).split(".")[0].replace(strip, ""): path for path in glob.glob(pattern)}


def from_shots(listed):
    """Labels as PySceneDetect counts them in BBC and AutoShot: the frame after the end of each shot is a cut. So the end of
    the video is one as well."""
    return {
        "cut_frames": [last + 1 for _, last in listed],
        "gradual_frames": [],
        "transitions": [[a[1], b[0]] for a, b in zip(listed, listed[1:], strict=False)],
        "ends_count": True,
    }


def from_transitions(listed, ends_count):
    """Labels as PySceneDetect counts them in ClipShots: a transition is the last frame of a shot and the first of the next
    one. Those of neighbouring frames are cuts, longer ones gradual, with both ends. All others are left out."""
    whole = [[int(each[0]), int(each[1])] for each in listed if len(each) >= 2 and each[1] > each[0]]
    return {
        "cut_frames": [last for first, last in whole if last - first == 1],
        "gradual_frames": [[first, last] for first, last in whole if last - first > 1],
        "transitions": whole,
        "ends_count": ends_count,
    }


def bbc(root):
    videos = by_id(os.path.join(root, "videos", "*.mp4"), "bbc_")
    files = by_id(os.path.join(root, "fixed", "*.txt"), "-scenes")
    return {name: (videos[name], from_shots(shots(files[name]))) for name in videos.keys() & files.keys()}


def autoshot(root):
    """The test set. 36 of its 200 videos are no longer to be had, so whatever is there counts."""
    videos = by_id(os.path.join(root, "videos", "*.mp4"))
    files = by_id(os.path.join(root, "annotations", "*.txt"))
    return {name: (videos[name], from_shots(shots(files[name]))) for name in videos.keys() & files.keys()}


def clipshots(root):
    """The test set, as far as its videos are there."""
    with open(os.path.join(root, "annotations", "test.json"), encoding="utf-8") as file:
        listed = json.load(file)
    wanted = os.path.join(root, "video_lists", "test.txt")
    if os.path.exists(wanted):
        with open(wanted, encoding="utf-8") as file:
            names = file.read().split("\n")
        listed = {name: listed[name] for name in map(str.strip, names) if name in listed}
    found = {}
    for name, entry in listed.items():
        path = os.path.join(root, "videos", name)
        if os.path.exists(path):
            found[name.rpartition(".")[0]] = path, from_transitions(entry.get("transitions") or [], True)
    return found


def rai(root):
    """Dissolves leave a gap between the end of a shot and the beginning of the next one."""
    videos = by_id(os.path.join(root, "*.mp4")) | by_id(os.path.join(root, "videos", "*.mp4"))
    files = by_id(os.path.join(root, "labels", "*_gt.txt"), "_gt")
    found = {}
    for name in videos.keys() & files.keys():
        listed = shots(files[name])
        gaps = [(a[1], b[0]) for a, b in zip(listed, listed[1:], strict=False)]
        found[name] = videos[name], from_transitions(gaps, False)
    return found


READERS = dict(zip(LISTED, [bbc, rai, clipshots, autoshot], strict=True))


def make(name, video, labels, folder):
    """One video as TS, with its labels."""
    if os.path.exists(os.path.join(folder, f"{name}.json")):
        return
    path = os.path.join(folder, f".{name}.ts")
    source = [*material.FFMPEG, "-loglevel", "error", "-i", video, "-map", "0:v:0"]
    wanted = len(material.decode(video)[0])
    for coding in (["-c", "copy"], REENCODED):
        subprocess.run([*source, *coding, "-fps_mode", "passthrough", "-f", "mpegts", path], check=False)
        # Packets that the container cuts away would come back in a copy, and shift all frames.
        if os.path.getsize(path) and len(pts := material.decode(path)[0]) == wanted:
            break
    else:
        raise SystemExit(f"{video}: {wanted} frames decoded, {len(pts)} as TS")
    material.publish(folder, name, {"kind": "film", "frames_total": wanted, "first_pts": int(pts[0]), **labels})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=LISTED, required=True)
    parser.add_argument("--root", required=True, help="its folder")
    parser.add_argument("--cache", default="target/quality", help="where material lies")
    args = parser.parse_args()
    found = READERS[args.corpus](args.root)
    if not found:
        raise SystemExit(f"{args.root}: no labelled video of {args.corpus} there; --help has its layout")
    folder = os.path.join(args.cache, args.corpus, "film")
    os.makedirs(folder, exist_ok=True)
    for name, (video, labels) in sorted(found.items()):
        make(name, video, labels, folder)
    print(f"{len(found)} videos of {args.corpus}", file=sys.stderr)


if __name__ == "__main__":
    main()
