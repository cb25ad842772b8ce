//! Classifies a stream as film or screen, which decides the detector to ask.
//!
//! A screen has two signs: its pictures look drawn, and most of the picture rests most of the time.
//! A title card in a film is drawn and rests, but not for long; a call with cameras looks filmed,
//! but moves only in its tiles.

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::measure::Measures;
use crate::{Detector, LOOKAHEAD};

/// Drawn share from which a picture looks like a screen, and up to which it looks like film.
const DRAWN: f32 = 0.68;
const FILMED: f32 = 0.58;

/// Drawn share of a call, and largest share of it that changes in five seconds.
const HALF_DRAWN: f32 = 0.45;
const TILES: f32 = 0.35;

/// Drawn share of a camera that stands still, and least share of it that changes in two seconds.
const HARDLY_DRAWN: f32 = 0.25;
const STIRS: f32 = 0.05;

/// Shares of the picture that change in film, and do not on a screen.
const FILM_CHANGES: f32 = 0.8;
const SCREEN_RESTS: f32 = 0.75;

/// Time within which changes of a block count as one, in ticks.
const SLOT: i64 = SECOND / 5;

/// Time constants of the averages over the last pictures, in seconds: short and long.
const OF_LATE: f32 = 2.0;
const FOR_LONG: f32 = 5.0;

/// Earliest time of a decision, and of the decision for a screen, in ticks: a film may begin with a
/// title.
const FIRST: i64 = SECOND;
const FIRST_SCREEN: i64 = 5 * SECOND;

/// Least time for which a decision stands, in ticks.
const STAYS: i64 = 2 * SECOND;

/// Hysteresis in ticks when content switches from film to screen: the picture has to look like a
/// screen for as long as film outlasted screens so far, at most `MOST_DOUBT` (title cards are
/// shorter). At most `MOST_PAST` of the past counts.
const MOST_DOUBT: i64 = 7 * SECOND;
const MOST_PAST: i64 = 60 * SECOND;

/// Contrast in levels below which a picture is flat and is not judged.
const FLAT: f32 = 3.0;

/// Content of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Film or camera.
    Film,
    /// Slides, text, windows.
    Screen,
}

/// Classifies a stream as film or screen, frame by frame.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ContentTracker {
    /// When each block changed last, and when before that.
    changed: Vec<(i64, i64)>,
    /// Averages of the drawn share, short and long.
    drawn: Option<(f32, f32)>,
    /// The last frames that looked filmed, each by itself: the newest in the lowest bit.
    filmed: u32,
    began: i64,
    last_at: i64,
    content: Option<Content>,
    content_since: i64,
    /// By how much film was shown longer than a screen before `content_since`.
    lead: i64,
    /// When the picture last was film for sure.
    film_until: i64,
    /// Since when film has looked like a screen.
    doubted_since: Option<i64>,
}

impl ContentTracker {
    /// Returns the content; `None` until it is known.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.content
    }

    /// Takes the next frame.
    pub fn push(&mut self, measures: &Measures) {
        let at = measures.at;
        let blocks = (measures.grid.0 * measures.grid.1) as usize;
        if self.changed.len() != blocks {
            self.changed = vec![(at, i64::MIN); blocks];
        }
        for change in &measures.changes {
            if let Some(changed) = self.changed.get_mut(change.block as usize)
                && at - changed.0 >= SLOT
            {
                *changed = (at, changed.0);
            }
        }
        if self.drawn.is_none() {
            self.began = at;
        }
        if measures.film.contrast >= FLAT {
            let seconds = (at - self.last_at).max(0) as f32 / SECOND as f32;
            let follow = |was: f32, time: f32| {
                measures.drawn + (was - measures.drawn) * (-seconds / time).exp()
            };
            let (late, long) = self.drawn.unwrap_or((measures.drawn, measures.drawn));
            self.drawn = Some((follow(late, OF_LATE), follow(long, FOR_LONG)));
        }
        self.last_at = at;
        let looks_filmed = measures.film.contrast >= FLAT
            && measures.drawn < FILMED
            && (self.changed_in(2 * SLOT, at) > FILM_CHANGES
                || self.changed_again(at) > FILM_CHANGES);
        self.filmed = (self.filmed << 1) | u32::from(looks_filmed);
        let Some((late, long)) = self.drawn else { return };
        let in_two = || self.changed_in(2 * SECOND, at);
        let in_five = || self.changed_in(5 * SECOND, at);
        // Where it is a screen already, nothing asks whether it is.
        let is_screen = self.content != Some(Content::Screen)
            && (late > DRAWN
                && in_two() < SCREEN_RESTS
                && (long > DRAWN || in_five() < SCREEN_RESTS)
                || late > HALF_DRAWN && in_five() < TILES);
        let is_film = late < FILMED && self.changed_again(at) > FILM_CHANGES
            || late < HARDLY_DRAWN && in_two() > STIRS;
        if is_film {
            self.film_until = at;
        }
        let is_certain = self.is_screen_for_long(is_screen, late, at);
        if self.content.is_some() && at - self.content_since < STAYS {
            return;
        }
        let age = at - self.began;
        let content = match self.content {
            None if age < FIRST || late >= FILMED && age < FIRST_SCREEN => None,
            None if is_screen || late >= f32::midpoint(DRAWN, FILMED) => Some(Content::Screen),
            None => Some(Content::Film),
            Some(Content::Film) if is_certain => Some(Content::Screen),
            Some(Content::Screen) if is_film => Some(Content::Film),
            stays => stays,
        };
        if content != self.content {
            self.lead = match self.content {
                Some(Content::Film) => self.film_lead(),
                Some(Content::Screen) if at - self.content_since > MOST_DOUBT => {
                    self.lead - (at - self.content_since)
                }
                // Content of this length may have been title cards.
                _ => self.lead,
            };
            self.lead = self.lead.clamp(-MOST_PAST, MOST_PAST);
            (self.content, self.content_since, self.doubted_since) = (content, at, None);
        }
    }

    /// Returns the share of the picture that changed in the last `ticks`.
    fn changed_in(&self, ticks: i64, at: i64) -> f32 {
        self.share(|changed| at - changed.0 < ticks)
    }

    /// Returns the share that changed more than once in five seconds: a new page changes once, a
    /// video again and again.
    fn changed_again(&self, at: i64) -> f32 {
        self.share(|changed| changed.1 > at - 5 * SECOND)
    }

    fn share(&self, is: impl Fn(&(i64, i64)) -> bool) -> f32 {
        let count = self.changed.iter().filter(|changed| is(changed)).count();
        count as f32 / self.changed.len().max(1) as f32
    }

    /// Tells whether film has looked like a screen for longer than title cards do. A page that
    /// scrolls stays in doubt; a picture that looks filmed ends the doubt.
    fn is_screen_for_long(&mut self, is_screen: bool, late: f32, at: i64) -> bool {
        if self.content != Some(Content::Film) || !is_screen && late <= DRAWN {
            self.doubted_since = None;
        } else if is_screen {
            self.doubted_since.get_or_insert(at);
        }
        self.doubted_since
            .is_some_and(|since| is_screen && at - since >= self.film_lead().min(MOST_DOUBT))
    }

    /// Returns by how much film outlasted screens, if the content is film now.
    fn film_lead(&self) -> i64 {
        self.lead + (self.film_until - self.content_since).max(0)
    }

    /// Tells whether `auto` asks a detector now: of the two it chooses from. While the content is
    /// unknown, it asks both, except for [`Detector::Screen`] after pictures that look filmed: they
    /// are film once the content is known. On a screen, a cut from or to a picture that looks
    /// filmed and changes as a whole counts as well.
    #[must_use]
    pub fn asks(&self, detector: Detector) -> bool {
        const NEAR_A_CUT: u32 = (1 << (LOOKAHEAD + 2)) - 1;
        match (detector, self.content) {
            (Detector::Adaptive, Some(Content::Screen)) => self.filmed & NEAR_A_CUT != 0,
            (Detector::Adaptive, _) => true,
            (Detector::Screen, None) => {
                self.filmed & 1 == 0 && self.drawn.is_some_and(|(late, _)| late >= FILMED)
            }
            (Detector::Screen, Some(Content::Screen)) => self.filmed & 1 == 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Change, Film, Texture};

    const BLOCKS: u32 = 100;

    /// Shows frames of such pictures, ten a second, in which this many of 100 blocks change.
    /// Returns the content after them.
    fn show(
        tracker: &mut ContentTracker,
        seconds: std::ops::Range<i64>,
        drawn: f32,
        changing: u32,
    ) -> Option<Content> {
        for n in seconds.start * 10..seconds.end * 10 {
            let is_first = n == seconds.start * 10;
            let count = if is_first { BLOCKS } else { changing };
            let changes = (0..count)
                .map(|block| Change { block, content: n as u32, texture: Texture::Plain })
                .collect();
            tracker.push(&Measures {
                at: n * SECOND / 10,
                film: Film { contrast: 50.0, ..Film::default() },
                drawn,
                grid: (10, 10),
                changes,
                ..Measures::default()
            });
        }
        tracker.content()
    }

    #[test]
    fn film_and_screen_differ_despite_a_title() {
        let mut tracker = ContentTracker::default();
        assert_eq!(show(&mut tracker, 0..5, 0.3, 100), Some(Content::Film));
        assert_eq!(show(&mut tracker, 5..9, 0.9, 0), Some(Content::Film));
        assert_eq!(show(&mut tracker, 9..14, 0.3, 100), Some(Content::Film));
        assert_eq!(show(&mut tracker, 14..34, 0.9, 0), Some(Content::Screen));
        assert_eq!(show(&mut tracker, 34..44, 0.2, 100), Some(Content::Film));
    }

    #[test]
    fn repeated_title_cards_do_not_make_film_a_screen() {
        let mut tracker = ContentTracker::default();
        show(&mut tracker, 0..10, 0.3, 100);
        assert_eq!(show(&mut tracker, 10..19, 0.9, 0), Some(Content::Film));
        assert!(tracker.asks(Detector::Adaptive));
        show(&mut tracker, 19..22, 0.3, 100);
        assert_eq!(show(&mut tracker, 22..31, 0.9, 0), Some(Content::Film));
    }

    #[test]
    fn screen_that_was_film_for_a_moment_returns_soon() {
        let mut tracker = ContentTracker::default();
        show(&mut tracker, 0..10, 0.9, 0);
        assert_eq!(show(&mut tracker, 10..15, 0.3, 100), Some(Content::Film));
        assert_eq!(show(&mut tracker, 15..25, 0.9, 0), Some(Content::Screen));
    }

    #[test]
    fn screen_longer_than_film_is_not_doubted() {
        let mut tracker = ContentTracker::default();
        show(&mut tracker, 0..30, 0.9, 0);
        assert_eq!(show(&mut tracker, 30..45, 0.3, 100), Some(Content::Film));
        assert_eq!(show(&mut tracker, 45..51, 0.9, 0), Some(Content::Screen));
    }

    #[test]
    fn title_after_a_filmed_picture_is_no_screen_at_the_start() {
        let mut tracker = ContentTracker::default();
        for n in 0..8 {
            tracker.push(&Measures {
                at: n * SECOND / 10,
                film: Film { contrast: 50.0, ..Film::default() },
                drawn: if n < 3 { 0.1 } else { 0.9 },
                grid: (10, 10),
                ..Measures::default()
            });
        }
        assert_eq!(tracker.content(), None);
        assert!(tracker.asks(Detector::Adaptive) && !tracker.asks(Detector::Screen));
    }

    #[test]
    fn unknown_content_asks_both_detectors() {
        let mut tracker = ContentTracker::default();
        assert_eq!(show(&mut tracker, 0..3, 0.9, 0), None);
        assert!(tracker.asks(Detector::Adaptive) && tracker.asks(Detector::Screen));
        assert_eq!(show(&mut tracker, 3..7, 0.9, 0), Some(Content::Screen));
        assert!(!tracker.asks(Detector::Adaptive) && tracker.asks(Detector::Screen));
    }

    #[test]
    fn call_with_moving_tiles_stays_a_screen() {
        let mut tracker = ContentTracker::default();
        assert_eq!(show(&mut tracker, 0..10, 0.9, 0), Some(Content::Screen));
        assert_eq!(show(&mut tracker, 10..30, 0.4, 70), Some(Content::Screen));
        assert!(!tracker.asks(Detector::Adaptive));
    }

    #[test]
    fn cut_to_filmed_picture_counts_on_a_screen() {
        let mut tracker = ContentTracker::default();
        show(&mut tracker, 0..10, 0.9, 0);
        show(&mut tracker, 10..11, 0.1, 100);
        assert_eq!(tracker.content(), Some(Content::Screen));
        assert!(tracker.asks(Detector::Adaptive) && !tracker.asks(Detector::Screen));
    }

    #[test]
    fn content_stays_for_two_seconds() {
        let mut tracker = ContentTracker::default();
        let (mut before, mut last_change) = (None, -20);
        for n in 0..60 {
            let (drawn, changing) = if n % 6 < 3 { (0.1, 100) } else { (0.95, 0) };
            let content = show(&mut tracker, n..n + 1, drawn, changing);
            if content != before {
                assert!(before.is_none() || n - last_change >= 2);
                (before, last_change) = (content, n);
            }
        }
    }

    #[test]
    fn black_changes_nothing() {
        let mut tracker = ContentTracker::default();
        show(&mut tracker, 0..10, 0.9, 0);
        for n in 100..200 {
            tracker.push(&Measures { at: n * SECOND / 10, grid: (10, 10), ..Measures::default() });
        }
        assert_eq!(tracker.content(), Some(Content::Screen));
    }
}
