//! The detector's rule in ffmpeg's expression language: which pictures leave the decoder.
//!
//! Full pictures of every frame through a pipe would cost more than decoding them. So ffmpeg's `select`
//! filter hands over only those that [`cht_detect::threshold`] will keep, or that may come to be wanted, and of all others just the score.
//! What it hands over is of use, and no decision: that is taken here, by the same rule.
//!
//! Times are compared on the 33-bit circle, so that it does not matter how ffmpeg represents a PTS after a wrap.
//! Registers: 0 last kept, 1 last kept cut, 2 cuts waiting, 3 a cut is due, 4 the frame is handed over,
//! 5 something was kept, 6 a cut was kept, 7 the frame is a cut.
//!
//! A picture that a live stream brings after a pause has the time of the one before it, and a tick ([`cht_ts::Delimiter`]): which
//! time is its own was not known. It is handed over, and so are the pictures just after it (registers 8 and 9).

use cht_core::event::Anchor;
use cht_ts::{
    Chroma, SampleFormat,
    time::{TICKS_PER_SECOND, unwrap33},
};
use serde::{Deserialize, Serialize};

use super::mode::Decode;
use cht_detect::threshold::{Rules, State};

/// Where the expression begins: what holds at the frame `from`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub wanted: Wanted<'a>,
    /// The line that the decoder's input lies on.
    pub anchor: Anchor,
    /// Frames before this tick of the session's timeline are decoded for their effect only.
    pub from: i64,
}

/// Which pictures are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Those that the rule on ffmpeg's score keeps.
    Scene(Rules, State),
    /// Those that a detector may come to want, which knows more than the score; by default one each so many ticks.
    Candidates(Candidates, i64),
    /// Those of these frames, in ticks of the session.
    Exact(&'a [i64]),
    /// None, but small luma; only the first picture of each size, to tell it.
    Small,
}

/// Whether the filter of the score takes pictures of such samples only after ffmpeg has made coarser ones of them. ffmpeg 5.1
/// takes 4:2:0 of 8 and 10 bits and 4:2:2 of 8 bits.
pub(crate) fn is_coarsened(samples: SampleFormat) -> bool {
    match samples.chroma {
        Chroma::Grey => false,
        Chroma::Yuv420 => samples.depth > 10,
        Chroma::Yuv422 => samples.depth > 8,
        Chroma::Yuv444 => true,
    }
}

/// The same filter graph where the score would make the pictures coarser: the score is measured in a branch of its own, and pictures
/// leave the decoder as they are coded. That branch cannot tell the other what the score is, so every picture is handed over that
/// the score might ask for.
pub(crate) fn graph_as_coded(pid: u16, start: &Start, formats: &str) -> String {
    let since_start = since(&start.pts(Some(start.from)).to_string());
    let (before, handed) = match start.wanted {
        Wanted::Scene(..) => ("", format!("gte({since_start},0)")),
        Wanted::Candidates(..) => (SMALL, format!("gt(eq(n,0)+gte({since_start},-{WAITING}),0)")),
        Wanted::Exact(ticks) => ("", exact(ticks, start)),
        // Nothing but the size of a picture is looked at.
        Wanted::Small => return graph(pid, start, formats),
    };
    // The formats stand in the branch of the score as well, so that ffmpeg converts for it as in the other graph.
    format!(
        "[0:i:{pid:#x}]{before}split[scored][coded];[scored]select=n=2:e='1+{handed}+0*scene'[passed][taken];\
         [passed]metadata@passed=print:key=lavfi.scene_score,nullsink;\
         [taken]metadata@taken=print:key=lavfi.scene_score,format={formats},nullsink;\
         [coded]select=e='{handed}',format={formats},showinfo@taken=checksum=0[out]"
    )
}

/// The filter graph from input stream `pid` to the output `[out]`, of pictures in one of `formats`, and `[small]` where luma is measured.
pub(crate) fn graph(pid: u16, start: &Start, formats: &str) -> String {
    let (before, expression) = match start.wanted {
        Wanted::Scene(rules, state) => ("", expression(&rules, &state, start)),
        Wanted::Candidates(candidates, every) => (SMALL, candidates.expression(start, every)),
        Wanted::Exact(ticks) => ("", format!("1+{}+0*scene", exact(ticks, start))),
        Wanted::Small => (SMALL, "1+eq(n,0)+0*scene".to_owned()),
    };
    // In a graph description , ; [ ] end the filter; inside quotes they do not.
    format!(
        "[0:i:{pid:#x}]{before}select=n=2:e='{expression}'[passed][taken];\
         [passed]metadata@passed=print:key=lavfi.scene_score,nullsink;\
         [taken]metadata@taken=print:key=lavfi.scene_score,format={formats},showinfo@taken=checksum=0[out]"
    )
}

/// Luma at a quarter of the width and height, with the codes of the stream. A field is every second row without a copy, so `scale`
/// has a quarter of the rows to read: this costs a tenth of scaling the whole picture, and a picture that is interlaced shows no
/// comb. Grey has full range for ffmpeg; where the picture is said to have that too, no code becomes another, nor depends on
/// what the stream says about its range.
const SMALL: &str = "split[whole][looked];[whole]field,field,scale=iw/4:ih:flags=area:in_range=full,format=gray[small];[looked]";

/// Width and height of the small luma of a picture.
pub(crate) fn small_size(width: u32, height: u32) -> (usize, usize) {
    ((width / 4) as usize, height.div_ceil(2).div_ceil(2) as usize)
}

/// A frame may be a cut whose score is above this, and above so many times what was just changing.
const MAY_BE_CUT: f64 = 0.01;
const STANDS_OUT: f64 = 2.0;

/// A frame changes something if its score is above this, above so many times what was just changing, and so many times the mean.
const CHANGES: f64 = 1e-4;
const CHANGES_OF_RECENT: f64 = 4.0;
const CHANGES_OF_MEAN: f64 = 3.0;

/// So long after a change the picture is handed over, for it may have come to rest.
const SETTLED: i64 = TICKS_PER_SECOND / 4;

/// Scores that add up to less are no change: the coding mends the picture.
const CHANGED: f64 = 1e-5;

/// What of the score of a frame counts as just changing in the next one.
const FADES: f64 = 0.5;

/// A picture in which little changes is handed over so often, and one that moves.
const CALM: i64 = TICKS_PER_SECOND / 2;
const MOVING: i64 = TICKS_PER_SECOND;

/// The mean score up to which little moves, and how fast it follows.
const CALM_SCORE: f64 = 0.0016;
const FOLLOWS: f64 = 0.03;

/// A score counts for so much at most: one change is no movement.
const ONE_CHANGE: f64 = 0.005;

/// A picture that does not change is handed over so often, to be there for an interval that ends.
const STILL: i64 = 2 * TICKS_PER_SECOND;

/// A keyframe is handed over so often, where only keyframes are decoded: nearly each of them may be chosen.
const SPARSE: i64 = TICKS_PER_SECOND / 2;

/// How often a picture that does not change is handed over.
pub(crate) fn every(decode: Decode) -> i64 {
    if decode == Decode::Keyframes { SPARSE } else { STILL }
}

/// Time after a pause in which all pictures are handed over, in ticks: until what it ended with has come to rest.
const AFTER_PAUSE: i64 = TICKS_PER_SECOND * 6 / 10;

/// How long before its end a run-up hands over all pictures: one of them may have been waiting.
const WAITING: i64 = 3 * TICKS_PER_SECOND;

/// Which pictures a detector may come to want: a cut, or the picture as it has come to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidates {
    /// When a picture was last handed over.
    handed: Option<i64>,
    /// The scores since, with what was just changing then.
    changed: f64,
    /// When something changed last.
    change: Option<i64>,
    /// What was just changing.
    recent: f64,
    /// The mean score.
    mean: f64,
}

impl Candidates {
    /// Takes the frame at `at`, which may be the `first` one of its size; whether its picture is a candidate. A picture that does not
    /// change is one each `every` ticks.
    pub(crate) fn take(&mut self, at: i64, score: f64, first: bool, every: i64) -> bool {
        let first = first || self.handed.is_none();
        let usual = (CHANGES_OF_RECENT * self.recent).max(CHANGES_OF_MEAN * self.mean);
        if first || score > usual.max(CHANGES) {
            self.change = Some(at);
        }
        self.changed += score;
        let since = |then: Option<i64>| then.map_or(i64::MAX, |then| at - then);
        let (since_handed, since_change) = (since(self.handed), since(self.change));
        let often = if self.mean >= CALM_SCORE { MOVING } else { CALM };
        let is_candidate = first
            || score > MAY_BE_CUT.max(STANDS_OUT * self.recent)
            || since_handed >= every
            || since_change >= SETTLED && since_handed > since_change - SETTLED
            || self.changed > CHANGED && since_handed >= often;
        self.recent = self.recent * FADES + score;
        self.mean += FOLLOWS * (score.min(ONE_CHANGE) - self.mean);
        if is_candidate {
            self.handed = Some(at);
            self.changed = self.recent;
        }
        is_candidate
    }

    /// The same in ffmpeg's language.
    ///
    /// Registers: 0 last handed over, 1 the scores since, 2 mean score, 3 something was handed over, 4 this frame is, 5 its score, 6 what
    /// was just changing, 7 when something changed last.
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
             st(4,gt(not(ld(3))+gt(ld(5),max({MAY_BE_CUT},{STANDS_OUT}*ld(6)))+gte({since_handed},{every})\
             +gte({since_change},{SETTLED})*gt({since_handed},{since_change}-{SETTLED})\
             +gt(ld(1),{CHANGED})*gte({since_handed},if(gte(ld(2),{CALM_SCORE}),{MOVING},{CALM})),0));\
             st(6,ld(6)*{FADES}+ld(5));\
             st(2,ld(2)+{FOLLOWS}*(min(ld(5),{ONE_CHANGE})-ld(2)));\
             if(ld(4),st(0,pts);st(1,ld(6));st(3,1));\
             1+gt(ld(4)+ld(8)+ld(9)*lt({since_pause},{AFTER_PAUSE}),0))",
            since_pause = since("ld(9)"),
            handed = start.pts(self.handed),
            change = start.pts(self.change),
            changed = self.changed,
            recent = self.recent,
            mean = self.mean,
            any = u8::from(self.handed.is_some()),
        )
    }
}

impl Start<'_> {
    /// The same for a decoder that begins later: what it then has to know is not known.
    pub(crate) fn without_state(self) -> Self {
        let wanted = match self.wanted {
            Wanted::Scene(rules, _) => Wanted::Scene(rules, State::default()),
            Wanted::Candidates(_, every) => Wanted::Candidates(Candidates::default(), every),
            wanted => wanted,
        };
        Self { wanted, ..self }
    }

    /// A tick of the session as PTS; that it may be negative or beyond 33 bits is no matter on the circle.
    fn pts(&self, tick: Option<i64>) -> i64 {
        tick.map_or(0, |tick| self.anchor.pts + (tick - self.anchor.offset))
    }
}

fn expression(rules: &Rules, state: &State, start: &Start) -> String {
    let pts = |tick| start.pts(tick);
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
         1+gt(ld(4)+eq(pts-prev_pts,1),0))",
        kept = pts(state.last_kept),
        cut = pts(state.last_cut),
        waiting = u8::from(state.waiting.is_some()),
        any_kept = u8::from(state.last_kept.is_some()),
        any_cut = u8::from(state.last_cut.is_some()),
        before = since(&pts(Some(start.from)).to_string()),
    )
}

/// Whether a frame is one of those at `ticks`. (`select` measures the score only where an expression has its name.)
fn exact(ticks: &[i64], start: &Start) -> String {
    let is_at = |&tick: &i64| format!("+not({})", since(&start.pts(Some(tick)).to_string()));
    format!("gt(0{},0)", ticks.iter().map(is_at).collect::<String>())
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
