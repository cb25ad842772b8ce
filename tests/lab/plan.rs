//! Plans the events of a round from its seed.

use std::fmt::Write as _;

use crate::{
    material::{self, Stream},
    rng::Rng,
};

/// Stage of the live pipeline, by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Recv,
    Segwatch,
    Scenes,
    Index,
}

pub(crate) const STAGES: [Stage; 4] = [Stage::Recv, Stage::Segwatch, Stage::Scenes, Stage::Index];
/// Stages that write to the session, the busiest ones twice.
const WRITERS: [Stage; 5] = [Stage::Recv, Stage::Recv, Stage::Scenes, Stage::Scenes, Stage::Index];

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recv => "cht-recv",
            Self::Segwatch => "cht-segwatch",
            Self::Scenes => "cht-scenes",
            Self::Index => "cht-index",
        }
    }
}

/// Reaction of the supervisor to a dead stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It asks the recorder to stop, waits for all stages, and starts all again.
    Drain,
    /// It kills the others and starts all again.
    Kill,
    /// It leaves the others for this many milliseconds, then drains.
    Leave(u64),
    /// The recorder goes on; `cht-segwatch --follow` begins the rest of the pipeline anew.
    Follow,
}

/// Files that may be damaged while no stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Record,
    Scenes,
    Index,
    State,
}

/// Fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Kill(Stage, After),
    /// Every stage; a line that is not whole is put at the end of a journal, or a state is damaged.
    KillAll(Option<Written>),
    /// In a call: `operation` and `mode` as in `shim.c`, after `first` such calls.
    KillAt {
        stage: Stage,
        operation: char,
        mode: char,
        first: u64,
        after: After,
    },
    Stop(Stage, u64),
    /// The disk refuses writes of a stage for this many milliseconds after the first refusal.
    Refuse {
        stage: Stage,
        errno: i32,
        operations: &'static str,
        mode: char,
        milliseconds: u64,
    },
    /// Reading from the disk fails.
    Unreadable {
        errno: i32,
        milliseconds: u64,
    },
    SlowReader(u64),
    /// A finished segment is moved away, and back after this many milliseconds.
    Vanish(u64),
    Truncate,
    /// A finished segment becomes a link to where it was moved.
    Link,
    /// A frame is marked by an edit of `index.json`.
    Edit,
    /// A frame is marked by `cht-index --sent`, which may be killed after this many microseconds.
    Sent(Option<u64>),
    /// Links to foreign files are put under names of temporary files.
    Plant,
    /// The decoder that cht-scenes runs is killed.
    KillDecoder,
}

impl Fault {
    /// Returns whether frames may differ after it, since files could not be read when needed.
    fn loses_frames(self) -> bool {
        matches!(
            self,
            Self::Vanish(_)
                | Self::Truncate
                | Self::KillDecoder
                | Self::Unreadable { .. }
                // If it is the first state, the detectors start over, with a message.
                | Self::KillAll(Some(Written::State))
        )
    }

    /// Returns its name on the command line.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Kill(..) => "kill",
            Self::KillAll(None) => "kill-all",
            Self::KillAll(Some(_)) => "tear",
            Self::KillAt { .. } => "kill-at",
            Self::Stop(..) => "stop",
            Self::Refuse { .. } => "refuse",
            Self::Unreadable { .. } => "unreadable",
            Self::SlowReader(_) => "slow",
            Self::Vanish(_) => "vanish",
            Self::Truncate => "truncate",
            Self::Link => "link",
            Self::Edit => "edit",
            Self::Sent(_) => "sent",
            Self::Plant => "plant",
            Self::KillDecoder => "kill-decoder",
        }
    }
}

/// Time of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Moment {
    /// When this share of the stream was sent.
    Sent(f64),
    /// When the last stage has passed on this many events.
    Events(usize),
}

/// Round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub seed: u64,
    pub round: u64,
    pub stream: Stream,
    pub detect: &'static str,
    pub segment_time: u64,
    pub jobs: u64,
    pub max_interval: u64,
    /// Whether the recorder listens at a Unix socket.
    pub is_unix: bool,
    /// Speed of the sender as a factor of real time; `None` for the highest.
    pub pace: Option<f64>,
    /// Shares of the stream at which the sender reconnects.
    pub cuts: Vec<f64>,
    pub faults: Vec<(Moment, Fault)>,
}

/// Errors of a disk, by Linux's numbers.
const ERRNOS: [(&str, i32); 10] = [
    ("ENOSPC", 28),
    ("EDQUOT", 122),
    ("EIO", 5),
    ("EROFS", 30),
    ("ESTALE", 116),
    ("ETIMEDOUT", 110),
    ("EMFILE", 24),
    ("ENOMEM", 12),
    ("EUCLEAN", 117),
    ("ENOTCONN", 107),
];

/// Returns the name of an error number.
pub(crate) fn name_of(errno: i32) -> &'static str {
    ERRNOS.iter().find(|(_, number)| *number == errno).map_or("?", |(name, _)| name)
}

impl Plan {
    /// Plans the round of a seed and a number, with the faults that `is_wanted` accepts.
    pub(crate) fn of(seed: u64, round: u64, is_wanted: &dyn Fn(Fault) -> bool) -> Self {
        let mut rng = Rng::of_round(seed, round);
        let mut plan = Self {
            seed,
            round,
            stream: rng.pick(&material::ALL),
            detect: rng.pick(&["auto", "auto", "scene"]),
            segment_time: rng.between(1, 4),
            jobs: rng.pick(&[1, 1, 1, 2]),
            max_interval: rng.pick(&[0, 4, 30]),
            is_unix: rng.chance(30),
            pace: rng.pick(&[None, Some(40.0), Some(20.0), Some(10.0)]),
            cuts: (0..rng.below(3)).map(|_| rng.fraction()).collect(),
            faults: Vec::new(),
        };
        plan.cuts.sort_by(f64::total_cmp);
        let wanted = 1 + rng.below(4);
        // Leaving out a kind does not change the others.
        for _ in 0..40 {
            let (moment, fault) = (moment(&mut rng), fault(&mut rng));
            if plan.faults.len() as u64 != wanted && is_wanted(fault) {
                plan.faults.push((moment, fault));
            }
        }
        plan
    }

    pub(crate) fn loses_frames(&self) -> bool {
        self.faults.iter().any(|(_, fault)| fault.loses_frames())
    }

    pub(crate) fn has(&self, is_it: impl Fn(Fault) -> bool) -> bool {
        self.faults.iter().any(|(_, fault)| is_it(*fault))
    }

    /// Returns whether the recorder may die with unwritten bytes.
    pub(crate) fn kills_recorder(&self) -> bool {
        self.has(|fault| match fault {
            Fault::Kill(stage, after) | Fault::KillAt { stage, after, .. } => {
                stage == Stage::Recv || after == After::Kill
            }
            Fault::KillAll(_) => true,
            _ => false,
        })
    }

    /// Describes the plan in a few lines.
    pub(crate) fn describe(&self) -> String {
        let Self { stream, detect, segment_time, jobs, max_interval, is_unix, pace, cuts, .. } =
            self;
        let mut text = format!(
            "{stream:?}, --detect {detect} --segment-time {segment_time} --jobs {jobs} \
             --max-interval {max_interval}, unix {is_unix}, pace {pace:?}, cuts {cuts:.3?}"
        );
        for (moment, fault) in &self.faults {
            let name = if let Fault::Refuse { errno, .. } | Fault::Unreadable { errno, .. } = fault
            {
                name_of(*errno)
            } else {
                ""
            };
            let _ = write!(text, "\n    {moment:?}: {fault:?} {name}");
        }
        text
    }

    /// Returns the options of cht-scenes.
    pub(crate) fn scenes_options(&self) -> Vec<String> {
        let mut options = vec!["--detect".to_owned(), self.detect.to_owned()];
        options.extend(["--max-interval".to_owned(), self.max_interval.to_string()]);
        options.extend(["--stats-interval".to_owned(), "1".to_owned()]);
        options
    }
}

fn moment(rng: &mut Rng) -> Moment {
    if rng.chance(50) {
        Moment::Sent(rng.fraction())
    } else {
        Moment::Events(rng.between(2, 70) as usize)
    }
}

fn after(rng: &mut Rng, stage: Stage) -> After {
    match rng.below(if stage == Stage::Recv { 3 } else { 4 }) {
        0 => After::Drain,
        1 => After::Kill,
        2 => After::Leave(rng.between(10, 500)),
        _ => After::Follow,
    }
}

fn fault(rng: &mut Rng) -> Fault {
    match rng.below(100) {
        0..14 => {
            let stage = rng.pick(&STAGES);
            Fault::Kill(stage, after(rng, stage))
        }
        14..30 => Fault::KillAll(None),
        30..38 => Fault::KillAll(Some(rng.pick(&[
            Written::Record,
            Written::Scenes,
            Written::Index,
            Written::State,
        ]))),
        38..54 => {
            let stage = rng.pick(&WRITERS);
            let operation = rng.pick(&['o', 'w', 'w', 's', 's', 'r', 'u']);
            let mode =
                if operation == 'w' { rng.pick(&['k', 'a', 't']) } else { rng.pick(&['k', 'a']) };
            let first = rng.below(40);
            Fault::KillAt { stage, operation, mode, first, after: after(rng, stage) }
        }
        54..60 => Fault::Stop(rng.pick(&STAGES), rng.between(20, 600)),
        60..76 => Fault::Refuse {
            stage: rng.pick(&WRITERS),
            errno: rng.pick(&ERRNOS).1,
            operations: rng.pick(&["owsrt", "o", "w", "s", "r", "wt"]),
            mode: rng.pick(&['f', 'f', 'h']),
            milliseconds: rng.between(1, 800),
        },
        76..78 => {
            Fault::Unreadable { errno: rng.pick(&[5, 116, 110]), milliseconds: rng.between(1, 300) }
        }
        78..82 => Fault::SlowReader(rng.between(20, 800)),
        82..85 => Fault::Vanish(rng.between(10, 900)),
        85..87 => Fault::Truncate,
        87..89 => Fault::Link,
        89..93 => Fault::Edit,
        93..97 => Fault::Sent(rng.chance(60).then(|| rng.between(500, 20_000))),
        97..99 => Fault::Plant,
        _ => Fault::KillDecoder,
    }
}
