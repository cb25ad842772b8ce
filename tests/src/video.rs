//! Generates video, and probes it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Returns the path of real footage, which is not part of the project; `None` (with a message) if
/// it is absent.
pub fn footage(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CHT_FOOTAGE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/footage"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here (set CHT_FOOTAGE)", path.display());
    None
}

/// Runs ffmpeg to its end.
pub fn ffmpeg<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments);
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Splits a command line at spaces.
pub fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Generates a TS of `shots`, each a lavfi source and its seconds, with hard cuts between them.
pub fn generate(path: &Path, shots: &[(&str, f64)], encoder: &str) {
    let mut arguments: Vec<String> = Vec::new();
    let mut graph = String::new();
    for (n, (source, seconds)) in shots.iter().enumerate() {
        arguments.extend(["-f", "lavfi", "-t"].map(str::to_owned));
        arguments.extend([seconds.to_string(), "-i".to_owned(), (*source).to_owned()]);
        graph += &format!("[{n}:v]format=yuv420p,setsar=1[v{n}];");
    }
    for n in 0..shots.len() {
        graph += &format!("[v{n}]");
    }
    graph += &format!("concat=n={}:v=1:a=0[v]", shots.len());
    arguments.extend(["-filter_complex".to_owned(), graph, "-map".into(), "[v]".into()]);
    arguments.extend(words(encoder).into_iter().map(str::to_owned));
    arguments.extend(["-f", "mpegts"].map(str::to_owned));
    arguments.push(path.to_str().unwrap().to_owned());
    ffmpeg(arguments);
}

/// Options of a quick encoder with a keyframe each second, at 25 frames per second.
pub const QUICK: &str = "-c:v libx264 -preset ultrafast -g 25 -bf 2";

/// Returns the bytes of [`generate`].
pub fn generated(shots: &[(&str, f64)], encoder: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generated.ts");
    generate(&path, shots, encoder);
    fs::read(path).unwrap()
}

/// Returns `seconds` of video at 25 frames per second, with a keyframe each second.
pub fn source(seconds: f64) -> Vec<u8> {
    generated(&[("testsrc2=s=320x240:r=25", seconds)], QUICK)
}

/// Encodes a lavfi source of limited duration as TS.
pub fn encode(path: &Path, source: &str, encoder: &str) {
    let arguments = ["-f", "lavfi", "-i", source].into_iter().chain(words(encoder));
    ffmpeg(arguments.chain(["-pix_fmt", "yuv420p", "-f", "mpegts", path.to_str().unwrap()]));
}

/// Encodes a lavfi source with a sound as TS. As of most MP4 files that are copied into one, its
/// sound begins before its pictures, and comes after the first of them in the file.
pub fn encode_with_early_sound(path: &Path, source: &str, encoder: &str) {
    let whole = path.with_extension("mp4");
    let sound = ["-f", "lavfi", "-i", "sine", "-shortest"];
    let arguments = ["-f", "lavfi", "-i", source].into_iter().chain(sound).chain(words(encoder));
    ffmpeg(arguments.chain(["-c:a", "aac", "-pix_fmt", "yuv420p", whole.to_str().unwrap()]));
    let copied = ["-i", whole.to_str().unwrap(), "-c", "copy", "-muxdelay", "0", "-f", "mpegts"];
    ffmpeg(copied.into_iter().chain([path.to_str().unwrap()]));
}

/// Returns the time of each frame by ffprobe, in seconds since the first.
pub fn probe_frames(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time"])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times: Vec<f64> = text
        .lines()
        .filter_map(|line| line.trim_end_matches(',').split(',').next()?.parse().ok())
        .collect();
    let first = times.first().copied().unwrap_or(0.0);
    times.into_iter().map(|time| time - first).collect()
}

/// Returns the number of frames that ffprobe decodes of a file or playlist; messages are errors if
/// `is_clean`.
pub fn count_frames(path: &Path, is_clean: bool) -> usize {
    let output = Command::new("ffprobe")
        .args(words("-v error -count_frames -select_streams v:0 -of csv=p=0"))
        .args(words("-show_entries stream=nb_read_frames"))
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!is_clean || said.is_empty(), "{}: {said}", path.display());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().next().and_then(|line| line.trim_matches(',').parse().ok()).unwrap_or(0)
}
