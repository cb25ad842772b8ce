//! Inputs of `file`, sorted into recordings.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    process::report,
    session::{
        Session, identity,
        names::{self, SEGMENTS},
        natural_sort, pattern,
    },
    storage::regular,
    terminal::units,
};

use crate::quote::quote;

/// Length of the beginning of a file that tells whether it is MPEG-TS, in bytes.
const HEAD: u64 = 1024;

/// Extensions of videos in other containers.
const VIDEOS: [&str; 14] = [
    "mp4", "mkv", "flv", "mov", "avi", "webm", "m4v", "mpg", "mpeg", "vob", "wmv", "3gp", "ogv",
    "mxf",
];

/// One recording.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Material {
    /// A session, or segments of it: its folder.
    Session(String),
    /// Segments of MPEG-TS, and folders and patterns of them.
    Segments(Vec<String>),
    /// Anything else that ffmpeg opens: for cht-recv, and its name.
    Foreign { input: String, name: String },
}

impl Material {
    /// Sorts inputs into recordings: all loose segments are one, in the order of their names.
    pub(crate) fn of_all(inputs: &[String]) -> Result<Vec<Self>> {
        let (mut all, mut segments) = (Vec::new(), Vec::new());
        for input in inputs {
            match Self::of(input)? {
                Self::Segments(paths) => segments.extend(paths),
                other if all.contains(&other) => {}
                other => all.push(other),
            }
        }
        if !segments.is_empty() {
            all.insert(0, Self::Segments(segments));
        }
        let names: Vec<_> = all.iter().map(Self::name).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, it)| names[..*at].contains(it)) {
            bail!("two inputs are named {}; give --out, and run it for each", twice.1);
        }
        Ok(all)
    }

    fn of(input: &str) -> Result<Self> {
        if input.contains("://") {
            return Ok(Self::Foreign { input: input.to_owned(), name: name_of_url(input) });
        }
        let path = Path::new(input);
        if path.is_dir() {
            let is_session = Session::open(path).is_ok();
            if !is_session {
                name_left_out(path)?;
            }
            let input = input.to_owned();
            return Ok(if is_session { Self::Session(input) } else { Self::Segments(vec![input]) });
        }
        let mut head = Vec::new();
        match regular::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(input) => {
                Ok(Self::Segments(vec![input.to_owned()]))
            }
            Err(error) => bail!("{input}: {error}"),
            Ok(0) => bail!("{input}: empty"),
            Ok(_) if !is_transport_stream(&head) => {
                Ok(Self::Foreign { input: format!("file:{input}"), name: stem(path) })
            }
            Ok(_) => Ok(match Session::of_segment(path) {
                Some(session) => Self::Session(session.name().to_owned()),
                None => Self::Segments(vec![input.to_owned()]),
            }),
        }
    }

    /// Returns its name for a session.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Session(folder) => folder.clone(),
            Self::Foreign { name, .. } => name.clone(),
            Self::Segments(paths) => name_of_segments(paths),
        }
    }
}

/// Returns the absolute paths of the segments that files, folders and patterns stand for, in
/// natural order.
pub(crate) fn segments(paths: &[String]) -> Vec<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let path = Path::new(path);
        if path.is_dir() {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let is_segment = |name: &str| !name.starts_with('.') && has_extension(name, &SEGMENTS);
            let entries = entries.filter(|it| is_segment(&it.file_name().to_string_lossy()));
            found.extend(entries.map(|it| it.path()));
        } else if path.exists() {
            found.push(path.to_owned());
        } else if let Some(matching) = path.to_str().and_then(|it| pattern::matching(it).ok()) {
            found.extend(matching);
        }
    }
    found.retain(|path| !path.is_dir() && !names::is_temporary(path));
    found.sort_by(|a, b| natural_sort::compare(a, b));
    let mut known = HashSet::new();
    found.retain(|path| identity(path).is_none_or(|it| known.insert(it)));
    // Folders have many segments.
    let mut folders = HashMap::new();
    let absolute = |path: PathBuf| {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let place = folders.entry(folder).or_insert_with_key(|folder| {
            let is_here = folder.as_os_str().is_empty();
            absolute(if is_here { Path::new(".") } else { folder })
        });
        let name = path.file_name().unwrap_or_default();
        Path::new(place).join(name).to_string_lossy().into_owned()
    };
    found.into_iter().map(absolute).collect()
}

/// Returns a path from the root on, without links where it exists.
pub(crate) fn absolute(path: &Path) -> String {
    let found = path.canonicalize().or_else(|_| std::path::absolute(path));
    found.unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Says which videos of a folder are left out: only segments of MPEG-TS lie in folders. Fails if
/// there is nothing else in it.
fn name_left_out(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<_> = entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    let Some(left_out) = left_out(&names) else { return Ok(()) };
    let (folder, quoted) = (folder.display(), quote(&folder.to_string_lossy()));
    let message = format!(
        "{folder}: {left_out} no MPEG-TS, and left out; cht file takes them by their names, \
         cht-batch run {quoted} --out results all of them"
    );
    if !names.iter().any(|name| has_extension(name, &SEGMENTS)) {
        bail!(message);
    }
    report::note(message);
    Ok(())
}

/// Returns the subject of a sentence about the videos that are no segments.
fn left_out(names: &[String]) -> Option<String> {
    let mut videos: Vec<_> = names.iter().filter(|name| has_extension(name, &VIDEOS)).collect();
    videos.sort();
    let first = videos.first()?;
    Some(match videos.len() {
        1 => format!("{first} is"),
        count => format!("{first} and {} are", units::count(count as u64 - 1, "other video")),
    })
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|it| extensions.contains(&&*it))
}

/// Returns the stem of a single file, or the name of the folder of the first one.
fn name_of_segments(paths: &[String]) -> String {
    let first = Path::new(&paths[0]);
    if let ([_], true) = (paths, first.is_file()) {
        return stem(first);
    }
    let folders = if first.is_dir() { Some(first) } else { first.parent() };
    let mut parts = folders.into_iter().flat_map(Path::ancestors);
    let name = parts.find_map(|part| part.file_name()?.to_str().filter(|name| !is_pattern(name)));
    plain(name.unwrap_or("segments"))
}

/// Tells whether a part of a path stands for several names.
pub(crate) fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// Returns a name that is no option, no hidden file, and one line of a terminal.
fn plain(name: &str) -> String {
    let name = name.trim_start_matches(['.', '-']).replace(|c: char| c.is_control(), "_");
    if name.is_empty() { "video".to_owned() } else { name }
}

fn stem(path: &Path) -> String {
    plain(path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default())
}

/// Returns the stem of the last part of a URL's path, or its host.
fn name_of_url(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let file = path.rsplit('/').find(|part| !part.is_empty());
    let host = authority.rsplit('@').next().unwrap_or_default().split(':').next();
    let is_plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let name = file.map(|file| stem(Path::new(file))).or_else(|| host.map(str::to_owned));
    let name = name.unwrap_or_default().replace(|c| !is_plain(c), "_");
    if name.is_empty() { "video".to_owned() } else { name }
}

/// Tells whether bytes from the beginning of a file are MPEG-TS: packets of 188 bytes, of 192 with
/// a time code before each, or of 204.
fn is_transport_stream(head: &[u8]) -> bool {
    [(188, 0), (192, 4), (204, 0)].into_iter().any(|(length, lead)| {
        let mut packets = (0..4).map(|packet| head.get(lead + packet * length));
        packets.next() == Some(Some(&0x47)) && packets.all(|byte| byte.is_none_or(|it| *it == 0x47))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn recording_is_named_by_its_input() {
        let segments = |paths: &[&str]| {
            Material::Segments(paths.iter().map(|&path| path.to_owned()).collect()).name()
        };
        assert_eq!(segments(&["camera/2026/**/*.ts"]), "2026");
        assert_eq!(segments(&["camera/a.ts", "camera/b.ts"]), "camera");
        assert_eq!(segments(&["*.ts"]), "segments");
        for (file, name) in
            [("-dash.mp4", "dash"), ("a\nb\x1b[1m.mkv", "a_b_[1m"), ("-.mp4", "video")]
        {
            assert_eq!(stem(Path::new(file)), name);
        }
        let of_url = [
            ("https://example.org/talks/talk.mp4?key=secret", "talk"),
            ("rtsp://admin:secret@camera.lan:554/", "camera.lan"),
            ("https://example.org/a%2Fb.m3u8", "a_2Fb"),
        ];
        for (url, name) in of_url {
            assert_eq!(name_of_url(url), name, "{url}");
        }
    }

    #[test]
    fn videos_that_are_left_out_are_named() {
        let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        assert_eq!(left_out(&names(&["a.ts", "notes.txt"])), None);
        assert_eq!(left_out(&names(&["a.ts", "b.MKV"])).unwrap(), "b.MKV is");
        let three = left_out(&names(&["c.mov", "a.ts", "b.mp4", "d.webm"])).unwrap();
        assert_eq!(three, "b.mp4 and 2 other videos are");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.mp4"), "").unwrap();
        let error = name_left_out(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("b.mp4 is no MPEG-TS") && error.contains("cht-batch run"),
            "{error}"
        );
        fs::write(folder.path().join("a.ts"), "").unwrap();
        name_left_out(folder.path()).unwrap();
    }

    #[test]
    fn packets_tell_a_transport_stream() {
        let packets = |length: usize, lead: usize| {
            let mut bytes = vec![0; 5 * length];
            bytes.iter_mut().skip(lead).step_by(length).for_each(|byte| *byte = 0x47);
            bytes
        };
        for (length, lead) in [(188, 0), (192, 4), (204, 0)] {
            assert!(is_transport_stream(&packets(length, lead)), "{length}");
        }
        assert!(is_transport_stream(&packets(188, 0)[..188]), "one packet");
        for foreign in [&b""[..], b"G", b"\0\0\0\x20ftypisom", &packets(150, 0)] {
            assert_eq!(is_transport_stream(foreign), foreign == b"G");
        }
    }

    #[test]
    fn inputs_are_sorted_into_recordings() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("a.ts"), [0x47; 376]).unwrap();
        fs::write(path("b.mp4"), b"\0\0\0\x20ftypisom").unwrap();
        fs::write(path("empty.ts"), b"").unwrap();
        fs::create_dir_all(path("call/stream")).unwrap();
        let inputs = ["b.mp4", "a.ts", "*.ts", "call"].map(path);
        let expected = [
            Material::Segments(vec![path("a.ts"), path("*.ts")]),
            Material::Foreign { input: format!("file:{}", path("b.mp4")), name: "b".into() },
            Material::Session(path("call")),
        ];
        assert_eq!(Material::of_all(&inputs).unwrap(), expected);
        for wrong in ["empty.ts", "absent.ts"] {
            let error = Material::of_all(&[path(wrong)]).unwrap_err().to_string();
            assert!(error.starts_with(&path(wrong)), "{error}");
        }
        assert!(Material::of_all(&[path("b.mp4"), "x://h/b.mkv".into()]).is_err(), "two named b");
    }
}
