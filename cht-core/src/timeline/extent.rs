//! Extent of a segment's pictures on the timeline. One rule for recording and examining.

use cht_ts::time::TICKS_PER_SECOND;

/// Longest duration of the last picture if pictures do not come at a constant rate, in ticks.
const MAX_LAST: i64 = TICKS_PER_SECOND;

/// How far pictures reach, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first and the last in display order, which may differ from the order of arrival.
    ends: Option<(i64, i64)>,
    units: i64,
    /// The last decoding time.
    decoded: i64,
    /// The shortest and the longest distance between two decoding times.
    distances: Option<(i64, i64)>,
}

impl Extent {
    /// Takes a picture that is displayed at `shown` and decoded at `decoded`.
    pub fn observe(&mut self, shown: i64, decoded: i64) {
        let (first, last) = self.ends.unwrap_or((shown, shown));
        self.ends = Some((first.min(shown), last.max(shown)));
        let distance = decoded - self.decoded;
        if self.units > 0 && distance > 0 {
            let (shortest, longest) = self.distances.unwrap_or((distance, distance));
            self.distances = Some((shortest.min(distance), longest.max(distance)));
        }
        self.units += 1;
        self.decoded = decoded;
    }

    /// Takes a picture between others whose time stamps are outliers.
    pub fn observe_stray(&mut self) {
        self.units += i64::from(self.units > 0);
    }

    /// Returns the number of pictures.
    #[must_use]
    pub fn units(&self) -> i64 {
        self.units
    }

    /// Returns how long the last picture is taken to last: as long as they do on average, but no
    /// longer than a second unless they come at a constant rate. A single one counts for nothing.
    #[must_use]
    pub fn frame(&self) -> i64 {
        let Some((first, last)) = self.ends.filter(|_| self.units > 1) else { return 0 };
        let average = (last - first) / (self.units - 1);
        let is_constant = self
            .distances
            .is_some_and(|(shortest, longest)| longest - shortest <= shortest.max(8) / 8);
        if is_constant { average } else { average.min(MAX_LAST) }
    }

    /// Returns the distance from `begin` to the last picture.
    #[must_use]
    pub fn last_from(&self, begin: i64) -> i64 {
        self.ends.map_or(0, |(_, last)| (last - begin).max(0))
    }

    /// Returns the distance from `begin` to the end of the last picture.
    #[must_use]
    pub fn length_from(&self, begin: i64) -> i64 {
        let Some((_, last)) = self.ends else { return 0 };
        (last + self.frame() - begin).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(pictures: &[(i64, i64)]) -> i64 {
        let mut extent = Extent::default();
        for &(shown, decoded) in pictures {
            extent.observe(shown * TICKS_PER_SECOND, decoded * TICKS_PER_SECOND);
        }
        extent.length_from(0) / TICKS_PER_SECOND
    }

    #[test]
    fn last_picture_lasts_as_the_others_at_a_constant_rate() {
        assert_eq!(length(&[(0, 0), (5, 5), (10, 10)]), 15);
        // I P B B: the display order differs from that of the stream.
        assert_eq!(length(&[(0, -10), (30, 0), (10, 10), (20, 20)]), 40);
        assert_eq!(length(&[(7, 7)]), 7, "a single one");
    }

    #[test]
    fn last_slide_lasts_a_second_at_most() {
        assert_eq!(length(&[(0, 0), (200, 200), (350, 350), (590, 590)]), 591);
        assert_eq!(length(&[(0, -350), (200, -150), (590, 0), (350, 200)]), 591);
    }
}
