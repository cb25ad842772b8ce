//! cht-scenes beside a live stream: what it says of itself, and what it does when it cannot keep up.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{io::Write as _, path::Path, process::Stdio};

use cht_tests::{Stage, ffmpeg, tool, words};
use serde_json::Value;

fn encode(path: &Path, source: &str, coder: &str) {
    let arguments = ["-f", "lavfi", "-i", source].into_iter().chain(words(coder));
    ffmpeg(arguments.chain(["-pix_fmt", "yuv420p", "-f", "mpegts", path.to_str().unwrap()]));
}

/// `ls PATH | cht-scenes`, run to its end.
fn scenes(path: &Path, options: &str) -> Stage {
    let mut command = tool("cht-scenes");
    let mut stage = Stage::start(command.args(words(options)).stdin(Stdio::piped()));
    let mut stdin = stage.child.stdin.take().unwrap();
    writeln!(stdin, "{}", path.display()).unwrap();
    drop(stdin);
    assert!(stage.finish().success());
    stage
}

/// What the `stats` of cht-scenes say, in their order.
fn stats(events: &[Value]) -> Vec<&Value> {
    let own = events.iter().filter(|event| event["stage"] == "cht-scenes");
    own.filter(|event| event["type"] == "stats").map(|event| &event["scenes"]).collect()
}

#[test]
fn stats_count_what_was_decoded_and_kept_and_what_held_frames_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.ts");
    // Cuts at 48, 50, 52 and 54; the gap behind 48 lasts five frames.
    let source = "testsrc2=s=160x128:r=25:d=4,\
                  negate=enable='between(n,48,55)*not(mod(floor(n/2),2))'";
    encode(&path, source, "-c:v libx264 -preset ultrafast -g 25");
    for detector in ["scene", "scene,screen"] {
        let out = folder.path().join(detector);
        let options = format!("--out {} --detect {detector} --min-gap 0.2", out.display());
        let stage = scenes(&path, &options);
        let all = stats(&stage.events);
        let last = all.last().unwrap();
        assert_eq!(last["decoded"], 100, "{detector}");
        assert_eq!(last["kept"], stage.of_type("frame").len(), "{detector}: {last}");
        assert_eq!(last["suppressed"]["min_gap"], 2, "{detector}: {last}");
        assert!(last.get("lag").is_none() && last["decoding"] == "full", "{last}");
    }
}

#[test]
fn auto_says_when_it_changes_its_mind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.ts");
    let source = "mandelbrot=s=160x128:r=10,noise=alls=20:allf=t,trim=duration=6[a];\
                  color=white:s=160x128:r=10:d=8,drawgrid=w=40:h=40:t=2:c=black[b];[a][b]concat";
    encode(&path, source, "-c:v libx264 -preset ultrafast -g 25");
    let stage = scenes(&path, &format!("--out {}", folder.path().join("out").display()));
    let all = stats(&stage.events);
    let contents: Vec<_> = all.iter().filter_map(|stats| stats["content"].as_str()).collect();
    assert_eq!((contents.first(), contents.last()), (Some(&"film"), Some(&"screen")), "{all:?}");
    let since = all.last().unwrap()["content_since"].as_f64().unwrap();
    assert!((6.0..12.0).contains(&since), "{since}");
}

#[test]
fn no_stats_unless_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ts");
    encode(&path, "testsrc2=s=320x240:r=25:d=1", "-c:v libx264 -preset ultrafast");
    let out = folder.path().join("out");
    let stage = scenes(&path, &format!("--out {} --stats-interval 0", out.display()));
    assert!(stats(&stage.events).is_empty());
}
