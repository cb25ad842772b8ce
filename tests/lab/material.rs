//! Generates the streams that rounds record, once, in the target folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Version of the streams: older ones are generated again.
const VERSION: u32 = 1;

/// Length of each stream, in seconds.
pub(crate) const SECONDS: f64 = 29.5;

/// Stream, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Cuts, dissolves, a fade to black, stills, moving patterns; a keyframe each second.
    Film,
    /// Pages that look like text, some of which come back; a keyframe each two seconds.
    Slides,
    /// Film, pages, film.
    Mixed,
}

pub(crate) const ALL: [Stream; 3] = [Stream::Film, Stream::Slides, Stream::Mixed];

/// Returns the bytes of a stream, which `folder` holds from then on.
pub(crate) fn bytes_of(folder: &Path, stream: Stream) -> Vec<u8> {
    let path = path_of(folder, stream);
    if !path.exists() {
        fs::create_dir_all(folder).unwrap();
        // Another process may make it at the same time.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        make(&temporary, stream);
        fs::rename(&temporary, &path).unwrap();
    }
    fs::read(path).unwrap()
}

fn path_of(folder: &Path, stream: Stream) -> PathBuf {
    folder.join(format!("{stream:?}-{VERSION}.ts").to_lowercase())
}

fn make(path: &Path, stream: Stream) {
    let (sources, graph, keyframes) = match stream {
        Stream::Film => film(),
        Stream::Slides => slides(),
        Stream::Mixed => mixed(),
    };
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    for (source, seconds) in &sources {
        command.args(["-f", "lavfi", "-t", seconds, "-i", source]);
    }
    command.args(["-f", "lavfi", "-i", "sine=440:beep_factor=4"]);
    let sound = format!("{}:a", sources.len());
    command.args(["-filter_complex", &graph, "-map", "[v]", "-map", &sound, "-shortest"]);
    command.args(["-t", &SECONDS.to_string(), "-c:v", "libx264", "-preset", "veryfast"]);
    command.args(["-g", keyframes, "-keyint_min", keyframes, "-sc_threshold", "0", "-bf", "2"]);
    command.args(["-threads", "1", "-c:a", "mp2", "-b:a", "64k", "-f", "mpegts"]);
    assert!(command.arg(path).status().unwrap().success(), "{command:?}");
}

/// Sources with their seconds, the graph from them to `[v]`, frames from keyframe to keyframe.
type Recipe = (Vec<(String, &'static str)>, String, &'static str);

const SIZE: &str = "s=320x180:r=25";

/// Prepares input `n` for joining.
fn prepared(n: usize, filters: &str) -> String {
    format!("[{n}:v]format=yuv420p,setsar=1,fps=25,settb=1/25{filters}[p{n}];")
}

fn film() -> Recipe {
    let sources = [
        ("testsrc2", "6"),
        ("mandelbrot", "6"),
        ("smptehdbars", "5"),
        ("rgbtestsrc", "4"),
        ("cellauto=rule=110:seed=7", "5"),
        ("testsrc", "6"),
    ];
    let mut graph: String = (0..sources.len())
        .map(|n| prepared(n, if n == 2 { ",fade=out:st=4:d=1" } else { "" }))
        .collect();
    graph += "[p0][p1]xfade=fade:duration=1:offset=5[a];";
    graph += "[p4][p5]xfade=dissolve:duration=1.5:offset=3.5[b];";
    graph += "[a][p2][p3][b]concat=n=4[v]";
    (sources.map(|(source, seconds)| (sized(source), seconds)).to_vec(), graph, "25")
}

fn sized(source: &str) -> String {
    format!("{source}{}{SIZE}", if source.contains('=') { ":" } else { "=" })
}

/// A page: black specks in lines on white, the same in each frame.
fn page(seed: u32) -> String {
    format!(
        "life={SIZE}:mold=0:ratio=0.35:seed={seed}:life_color=black:death_color=white,\
         trim=end_frame=1,loop=loop=-1:size=1,setpts=N/25/TB,\
         drawgrid=w=320:h=18:t=9:c=white,drawbox=x=0:y=0:w=30:h=180:c=white:t=fill"
    )
}

fn slides() -> Recipe {
    let pages = [(11, "4"), (12, "3"), (13, "5"), (11, "3"), (14, "6"), (12, "3"), (15, "6")];
    let mut graph: String = (0..pages.len()).map(|n| prepared(n, "")).collect();
    graph += "[p0][p1][p2][p3][p4][p5][p6]concat=n=7[v]";
    (pages.map(|(seed, seconds)| (page(seed), seconds)).to_vec(), graph, "50")
}

fn mixed() -> Recipe {
    let sources = vec![
        (sized("testsrc2"), "5"),
        (sized("mandelbrot"), "5"),
        (page(21), "5"),
        (page(22), "4"),
        (page(23), "5"),
        (sized("cellauto=rule=30:seed=3"), "4"),
        (sized("smptebars"), "3"),
    ];
    let mut graph: String = (0..sources.len()).map(|n| prepared(n, "")).collect();
    graph += "[p0][p1]xfade=fade:duration=1:offset=4[a];";
    graph += "[a][p2][p3][p4][p5][p6]concat=n=6[v]";
    (sources, graph, "50")
}
