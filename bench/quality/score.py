"""How well captures and detections agree with labels. Everything is counted in decoded frames."""

TOLERANCE = 1
"""Frames by which a detected cut may be off."""
MARGIN = 2
"""Margin around intervals that are not counted either way, in frames."""
GRADUAL_DELAY = 10
"""Frames after the end of a dissolve or a fade within which it may still be reported."""


def within(frame, intervals, before, after):
    return any(first - before <= frame <= last + after for first, last in intervals)


def film(labels, detections, tolerance=TOLERANCE):
    """Counts for one clip. `detections` are (frame, reason); those of reason `gradual` claim no hard cut. A cut may be
    off by `tolerance` frames."""
    gradual = labels["gradual_frames"]
    unclear = labels.get("ambiguous_frames", []) + labels.get("damage_frames", [])
    cuts = [cut for cut in labels["cut_frames"] if not within(cut, unclear, MARGIN, MARGIN)]
    hard = sorted(frame for frame, reason in detections if reason != "gradual")
    soft = sorted(frame for frame, reason in detections if reason == "gradual")

    missed = list(cuts)
    wrong = []
    for frame in hard:
        # The label that it matches, if that is not found yet.
        near = [cut for cut in missed if abs(cut - frame) <= tolerance]
        if near:
            missed.remove(min(near, key=lambda cut: abs(cut - frame)))
        elif not within(frame, gradual + unclear, MARGIN, MARGIN):
            wrong.append(frame)
    flashes = [frame for frame in wrong if within(frame, labels.get("flash_frames", []), MARGIN, MARGIN)]

    # Every report of a detector without kinds may be one of a dissolve.
    reports = soft if soft else hard
    unreported = [interval for interval in gradual if not within(interval[0], unclear, MARGIN, MARGIN)]
    superfluous = []
    for frame in reports:
        claimed = next((each for each in unreported if within(frame, [each], MARGIN, GRADUAL_DELAY)), None)
        if claimed:
            unreported.remove(claimed)
        elif soft and not within(frame, unclear, MARGIN, MARGIN):
            superfluous.append(frame)
    counted = [interval for interval in gradual if not within(interval[0], unclear, MARGIN, MARGIN)]
    return {
        "cuts": len(cuts),
        "found": len(cuts) - len(missed),
        "wrong": len(wrong),
        "wrong_in_flashes": len(flashes),
        "gradual": len(counted),
        "gradual_found": len(counted) - len(unreported),
        "gradual_wrong": len(superfluous),
        "missed_frames": missed,
        "wrong_frames": wrong,
        "gradual_missed_frames": unreported,
        "gradual_wrong_frames": superfluous,
    }


def boundaries(labels, found, tolerance):
    """Counts for one video of a public corpus, by the rules of PySceneDetect's benchmark (`benchmark/evaluator.py`).

    `labels` has `cut_frames`, the first frames of new shots, and `gradual_frames`, intervals with both ends; `found`
    are frames. A frame inside an interval belongs to that, the first one finds it, and each further one is wrong. Of all
    others and the cuts, the nearest pair no more than `tolerance` frames apart is matched first.
    """
    hits = [0] * len(labels["gradual_frames"])
    rest = []
    for frame in found:
        inside = (n for n, (first, last) in enumerate(labels["gradual_frames"]) if first <= frame <= last)
        n = next(inside, None)
        if n is None:
            rest.append(frame)
        else:
            hits[n] += 1
    cuts = labels["cut_frames"]
    pairs = [(abs(a - b), i, j) for i, a in enumerate(rest) for j, b in enumerate(cuts) if abs(a - b) <= tolerance]
    used, matched = set(), set()
    for _, i, j in sorted(pairs):
        if i not in used and j not in matched:
            used.add(i)
            matched.add(j)
    return {
        "cuts": len(cuts),
        "found": len(matched),
        "wrong": len(rest) - len(matched),
        "gradual": len(hits),
        "gradual_found": sum(each > 0 for each in hits),
        "gradual_wrong": sum(each - 1 for each in hits if each > 0),
    }


def transitions(labelled, found, slack=0.5):
    """Counts for one video by the rule that TransNetV2 and AutoShot publish their figures with: transitions of both lists,
    (last frame of the old shot, first of the new one), are met one after the other in time. Two that overlap, each
    `slack` frames longer at both ends, are a match: so a cut may be off by 2 frames."""
    ours = [(first - slack, last + slack) for first, last in sorted(found)]
    theirs = [(first - slack, last + slack) for first, last in sorted(labelled)]
    hits = i = j = 0
    while i < len(ours) and j < len(theirs):
        if ours[i][1] < theirs[j][0]:
            i += 1
        elif ours[i][0] > theirs[j][1]:
            j += 1
        else:
            hits, i, j = hits + 1, i + 1, j + 1
    return {"cuts": len(theirs), "found": hits, "wrong": len(ours) - hits}


def screen(labels, captures, intervals):
    """Counts for one clip. `captures` are the frames kept because something changed, with the first; `intervals`
    those kept by the interval, which help the reader, but are neither right nor wrong."""
    states = labels["states"]
    held = [[frame for frame in sorted(captures) if s["start"] <= frame <= s["end"]] for s in states]
    with_intervals = [any(s["start"] <= frame <= s["end"] for frame in intervals) for s in states]
    inside = sum(len(each) for each in held)
    kinds = {}
    for state, frames in zip(states, held, strict=True):
        kind = kinds.setdefault(state["kind"], [0, 0])
        kind[0] += bool(frames)
        kind[1] += 1
    return {
        "states": len(states),
        "found": sum(bool(each) for each in held),
        "found_with_intervals": sum(bool(each) or late for each, late in zip(held, with_intervals, strict=True)),
        "captures": len(captures),
        # Where only changes of the whole page are labelled, a second capture may well show something new.
        "superfluous": 0 if labels.get("partial") else inside - sum(bool(each) for each in held),
        "transient": len(captures) - inside,
        "kinds": kinds,
        "delays": [frames[0] - state["start"] for state, frames in zip(states, held, strict=True) if frames],
        "missed_states": [
            [s["start"], s["end"], s["kind"]] for s, frames in zip(states, held, strict=True) if not frames
        ],
        "superfluous_frames": [] if labels.get("partial") else sorted(frame for each in held for frame in each[1:]),
    }


def ratio(part, whole):
    """As a share, or nothing where there is no whole."""
    return part / whole if whole else None


def f1(recall, precision):
    if recall is None or precision is None:
        return None
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0
