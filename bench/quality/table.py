"""Makes absent material, runs the detectors on it, and prints a table: bench/quality/run"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import detectors
import material
import score

HERE = os.path.dirname(os.path.abspath(__file__))


def clips(args):
    """The paths of the wanted clips; those of an absent set are made first."""
    folder = os.path.join(args.cache, args.set, args.kind)
    if not args.no_make:
        script = "real.py" if args.set == "footage" else f"{args.kind}.py"
        command = [sys.executable, os.path.join(HERE, script), "--cache", args.cache, "--footage", args.footage]
        command += [] if args.set == "footage" else ["--set", args.set]
        subprocess.run(command, check=True, stdout=sys.stderr)
    names = sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".json") and name[0] != ".")
    chosen = [name for name in names if not args.only or any(part in name for part in args.only)]
    return [os.path.join(folder, f"{name}.ts") for name in chosen]


def judge(kind, clip, kept):
    """The counts of one detector on one clip."""
    frames = [(clip.frame(ticks), reason) for ticks, reason, *_ in kept]
    if kind == "film":
        counts = score.film(clip.labels, [(f, reason) for f, reason in frames if reason not in ("first", "interval")])
    else:
        # Every detector has the first picture, whether it says so or not.
        captures = {0} | {frame for frame, reason in frames if reason != "interval"}
        counts = score.screen(clip.labels, sorted(captures), [f for f, reason in frames if reason == "interval"])
    return counts | {"pictures": len({frame for frame, _ in frames} | {0})}


def total(results):
    """The sums of all numbers, and of all lists, over clips."""
    sums = {}
    for result in results:
        for name, value in result.items():
            if isinstance(value, (int, float)):
                sums[name] = sums.get(name, 0) + value
    sums["minutes"] = sum(result["minutes"] for result in results)
    return sums


def percent(value):
    return "–" if value is None else f"{100 * value:.1f}"


def film_row(sums, results):
    recall = score.ratio(sums["found"], sums["cuts"])
    precision = score.ratio(sums["found"], sums["found"] + sums["wrong"])
    return [
        f"{sums['found']}/{sums['cuts']}",
        percent(recall),
        percent(precision),
        percent(score.f1(recall, precision)),
        f"{sums['wrong']} ({sums['wrong_in_flashes']})",
        f"{sums['gradual_found']}/{sums['gradual']}",
        f"{sums['gradual_wrong']}",
    ]


def screen_row(sums, results):
    delays = [delay * result["frame_seconds"] for result in results for delay in result["delays"]]
    return [
        f"{sums['found']}/{sums['states']}",
        percent(score.ratio(sums["found"], sums["states"])),
        percent(score.ratio(sums["found_with_intervals"], sums["states"])),
        percent(score.ratio(sums["superfluous"], sums["captures"])),
        percent(score.ratio(sums["transient"], sums["captures"])),
        f"{statistics.median(delays):.2f} s" if delays else "–",
    ]


HEADS = {
    "film": ["cuts found", "recall %", "precision %", "F1 %", "wrong (in flashes)", "gradual found", "gradual wrong"],
    "screen": ["states held", "recall %", "with intervals %", "superfluous %", "transient %", "delay"],
}
ROWS = {"film": film_row, "screen": screen_row}


def line(cells):
    print("|", " | ".join(cells), "|", flush=True)


def measure(detector, kind, wanted, cache):
    """The counts on each clip, by its name; none if there is no such detector."""
    results = {}
    for clip in wanted:
        try:
            kept, cpu = detector.run(clip, cache)
        except detectors.Absent:
            return None
        results[os.path.basename(clip.path)[:-3]] = judge(kind, clip, kept) | {
            "cpu": cpu,
            "decoding": clip.decoding,
            "minutes": clip.minutes,
            "frame_seconds": clip.minutes * 60 / max(1, len(clip.pts) - 1),
        }
    return results


def details(kind, everything):
    """Details: for film each clip, for screens each kind of change."""
    print()
    names = list(everything)
    line(["", *names])
    line(["---"] * (len(names) + 1))
    if kind == "film":
        for clip in next(iter(everything.values())):
            found = [everything[name][clip] for name in names]
            line([clip, *(f"{each['found']}/{each['cuts']} −{each['wrong']}" for each in found)])
        return
    kinds = sorted({kind for results in everything.values() for each in results.values() for kind in each["kinds"]})
    for each in kinds:
        sums = []
        for name in names:
            pairs = [result["kinds"].get(each, [0, 0]) for result in everything[name].values()]
            sums.append(f"{sum(pair[0] for pair in pairs)}/{sum(pair[1] for pair in pairs)}")
        line([each, *sums])


def main():
    parser = argparse.ArgumentParser(prog="bench/quality/run", description="Scores detectors on labelled material.")
    parser.add_argument("--kind", choices=["film", "screen"], default="film")
    parser.add_argument("--set", choices=[*material.FIRST_SEED, "footage"], default="tune", help="footage: the real clips; hard, hard_held: of film")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="clips whose names contain one of these")
    parser.add_argument("--detectors", nargs="+", metavar="NAME", help="detectors whose names contain one of these")
    parser.add_argument("--cache", default="target/quality", help="where material and results lie")
    parser.add_argument("--footage", default="../shared/footage", help="the real clips")
    parser.add_argument("--cht-scenes", default="target/release/cht-scenes", metavar="PATH")
    parser.add_argument("--options", default="", metavar="OPTIONS", help="more for cht-scenes: --options='--min-gap 0'")
    parser.add_argument("--details", action="store_true", help="also a table by clip (film) or by kind (screen)")
    parser.add_argument("--no-make", action="store_true", help="take the material that is there")
    args = parser.parse_args()

    paths = clips(args)
    cache = detectors.Cache(os.path.join(args.cache, "results"))
    wanted = [detectors.load(path, cache) for path in paths]
    line(["detector", *HEADS[args.kind], "pictures/min", "CPU ×"])
    line(["---"] * (len(HEADS[args.kind]) + 3))
    everything = {}
    for detector in detectors.every(args.kind, args.cht_scenes, args.options.split()):
        if args.detectors and not any(part in detector.name for part in args.detectors):
            continue
        results = measure(detector, args.kind, wanted, cache)
        if results is None:
            line([detector.name, "not there"])
            continue
        everything[detector.name] = results
        sums = total(results.values())
        cells = ROWS[args.kind](sums, results.values())
        line(
            [
                detector.name,
                *cells,
                f"{sums['pictures'] / sums['minutes']:.1f}",
                f"{sums['cpu'] / sums['decoding']:.2f}",
            ]
        )
    if args.details and everything:
        details(args.kind, everything)
    report = os.path.join(args.cache, f"{args.set}-{args.kind}.json")
    with open(report, "w", encoding="utf-8") as file:
        json.dump({name: {"total": total(r.values()), "clips": r} for name, r in everything.items()}, file, indent=1)
    print(f"\n{len(paths)} clips; by clip: {report}", file=sys.stderr)


if __name__ == "__main__":
    main()
