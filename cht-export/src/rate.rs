//! Frame rate of a recording, and the number of the picture at a time. Pure.

use std::{fmt, str::FromStr};

use cht_ts::time::TICKS_PER_SECOND;

/// Frame rates of broadcasting, film and cameras, as fractions.
const USUAL: [(u32, u32); 12] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (5, 1),
    (10, 1),
    (15, 1),
    (20, 1),
];

/// Largest deviation of a usual frame rate from a measured one, as a share.
const TOLERANCE: f64 = 0.001;

/// Pictures a second, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub numerator: u32,
    pub denominator: u32,
}

impl Rate {
    /// Returns the rate of pictures with these PTS, unwrapped and in any order: by the median of
    /// their distances, or the usual rate next to it. `None` of fewer than two pictures.
    pub(crate) fn of(mut pts: Vec<i64>) -> Option<Self> {
        pts.sort_unstable();
        let mut steps: Vec<_> = pts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.retain(|&step| step > 0);
        // PTS are rounded to ticks: the mean of the steps next to the median is exact.
        steps.sort_unstable();
        let median = *steps.get(steps.len() / 2)?;
        let near = || steps.iter().filter(|&&step| (step - median).abs() <= 1 + median / 1000);
        let mean = near().sum::<i64>() as f64 / near().count() as f64;
        let measured = TICKS_PER_SECOND as f64 / mean;
        let distance =
            |&(num, den): &(u32, u32)| (f64::from(num) / f64::from(den) / measured - 1.0).abs();
        let nearest = USUAL.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        if distance(nearest) <= TOLERANCE {
            return Some(Self { numerator: nearest.0, denominator: nearest.1 });
        }
        let (numerator, denominator) = (TICKS_PER_SECOND as u32, u32::try_from(median).ok()?);
        Some(Self { numerator, denominator }.reduced())
    }

    fn reduced(self) -> Self {
        let (mut a, mut b) = (self.numerator, self.denominator);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self { numerator: self.numerator / a, denominator: self.denominator / a }
    }

    /// Returns the number of the picture that begins nearest to `ticks`, from 0.
    pub(crate) fn frame_at(self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.numerator);
        let unit = i128::from(self.denominator) * i128::from(TICKS_PER_SECOND);
        (scaled + unit / 2).div_euclid(unit) as i64
    }

    /// Returns the time, in ticks, of the first picture at or after `from`, of those at distances
    /// of this rate from one at `picture`. Times of pictures are rounded to ticks.
    pub(crate) fn next_from(self, picture: i64, from: i64) -> i64 {
        let unit = i128::from(self.denominator) * i128::from(TICKS_PER_SECOND);
        let scaled = (i128::from(from) - i128::from(picture) - 1) * i128::from(self.numerator);
        let count = -(-scaled).div_euclid(unit);
        let since =
            (count * unit + i128::from(self.numerator) / 2).div_euclid(self.numerator.into());
        i64::try_from(i128::from(picture) + since).unwrap_or(i64::MAX)
    }

    /// Returns the whole number of pictures a second that timecodes count.
    pub(crate) fn nominal(self) -> i64 {
        i64::from((self.numerator + self.denominator / 2) / self.denominator).max(1)
    }

    /// Returns pictures a second.
    pub(crate) fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be pictures a second: 25, 29.97 or 30000/1001";
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        if let (Ok(numerator), Ok(denominator)) = (numerator.parse(), denominator.parse()) {
            let rate = Self { numerator, denominator };
            let is_rate = denominator > 0 && (0.001..=1000.0).contains(&rate.per_second());
            return is_rate.then(|| rate.reduced()).ok_or(WRONG);
        }
        match text.parse::<f64>() {
            Ok(rate) if (0.001..=1000.0).contains(&rate) => {
                let is_near = |&&(num, den): &&(u32, u32)| {
                    (f64::from(num) / f64::from(den) / rate - 1.0).abs() <= TOLERANCE / 10.0
                };
                let (numerator, denominator) = USUAL
                    .iter()
                    .find(is_near)
                    .map_or(((rate * 1000.0).round() as u32, 1000), |&usual| usual);
                Ok(Self { numerator, denominator }.reduced())
            }
            _ => Err(WRONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rate_of_rounded_time_stamps_is_the_usual_fraction() {
        for usual in USUAL {
            let expected = Rate { numerator: usual.0, denominator: usual.1 };
            let ticks = |n: i64| n * 90_000 * i64::from(usual.1) / i64::from(usual.0);
            assert_eq!(Rate::of((0..100).map(ticks).collect()), Some(expected.reduced()));
        }
        // A picture in three is missing, and the order is that of decoding.
        let lossy = (0..100).filter(|n| n % 3 > 0).map(|n| (n ^ 1) * 3600).collect();
        assert_eq!(Rate::of(lossy), Some(rate("25")));
        assert_eq!(Rate::of((0..50).map(|n| n * 7000).collect()), Some(rate("90/7")));
        assert_eq!(Rate::of(vec![5]), None);
    }

    #[test]
    fn frame_is_the_nearest_of_its_rate() {
        let rate = rate("30000/1001");
        for frame in [0, 1, 2, 1000, 2_589_409] {
            let ticks = frame * 3003;
            assert_eq!([-1, 0, 1].map(|off| rate.frame_at(ticks + off)), [frame; 3]);
        }
    }

    #[test]
    fn next_picture_is_at_or_after_a_time() {
        for (rate, step) in [("25", 3600.0), ("30000/1001", 3003.0), ("24000/1001", 3753.75)] {
            let rate = self::rate(rate);
            for picture in [1_i64, 2, 3, 100, 2_589_409] {
                let at = |count: i64| 7 + (count as f64 * step).round() as i64;
                assert_eq!(rate.next_from(7, at(picture)), at(picture));
                assert_eq!(rate.next_from(7, at(picture) - 9), at(picture));
                assert_eq!(rate.next_from(7, at(picture) + 9), at(picture + 1));
            }
        }
    }

    #[test]
    fn rate_is_parsed_as_people_write_it() {
        assert_eq!(rate("29.97"), rate("30000/1001"));
        assert_eq!(rate("23.976"), rate("24000/1001"));
        assert_eq!(
            (rate("25").to_string(), rate("12.5").to_string()),
            ("25".into(), "25/2".into())
        );
        for wrong in ["", "0", "-25", "25/0", "x", "1e9", "NaN"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
