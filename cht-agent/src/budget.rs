//! Keeps an answer within what a client takes: tokens of text, and bytes. Pure.

use cht_core::terminal::units;

use crate::view::{FrameView, Speech};

/// Bytes of JSON for each token, at least: text of few spaces and many digits.
const BYTES_PER_TOKEN: u64 = 3;

/// Lengths of a text that are tried one after another, in characters.
const LENGTHS: [usize; 8] = [20_000, 10_000, 5000, 2500, 1200, 600, 300, 120];

/// Limits of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Tokens of text and pictures.
    pub tokens: u64,
    /// Bytes of the whole message.
    pub bytes: u64,
}

/// Returns the estimated number of tokens of `bytes` of JSON.
pub(crate) fn tokens_of_text(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// Shortens the longest texts until `size` returns at most `bytes`. Returns whether anything was
/// left out.
pub(crate) fn shorten<T>(
    answer: &mut T,
    bytes: usize,
    size: impl Fn(&T) -> usize,
    mut cut: impl FnMut(&mut T, usize) -> bool,
) -> bool {
    let mut is_cut = false;
    for length in LENGTHS {
        if size(answer) <= bytes {
            break;
        }
        is_cut |= cut(answer, length);
    }
    is_cut
}

/// Shortens the words of frames to about `length` characters for each. Returns whether anything was
/// left out.
pub(crate) fn cut_frames(frames: &mut [FrameView], length: usize) -> bool {
    let mut is_cut = false;
    for frame in frames {
        let cut_text = frame.text.as_mut().is_some_and(|text| cut_text(text, length));
        let cut_speech = cut_speech(&mut frame.speech, length);
        frame.shortened |= cut_text || cut_speech;
        is_cut |= cut_text || cut_speech;
    }
    is_cut
}

/// Takes the middle out of a text that is longer than `length` characters.
pub(crate) fn cut_text(text: &mut String, length: usize) -> bool {
    let count = text.chars().count();
    if count <= length {
        return false;
    }
    let head = length * 2 / 3;
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - (length - head)).collect();
    *text = format!(
        "{begin} […{} left out…] {end}",
        units::count((count - length) as u64, "character")
    );
    true
}

/// Takes the middle out of speech that is longer than `length` characters.
pub(crate) fn cut_speech(speech: &mut Vec<Speech>, length: usize) -> bool {
    let total: usize = speech.iter().map(cost).sum();
    if total <= length {
        return false;
    }
    let head = fitting(speech.iter(), length * 2 / 3);
    let tail = fitting(speech[head..].iter().rev(), length / 3);
    let count = speech.len() - head - tail;
    let (start, end) = (speech[head].start, speech[head + count - 1].end);
    let gap = Speech {
        start,
        end,
        speaker: None,
        text: format!("[…{} left out…]", units::count(count as u64, "piece")),
    };
    speech.splice(head..head + count, [gap]);
    true
}

/// Returns the number of first pieces that fit into `length` characters.
fn fitting<'a>(speech: impl Iterator<Item = &'a Speech>, length: usize) -> usize {
    let used = speech.scan(0, |used, piece| {
        *used += cost(piece);
        Some(*used)
    });
    used.take_while(|used| *used <= length).count()
}

/// Returns the length of a piece, with its times.
fn cost(piece: &Speech) -> usize {
    piece.text.len() + 40
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_beginning_and_end() {
        let mut text = "é".repeat(100) + &"x".repeat(100);
        assert!(!cut_text(&mut text, 200) && cut_text(&mut text, 60));
        assert!(text.starts_with(&"é".repeat(40)) && text.ends_with(&"x".repeat(20)), "{text}");
        assert!(text.contains(" […140 characters left out…] "), "{text}");
    }

    #[test]
    fn speech_keeps_first_and_last_pieces_and_names_the_gap() {
        let piece = |n: u32| Speech {
            start: f64::from(n),
            end: f64::from(n) + 1.0,
            speaker: None,
            text: "0123456789".to_owned(),
        };
        let mut speech: Vec<_> = (0..100).map(piece).collect();
        assert!(cut_speech(&mut speech, 600));
        let texts: Vec<_> = speech.iter().map(|it| it.text.as_str()).collect();
        assert_eq!((texts.len(), texts[8]), (13, "[…88 pieces left out…]"));
        assert_eq!((speech[8].start, speech[8].end, speech[9].start), (8.0, 96.0, 96.0));
        let mut short = vec![piece(1)];
        assert!(!cut_speech(&mut short, 50) && cut_speech(&mut short, 10));
    }

    #[test]
    fn longest_texts_are_shortened_first() {
        let mut texts = vec!["x".repeat(9000), "y".repeat(90)];
        let size = |texts: &Vec<String>| texts.iter().map(String::len).sum();
        let cut = |texts: &mut Vec<String>, length| {
            texts.iter_mut().filter_map(|text| cut_text(text, length).then_some(())).count() > 0
        };
        assert!(shorten(&mut texts, 3000, size, cut));
        assert!(size(&texts) <= 3000 && size(&texts) > 2000);
        assert_eq!(texts[1].len(), 90);
        assert!(!shorten(&mut texts, 3000, size, cut));
    }
}
