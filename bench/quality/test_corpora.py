"""Tests of the public corpora, on small trees in their layouts: python3 -m unittest discover bench/quality

With the folder of PySceneDetect's repository in PYSCENEDETECT, and that of TransNetV2's in TRANSNETV2, labels and figures
are compared with what these programs read and count, on the same frames.
"""

import ast
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

import corpora
import numpy as np
import score

VIDEOS = 12
FRAMES = 400


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def random_shots(rng):
    """The shots of a video. Some have a gap to the next one, as a dissolve leaves it."""
    found, first = [], 0
    while first < FRAMES:
        last = min(FRAMES - 1, first + rng.randint(3, 60))
        found.append((first, last))
        first = last + rng.choice([1, 1, 1, rng.randint(2, 15)])
    return found


def tree(corpus, root, rng):
    """Writes a corpus whose videos are empty."""
    listed = {}
    for n in range(1, VIDEOS + 1):
        shots = random_shots(rng)
        text = "".join(f"{first}\t{last}\n" for first, last in shots)
        if corpus == "BBC":
            write(f"{root}/videos/bbc_{n:02}.mp4", "")
            write(f"{root}/fixed/{n:02}-scenes.txt", text)
        elif corpus == "AutoShot":
            write(f"{root}/videos/{n}7.mp4", "")
            if n != 5:
                write(f"{root}/annotations/{n}7.txt", text)
        elif corpus == "RAI":
            write(f"{root}/{n}.mp4", "")
            write(f"{root}/labels/{n}_gt.txt", text.replace("\t", " "))
        else:
            gaps = [[a[1], b[0]] for a, b in zip(shots, shots[1:], strict=False)]
            # Faults as the real list might have them.
            listed[f"{n}.mp4"] = {"transitions": [*gaps, [90, 90], [7]] if n < 9 else None, "frame_num": float(FRAMES)}
            if n != 5:
                write(f"{root}/videos/{n}.mp4", "")
    if corpus == "ClipShots":
        write(f"{root}/annotations/test.json", json.dumps(listed))
        names = [name for name in listed if name != "6.mp4"]
        write(f"{root}/video_lists/test.txt", "\n".join([*names, "unknown.mp4", ""]))


def detections(rng, labels):
    """Frames that a detector might find: some of the labelled ones, some next to them, some anywhere."""
    frames = {cut + rng.choice([0, 0, 0, 1, -1, 2]) for cut in labels["cut_frames"] if rng.random() < 0.8}
    for first, last in labels["gradual_frames"]:
        frames |= {rng.randint(first, last) for _ in range(rng.randint(0, 2))}
    return sorted(frames | {rng.randrange(1, FRAMES) for _ in range(rng.randint(0, 4))})


class Readers(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(7)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def read(self, corpus):
        root = os.path.join(self.folder.name, corpus)
        tree(corpus, root, self.rng)
        return root, corpora.READERS[corpus](root)

    def test_the_frame_after_each_shot_is_a_cut_and_so_is_the_end(self):
        write(f"{self.folder.name}/videos/bbc_03.mp4", "")
        write(f"{self.folder.name}/fixed/03-scenes.txt", "0\t99\n100\t149\n155\t249\n")
        _, labels = corpora.bbc(self.folder.name)["03"]
        self.assertEqual(labels["cut_frames"], [100, 150, 250])
        self.assertEqual(labels["transitions"], [[99, 100], [149, 155]])

    def test_long_transitions_are_gradual(self):
        labels = corpora.from_transitions([[10, 11], [20, 30], [40, 40], [5]], True)
        self.assertEqual(labels["cut_frames"], [11])
        self.assertEqual(labels["gradual_frames"], [[20, 30]])

    def test_what_has_no_video_or_no_labels_is_left_out(self):
        sizes = {corpus: len(self.read(corpus)[1]) for corpus in corpora.LISTED}
        self.assertEqual(sizes, {"BBC": 12, "RAI": 12, "ClipShots": 10, "AutoShot": 11})

    def test_a_video_is_published_with_all_of_its_frames(self):
        video = os.path.join(self.folder.name, "1.mp4")
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=r=25:d=2:s=64x36"]
        subprocess.run([*command, "-c:v", "libx264", "-bf", "2", video], check=True)
        write(f"{self.folder.name}/labels/1_gt.txt", "0 24\n25 49\n")
        path, labels = corpora.rai(self.folder.name)["1"]
        corpora.make("1", path, labels, self.folder.name)
        with open(os.path.join(self.folder.name, "1.json"), encoding="utf-8") as file:
            published = json.load(file)
        self.assertEqual([published["frames_total"], published["cut_frames"]], [50, [25]])
        self.assertGreater(os.path.getsize(os.path.join(self.folder.name, "1.ts")), 0)

    @unittest.skipUnless("PYSCENEDETECT" in os.environ, "PYSCENEDETECT does not name PySceneDetect's repository")
    def test_labels_and_figures_are_those_of_pyscenedetect(self):
        sys.path.insert(0, os.environ["PYSCENEDETECT"])
        from benchmark.dataset import DATASETS
        from benchmark.evaluator import Prediction, evaluate

        for corpus in ("BBC", "AutoShot", "ClipShots"):
            root, ours = self.read(corpus)
            theirs = {str(sample.video_file): sample.ground_truth for sample in DATASETS[corpus](root)}
            self.assertEqual({path for path, _ in ours.values()}, set(theirs))
            found = {path: detections(self.rng, labels) for path, labels in ours.values()}
            for tolerance in (0, 1, 3):
                counts = [score.boundaries(labels, found[path], tolerance) for path, labels in ours.values()]
                sums = {name: sum(each[name] for each in counts) for name in counts[0]}
                result = evaluate({path: Prediction(found[path], theirs[path], 0.0) for path in theirs}, tolerance)
                cuts, fades = result.hard_cuts, result.fades
                self.assertEqual(
                    [cuts.matched, cuts.false_positives, cuts.missed],
                    [sums["found"], sums["wrong"], sums["cuts"] - sums["found"]],
                )
                self.assertEqual(
                    [fades.matched, fades.false_positives, fades.missed],
                    [sums["gradual_found"], sums["gradual_wrong"], sums["gradual"] - sums["gradual_found"]],
                )
                print(f"{corpus} at {tolerance}: {cuts}, {fades}", file=sys.stderr)

    @unittest.skipUnless("TRANSNETV2" in os.environ, "TRANSNETV2 does not name TransNetV2's repository")
    def test_overlaps_are_those_of_transnetv2(self):
        with open(os.path.join(os.environ["TRANSNETV2"], "metrics_utils.py"), encoding="utf-8") as file:
            parsed = ast.parse(file.read())
        # Alone: the module loads TensorFlow.
        parsed.body = [each for each in parsed.body if getattr(each, "name", "") == "evaluate_scenes"]
        names = {"np": np}
        exec(compile(parsed, "metrics_utils.py", "exec"), names)
        for _ in range(300):
            labelled, found = random_shots(self.rng), random_shots(self.rng)
            gaps = [[(a[1], b[0]) for a, b in zip(each, each[1:], strict=False)] for each in (labelled, found)]
            counts = score.transitions(*gaps)
            *_, (hits, wrong, missed) = names["evaluate_scenes"](np.array(labelled), np.array(found))
            self.assertEqual([hits, wrong, missed], [counts["found"], counts["wrong"], counts["cuts"] - counts["found"]])


if __name__ == "__main__":
    unittest.main()
