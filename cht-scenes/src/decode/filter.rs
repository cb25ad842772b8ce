//! Writes the detector's rule in ffmpeg's expression language: it tells which pictures leave the
//! decoder.
//!
//! Full pictures of every frame through a pipe would cost more than decoding them. So ffmpeg's
//! `select` filter hands over only the pictures that [`cht_detect::threshold`] will keep or that a
//! detector may ask for later, and the score alone of all other frames. A picture handed over is a
//! candidate, not a decision: cht-scenes decides, by the same rule.
//!
//! Times are compared on the 33-bit circle, so any representation of a PTS after a wrap works.
//! Registers: 0 last kept, 1 last kept cut, 2 cuts waiting, 3 a cut is due, 4 the frame is handed
//! over, 5 something was kept, 6 a cut was kept, 7 the frame is a cut.
//!
//! The first picture of a live stream after a pause has the time of the picture before it plus one
//! tick ([`cht_ts::Delimiter`]), because its own time was not known yet. It is handed over, and so
//! are the pictures just after it (registers 8 and 9).

use cht_core::event::Anchor;
use cht_ts::{Chroma, Pts, SampleFormat, time::TICKS_PER_SECOND};
use serde::{Deserialize, Serialize};

use super::mode::Decode;
use cht_detect::threshold::{State, Threshold};

/// Describes the state at the frame `from`, where the expression begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub wanted: Wanted<'a>,
    /// Anchor of the decoder's input on the session's timeline.
    pub anchor: Anchor,
    /// First tick of the session's timeline that counts; earlier frames are decoded for their
    /// effect only.
    pub from: i64,
}

/// Selects the pictures that leave the decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Pictures that the rule on ffmpeg's score keeps.
    Scene(Threshold),
    /// Pictures that a detector with more than the score may ask for, and at least one per this
    /// number of ticks.
    Candidates(Candidates, i64),
    /// Pictures of these frames, in ticks of the session.
    Exact(&'a [i64]),
    /// Small luma alone, and the first picture of each size, to tell the size.
    Small,
}

/// Returns whether ffmpeg converts such samples to coarser ones before its score filter takes them.
/// The filter of ffmpeg 5.1 takes 4:2:0 of 8 and 10 bits and 4:2:2 of 8 bits.
pub(crate) fn is_coarsened(samples: SampleFormat) -> bool {
    match samples.chroma {
        Chroma::Grey => false,
        Chroma::Yuv420 => samples.depth > 10,
        Chroma::Yuv422 => samples.depth > 8,
        Chroma::Yuv444 => true,
    }
}

/// Returns the filter graph for streams whose pictures the score filter would make coarser: the
/// score is measured in its own branch, and pictures leave the decoder as coded. The score does not
/// reach the picture branch, so it hands over every picture that the score might ask for.
pub(crate) fn graph_as_coded(pid: u16, start: &Start, formats: &str) -> String {
    let since_start = since(&start.pts(Some(start.from)).to_string());
    let (before, handed) = match start.wanted {
        Wanted::Scene(..) => ("", format!("gte({since_start},0)")),
        Wanted::Candidates(..) => (SMALL, format!("gt(eq(n,0)+gte({since_start},-{WAITING}),0)")),
        Wanted::Exact(ticks) => ("", exact(ticks, start)),
        // Only the size of a picture is read.
        Wanted::Small => return graph(pid, start, formats),
    };
    // The score branch names the formats too, so that ffmpeg converts for it as in the other graph.
    format!(
        "[0:i:{pid:#x}]{before}split[scored][coded];[scored]select=n=2:e='1+{handed}+0*scene'[passed][taken];\
         [passed]metadata@passed=print:key=lavfi.scene_score,nullsink;\
         [taken]metadata@taken=print:key=lavfi.scene_score,format={formats},nullsink;\
         [coded]select=e='{handed}',format={formats},showinfo@taken=checksum=0[out]"
    )
}

/// Returns the filter graph from the input stream `pid` to the output `[out]`, pictures in one of
/// `formats`, and to `[small]` if luma is measured.
pub(crate) fn graph(pid: u16, start: &Start, formats: &str) -> String {
    let (before, expression) = match start.wanted {
        Wanted::Scene(threshold) => ("", expression(&threshold, start)),
        Wanted::Candidates(candidates, every) => (SMALL, candidates.expression(start, every)),
        Wanted::Exact(ticks) => ("", format!("1+{}+0*scene", exact(ticks, start))),
        Wanted::Small => (SMALL, "1+eq(n,0)+0*scene".to_owned()),
    };
    // In a graph description, `,`, `;`, `[` and `]` end the filter, but not inside quotes.
    format!(
        "[0:i:{pid:#x}]{before}select=n=2:e='{expression}'[passed][taken];\
         [passed]metadata@passed=print:key=lavfi.scene_score,nullsink;\
         [taken]metadata@taken=print:key=lavfi.scene_score,format={formats},showinfo@taken=checksum=0[out]"
    )
}

/// Filters that give luma at a quarter of the width and height, with the codes of the stream. A
/// field is every second row without a copy, so `scale` reads a quarter of the rows: this costs a
/// tenth of scaling the whole picture, and interlaced pictures show no comb. ffmpeg takes grey as
/// full range; with `in_range=full` no code changes, and none depends on the range that the stream
/// names.
const SMALL: &str = "split[whole][looked];[whole]field,field,scale=iw/4:ih:flags=area:in_range=full,format=gray[small];[looked]";

/// Returns the width and height of a picture's small luma.
pub(crate) fn small_size(width: u32, height: u32) -> (usize, usize) {
    ((width / 4) as usize, height.div_ceil(2).div_ceil(2) as usize)
}

/// Score that a cut exceeds, and the ratio of its score to the recent change that it exceeds.
const MAY_BE_CUT: f64 = 0.01;
const STANDS_OUT: f64 = 2.0;

/// Score that a change exceeds, and the ratios to the recent change and to the mean score that it
/// exceeds.
const CHANGES: f64 = 1e-4;
const CHANGES_OF_RECENT: f64 = 4.0;
const CHANGES_OF_MEAN: f64 = 3.0;

/// Time after a change when the picture may be at rest and is handed over, in ticks.
const SETTLED: i64 = TICKS_PER_SECOND / 4;

/// Sum of scores that a change exceeds; a smaller sum is the encoder refining the picture.
const CHANGED: f64 = 1e-5;

/// Part of the recent change that remains after one frame.
const FADES: f64 = 0.5;

/// Parts of the interval of an unchanged picture at which a changing one is handed over: with
/// little change, and with movement.
const CALM: i64 = 4;
const MOVING: i64 = 2;

/// Mean score from which on the picture is moving, and the weight of a new score in the mean.
const CALM_SCORE: f64 = 0.0016;
const FOLLOWS: f64 = 0.03;

/// Largest score that the mean takes in: one change is no movement.
const ONE_CHANGE: f64 = 0.005;

/// Interval at which a picture is handed over where only keyframes are decoded, in ticks: nearly
/// each of them may be selected.
const SPARSE: i64 = TICKS_PER_SECOND / 2;

/// Returns the interval at which an unchanged picture is handed over, in ticks. A detector needs
/// one each `still_every` ticks.
pub(crate) fn every(decode: Decode, still_every: i64) -> i64 {
    if decode == Decode::Keyframes { SPARSE } else { still_every }
}

/// Time after a pause in which all pictures are handed over, in ticks: until the change that ended
/// it is at rest.
const AFTER_PAUSE: i64 = TICKS_PER_SECOND * 6 / 10;

/// Time before its end in which a preroll hands over all pictures, in ticks: a detector may be
/// waiting for one of them.
const WAITING: i64 = 3 * TICKS_PER_SECOND;

/// Finds the pictures that a detector may ask for: a cut, or a picture at rest after a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidates {
    /// Tick of the last picture handed over. In a row of pictures at the same interval it is the
    /// time when the picture was due, so that intervals add up.
    handed: Option<i64>,
    /// Sum of the scores since, and the recent change at that time.
    changed: f64,
    /// Tick of the last change.
    change: Option<i64>,
    /// Recent change: the scores, of which each frame forgets a part.
    recent: f64,
    /// Mean score.
    mean: f64,
}

impl Candidates {
    /// Takes the frame at `at`, which may be the `first` of its size. Returns whether its picture
    /// is a candidate; an unchanged picture is one every `every` ticks.
    pub(crate) fn take(&mut self, at: i64, score: f64, first: bool, every: i64) -> bool {
        let first = first || self.handed.is_none();
        let usual = (CHANGES_OF_RECENT * self.recent).max(CHANGES_OF_MEAN * self.mean);
        if first || score > usual.max(CHANGES) {
            self.change = Some(at);
        }
        self.changed += score;
        let since = |then: Option<i64>| then.map_or(i64::MAX, |then| at - then);
        let (since_handed, since_change) = (since(self.handed), since(self.change));
        let often = every / if self.mean >= CALM_SCORE { MOVING } else { CALM };
        let is_own = first
            || score > MAY_BE_CUT.max(STANDS_OUT * self.recent)
            || since_change >= SETTLED && since_handed > since_change - SETTLED;
        let interval = if since_handed >= every {
            every
        } else if self.changed > CHANGED && since_handed >= often {
            often
        } else {
            0
        };
        let is_candidate = is_own || interval > 0;
        self.recent = self.recent * FADES + score;
        self.mean += FOLLOWS * (score.min(ONE_CHANGE) - self.mean);
        if is_candidate {
            let due = self.handed.filter(|_| !is_own && since_handed < 2 * interval);
            self.handed = Some(due.map_or(at, |due| due + interval));
            self.changed = self.recent;
        }
        is_candidate
    }

    /// Returns the same rule in ffmpeg's expression language.
    ///
    /// Registers: 0 last handed over, 1 sum of the scores since, 2 mean score, 3 something was
    /// handed over, 4 this frame is (1: for its own sake, else: the interval), 5 its score, 6
    /// recent change, 7 time of the last change.
    fn expression(&self, start: &Start, every: i64) -> String {
        let (since_handed, since_change) = (since("ld(0)"), since("ld(7)"));
        let before = since(&start.pts(Some(start.from)).to_string());
        format!(
            "if(eq(n,0),st(0,{handed});st(1,{changed});st(2,{mean});st(3,{any}*lt({before},0));\
             st(6,{recent});st(7,{change}));\
             if(ld(8),if(eq(ld(0),prev_pts),st(0,pts));if(eq(ld(7),prev_pts),st(7,pts));st(9,pts));\
             st(8,eq(pts-prev_pts,1));\
             if(lt({before},0),1+gt(eq(n,0)+gte({before},-{WAITING}),0),\
             st(5,round(scene*1000000)/1000000);st(1,ld(1)+ld(5));\
             if(gt(not(ld(3))+gt(ld(5),max({CHANGES},max({CHANGES_OF_RECENT}*ld(6),{CHANGES_OF_MEAN}*ld(2)))),0),st(7,pts));\
             st(4,if(gt(not(ld(3))+gt(ld(5),max({MAY_BE_CUT},{STANDS_OUT}*ld(6)))\
             +gte({since_change},{SETTLED})*gt({since_handed},{since_change}-{SETTLED}),0),1,\
             if(gte({since_handed},{every}),{every},if(gt(ld(1),{CHANGED}),\
             if(gte(ld(2),{CALM_SCORE}),gte({since_handed},{moving})*{moving},gte({since_handed},{calm})*{calm}),0))));\
             if(ld(4),st(0,if(gt(ld(4),1)*lt({since_handed},2*ld(4)),ld(0)+ld(4),pts)));\
             st(6,ld(6)*{FADES}+ld(5));\
             st(2,ld(2)+{FOLLOWS}*(min(ld(5),{ONE_CHANGE})-ld(2)));\
             if(ld(4),st(1,ld(6));st(3,1));\
             1+gt(ld(4)+ld(8)+ld(9)*lt({since_pause},{AFTER_PAUSE}),0))",
            since_pause = since("ld(9)"),
            handed = start.pts(self.handed),
            change = start.pts(self.change),
            changed = self.changed,
            recent = self.recent,
            mean = self.mean,
            any = u8::from(self.handed.is_some()),
            moving = every / MOVING,
            calm = every / CALM,
        )
    }
}

impl Start<'_> {
    /// Returns the same start for a decoder that begins later, whose state is not known.
    pub(crate) fn without_state(self) -> Self {
        let wanted = match self.wanted {
            Wanted::Scene(mut rule) => {
                rule.state = State::default();
                Wanted::Scene(rule)
            }
            Wanted::Candidates(_, every) => Wanted::Candidates(Candidates::default(), every),
            wanted => wanted,
        };
        Self { wanted, ..self }
    }

    /// Returns a tick of the session as PTS. It may be negative or exceed 33 bits, which is
    /// harmless on the circle.
    fn pts(&self, tick: Option<i64>) -> i64 {
        tick.map_or(0, |tick| self.anchor.pts_at(tick))
    }
}

fn expression(threshold: &Threshold, start: &Start) -> String {
    let pts = |tick| start.pts(tick);
    let kept_since = since("ld(0)");
    let cut_since = since("ld(1)");
    let Threshold { threshold, min_gap, max_interval, state, .. } = threshold;
    let interval =
        if *max_interval > 0 { format!("gte({kept_since},{max_interval})") } else { "0".into() };
    // A graph restarts after `from` because the picture's size has changed: its first frame is
    // handed over, as at the beginning of the stream.
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
         1+gt(ld(4)+eq(pts-prev_pts,1),0))",
        kept = pts(state.last_kept),
        cut = pts(state.last_cut),
        waiting = u8::from(state.waiting.is_some()),
        any_kept = u8::from(state.last_kept.is_some()),
        any_cut = u8::from(state.last_cut.is_some()),
        before = since(&pts(Some(start.from)).to_string()),
    )
}

/// Returns an expression that is true for the frames at `ticks`. (`select` measures the score only
/// if an expression names it.)
fn exact(ticks: &[i64], start: &Start) -> String {
    let is_at = |&tick: &i64| format!("+not({})", since(&start.pts(Some(tick)).to_string()));
    format!("gt(0{},0)", ticks.iter().map(is_at).collect::<String>())
}

/// Returns the signed distance on the 33-bit circle from the PTS `from` to the frame's, in ffmpeg's
/// expression language.
fn since(from: &str) -> String {
    const WRAP: i64 = Pts::WRAP;
    // Three half turns keep the argument positive in each representation of the two.
    format!("(mod(pts-({from})+{},{WRAP})-{})", 3 * WRAP / 2, WRAP / 2)
}
