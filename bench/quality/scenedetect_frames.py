"""Runs one detector of PySceneDetect: scenedetect_frames.py FILE DETECTOR [OPTION=NUMBER ...]

Prints JSON: the seconds at which scenes begin, and the CPU seconds since the modules were loaded.
"""

import json
import sys
import time
import warnings

import scenedetect

warnings.filterwarnings("ignore")
began = time.process_time()
manager = scenedetect.SceneManager()
file, detector, *options = sys.argv[1:]
settings = {name: int(value) for name, _, value in (option.partition("=") for option in options)}
manager.add_detector(getattr(scenedetect, detector)(**settings))
manager.detect_scenes(scenedetect.open_video(file))
starts = [start.seconds for start, _ in manager.get_scene_list()]
print(json.dumps({"seconds": starts[1:], "cpu": time.process_time() - began}))
