//! Which of a stream's programs and streams is shown. Pure.

use std::fmt::Write as _;

use cht_ts::{Program, ProgramFilter, Stream};

use crate::segment::Which;

/// Streams to show; by default all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `program_number`.
    pub program: Option<u16>,
    /// One of several videos, or one of several sounds.
    pub stream: Option<Which>,
}

impl Wanted {
    /// Tells whether it leaves anything out.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::default()
    }

    /// Returns the filter of a stream with these programs, or a list of what there is.
    pub(super) fn filter(self, programs: &[Program]) -> Result<ProgramFilter, String> {
        let known = || programs.iter().filter(|program| !program.streams.is_empty());
        let asked = |program: &&Program| self.program.is_none_or(|asked| asked == program.number);
        let mut videos = known().filter(asked).flat_map(|program| {
            let videos = program.streams.iter().filter(|it| it.media() == cht_ts::Media::Video);
            videos.map(move |video| (program, video))
        });
        let chosen: Option<(&Program, Option<&Stream>)> = match self.stream {
            None => known().find(asked).map(|program| (program, None)),
            Some(Which::Index(index)) => {
                videos.nth(index.into()).map(|(program, video)| (program, Some(video)))
            }
            Some(Which::Pid(pid)) => known().filter(asked).find_map(|program| {
                let stream = program.streams.iter().find(|stream| stream.pid == pid)?;
                Some((program, Some(stream)))
            }),
        };
        let Some((program, stream)) = chosen else { return Err(list(programs)) };
        let is_kept = |other: &&Stream| {
            stream.is_none_or(|it| it.pid == other.pid || it.media() != other.media())
        };
        let pids = program.streams.iter().filter(is_kept).map(|stream| stream.pid).collect();
        Ok(ProgramFilter::new(program.number, program.pmt_pid, program.pcr_pid, pids))
    }
}

/// Lists programs and their streams, for people.
fn list(programs: &[Program]) -> String {
    let mut text = String::new();
    for program in programs {
        let _ =
            write!(text, "{}program {}:", if text.is_empty() { "" } else { "; " }, program.number);
        for Stream { pid, codec, .. } in &program.streams {
            let _ = write!(text, " {pid:#x} {codec}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::{Codec, Scanner, testutil};

    fn programs() -> Vec<Program> {
        let pat = testutil::pat(0, 0, 0, &[(1, 0x100), (2, 0x200)]);
        let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
        let one = testutil::pmt(1, 0, 0x101, &[(0x1B, 0x101, b""), (0x0F, 0x102, b"")]);
        let two: [(u8, u16, &[u8]); 4] =
            [(0x1B, 0x201, b""), (0x24, 0x202, b""), (0x0F, 0x203, b""), (0x0F, 0x204, b"")];
        let two = testutil::pmt(2, 0, 0x201, &two);
        stream.extend(testutil::section_packets(0x100, &[&one], 0).concat());
        stream.extend(testutil::section_packets(0x200, &[&two], 0).concat());
        let mut scanner = Scanner::new();
        scanner.push(&stream, &mut |_| {});
        scanner.finish(&mut |_| {});
        scanner.programs().to_vec()
    }

    #[test]
    fn other_streams_of_its_kind_are_left_out() {
        let programs = programs();
        let kept = |program: Option<u16>, stream: Option<&str>| {
            let stream = stream.map(|text| text.parse().unwrap());
            let filter = Wanted { program, stream }.filter(&programs)?;
            let all = [0x101, 0x102, 0x201, 0x202, 0x203, 0x204];
            Ok::<_, String>(all.into_iter().filter(|pid| filter.keeps(*pid)).collect::<Vec<_>>())
        };
        assert_eq!(kept(Some(1), None).unwrap(), [0x101, 0x102]);
        assert_eq!(kept(Some(2), None).unwrap(), [0x201, 0x202, 0x203, 0x204]);
        assert_eq!(kept(Some(2), Some("1")).unwrap(), [0x202, 0x203, 0x204]);
        assert_eq!(kept(None, Some("0x204")).unwrap(), [0x201, 0x202, 0x204]);
        assert_eq!(kept(None, Some("0")).unwrap(), [0x101, 0x102]);
        let said = kept(Some(3), None).unwrap_err();
        assert_eq!(
            said,
            format!(
                "program 1: 0x101 {} 0x102 aac; program 2: 0x201 h264 0x202 hevc 0x203 aac 0x204 aac",
                Codec::H264
            )
        );
        for wrong in ["", "-1", "0x1fff", "eng"] {
            assert!(wrong.parse::<Which>().is_err(), "{wrong}");
        }
    }
}
