"""Prints one table of shot detectors, cht and others, on one set of film: bench/quality/anchors"""

import argparse
import json
import os
import shutil
import subprocess
import sys

import corpora
import detectors
import foreign
import material
import published
import score
from table import line, percent

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCES = [0, 1]
"""Frames by which a cut may be off."""
CHT = ["adaptive", "auto"]
"""Values of --detect."""


def prepare(args):
    """Makes what is absent of the set; returns the paths of its clips."""
    if args.set in corpora.LISTED:
        if not args.root:
            raise SystemExit(f"--set {args.set} needs its folder: --root DIR")
        command = ["corpora.py", "--corpus", args.set, "--root", args.root]
    elif args.set == "footage":
        command = ["real.py", "--footage", args.footage]
    else:
        command = ["film.py", "--set", args.set, "--footage", args.footage]
        command += ["--seeds", *map(str, args.seeds)] if args.seeds else []
    command = [sys.executable, os.path.join(HERE, command[0]), "--cache", args.cache, *command[1:]]
    subprocess.run(command, check=True, stdout=sys.stderr)
    folder = os.path.join(args.cache, args.set, "film")
    names = sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".json") and name[0] != ".")
    if args.seeds:
        names = [name for name in names if int(name.partition("_")[0]) in args.seeds]
    return [os.path.join(folder, f"{name}.ts") for name in names]


def programs(args):
    """All that are there: those of bench/quality/run without the screen detectors, and the foreign ones."""
    found = detectors.every("film", args.cht_scenes, [])
    found = [each for each in found if not isinstance(each, detectors.Cht)]
    cht = shutil.which(args.cht_scenes)
    found += [detectors.Cht(cht, detect, []) for detect in CHT] if cht else []
    found += foreign.every(os.path.join(args.cache, "venv-transnetv2", "bin", "python"), args.av_scenechange)
    return [each for each in found if not args.programs or any(part in each.name for part in args.programs)]


def transition(clip, ticks, began=None):
    """Last frame of the old shot and first of the new one."""
    frame = clip.frame(ticks)
    return (min(clip.frame(began), frame - 1) if began is not None else frame - 1), frame


def judge(clip, kept):
    """The counts of one program on one clip, by the rules that its set is published with."""
    kept = [each for each in kept if each[1] not in ("first", "interval")]
    if "transitions" not in clip.labels:
        frames = [(clip.frame(ticks), reason) for ticks, reason, *_ in kept]
        return {f"at {each}": score.film(clip.labels, frames, each) for each in TOLERANCES}
    found = [transition(clip, each[0], *each[2:]) for each in kept]
    # The middle of a gradual change; of a cut the first frame of the new shot.
    cuts = [(first + last + 1) // 2 for first, last in found]
    cuts += [clip.labels["frames_total"]] if cuts and clip.labels["ends_count"] else []
    counts = {f"at {each}": score.boundaries(clip.labels, cuts, each) for each in TOLERANCES}
    return counts | {"overlap": score.transitions(clip.labels["transitions"], found)}


def ran(args, clips, cache):
    """Of each program its name, the frames that it kept of each clip, and its CPU seconds. On a public corpus, where all
    that is not labelled is wrong, one that tells kinds has a second row without its gradual changes."""
    for program in programs(args):
        runs = [program.run(clip, cache) for clip in clips]
        kept, cpu = [each for each, _ in runs], sum(cpu for _, cpu in runs)
        yield program.name, kept, cpu
        if args.set in corpora.LISTED and any(frame[1] == "gradual" for each in kept for frame in each):
            cuts = [[frame for frame in each if frame[1] != "gradual"] for each in kept]
            yield f"{program.name}, cuts alone", cuts, cpu


def totals(results, rule):
    return {name: sum(each[rule][name] for each in results) for name in ("cuts", "found", "wrong")}


def shares(counts):
    """Recall, precision and F1, as text."""
    recall = score.ratio(counts["found"], counts["cuts"])
    precision = score.ratio(counts["found"], counts["found"] + counts["wrong"])
    return [percent(recall), percent(precision), percent(score.f1(recall, precision))]


def main():
    parser = argparse.ArgumentParser(prog="bench/quality/anchors", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--set", choices=[*material.FIRST_SEED, "footage", *corpora.LISTED], default="footage")
    parser.add_argument("--root", help="the folder of a public corpus")
    parser.add_argument("--seeds", type=int, nargs="+", help="clips of `tune` or `held`, instead of all")
    parser.add_argument("--programs", nargs="+", metavar="NAME", help="programs whose names contain one of these")
    parser.add_argument("--cache", default="target/quality", help="where material and results lie")
    parser.add_argument("--footage", default="../shared/footage", help="the real clips")
    parser.add_argument("--cht-scenes", default="target/release/cht-scenes", metavar="PATH")
    parser.add_argument("--av-scenechange", default="av-scenechange", metavar="PATH")
    parser.add_argument("--transnetv2", action="store_true", help="install TransNetV2 (5 GB), and run it from then on")
    args = parser.parse_args()

    cache = detectors.Cache(os.path.join(args.cache, "results"))
    clips = [detectors.load(path, cache) for path in prepare(args)]
    rules = [f"at {each}" for each in TOLERANCES] + (["overlap"] if args.set in corpora.LISTED else [])
    seconds = sum(clip.minutes for clip in clips) * 60
    heads = [f"{share} % {rule}" for rule in rules for share in ("recall", "precision", "F1")]
    line(["program", *heads, "gradual", "CPU s", "seconds of video in one of CPU"])
    line(["---"] * (len(heads) + 4))
    report = {}
    for name, kept, cpu in ran(args, clips, cache):
        results = [judge(clip, each) for clip, each in zip(clips, kept, strict=True)]
        cells = [cell for rule in rules for cell in shares(totals(results, rule))]
        gradual = [sum(each["at 1"][key] for each in results) for key in ("gradual_found", "gradual", "gradual_wrong")]
        cells += [f"{gradual[0]}/{gradual[1]} −{gradual[2]}", f"{cpu:.1f}", f"{seconds / cpu:.1f}"]
        line([name, *cells])
        names = [os.path.basename(clip.path)[:-3] for clip in clips]
        report[name] = {"cpu": cpu, "clips": dict(zip(names, results, strict=True))}
    for rule, table in (("at 0", published.AT_0), ("overlap", published.OVERLAP)):
        for name, *figures in table.get(args.set, []):
            cells = [percent(each and each / 100) if rule == other else "" for other in rules for each in figures]
            line([f"{name} (published)", *cells, "", "", ""])
    path = os.path.join(args.cache, f"{args.set}-anchors.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print(f"\n{len(clips)} clips, {seconds:.0f} s, {totals(results, 'at 1')['cuts']} cuts; by clip: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
