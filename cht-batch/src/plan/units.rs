//! Makes units of the files that were found.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use cht_core::{
    event,
    process::ffmpeg::{FfmpegError, Program},
    session::{Session, segment_log::SegmentLog},
    storage::{durable, regular},
};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    bad::Bad,
    examine::{Examined, each},
    find::{File, Finder, Found},
    group::{Member, runs},
    known::Known,
    playlist::{self, Playlist},
    probe::{self, Probe, UNDECODABLE, probe},
    series::{Place, Series, label_of, place_of},
};
use crate::{
    kind::Kind,
    root::Root,
    unit::{Input, Layout, Unit},
};

/// Largest playlist that is read, in bytes.
const LARGEST_PLAYLIST: u64 = 64 << 20;

/// Longest label in a key, in bytes.
const LONGEST_LABEL: usize = 60;

/// Units, and the inputs that belong to none.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub units: Vec<Unit>,
    pub bad: Vec<Bad>,
    /// Files that were changed so recently that they are left for a later run.
    pub young: u64,
    /// Sessions that are still recorded.
    pub recording: u64,
    /// Units that are left out because others have the same content.
    pub same: u64,
}

impl Plan {
    /// Returns whether nothing was found, not even a file left for a later run.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.bad.is_empty() && self.young + self.recording == 0
    }
}

/// Makes units.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    pub known: &'a Known,
    pub root: &'a Root,
    pub ffmpeg: &'a Path,
    pub settle: Duration,
    /// Folder of results.
    pub out: Option<&'a Path>,
    /// Units that began earlier are left out.
    pub since: Option<Timestamp>,
    pub zone: TimeZone,
    pub examined: &'a Examined,
}

impl Planner<'_> {
    /// Returns the units at and below these paths. Fails where files need an ffmpeg, and there is
    /// none: that is no fault of the files.
    pub(crate) fn plan(&self, paths: &[PathBuf]) -> Result<Plan, FfmpegError> {
        let mut finder = Finder::new(self.settle, self.out, self.root);
        for path in paths {
            finder.add(path);
        }
        let Found { sessions, playlists, files, bad, young } = finder.finish();
        let mut plan = Plan { bad, young, ..Plan::default() };
        for session in &sessions {
            self.session(session, &mut plan);
        }
        let mut listed = HashSet::new();
        self.playlists(&playlists, &mut listed, &mut plan);
        let files = files.into_iter().filter(|file| !listed.contains(&file.path));
        self.loose(files.collect(), &mut plan);
        if plan.bad.iter().any(|bad| bad.code == UNDECODABLE) {
            Program::find(self.ffmpeg)?;
        }
        self.part(&mut plan);
        Ok(plan)
    }

    /// Drops units of the same content as another one, and numbers those that have the key of
    /// another unit. Those whose files a result names come first, so that a copy takes nothing from
    /// them; then those that know their wall clock.
    fn part(&self, plan: &mut Plan) {
        let rank =
            |unit: &Unit| (self.known.key_by_path(&unit.inputs).is_none(), unit.at.is_none());
        let mut order: Vec<_> = plan.units.iter().map(rank).enumerate().collect();
        order.sort_by_key(|(_, rank)| *rank);
        let mut contents = HashSet::new();
        let mut keys = HashMap::new();
        for (n, _) in order {
            let unit = &plan.units[n];
            let ids: Vec<_> = unit.inputs.iter().map(|input| input.id.clone()).collect();
            if contents.insert(ids) {
                let key = self.free_key(unit, &keys);
                keys.insert(key, n);
            }
        }
        plan.same += (plan.units.len() - keys.len()) as u64;
        let mut kept: BTreeMap<_, _> = keys.into_iter().map(|(key, n)| (n, key)).collect();
        let units = std::mem::take(&mut plan.units).into_iter().enumerate();
        let keep = |(n, unit)| kept.remove(&n).map(|key| Unit { key, ..unit });
        plan.units = units.filter_map(keep).collect();
    }

    /// Returns the key of a unit, with a number if another unit or the result of another unit has
    /// it.
    fn free_key(&self, unit: &Unit, taken: &HashMap<String, usize>) -> String {
        let own = self.known.key(&unit.inputs);
        let is_free =
            |key: &String| !taken.contains_key(key) && (!self.known.has(key) || own == Some(key));
        let numbered = (2..u32::MAX).map(|n| format!("{}_{n}", unit.key));
        std::iter::once(unit.key.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Adds a session that is not recorded any more.
    fn session(&self, session: &Session, plan: &mut Plan) {
        if session.is_recording() {
            plan.recording += 1;
            return;
        }
        let log = SegmentLog::of(session);
        let mut inputs = Vec::new();
        let segments = match session.segments() {
            Ok(segments) => segments,
            Err(error) => return plan.bad.push(Bad::of_io("unreadable", session.root(), &error)),
        };
        self.examined.add(segments.len());
        for path in segments {
            let recorded = cht_core::session::sequence(&path).and_then(|seq| log.get(seq));
            let Some(file) = stat(path, plan) else { continue };
            let probe = match recorded {
                // The recorder has hashed it.
                Some(closed) if closed.bytes == file.bytes => {
                    self.examined.count();
                    Ok(Probe {
                        kind: Kind::Ts,
                        id: closed.blake3.clone(),
                        duration: closed.duration,
                        clock: None,
                    })
                }
                _ => self.probe(&file, None),
            };
            let at = recorded.map(|closed| closed.opened_at);
            self.push(&mut inputs, file, probe, at, None, plan);
        }
        let name = self.root.name(session.root()).unwrap_or_default();
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        self.unit(Layout::Session, &name, inputs, plan);
    }

    /// Adds the playlists, and notes the files that they list.
    fn playlists(&self, paths: &[PathBuf], listed: &mut HashSet<PathBuf>, plan: &mut Plan) {
        let mut media = BTreeMap::new();
        let mut left_out = HashSet::new();
        for path in paths {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let text = durable::read(path, LARGEST_PLAYLIST);
            let text = match text.map(String::from_utf8) {
                Ok(Ok(text)) => text,
                Ok(Err(_)) => {
                    plan.bad.push(Bad::new("not_video", path, "no playlist (not UTF-8); left out"));
                    continue;
                }
                Err(error) => {
                    plan.bad.push(Bad::of_io("unreadable", path, &error));
                    continue;
                }
            };
            match playlist::parse(&text, folder) {
                Some(Playlist::Media(segments)) => drop(media.insert(path, segments)),
                // The same content several times: the best one counts.
                Some(Playlist::Master(mut variants)) => {
                    variants.sort();
                    variants.pop();
                    left_out.extend(variants.into_iter().map(|(_, path)| path));
                }
                None => plan.bad.push(Bad::new("not_video", path, "no playlist; left out")),
            }
        }
        for (path, segments) in media {
            listed.extend(segments.iter().map(|segment| segment.path.clone()));
            listed.extend(segments.iter().filter_map(|segment| segment.init.clone()));
            if left_out.contains(path) {
                continue;
            }
            let mut inputs = Vec::new();
            self.examined.add(segments.len());
            for segment in segments {
                let Some(file) = stat(segment.path, plan) else { continue };
                let mut probe = self.probe(&file, segment.init.as_deref());
                if let Ok(probe) = &mut probe {
                    probe.duration = Some(segment.duration).filter(|seconds| *seconds > 0.0);
                }
                self.push(&mut inputs, file, probe, segment.at, segment.init.as_deref(), plan);
            }
            let path = self.root.name(path).unwrap_or_default();
            let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
            let name = path.file_stem().unwrap_or_default();
            let label = format!("{}_{}", folder.to_string_lossy(), name.to_string_lossy());
            self.unit(Layout::Hls, &label, inputs, plan);
        }
    }

    /// Adds loose files, by recorder and by what continues what.
    fn loose(&self, files: Vec<File>, plan: &mut Plan) {
        let mut series: BTreeMap<Series, (Place, Vec<Member>)> = BTreeMap::new();
        self.examined.add(files.len());
        let probes = each(&files, |file| self.probe(file, None));
        for (file, probe) in files.into_iter().zip(probes) {
            let Some(name) = self.root.name(&file.path) else {
                plan.bad.push(Bad::outside(&file.path));
                continue;
            };
            let place = place_of(&name, &self.zone);
            let (at, number) = (place.at, place.number);
            let mut inputs = Vec::new();
            self.push(&mut inputs, file, probe, at, None, plan);
            let members = inputs.into_iter().map(|input| Member { input, number });
            let (_, known) = series.entry(place.series.clone()).or_insert((place, Vec::new()));
            known.extend(members);
        }
        for (_, (place, mut members)) in series {
            if members.iter().all(|member| member.input.at.is_some()) {
                members.sort_by_key(|member| member.input.at);
            }
            for run in runs(members) {
                let label = run.first().map_or(place.label.clone(), |first| {
                    label_of(Path::new(&first.path), &place.label, first.at.is_some())
                });
                self.unit(place.layout, &label, run, plan);
            }
        }
    }

    fn probe(&self, file: &File, init: Option<&Path>) -> Result<Probe, Bad> {
        let probe = self.known.probe(file).map_or_else(|| probe(file, init, self.ffmpeg), Ok);
        self.examined.count();
        probe
    }

    /// Adds a unit of these inputs, if there are any.
    fn unit(&self, layout: Layout, label: &str, mut inputs: Vec<Input>, plan: &mut Plan) {
        let Some(first) = inputs.first() else { return };
        let holder = self.known.holder(first);
        let begins = holder.is_some_and(|key| self.known.begins_with(key, first));
        let goes_on = begins || inputs.iter().all(|it| it.kind == Kind::Ts);
        if holder.is_some() && !goes_on {
            let is_other = |input: &Input| self.known.holder(input) != holder;
            // Copies of files that are gone cannot be made again: the rest is a unit of its own.
            if let Some(at) = inputs.iter().position(is_other) {
                let rest = inputs.split_off(at);
                self.unit(layout, label, inputs, plan);
                return self.unit(layout, label, rest, plan);
            }
        }
        if self.since.is_some_and(|since| end_of(&inputs) < since) {
            return;
        }
        let key = match self.known.key(&inputs) {
            Some(key) => key.to_owned(),
            None => key(layout, label, first),
        };
        let seconds: f64 = inputs.iter().filter_map(|input| input.duration).sum();
        let bytes = inputs.iter().map(|input| input.bytes).sum();
        let hours = event::rounded(seconds / 3600.0);
        plan.units.push(Unit { key, layout, at: first.at, hours, bytes, inputs });
    }

    /// Adds a file to the inputs of a unit, or to the bad ones.
    fn push(
        &self,
        inputs: &mut Vec<Input>,
        File { path, bytes, modified }: File,
        probe: Result<Probe, Bad>,
        at: Option<Timestamp>,
        init: Option<&Path>,
        plan: &mut Plan,
    ) {
        let Probe { kind, id, duration, clock } = match probe {
            Ok(probe) => probe,
            Err(bad) => return plan.bad.push(bad),
        };
        // The same fragment with another header is another video.
        let id = init.and_then(identity).map_or_else(|| id.clone(), |header| joined(&id, &header));
        match (self.name(&path), init.map(|path| self.name(path)).transpose()) {
            (Ok(path), Ok(init)) => {
                inputs.push(Input { path, bytes, modified, id, kind, duration, at, init, clock });
            }
            (Err(bad), _) | (_, Err(bad)) => plan.bad.push(bad),
        }
    }

    /// Returns the path by which units name a file.
    fn name(&self, path: &Path) -> Result<String, Bad> {
        let name = self.root.name(path).ok_or_else(|| Bad::outside(path))?;
        event::absolute(&name).map_err(|error| Bad {
            code: "not_utf8",
            message: error.to_string(),
            path: None,
        })
    }
}

/// Returns the identity of two contents together.
fn joined(one: &str, other: &str) -> String {
    blake3::hash(format!("{one} {other}").as_bytes()).to_hex()[..32].to_owned()
}

/// Returns the description of a file, or adds it to the bad ones.
fn stat(path: PathBuf, plan: &mut Plan) -> Option<File> {
    let metadata = path.metadata().and_then(|it| regular::check(&it).map(|()| it));
    match metadata {
        Ok(metadata) => Some(File::of(path, &metadata)),
        Err(error) => {
            let is_gone = error.kind() == std::io::ErrorKind::NotFound;
            let code = if is_gone { "not_found" } else { "unreadable" };
            plan.bad.push(Bad::of_io(code, &path, &error));
            None
        }
    }
}

/// Returns the identity of the header of a fragment.
fn identity(path: &Path) -> Option<String> {
    let file = regular::open(path).ok()?;
    probe::identify(&file, file.metadata().ok()?.len()).ok()
}

/// Returns when the last of these files was recorded, or written.
fn end_of(inputs: &[Input]) -> Timestamp {
    let end = inputs.iter().map(|input| {
        let written = Timestamp::from_nanosecond(input.modified.into()).ok();
        input.at.or(written).unwrap_or(Timestamp::MIN)
    });
    end.max().unwrap_or(Timestamp::MIN)
}

/// Returns the key of a unit: words, its wall clock, and the beginning of the identity of its first
/// input, so that it stays the same when the unit gets longer, or lies elsewhere.
fn key(layout: Layout, label: &str, first: &Input) -> String {
    let label: String = label
        .chars()
        .map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .collect();
    let end = (0..=LONGEST_LABEL.min(label.len())).rfind(|at| label.is_char_boundary(*at));
    let label = label[..end.unwrap_or(0)].trim_matches('_');
    let time = first.at.filter(|_| layout != Layout::Session);
    let time = time.map(|at| at.strftime("_%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default();
    let id: String = first.id.chars().take(8).collect();
    format!("{}{time}_{id}", if label.is_empty() { "unit" } else { label })
}
