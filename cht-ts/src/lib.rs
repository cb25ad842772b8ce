//! Reads MPEG transport streams (ISO/IEC 13818-1) as they arrive.
//!
//! For recorders, segmenters, indexers, and programs that feed a decoder. Bytes go in; programs,
//! access units, time stamps, access points and damage come out. Findings depend on the bytes
//! alone, never on how they are divided between calls. The crate copies section bytes, PES headers
//! and parameter sets, and nothing else. It opens no file, reads no clock, starts no thread, and
//! has neither dependencies nor `unsafe` code.
//!
//! - [`Scanner`] reads all PIDs of a stream and gives [`Found`]: where PES packets start, with
//!   which time stamps, where decoding can begin, and which packets are damaged or missing.
//! - [`SingleStream`] extracts one PID as a transport stream of its own, [`ProgramFilter`] one
//!   program; [`Units`] divides it into access units; [`GopFilter`] keeps the keyframes and
//!   selected GOPs; [`survey`] lists all GOPs.
//! - [`Completion`] inserts parameter sets for a decoder that begins in the middle, [`Delimiter`]
//!   ends the last picture before a pause, [`OrientationMask`] hides display orientation messages,
//!   [`restamp`] replaces time stamps.
//! - [`Pts`] is a 33-bit time stamp, and [`time`] converts ticks.
//!
//! # Modules
//!
//! In order, each using only those before it:
//!
//! 1. `packet`, `pes`, `sync`, `section`, `codec`, `program`, `audio`, [`time`]: the structures of
//!    ISO/IEC 13818-1, one file each.
//! 2. `video`: access units, access points and parameter sets of H.264, HEVC, MPEG-1, 2 and 4.
//! 3. `scan`: the scanner.
//! 4. `rewrite`: streams taken apart for a decoder.
//!
//! # How a stream is read
//!
//! - **Packets** (`sync`): a packet begins where sync bytes repeat at 188, 192 or 204 bytes. In
//!   sync, a packet is taken when its own sync byte is right; a wrong one is a loss, and the search
//!   begins at that packet. Looking one packet ahead was rejected: the last packet of each network
//!   read would wait for the next read.
//! - **PIDs** (`pid`): continuity is checked; payload is read only where a table or a PES header is
//!   expected. All other packets cost a load of four bytes and a comparison.
//! - **PSI** (`section`, `psi`): PAT and PMT with their CRC; other tables are not read.
//! - **PES** (`es`, `pes`): the headers of every PID that carries PES packets, listed in a PMT or
//!   not. So a segment that was cut between two PMTs can be read, and a broadcast with a wrong PMT.
//! - **Access units** (`access`, `parameter_sets`): an access unit may begin anywhere in its PES
//!   packets. The last parameter set of each id is kept.
//!
//! # Limits
//!
//! Time stamps are 33 bits, as sent. No PES packet is assembled by the scanner, and nothing is
//! descrambled: packets with `transport_error_indicator` or scrambled payload are counted only.
mod audio;
mod codec;
mod packet;
mod pes;
mod program;
mod section;
mod sync;

mod rewrite;
mod scan;
#[cfg(any(test, feature = "testutil"))]
pub mod testutil;
pub mod time;
mod video;

pub use codec::{Codec, Media};
pub use packet::{NULL_PID, PACKET_LEN};
pub use program::{AudioFormat, Program, Stream, VideoFormat};
pub use rewrite::completion::Completion;
pub use rewrite::delimiter::{Delimiter, StandIn};
pub use rewrite::gop_filter::{GopFilter, Plan};
pub use rewrite::gop_survey::{Group, survey};
pub use rewrite::program::ProgramFilter;
pub use rewrite::single::SingleStream;
pub use rewrite::stamps::{Begins, begins, pcr_of, restamp, sound_codec, sound_format, with_stamp};
pub use rewrite::unit::{Unit, Units, write_video};
pub use scan::found::{Counters, Damage, Found, Pes, PidCounters};
pub use scan::scanner::Scanner;
pub use time::Pts;
pub use video::access::{Accesses, Entry};
pub use video::orientation::OrientationMask;
pub use video::parameter_sets::ParameterSets;
pub use video::sps::{Chroma, SampleFormat};
