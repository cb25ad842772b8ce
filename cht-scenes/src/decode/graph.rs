//! Chooses the filter graph of a decoder by the samples of its stream.
//!
//! A live stream has not named its samples when its decoder starts. So ffmpeg starts at once and
//! reads its graph from a pipe. cht-scenes writes that pipe just before it feeds the first
//! parameter sets. These are the same live and in batch, and so is the graph.

use std::{fs::File, io, io::Write as _, os::fd::OwnedFd};

use cht_ts::{Codec, PACKET_LEN, ParameterSets, SampleFormat, Scanner};
use rustix::pipe::{PipeFlags, pipe_with};

use super::filter::{Wanted, is_coarsened};

/// Length of the beginning of a stream that is searched for parameter sets, in bytes.
const SEARCH: usize = 4 << 20;

/// Null packet (ISO/IEC 13818-1 §2.4.3.3), and the number of them that brings a scanner in sync.
const NULL_PACKET: [u8; PACKET_LEN] = {
    let mut packet = [0xFF; PACKET_LEN];
    [packet[0], packet[1], packet[2], packet[3]] = [0x47, 0x1F, 0xFF, 0x10];
    packet
};
const NULL_PACKETS: usize = 5;

/// Holds two filter graphs for the same frames.
#[derive(Debug)]
pub(crate) struct Graphs {
    /// Graph that hands over the pictures that the score asks for, converted if the score filter
    /// does not take their samples.
    pub usual: String,
    /// Graph that hands over every picture that the score may ask for, as coded.
    pub as_coded: String,
}

/// Chooses between two filter graphs; ffmpeg waits for the choice.
#[derive(Debug)]
pub(crate) struct GraphChoice {
    graphs: Graphs,
    pid: u16,
    scanner: Scanner,
    /// Part of the stream that was scanned, in bytes.
    scanned: usize,
    ffmpeg: File,
}

/// Returns whether the graph for the `wanted` pictures depends on the parameter sets of a stream
/// coded as `codec`. The score filter takes MPEG-2 as it is.
pub(crate) fn is_open(codec: Option<Codec>, wanted: Wanted<'_>) -> bool {
    matches!(codec, Some(Codec::H264 | Codec::Hevc)) && !matches!(wanted, Wanted::Small)
}

impl GraphChoice {
    /// Returns the choice for the video `pid`, and the end of the pipe that ffmpeg reads its graph
    /// from.
    pub(crate) fn new(pid: u16, graphs: Graphs) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut scanner = Scanner::new();
        // A scanner takes no packet before it has seen several, and a keyframe may be a single one.
        scanner.push(&NULL_PACKET.repeat(NULL_PACKETS), &mut |_| {});
        Ok((Self { graphs, pid, scanner, scanned: 0, ffmpeg: writer.into() }, reader))
    }

    /// Takes the beginning of the stream as received so far: packets of tables and of the video.
    /// Returns whether it decides the choice.
    pub(crate) fn is_decided_by(&mut self, packets: &[u8]) -> bool {
        self.scanner.push(&packets[self.scanned..], &mut |_| {});
        self.scanned = packets.len();
        packets.len() > SEARCH || !self.formats().is_empty()
    }

    /// Writes the graph to ffmpeg; without parameter sets, the graph that suits all samples.
    pub(crate) fn choose(mut self) -> io::Result<()> {
        let formats = self.formats();
        let is_usual = !formats.is_empty() && !formats.into_iter().any(is_coarsened);
        let graph = if is_usual { &self.graphs.usual } else { &self.graphs.as_coded };
        self.ffmpeg.write_all(graph.as_bytes())
    }

    fn formats(&self) -> Vec<SampleFormat> {
        let sets = self.scanner.parameter_sets(self.pid);
        sets.into_iter().flat_map(ParameterSets::sample_formats).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::SingleStream;
    use std::io::Read as _;

    const PID: u16 = 0x100;

    /// Sequence and picture parameter sets of H.264 by x264, and the first bytes of a keyframe.
    const YUV420: &[u8] =
        b"\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\0\0\x03\0\x40\0\0\x0c\x83\xc4\x89\xa8";
    const YUV444: &[u8] =
        b"\x67\xf4\0\x0a\x91\x96\x84\x7b\x01\x10\0\0\x03\0\x10\0\0\x03\x03\x20\xf1\x22\x6a";
    const REST: &[u8] = b"\0\0\0\x01\x68\xce\x3c\x80\0\0\0\x01\x65\x88\x84";

    /// Returns tables, and a packet of the video that begins with the unit `first`.
    fn stream(first: &[u8]) -> Vec<u8> {
        let mut packets = Vec::new();
        SingleStream::begin(PID, Codec::H264, &mut packets).unwrap();
        let pes = [b"\0\0\x01\xe0\0\0\x80\x80\x05\x21\0\x01\0\x01\0\0\0\x01", first, REST].concat();
        let fill = 184 - pes.len();
        packets.extend([0x47, 0x41, 0, 0x30, (fill - 1) as u8, 0]);
        packets.resize(packets.len() + fill - 2, 0xFF);
        packets.extend(pes);
        packets
    }

    /// Returns the graph that ffmpeg gets for a stream.
    fn chosen(stream: &[u8]) -> String {
        let graphs = Graphs { usual: "usual".into(), as_coded: "as coded".into() };
        let (mut choice, reader) = GraphChoice::new(PID, graphs).unwrap();
        let tables = &stream[..stream.len().min(2 * 188)];
        assert!(!choice.is_decided_by(tables));
        assert_eq!(choice.is_decided_by(stream), stream.len() > tables.len());
        choice.choose().unwrap();
        let mut graph = String::new();
        File::from(reader).read_to_string(&mut graph).unwrap();
        graph
    }

    #[test]
    fn graph_follows_samples_of_first_parameter_sets() {
        assert_eq!(chosen(&stream(YUV420)), "usual");
        assert_eq!(chosen(&stream(YUV444)), "as coded");
    }

    #[test]
    fn graph_without_parameter_sets_suits_all_samples() {
        assert_eq!(chosen(&stream(YUV420)[..2 * 188]), "as coded");
        let unlimited = [&stream(b"\x41\x9a")[..], &vec![0; SEARCH]].concat();
        assert_eq!(chosen(&unlimited), "as coded");
    }
}
