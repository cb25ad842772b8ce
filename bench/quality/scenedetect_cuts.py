"""Runs detectors of PySceneDetect over one file, decoded once: scenedetect_cuts.py FILE 'DETECTOR [OPTION=NUMBER]'...

Prints JSON: for each detector the seconds of its cuts, and the CPU seconds that a run of it alone would take: all that
was used since the modules were loaded, less the time that the other detectors took.
"""

import json
import sys
import time
import warnings

import cv2
import scenedetect


class Timed:
    """A detector, and the time for which it keeps its thread busy."""

    def __init__(self, name):
        kind, *options = name.split()
        settings = {key: int(value) for key, _, value in (option.partition("=") for option in options)}
        self.detector = getattr(scenedetect, kind)(**settings)
        self.methods = self.detector.process_frame, self.detector.post_process
        self.detector.process_frame, self.detector.post_process = self.process_frame, self.post_process
        self.seconds = set()
        self.cpu = 0.0

    def process_frame(self, position, pixels):
        return self._timed(self.methods[0], position, pixels)

    def post_process(self, position):
        return self._timed(self.methods[1], position)

    def _timed(self, method, *arguments):
        began = time.thread_time()
        cuts = method(*arguments)
        self.cpu += time.thread_time() - began
        self.seconds |= {cut.seconds for cut in cuts}
        return cuts


def main():
    warnings.filterwarnings("ignore")
    # Otherwise the work of a detector would be counted for other threads.
    cv2.setNumThreads(1)
    file, *names = sys.argv[1:]
    began = time.process_time()
    manager = scenedetect.SceneManager()
    timed = {name: Timed(name) for name in names}
    for each in timed.values():
        manager.add_detector(each.detector)
    manager.detect_scenes(scenedetect.open_video(file))
    shared = time.process_time() - began - sum(each.cpu for each in timed.values())
    results = {name: {"seconds": sorted(each.seconds), "cpu": shared + each.cpu} for name, each in timed.items()}
    print(json.dumps(results))


main()
