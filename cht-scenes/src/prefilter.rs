//! The detector's rule in ffmpeg's expression language: which pictures leave the decoder.
//!
//! Full pictures of every frame through a pipe would cost more than decoding them. So ffmpeg's `select`
//! filter hands over only those that [`crate::detector`] will keep, and of all others just the score. It
//! may hand over too many, never too few: the detector decides.
//!
//! Times are compared on the 33-bit circle, so that it does not matter how ffmpeg represents a PTS after a wrap.
//! Registers: 0 last kept, 1 last kept cut, 2 cuts waiting, 3 a cut is due, 4 the frame is handed over,
//! 5 something was kept, 6 a cut was kept, 7 the frame is a cut.

use cht_core::{event::Anchor, time::unwrap33};

use crate::detector::{Rules, State};

/// Where the expression begins: the state of the detector at the frame `from`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub state: &'a State,
    /// The line that the decoder's input lies on.
    pub anchor: Anchor,
    /// Frames before this tick of the session's timeline are decoded for their effect only.
    pub from: i64,
}

/// The filter graph from input stream `pid` to the output `[out]`.
pub(crate) fn graph(pid: u16, rules: &Rules, start: &Start) -> String {
    let expression = expression(rules, start);
    // In a graph description , ; [ ] end the filter; inside quotes they do not.
    format!(
        "[0:i:{pid:#x}]select=n=2:e='{expression}'[passed][taken];\
         [passed]metadata@passed=print:key=lavfi.scene_score,nullsink;\
         [taken]metadata@taken=print:key=lavfi.scene_score,format=rgb24,showinfo@taken=checksum=0[out]"
    )
}

fn expression(rules: &Rules, start: &Start) -> String {
    let Start { state, anchor, from } = *start;
    // A tick of the session as PTS; that it may be negative or beyond 33 bits is no matter on the circle.
    let pts = |tick: Option<i64>| tick.map_or(0, |tick| anchor.pts + (tick - anchor.offset));
    let kept_since = since("ld(0)");
    let cut_since = since("ld(1)");
    let Rules { threshold, min_gap, max_interval } = rules;
    let interval =
        if *max_interval > 0 { format!("gte({kept_since},{max_interval})") } else { "0".into() };
    // A graph that begins anew behind `from` does so because the picture's size has changed: as at the
    // very beginning, the first frame is handed over.
    format!(
        "if(eq(n,0),st(0,{kept});st(1,{cut});st(2,{waiting});\
         st(5,{any_kept}*lt({before},0));st(6,{any_cut}));\
         if(lt({before},0),1,\
         st(7,gt(round(scene*1000000)/1000000,{threshold}));st(2,ld(2)+ld(7));\
         st(3,ld(2)*(not(ld(6))+gte({cut_since},{min_gap})));\
         st(4,gt(ld(3)+not(ld(5))+{interval},0));\
         if(ld(3)*ld(5)*ld(7),st(1,pts);st(6,1));\
         if(ld(3)+not(ld(5)),st(2,0));\
         if(ld(4),st(0,pts);st(5,1));\
         1+ld(4))",
        kept = pts(state.last_kept),
        cut = pts(state.last_cut),
        waiting = u8::from(state.waiting.is_some()),
        any_kept = u8::from(state.last_kept.is_some()),
        any_cut = u8::from(state.last_cut.is_some()),
        before = since(&pts(Some(from)).to_string()),
    )
}

/// The signed distance on the 33-bit circle from the PTS `from` to the frame's, in ffmpeg's language.
fn since(from: &str) -> String {
    const WRAP: i64 = 1 << 33;
    // Three half turns keep the argument positive however the two are represented.
    format!("(mod(pts-({from})+{},{WRAP})-{})", 3 * WRAP / 2, WRAP / 2)
}

/// The tick of the session that ffmpeg's `pts` stands for, near `reference` (a tick).
pub(crate) fn tick_of(anchor: Anchor, reference: i64, pts: i64) -> i64 {
    let shift = anchor.pts - anchor.offset;
    unwrap33(reference + shift, pts as u64) - shift
}
