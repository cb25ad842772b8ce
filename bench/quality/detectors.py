"""The detectors under test. Each takes a clip and returns its kept frames, and its CPU seconds. A frame is (PTS in ticks,
reason), and where the detector tells it, the PTS at which the change began."""

import dataclasses
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import material

FILM_SCORES = [0.1, 0.2, 0.3, 0.4]
SCREEN_SCORES = [0.003, 0.01, 0.03]
SCENEDETECT = ["ContentDetector", "AdaptiveDetector", "HashDetector", "HistogramDetector", "ThresholdDetector"]
# By default they join shots of less than 0.6 s, and would miss those cuts.
SCENEDETECT += [f"{detector} min_scene_len=1" for detector in SCENEDETECT[:4]]
CHT = [None, "scene", "adaptive", "screen", "auto"]
"""Values of --detect; none is the default."""


@dataclasses.dataclass
class Clip:
    """A labelled clip, with the facts that every detector needs."""

    path: str
    labels: dict
    pts: list
    decoding: float
    """CPU seconds that ffmpeg needs to decode it."""

    def frame(self, ticks):
        """The decoded frame that has this PTS, or is nearest."""
        return min(range(len(self.pts)), key=lambda n: abs(self.pts[n] - ticks))

    @property
    def minutes(self):
        return (self.pts[-1] - self.pts[0]) / material.TICKS / 60


class Absent(Exception):
    """The tool knows no such detector."""


def measured(command, **options):
    """Runs a command; returns its result, and its CPU seconds with those of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Cache:
    """Results of runs, by command and content of the clip."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def get(self, path, key, make):
        """Returns the result of the first call of `make`."""
        with open(path, "rb") as file:
            clip = hashlib.file_digest(file, "sha256").hexdigest()
        name = os.path.join(self.folder, hashlib.sha256(f"{clip} {key}".encode()).hexdigest()[:32] + ".json")
        if os.path.exists(name):
            with open(name, encoding="utf-8") as file:
                return json.load(file)
        result = make()
        with open(f"{name}.part", "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.rename(f"{name}.part", name)
        return result


def load(path, cache):
    with open(f"{path[:-3]}.json", encoding="utf-8") as file:
        labels = json.load(file)

    def decode():
        return material.decode(path)[0].tolist()

    def floor():
        return measured([*material.FFMPEG, "-loglevel", "error", "-i", path, "-map", "0:v", "-f", "null", "-"])[1]

    return Clip(path, labels, cache.get(path, "pts", decode), cache.get(path, "decoding", floor))


class FfmpegSelect:
    """ffmpeg's `select` with one threshold. One run gives the scores of all frames, for all thresholds."""

    def __init__(self, threshold):
        self.name = f"ffmpeg `select='gt(scene,{threshold})'`"
        self.threshold = threshold

    def run(self, clip, cache):
        scores, cpu = cache.get(clip.path, "ffmpeg scores", lambda: self._scores(clip.path))
        return [(ticks, "scene") for ticks, score in scores if score > self.threshold], cpu

    @staticmethod
    def _scores(path):
        filters = "select='gte(scene,0)',metadata=print:key=lavfi.scene_score:file=-"
        done, cpu = measured(
            [*material.FFMPEG, "-loglevel", "error", "-copyts", "-i", path, "-map", "0:v:0"]
            + ["-fps_mode", "passthrough", "-vf", f"settb=1/{material.TICKS},{filters}", "-f", "null", "-"]
        )
        found = re.findall(r"pts:(-?\d+).*\nlavfi.scene_score=([\d.]+)", done.stdout)
        return [(int(ticks), float(score)) for ticks, score in found], cpu


class PySceneDetect:
    """A detector of PySceneDetect, with its own defaults but for the options in its name. One run serves them all."""

    def __init__(self, detector):
        self.name = f"PySceneDetect {detector}"
        self.detector = detector

    def run(self, clip, cache):
        found = cache.get(clip.path, f"scenedetect 0.7.2 {SCENEDETECT}", lambda: self._run(clip.path))[self.detector]
        return [(clip.pts[0] + second * material.TICKS, "scene") for second in found["seconds"]], found["cpu"]

    @staticmethod
    def _run(path):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenedetect_cuts.py")
        done, _ = measured([sys.executable, script, path, *SCENEDETECT])
        if done.returncode != 0:
            raise SystemExit(f"{script} {path}: {done.stderr}")
        return json.loads(done.stdout)


class Cht:
    """cht-scenes with one of its detectors, as a user would call it."""

    def __init__(self, binary, detect, options):
        self.name = " ".join(["cht-scenes", *(["--detect", detect] if detect else []), *options])
        self.command = [binary, *(["--detect", detect] if detect else []), *options]
        with open(binary, "rb") as file:
            self.key = f"{hashlib.file_digest(file, 'sha256').hexdigest()} {self.name} with beginnings"

    def run(self, clip, cache):
        kept, cpu = cache.get(clip.path, self.key, lambda: self._run(clip.path))
        return [tuple(each) for each in kept], cpu

    def _run(self, path):
        with tempfile.TemporaryDirectory() as out:
            done, cpu = measured([*self.command, "--out", out], input=os.path.abspath(path) + "\n")
        if done.returncode == 2 and "--detect" in done.stderr:
            raise Absent
        if done.returncode not in (0, 1):
            raise SystemExit(f"{self.name} ended with {done.returncode}:\n{done.stderr}")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        frames = [event for event in events if event["type"] == "frame"]
        return [(frame["pts"], frame["reason"], self._began(frame)) for frame in frames], cpu

    @staticmethod
    def _began(frame):
        """Ticks from which on the picture changed."""
        return frame["pts"] - round((frame["timestamp"] - frame.get("change", frame["timestamp"])) * material.TICKS)


def every(kind, binary, options):
    """All detectors for a kind of material, peers first."""
    peers = [FfmpegSelect(threshold) for threshold in (FILM_SCORES if kind == "film" else SCREEN_SCORES)]
    peers += [PySceneDetect(detector) for detector in SCENEDETECT]
    found = shutil.which(binary)
    if not found:
        print(f"{binary} is not there: build it, or name it with --cht-scenes", file=sys.stderr)
    return peers + ([Cht(found, detect, options) for detect in CHT] if found else [])
