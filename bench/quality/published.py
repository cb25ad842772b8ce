"""Figures that others published for the public corpora, as (program, recall, precision, F1), in percent.

They are quoted, not measured here. None where none was published.
"""

PYSCENEDETECT = "PySceneDetect, benchmark/README.md at 48e2b80; tolerance 0, the end of a video counts as a cut"
TRANSNETV2 = "TransNetV2, README.md at 05546d7 (arXiv:2008.04838); transitions that overlap"
AUTOSHOT = "AutoShot, compare_inference_baseline_groundtruth_v2.py at 20f77a3 (arXiv:2304.06116); transitions that overlap"

AT_0 = {
    "BBC": [
        ("PySceneDetect AdaptiveDetector", 87.12, 96.55, 91.59),
        ("PySceneDetect ContentDetector", 84.70, 88.77, 86.69),
        ("PySceneDetect HashDetector", 92.30, 75.56, 83.10),
        ("PySceneDetect HistogramDetector", 89.84, 72.03, 79.96),
        ("PySceneDetect ThresholdDetector", 0.06, 0.70, 0.11),
    ],
    "AutoShot": [
        ("PySceneDetect AdaptiveDetector", 70.59, 77.46, 73.86),
        ("PySceneDetect ContentDetector", 63.49, 76.19, 69.26),
        ("PySceneDetect HashDetector", 56.48, 76.11, 64.84),
        ("PySceneDetect HistogramDetector", 63.27, 53.23, 57.82),
        ("PySceneDetect ThresholdDetector", 0.75, 38.64, 1.47),
    ],
    "ClipShots": [
        ("PySceneDetect AdaptiveDetector", 85.97, 41.25, 55.75),
        ("PySceneDetect ContentDetector", 81.93, 42.36, 55.84),
        ("PySceneDetect HashDetector", 81.34, 30.14, 43.98),
        ("PySceneDetect HistogramDetector", 72.20, 11.47, 19.80),
        ("PySceneDetect ThresholdDetector", 0.08, 0.58, 0.14),
    ],
}
"""Cuts, by PySceneDetect's rules with a tolerance of 0. Source: PYSCENEDETECT."""

OVERLAP = {
    "BBC": [("TransNetV2", None, None, 96.2), ("TransNet", None, None, 92.9), ("Hassanien et al.", None, None, 92.6)],
    "RAI": [("TransNetV2", None, None, 93.9), ("TransNet", None, None, 94.3), ("Hassanien et al.", None, None, 93.9)],
    "ClipShots": [
        ("TransNetV2", None, None, 77.9),
        ("TransNet", None, None, 73.5),
        ("Hassanien et al.", None, None, 75.9),
    ],
    "AutoShot": [("AutoShot", 83.4, 84.7, 84.1), ("TransNetV2", 71.6, 90.4, 79.9)],
}
"""All transitions, where two that overlap match. Sources: TRANSNETV2 and, for SHOT, AUTOSHOT (200 videos)."""
