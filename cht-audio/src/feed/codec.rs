//! Finds sound in another codec than the tables name: those of a loose file may be of its last
//! part. Pure.

use cht_ts::Codec;

/// PES packets in a row that begin with a frame of another codec. A sync word may be there by
/// chance.
const AGREEING: usize = 3;

/// What the codec of a PES packet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// It may have changed.
    Doubt,
    /// It has changed, with the PES packet of this PTS.
    Changed(i64),
}

/// Codec of the sound by its frames.
#[derive(Debug)]
pub(crate) struct Heard {
    codec: Codec,
    /// Another codec, and the PTS of the PES packets that began with it.
    other: Option<(Codec, Vec<i64>)>,
}

impl Heard {
    /// Begins with the codec of the tables.
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, other: None }
    }

    /// Returns the codec.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Forgets the last PES packets that began with another codec.
    pub(crate) fn clear(&mut self) {
        self.other = None;
    }

    /// Judges the codec of the first frame of the PES packet at `pts`.
    pub(crate) fn judge(&mut self, codec: Option<Codec>, pts: i64) -> Verdict {
        let Some(codec) = codec.filter(|codec| family(*codec) != family(self.codec)) else {
            self.other = None;
            return Verdict::Same;
        };
        let (other, seen) = self.other.get_or_insert((codec, Vec::new()));
        if family(*other) != family(codec) {
            (*other, *seen) = (codec, Vec::new());
        }
        seen.push(pts);
        let Some(first) = seen.first().copied().filter(|_| seen.len() == AGREEING) else {
            return Verdict::Doubt;
        };
        (self.codec, self.other) = (codec, None);
        Verdict::Changed(first)
    }
}

/// Returns the codec that stands for those of one decoder.
fn family(codec: Codec) -> Codec {
    match codec {
        Codec::Mp1 | Codec::Mp3 => Codec::Mp2,
        Codec::Eac3 => Codec::Ac3,
        codec => codec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_changes_when_three_packets_agree() {
        let mut heard = Heard::new(Codec::Mp2);
        let stream = [Codec::Aac, Codec::Aac, Codec::Mp3, Codec::Aac, Codec::Ac3, Codec::Aac];
        let judged = stream.map(|codec| heard.judge(Some(codec), 0));
        let (doubt, same) = (Verdict::Doubt, Verdict::Same);
        assert_eq!(judged, [doubt, doubt, same, doubt, doubt, doubt]);
        assert_eq!(heard.judge(None, 1), same, "it begins within a frame");
        let judged = [5, 6, 7].map(|pts| heard.judge(Some(Codec::Aac), pts));
        assert_eq!(judged, [doubt, doubt, Verdict::Changed(5)]);
        assert_eq!(heard.codec(), Codec::Aac);
        assert_eq!(heard.judge(Some(Codec::Aac), 8), same);
    }
}
