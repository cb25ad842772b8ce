"""Tests of the scoring: python3 -m unittest discover bench/quality"""

import unittest

import score

FILM = {
    "cut_frames": [50, 100, 205, 300],
    "gradual_frames": [[120, 140], [160, 170]],
    "ambiguous_frames": [],
    "damage_frames": [[200, 210]],
    "flash_frames": [[250, 251]],
}
SCREEN = {
    "states": [
        {"start": 0, "end": 29, "kind": "slide"},
        {"start": 30, "end": 59, "kind": "bullet"},
        {"start": 80, "end": 99, "kind": "bullet"},
    ]
}


def numbers(counts, *names):
    return [counts[name] for name in names]


class Film(unittest.TestCase):
    def test_a_cut_is_found_once_and_within_a_frame(self):
        counts = score.film(FILM, [(51, "scene"), (50, "scene"), (98, "scene"), (300, "scene")])
        self.assertEqual(numbers(counts, "cuts", "found", "wrong"), [3, 2, 2])
        self.assertEqual(counts["missed_frames"], [100])

    def test_the_nearest_label_is_taken(self):
        counts = score.film({"cut_frames": [10, 12], "gradual_frames": []}, [(11, "scene"), (12, "scene")])
        self.assertEqual(numbers(counts, "found", "wrong"), [2, 0])

    def test_damage_and_transitions_count_neither_way(self):
        counts = score.film(FILM, [(118, "scene"), (130, "scene"), (205, "scene"), (212, "scene")])
        self.assertEqual(numbers(counts, "cuts", "found", "wrong"), [3, 0, 0])

    def test_flashes_are_wrong(self):
        counts = score.film(FILM, [(250, "scene"), (400, "scene")])
        self.assertEqual(numbers(counts, "wrong", "wrong_in_flashes"), [2, 1])

    def test_a_transition_is_reported_once_and_soon(self):
        counts = score.film(FILM, [(150, "gradual"), (151, "gradual"), (181, "gradual"), (205, "gradual")])
        self.assertEqual(numbers(counts, "gradual", "gradual_found", "gradual_wrong", "wrong"), [2, 1, 2, 0])

    def test_who_tells_no_kinds_reports_transitions_by_cuts(self):
        counts = score.film(FILM, [(130, "scene"), (131, "scene")])
        self.assertEqual(numbers(counts, "gradual_found", "gradual_wrong", "wrong"), [1, 0, 0])


class Corpus(unittest.TestCase):
    LABELS = {"cut_frames": [50, 100], "gradual_frames": [[20, 30]]}

    def test_the_tolerance_is_that_of_cuts(self):
        for tolerance, found in ((0, 1), (1, 2)):
            counts = score.boundaries(self.LABELS, [51, 100], tolerance)
            self.assertEqual(numbers(counts, "cuts", "found", "wrong"), [2, found, 2 - found])

    def test_the_nearest_pair_is_matched_first(self):
        counts = score.boundaries({"cut_frames": [10, 12], "gradual_frames": []}, [11, 12, 13], 1)
        self.assertEqual(numbers(counts, "found", "wrong"), [2, 1])

    def test_the_first_frame_in_an_interval_finds_it_and_others_are_wrong(self):
        counts = score.boundaries(self.LABELS, [20, 25, 30, 31], 0)
        self.assertEqual(numbers(counts, "gradual_found", "gradual_wrong", "found", "wrong"), [1, 2, 0, 1])

    def test_transitions_match_where_they_overlap(self):
        labelled = [(9, 10), (40, 50)]
        for found, hits in (((11, 12), 1), ((12, 13), 0), ((44, 45), 1), ((38, 39), 1), ((52, 53), 0)):
            counts = score.transitions(labelled, [found])
            self.assertEqual(numbers(counts, "cuts", "found", "wrong"), [2, hits, 1 - hits], found)


class Screen(unittest.TestCase):
    def test_a_state_is_held_by_a_capture_while_it_rests(self):
        counts = score.screen(SCREEN, [0, 29, 70, 99], [40])
        self.assertEqual(
            numbers(counts, "states", "found", "found_with_intervals", "captures", "superfluous", "transient"),
            [3, 2, 3, 4, 1, 1],
        )
        self.assertEqual(counts["kinds"], {"slide": [1, 1], "bullet": [1, 2]})
        self.assertEqual(counts["delays"], [0, 19])

    def test_where_little_is_labelled_nothing_is_superfluous(self):
        self.assertEqual(score.screen(SCREEN | {"partial": True}, [0, 5, 29], [])["superfluous"], 0)


if __name__ == "__main__":
    unittest.main()
