"""Measures how much the figures of detection depend on each constant of cht-detect: bench/sensitivity/run"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "quality"))

import constants  # noqa: E402
import material  # noqa: E402
import score  # noqa: E402

SETS = {"film": ["tune", "hard"], "screen": ["tune"]}
DETECTORS = {"film": ["adaptive", "auto"], "screen": ["screen", "auto"]}
ONLY = {
    "film": ("adaptive.rs", "gradual.rs", "measure/film.rs", "measure/continuity.rs", "measure/ramp.rs"),
    "screen": ("screen.rs", "screen/", "motion_mask.rs", "motion_mask/"),
}
"""Files whose constants bear on one kind alone."""
ELSEWHERE = ("revisits.rs", "budget.rs", "pacing.rs")
"""Files whose rules these figures do not show: screens that come back, the most frames in an hour, intervals."""
FACTORS = (0.8, 1.2)
EXTREMES = (0.0, 1000.0)
NONE = 2**64 - 1
"""Number of no constant."""
BATCH = 8
"""Constants that one process varies."""
TIMEOUT = 900
"""Seconds after which a process is taken to hang."""


def planes(ts, base):
    """Writes the small luma of a clip as cht-scenes measures it, and the times of its frames."""
    if os.path.exists(f"{base}.times"):
        return
    process = subprocess.run(
        [*material.FFMPEG, "-copyts", "-i", ts, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1"]
        + ["-vf", "showinfo=checksum=0,field,field,scale=iw/4:ih:flags=area:in_range=full,format=gray"]
        + ["-f", "rawvideo", f"{base}.raw"],
        capture_output=True,
        check=True,
    )
    ticks = material.times(process.stderr)
    width, height = (int(part) for part in re.search(rb" s:(\d+)x(\d+) ", process.stderr).groups())
    # As ffmpeg's `field` halves an odd height.
    width, height = width // 4, -(-(-(-height // 2)) // 2)
    if os.path.getsize(f"{base}.raw") != width * height * len(ticks):
        raise SystemExit(f"{ts}: {len(ticks)} times, and planes of another number")
    with open(f"{base}.times.part", "w", encoding="utf-8") as file:
        json.dump([width, height, *ticks], file)
    os.rename(f"{base}.times.part", f"{base}.times")


def clips(kind, cache):
    """The clips of a kind, by the path of their planes, with their labels."""
    found = {}
    for name in SETS[kind]:
        folder = os.path.join(cache, name, kind)
        target = os.path.join(cache, "planes", name, kind)
        os.makedirs(target, exist_ok=True)
        for file in sorted(os.listdir(folder)):
            if file.endswith(".json") and file[0] != ".":
                base = os.path.join(target, file[:-5])
                planes(os.path.join(folder, f"{file[:-5]}.ts"), base)
                with open(os.path.join(folder, file), encoding="utf-8") as labels:
                    found[base] = json.load(labels)
    return found


def judge(kind, labels, found):
    """The counts of one detector on one clip."""
    if kind == "film":
        return score.film(labels, [(frame, reason) for frame, reason in found if reason not in ("first", "interval")])
    captures = {0} | {frame for frame, reason in found if reason != "interval"}
    return score.screen(labels, sorted(captures), [])


def figures(kind, sums):
    """The figures that are compared, in percent."""
    if kind == "film":
        recall = score.ratio(sums["found"], sums["cuts"])
        precision = score.ratio(sums["found"], sums["found"] + sums["wrong"])
        reported = score.ratio(sums["gradual_found"], sums["gradual"])
        right = score.ratio(sums["gradual_found"], sums["gradual_found"] + sums["gradual_wrong"])
        return {"cuts": 100 * score.f1(recall, precision), "dissolves": 100 * score.f1(reported, right)}
    return {"held": 100 * sums["found"] / sums["states"], "second": 100 * sums["superfluous"] / sums["captures"]}


def run(binary, kind, wanted, variations, again):
    """The figures of each variation, by (variation, detector)."""
    command = [binary, *(["--measure"] if again else []), ",".join(DETECTORS[kind])]
    command += [",".join(f"{number}:{factor}" for number, factor in variations), *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode != 0:
        # A detector may fail, or never end, with a value that makes no sense.
        alone = variations if len(variations) > 1 else []
        return {key: value for each in alone for key, value in run(binary, kind, wanted, [each], again).items()}
    sums = {}
    for line in done.stdout.splitlines():
        variation, detector, clip, found = json.loads(line)
        number, factor = variation.split(":")
        total = sums.setdefault((int(number), float(factor), detector), {})
        for name, value in judge(kind, wanted[clip], found).items():
            if isinstance(value, int):
                total[name] = total.get(name, 0) + value
    return {key: figures(kind, total) for key, total in sums.items()}


def bears_on(constant, kind):
    """Whether a constant can change anything in material of this kind."""
    return not any(constant.file.startswith(files) for other, files in ONLY.items() if other != kind)


def everything(binary, material_of, varied, factors, jobs):
    """The figures of all variations of these constants, and of none, by kind."""
    work = []
    for kind, wanted in material_of.items():
        work.append((kind, wanted, [(NONE, 1.0)], False))
        theirs = [each for each in varied if bears_on(each, kind)]
        detecting = [each for each in theirs if not each.of_measures]
        for at in range(0, len(detecting), BATCH):
            batch = [(each.number, factor) for each in detecting[at : at + BATCH] for factor in factors]
            work.append((kind, wanted, batch, False))
        for each in theirs:
            if each.of_measures:
                work.append((kind, wanted, [(each.number, factor) for factor in factors], True))
    results = {kind: {} for kind in material_of}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, binary, *each): each[0] for each in work}
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            results[futures[future]] |= future.result()
            print(f"\r{number} of {len(work)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def change(before, after):
    """A difference of a figure, in points."""
    return "·" if abs(after - before) < 0.05 else f"{after - before:+.1f}"


def cells(results, constant, factors):
    """For each detector and figure, the differences by factor."""
    for kind, detectors in DETECTORS.items():
        for detector in detectors:
            usual = results[kind][NONE, 1.0, detector]
            for name, before in usual.items():
                if not bears_on(constant, kind):
                    yield ""
                    continue
                values = [results[kind].get((constant.number, factor, detector), {}).get(name) for factor in factors]
                changes = ["failed" if value is None else change(before, value) for value in values]
                yield "·" if set(changes) == {"·"} else ", ".join(changes)


def is_sensitive(results, constant, factors):
    return any(cell not in ("·", "") for cell in cells(results, constant, factors))


def line(cells):
    print("|", " | ".join(cells), "|")


def name_of(constant):
    return f"`{constant.file[:-3].replace('/', '::')}::{constant.name}`"


def table(results, rows, factors):
    """A table of the changes of all figures by each constant, below the figures without any."""
    heads, usual = [], []
    for kind, detectors in DETECTORS.items():
        for detector in detectors:
            for figure, value in results[kind][NONE, 1.0, detector].items():
                heads.append(f"{figure}, `{detector}`")
                usual.append(f"{value:.1f}")
    line(["constant", "value", *heads])
    line(["---"] * (2 + len(heads)))
    line(["as it is", "", *usual])
    for each in rows:
        line([name_of(each), f"`{each.value}`", *cells(results, each, factors)])


def report(known, results, extremes):
    calm = [each for each in known if not is_sensitive(results, each, FACTORS)]
    print("Times 0.8 and times 1.2:\n")
    table(results, [each for each in known if each not in calm], FACTORS)
    print("\nWithout effect at these; times 0 and times 1000:\n")
    table(extremes, [each for each in calm if is_sensitive(extremes, each, EXTREMES)], EXTREMES)
    print("\nWithout any effect on this material:\n")
    print(", ".join(name_of(each) for each in calm if not is_sensitive(extremes, each, EXTREMES)))


def main():
    parser = argparse.ArgumentParser(prog="bench/sensitivity/run", description=__doc__)
    parser.add_argument("--cache", default="target/quality", help="where material lies, as bench/quality/run makes it")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="constants whose files or names contain one of these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at the same time")
    args = parser.parse_args()
    crate = os.path.join("target", "sensitivity")
    known = constants.make("cht-detect", os.path.join(HERE, "harness"), crate)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=crate, check=True)
    binary = os.path.join(crate, "target", "release", "varied")
    known = [each for each in known if each.file not in ELSEWHERE]
    if args.only:
        known = [each for each in known if any(part in f"{each.file} {each.name}" for part in args.only)]
    material_of = {kind: clips(kind, args.cache) for kind in SETS}
    results = everything(binary, material_of, known, FACTORS, args.jobs)
    calm = [each for each in known if not is_sensitive(results, each, FACTORS)]
    extremes = everything(binary, material_of, calm, EXTREMES, args.jobs)
    report(known, results, extremes)


if __name__ == "__main__":
    main()
