//! MPEG-TS, read as it arrives and never changed.
//!
//! One [`Scanner`] serves the recorder, which pushes whatever the socket gave, and the examiner of
//! segments, which pushes windows of half a megabyte. It says what a segmenter has to know: which
//! programs there are, where each PES packet starts, with which time stamps, which of them can be
//! decoded from, and what is damaged. It copies nothing but section bytes, PES headers and
//! parameter sets, and it does no I/O.
//!
//! What is found depends on the bytes alone, never on how they were divided between pushes.
//!
//! # How a stream is read
//!
//! - **Packets** (`sync`): a boundary is where sync bytes repeat at 188, 192 or 204 bytes. In sync, a
//!   packet is taken when its own sync byte is right; a wrong one is a loss, and the search begins at
//!   that packet. Looking one packet ahead before taking any was rejected: it would keep each last
//!   packet of a network read waiting for the next read.
//! - **PIDs** (`pid`): continuity is checked, payload is looked at only where something is expected
//!   in it. All other packets cost a load of four bytes and a comparison.
//! - **PSI** (`section`, `psi`): PAT and PMT with their CRC; other tables are left alone.
//! - **Access units** (`access`, `parameters`): the parameter sets of each video are kept, the last one of each id,
//!   for decoders that begin in the middle (`complete`). Where in its PES packets an access unit lies makes no
//!   difference.
//! - **PES** (`es`, `pes`, `access`): headers of every PID that carries them, listed in a PMT or not: a
//!   segment cut between two PMTs, and a broadcast whose PMT lies, can still be read.
//!
//! # What it will not do
//!
//! It keeps no clock (time stamps are 33 bits as sent), assembles no PES packet and descrambles nothing.
//! Packets with `transport_error_indicator` and scrambled payload are counted, not interpreted.
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
pub use rewrite::single::SingleStream;
pub use rewrite::stamps::{Begins, begins, restamp, with_stamp};
pub use scan::found::{Counters, Damage, Found, Pes, PidCounters};
pub use scan::scanner::Scanner;
pub use video::access::Entry;
pub use video::orientation::OrientationMask;
pub use video::parameter_sets::ParameterSets;
pub use video::sps::{Chroma, SampleFormat};
