"""Tests of the benchmark of screens: python3 -m unittest discover bench/screens"""

import argparse
import os
import tempfile
import unittest

import screens

LABELS = {
    "frames_total": 300,
    "fps": 10,
    "states": [
        {"start": 0, "end": 49, "kind": "slide", "content_id": "a"},
        {"start": 50, "end": 120, "kind": "slide", "content_id": "b"},
        {"start": 140, "end": 299, "kind": "typed", "content_id": "c"},
    ],
}


class Screens(unittest.TestCase):
    def test_times_are_counted_by_the_states_they_fall_into(self):
        counts = screens.judge(LABELS, [5.0, 11.9, 13.0, 29.99])
        # The first frame counts although it is not listed, and what is past the end is the last one.
        self.assertEqual([counts["states"], counts["found"], counts["captures"]], [3, 3, 5])
        self.assertEqual([counts["superfluous"], counts["transient"]], [1, 1])
        self.assertEqual(screens.judge(LABELS, [99.0])["found"], 2)

    def test_two_times_of_a_frame_are_one_picture(self):
        self.assertEqual(screens.judge(LABELS, [0.0, 5.01, 5.02])["captures"], 2)

    def test_lists_may_have_remarks_and_empty_lines(self):
        self.assertEqual(screens.numbers("# by hand\n1.5\n\n2 # later\n", "x"), [1.5, 2.0])

    def test_what_is_no_time_ends_it(self):
        with self.assertRaises(SystemExit):
            screens.numbers("00:00:01\n", "x")

    def test_a_command_gets_the_clip(self):
        with tempfile.TemporaryDirectory() as folder:
            args = argparse.Namespace(times=None, command='basename "$CLIP"; exit 3', cache=folder, set="tune")
            with self.assertRaises(SystemExit):
                screens.listed(args, "0101_x")
            args.command = 'basename "$CLIP" | sed "s/_.*//"'
            self.assertEqual(screens.listed(args, "0101_x")[0], [101.0])
            args.times = folder
            with open(os.path.join(folder, "0101_x.txt"), "w", encoding="utf-8") as file:
                file.write("7\n")
            self.assertEqual(screens.listed(args, "0101_x"), ([7.0], None))

    def test_the_digest_is_of_the_timeline(self):
        other = {**LABELS, "states": LABELS["states"][:2]}
        self.assertEqual(screens.digest({"a": LABELS}), screens.digest({"a": {**LABELS, "first_pts": 7}}))
        self.assertNotEqual(screens.digest({"a": LABELS}), screens.digest({"a": other}))


if __name__ == "__main__":
    unittest.main()
