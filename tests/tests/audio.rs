//! cht-audio: the pieces are the sound of the stream, whatever happens to the stage.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

#[path = "audio/interrupt.rs"]
mod interrupt;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use cht_tests::{Stage, Tmpfs, bin, decoder_stub, line, of_type, record, recorder, tool, words};
use serde_json::Value;

/// Bursts of noise that pass for speech, of different lengths, with pauses between them; the left
/// channel is louder.
const BURSTS: &str = "aevalsrc=exprs=\
    0.4*(random(0)-0.5)*gt(sin(2.1*t)+0.6*sin(5.3*t)\\,-0.5)|\
    0.2*(random(0)-0.5)*gt(sin(2.1*t)+0.6*sin(5.3*t)\\,-0.5):s=48000";

/// Makes a stream of `seconds` of bursts and a small video. Returns its path.
fn stream(folder: &Path, name: &str, seconds: u32, sound: &str) -> PathBuf {
    let path = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=25"])
        .args(["-f", "lavfi", "-i", BURSTS, "-t", &seconds.to_string()])
        .args(words("-c:v libx264 -preset ultrafast -g 25 -b:v 100k -pix_fmt yuv420p"))
        .args(words(sound))
        .args(["-f", "mpegts"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    path
}

/// Records a stream, in segments of two seconds. Returns the folder of the session.
fn recorded(folder: &Path, stream: &Path) -> PathBuf {
    let sessions = folder.join("sessions");
    let recv = record(&sessions, &fs::read(stream).unwrap(), "--segment-time 2");
    recv.session()
}

/// Returns cht-segwatch's events of a session.
fn segments(session: &Path) -> Vec<Value> {
    let mut segwatch = Stage::start(tool("cht-segwatch").arg(session));
    assert!(segwatch.finish().success());
    segwatch.events.clone()
}

/// Runs cht-audio over events, and returns its own.
fn audio(events: &[Value], options: &str) -> Vec<Value> {
    let mut stage = Stage::fed(tool("cht-audio").args(words(options)), events.iter().map(line));
    assert!(stage.finish().success());
    stage.events.clone()
}

/// Starts `cht-recv | cht-audio`, and connects to it.
fn live(folder: &Path, options: &str) -> (Child, Stage, TcpStream) {
    live_by(folder, tool("cht-audio").args(words(options)))
}

fn live_by(folder: &Path, command: &mut Command) -> (Child, Stage, TcpStream) {
    let mut recv = tool("cht-recv");
    recv.args(words("--listen tcp://127.0.0.1:0 --once --segment-time 60 --sessions"));
    recv.arg(folder.join("sessions")).stdout(Stdio::piped());
    let mut recv = recv.spawn().unwrap();
    let mut stage = Stage::start(command.stdin(recv.stdout.take().unwrap()));
    let listening = stage.wait_for("listening");
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    let sender = TcpStream::connect(address).unwrap();
    (recv, stage, sender)
}

/// Returns the samples of a WAV file.
fn samples(path: &str) -> Vec<i16> {
    let file = fs::read(path).unwrap();
    file[44..].chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect()
}

/// Returns the samples of all pieces.
fn all_samples(events: &[Value]) -> Vec<i16> {
    let pieces = of_type(events, "audio").into_iter();
    pieces.flat_map(|piece| samples(piece["path"].as_str().unwrap())).collect()
}

/// Returns ffmpeg's own decode of a whole stream.
fn by_ffmpeg(stream: &Path, options: &str) -> Vec<i16> {
    let output = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(stream)
        .args(words(options))
        .args(["-f", "s16le", "-"])
        .output()
        .unwrap();
    output.stdout.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect()
}

/// Returns the files of a folder of pieces.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    files
        .filter(|(name, _)| name != "audio.ndjson")
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

#[test]
fn samples_of_pieces_are_those_of_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sound) in [
        ("aac", "-c:a aac -b:a 128k"),
        ("aac_44", "-ar 44100 -c:a aac -b:a 128k"),
        // Time stamps in milliseconds, as of senders whose own container has these.
        (
            "aac_ms",
            "-ar 44100 -c:a aac -b:a 128k -pes_payload_size 0 \
             -bsf:a setts=pts=floor(PTS*TB*1000)/1000/TB:dts=floor(DTS*TB*1000)/1000/TB",
        ),
        ("latm", "-c:a aac -b:a 128k -mpegts_flags latm"),
        ("ac3", "-c:a ac3 -b:a 192k"),
        ("eac3", "-c:a eac3 -b:a 192k"),
        ("mp2", "-c:a mp2 -b:a 192k"),
        ("opus", "-c:a libopus -b:a 96k"),
        ("surround", "-ac 6 -c:a ac3 -b:a 320k"),
    ] {
        let stream = stream(folder.path(), &format!("{name}.ts"), 14, sound);
        let session = recorded(&folder.path().join(name), &stream);
        let events = audio(&segments(&session), "--min 2 --max 5");
        let pieces = of_type(&events, "audio");
        assert!(pieces.len() > 2, "{name}: {}", pieces.len());
        let (ours, theirs) = (all_samples(&events), by_ffmpeg(&stream, "-ar 16000 -ac 1"));
        assert_eq!(ours.len(), theirs.len(), "{name}");
        // ffmpeg decodes layer II to 16 bits, and changes the rate of those.
        let most = if name == "mp2" { 2 } else { 1 };
        let differ = ours.iter().zip(&theirs).filter(|(one, other)| one.abs_diff(**other) > most);
        assert_eq!(differ.count(), 0, "{name}");
        assert!(theirs.iter().any(|sample| sample.unsigned_abs() > 1000), "{name}");
        // Each piece begins where the one before ends, to the rounding of time stamps.
        for pair in pieces.windows(2) {
            let [start, duration] = ["start", "duration"].map(|it| pair[0][it].as_f64().unwrap());
            let gap = pair[1]["start"].as_f64().unwrap() - start - duration;
            let most = if name == "aac_ms" { 0.002 } else { 0.001 };
            assert!(gap.abs() < most, "{name}: {gap}");
        }
        let done = of_type(&events, "segment_done");
        assert_eq!(done.len(), of_type(&events, "segment").len(), "{name}");
        let counted: u64 = done.iter().map(|it| it["events"].as_u64().unwrap()).sum();
        assert_eq!(counted, pieces.len() as u64);
    }
}

#[test]
fn kept_rate_and_channels_are_those_of_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 6, "-ar 44100 -c:a aac -b:a 128k");
    let out = folder.path().join("audio");
    let mut stage = Stage::fed(
        tool("cht-audio").args(words("--rate keep --channels keep --min 1 --max 3 --out")).arg(out),
        [stream.display()],
    );
    assert!(stage.finish().success());
    let piece = stage.of_type("audio")[0];
    assert_eq!((piece["rate"].as_u64(), piece["channels"].as_u64()), (Some(44_100), Some(2)));
    let ours = all_samples(&stage.events);
    let theirs = by_ffmpeg(&stream, "");
    assert!(ours == theirs, "{} and {} samples", ours.len(), theirs.len());
}

#[test]
fn flac_has_the_samples_of_wav_and_opus_their_duration() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 7, "-c:a aac -b:a 128k");
    let mut samples = Vec::new();
    for format in ["wav", "flac", "opus"] {
        let mut command = tool("cht-audio");
        command.args(words(&format!("--min 1 --max 3 --format {format} --out")));
        command.arg(folder.path().join(format));
        let mut stage = Stage::fed(&mut command, [stream.display()]);
        assert!(stage.finish().success());
        let pieces = stage.of_type("audio");
        assert!(pieces.len() > 2);
        for piece in &pieces {
            let path = piece["path"].as_str().unwrap();
            assert_eq!(fs::metadata(path).unwrap().len(), piece["bytes"].as_u64().unwrap());
            let probed = Command::new("ffprobe")
                .args(words("-v error -of json -show_entries"))
                .args(["stream=codec_name,channels,duration:format=duration", path])
                .output()
                .unwrap();
            let probed: Value = serde_json::from_slice(&probed.stdout).unwrap();
            let codec = if format == "wav" { "pcm_s16le" } else { format };
            assert_eq!(probed["streams"][0]["codec_name"], codec);
            assert_eq!(probed["streams"][0]["channels"], 1);
            let duration: f64 = probed["format"]["duration"].as_str().unwrap().parse().unwrap();
            // Opus in Ogg counts the samples that its decoder leaves out at the beginning.
            let off = duration - piece["duration"].as_f64().unwrap();
            assert!(off.abs() < if format == "opus" { 0.03 } else { 1e-3 }, "{format}: {off}");
        }
        let paths = pieces.iter().map(|piece| Path::new(piece["path"].as_str().unwrap()));
        samples.push(paths.map(|path| by_ffmpeg(path, "-ar 16000")).collect::<Vec<_>>());
    }
    assert!(samples[1] == samples[0], "FLAC is the same");
    for (opus, wav) in samples[2].iter().zip(&samples[0]) {
        assert_eq!(opus.len(), wav.len());
    }
}

/// Moments at which the stage is killed in one round, in milliseconds after its start.
fn moments(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        20 + (state >> 33) % 400
    })
}

/// Kills the stage at moments that a seed decides: `CHT_KILLS` of them, 6 by default.
#[test]
fn stage_killed_at_any_moment_gives_the_same_pieces() {
    let kills = std::env::var("CHT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let seed = std::env::var("CHT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 30, "-c:a ac3 -b:a 192k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    let lines = events.iter().fold(String::new(), |all, event| all + &line(event) + "\n");
    let given = folder.path().join("events.ndjson");
    fs::write(&given, lines).unwrap();
    let pieces = session.join("audio");
    audio(&events, "--min 1 --max 2");
    let expected = files(&pieces);
    fs::remove_dir_all(&pieces).unwrap();
    for moment in moments(seed).take(kills) {
        let status = Command::new("timeout")
            .args(["-s", "KILL", &format!("0.{moment:03}")])
            .arg(bin("cht-audio"))
            .args(words("--min 1 --max 2"))
            .stdin(fs::File::open(&given).unwrap())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        if status.success() {
            assert!(files(&pieces) == expected, "seed {seed}, {moment} ms");
            fs::remove_dir_all(&pieces).unwrap();
        }
    }
    audio(&events, "--min 1 --max 2");
    assert!(files(&pieces) == expected, "seed {seed}");
}

#[test]
fn full_disk_is_waited_for() {
    let Some(disk) = Tmpfs::mount(1) else { return };
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 20, "-c:a aac -b:a 128k");
    let run = |out: &Path| {
        let mut command = tool("cht-audio");
        command.args(words("--min 2 --max 4 --out")).arg(out);
        Stage::fed(&mut command, [stream.display()])
    };
    let expected = folder.path().join("expected");
    assert!(run(&expected).finish().success());
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 800_000]).unwrap();
    let out = disk.path().join("audio");
    let mut stage = run(&out);
    assert_eq!(stage.wait_for("error")["code"], "disk");
    fs::remove_file(&filler).unwrap();
    assert_eq!(stage.finish().code(), Some(1), "it says that the disk was full");
    assert!(files(&out) == files(&expected));
}

#[test]
fn killed_stage_gives_the_same_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 16, "-c:a aac -b:a 128k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    let pieces = session.join("audio");
    audio(&events, "--min 2 --max 4");
    let expected = files(&pieces);
    assert!(expected.len() > 4);
    for killed_after in [1, 2, 5] {
        fs::remove_dir_all(&pieces).unwrap();
        // Killed as soon as it has emitted so many pieces more than the time before.
        let mut seen = 0;
        loop {
            let mut command = tool("cht-audio");
            let mut stage =
                Stage::fed(command.args(words("--min 2 --max 4")), events.iter().map(line));
            let until = seen + killed_after;
            while stage.of_type("audio").len() < until {
                if stage.next_event().is_none() {
                    break;
                }
            }
            if stage.of_type("audio").len() < until {
                assert!(stage.finish().success());
                // Those that ended with the input may come twice.
                let unique = |kind: &str, key: &str| {
                    let events = stage.of_type(kind).into_iter();
                    events.map(|event| event[key].to_string()).collect::<BTreeSet<_>>().len()
                };
                assert_eq!(unique("audio", "id"), expected.len());
                assert_eq!(unique("segment_done", "seq"), of_type(&events, "segment").len());
                break;
            }
            seen = until;
            stage.kill();
        }
        assert!(files(&pieces) == expected, "killed after each {killed_after}");
    }
}

#[test]
fn sound_that_continues_in_a_later_run_is_cut_as_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 20, "-c:a ac3 -b:a 192k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    let pieces = session.join("audio");
    audio(&events, "--min 2 --max 5");
    let expected = files(&pieces);
    fs::remove_dir_all(&pieces).unwrap();
    for count in 1..=events.len() {
        audio(&events[..count], "--min 2 --max 5");
    }
    assert!(files(&pieces) == expected);
}

#[test]
fn piece_of_a_growing_segment_comes_before_that_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 12, "-c:a aac -b:a 128k");
    let (mut recv, mut stage, mut sender) = live(folder.path(), "--min 2 --max 5");
    sender.write_all(&fs::read(&stream).unwrap()).unwrap();
    let first = stage.wait_for("audio");
    assert!(stage.of_type("segment_closed").is_empty());
    assert!(Path::new(first["path"].as_str().unwrap()).exists());
    drop(sender);
    assert!(recv.wait().unwrap().success());
    assert!(stage.finish().success());
    let stats = stage.of_type("stats").into_iter().rfind(|stats| stats["stage"] == "cht-audio");
    let counts = &stats.unwrap()["audio"];
    assert_eq!(counts["pieces"], stage.of_type("audio").len());
    let durations = stage.of_type("audio").into_iter().map(|it| it["duration"].as_f64().unwrap());
    assert!((counts["cut"].as_f64().unwrap() - durations.sum::<f64>()).abs() < 0.001);
    let live = all_samples(&stage.events);
    assert_eq!(live.len(), by_ffmpeg(&stream, "-ar 16000 -ac 1").len());
    let session = stage.session();
    let pieces = files(&session.join("audio"));
    fs::remove_dir_all(session.join("audio")).unwrap();
    audio(&segments(&session), "--min 2 --max 5");
    assert!(files(&session.join("audio")) == pieces, "a batch gives the same");
}

#[test]
fn lost_piece_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 16, "-c:a aac -b:a 128k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    let loose = folder.path().join("loose");
    let to_loose = format!("--min 2 --max 4 --out {}", loose.display());
    for (pieces, options) in [(session.join("audio"), "--min 2 --max 4"), (loose, &*to_loose)] {
        let made = audio(&events, options);
        let expected = files(&pieces);
        assert!(expected.len() > 4);
        for (missing, short) in [(1, 2), (3, 1), (2, 4)] {
            let path = |number: u32| pieces.join(format!("A{number:06}.wav"));
            fs::remove_file(path(missing)).unwrap();
            fs::File::options().write(true).open(path(short)).unwrap().set_len(1000).unwrap();
            let mut command = tool("cht-audio");
            let mut again = Stage::fed(command.args(words(options)), events.iter().map(line));
            assert_eq!(again.finish().code(), Some(1), "it says that files were lost");
            assert!(files(&pieces) == expected, "{missing} is missing and {short} short");
            for kind in ["audio", "segment_done"] {
                let [made, again] = [&made, &again.events].map(|events| {
                    of_type(events, kind).into_iter().map(line).collect::<BTreeSet<_>>()
                });
                assert_eq!(again, made);
            }
        }
    }
}

#[test]
fn lost_piece_of_a_segment_that_is_gone_is_an_error_and_no_event_claims_it() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 12, "-c:a aac -b:a 128k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    audio(&events, "--min 2 --max 4");
    let expected = files(&session.join("audio"));
    fs::remove_file(session.join("audio/A000001.wav")).unwrap();
    fs::remove_file(session.join("stream/segment_000004.ts")).unwrap();
    let mut command = tool("cht-audio");
    let mut again = Stage::fed(command.args(words("--min 2 --max 4")), events.iter().map(line));
    assert_eq!(again.finish().code(), Some(1));
    let errors = again.of_type("error");
    let missing: Vec<_> = errors.iter().filter(|error| error["code"] == "missing").collect();
    assert_eq!(missing.len(), 1);
    let message = missing[0]["message"].as_str().unwrap();
    assert!(message.contains("A000001.wav: is missing"), "{message}");
    assert!(message.contains("segment_000004.ts"), "{message}");
    let ids: Vec<_> = again.of_type("audio").iter().map(|piece| piece["id"].clone()).collect();
    assert_eq!(ids.len(), expected.len() - 1);
    assert!(!ids.contains(&"A000001".into()));
}

#[test]
fn segment_that_has_grown_replaces_what_was_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 12, "-c:a aac -b:a 128k");
    let session = recorded(folder.path(), &stream);
    let (stream, pieces) = (session.join("stream"), session.join("audio"));
    let second = stream.join("segment_000002.ts");
    let whole = fs::read(&second).unwrap();
    let events = segments(&session);
    audio(&events, "--min 2 --max 4");
    let expected = files(&pieces);
    for count in [2, events.len()] {
        fs::remove_dir_all(&pieces).unwrap();
        fs::write(&second, &whole[..whole.len() / 2 / 188 * 188]).unwrap();
        let shorter = |event: &Value| {
            let mut event = event.clone();
            if event["seq"] == 2 && event["type"] == "segment" {
                event["bytes"] = fs::metadata(&second).unwrap().len().into();
            }
            event
        };
        let before: Vec<_> = events[..count].iter().map(shorter).collect();
        audio(&before, "--min 2 --max 4");
        fs::write(&second, &whole).unwrap();
        audio(&events, "--min 2 --max 4");
        assert!(files(&pieces) == expected, "after {count} events");
    }
}

#[test]
fn session_that_is_renamed_while_it_is_recorded_gives_the_same_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 12, "-c:a aac -b:a 128k");
    let (bytes, sessions) = (fs::read(&stream).unwrap(), folder.path().join("sessions"));
    let (mut recv, address) = recorder(&sessions, "--once --segment-time 60");
    let session = recv.session();
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes[..bytes.len() / 2]).unwrap();
    recv.wait_for("segment_open");
    let mut watch = tool("cht-segwatch");
    watch.arg("--follow").arg(&session).stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let out = folder.path().join("out");
    let mut command = tool("cht-audio");
    command.args(words("--min 1 --max 2 --out")).arg(&out);
    let mut stage = Stage::start(command.stdin(watch.stdout.take().unwrap()));
    stage.wait_for("audio");
    fs::rename(&session, sessions.join("aside")).unwrap();
    assert!(stage.finish().success());
    watch.wait().unwrap();
    assert!(stage.of_type("segment_done").is_empty());
    fs::rename(sessions.join("aside"), &session).unwrap();
    sender.write_all(&bytes[bytes.len() / 2..]).unwrap();
    drop(sender);
    recv.finish();
    let events = segments(&session);
    audio(&events, &format!("--min 1 --max 2 --out {}", out.display()));
    audio(&events, "--min 1 --max 2");
    assert!(files(&out) == files(&session.join("audio")));
}

#[test]
fn sound_that_stops_ends_its_piece_while_the_video_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let stream = folder.path().join("a.ts");
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=9"])
        .args(["-f", "lavfi", "-i", &format!("{BURSTS}:d=3")])
        .args(words("-c:v libx264 -preset ultrafast -g 25 -b:v 100k -pix_fmt yuv420p"))
        .args(words("-c:a aac -b:a 128k -f mpegts"))
        .arg(&stream)
        .status()
        .unwrap();
    assert!(status.success());
    // The muxer holds the last of the sound back until the end: without that.
    let bytes = fs::read(&stream).unwrap();
    let bytes = &bytes[..bytes.len() * 8 / 9 / 188 * 188];
    let (mut recv, mut stage, mut sender) = live(folder.path(), "--min 5 --max 9");
    sender.write_all(bytes).unwrap();
    let piece = stage.wait_for("audio");
    let duration = piece["duration"].as_f64().unwrap();
    assert!((2.5..3.1).contains(&duration), "{duration}");
    drop(sender);
    assert!(recv.wait().unwrap().success());
    assert!(stage.finish().success());
    let session = stage.session();
    let pieces = files(&session.join("audio"));
    fs::remove_dir_all(session.join("audio")).unwrap();
    audio(&segments(&session), "--min 5 --max 9");
    assert!(files(&session.join("audio")) == pieces, "a batch gives the same");
}

#[test]
fn codec_that_changes_in_a_file_loses_no_sound() {
    let folder = tempfile::tempdir().unwrap();
    let aac = stream(folder.path(), "aac.ts", 4, "-c:a aac -b:a 128k");
    let mp2 = stream(folder.path(), "mp2.ts", 4, "-c:a mp2 -b:a 128k -output_ts_offset 4");
    let both = folder.path().join("both.ts");
    fs::write(&both, [fs::read(&aac).unwrap(), fs::read(&mp2).unwrap()].concat()).unwrap();
    let mut command = tool("cht-audio");
    command.args(words("--min 1 --max 3 --out")).arg(folder.path().join("out"));
    let mut stage = Stage::fed(&mut command, [both.display()]);
    assert!(stage.finish().success(), "{:?}", stage.of_type("error"));
    let parts = [aac, mp2].map(|part| by_ffmpeg(&part, "-ar 16000 -ac 1").len());
    assert_eq!(all_samples(&stage.events).len(), parts.iter().sum::<usize>());
}

#[test]
fn sound_that_cannot_be_decoded_is_an_error_of_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let good = stream(folder.path(), "good.ts", 4, "-c:a aac -b:a 128k");
    let mut bytes = fs::read(&good).unwrap();
    for packet in bytes.chunks_exact_mut(188).filter(|it| it[1] & 0x1F == 1 && it[2] == 1) {
        // After the headers of the transport packet and of a PES packet.
        let from = if packet[1] & 0x40 == 0 { 4 } else { 26 };
        packet[from..].fill(0x55);
    }
    let bad = folder.path().join("bad.ts");
    fs::write(&bad, bytes).unwrap();
    let hangs = decoder_stub(folder.path(), "exec sleep 1000");
    let hangs = format!("--decoder-timeout 1 --ffmpeg {}", hangs.display());
    for (options, first, code) in [("", &bad, "undecodable"), (&*hangs, &good, "decoder_hung")] {
        let out = folder.path().join(code);
        let mut command = tool("cht-audio");
        command.args(words(options)).arg("--out").arg(out);
        let mut stage = Stage::fed(&mut command, [first.display(), good.display()]);
        assert_eq!(stage.finish().code(), Some(1));
        let errors = stage.of_type("error");
        let codes: Vec<_> = errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
        assert_eq!(codes[0], code);
        assert_eq!(errors[0]["path"].as_str(), first.to_str());
        let paths: BTreeSet<_> =
            stage.of_type("segment_done").iter().map(|it| it["path"].to_string()).collect();
        assert_eq!(paths.len(), if *first == good { 1 } else { 2 });
        assert_eq!(stage.of_type("audio").is_empty(), *first == good);
    }
}

#[test]
fn other_options_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 3, "-c:a aac");
    let out = folder.path().join("audio");
    let run = |options: &str| {
        let mut command = Command::new(bin("cht-audio"));
        command.args(words(options)).arg("--out").arg(&out);
        let (mut child, path) = (command.stdin(Stdio::piped()), format!("{}\n", stream.display()));
        child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), path.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(run("--min 1").status.success());
    let refused = run("--min 2");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("holds pieces made with --rate 16000 --channels 1 --format wav --min 1"));
    assert!(run("--min 2 --overwrite").status.success());
}

#[test]
fn transcript_is_on_the_timeline_and_nothing_is_said_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let piece = folder.path().join("A000001.wav");
    let audio = |id: &str, start: f64| {
        format!(
            r#"{{"v":1,"type":"audio","session":null,"id":"{id}","start":{start:?},"duration":8.0,"pts":0,"path":"{}","segment":"/1.ts","pid":257,"samples":128000,"rate":16000,"channels":1,"speech":[[{:?},{:?}]],"silent":false,"bytes":44,"hash":"{id}"}}"#,
            piece.display(),
            start + 1.0,
            start + 3.0,
        )
    };
    // The last word of the first piece is heard at the beginning of the second one as well.
    let engine = folder.path().join("engine");
    let script = r#"#!/bin/sh
echo '{"start":0.0,"end":8.0,"text":" Late we said","words":[[0.1,0.5," Late"],[1.2,2.0," we"],[2.0,7.9," said"],[7.9,7.95,", late"]]}'
echo '{"start":5.0,"end":7.0,"text":"Thank you for watching"}'
"#;
    fs::write(&engine, script).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&engine).status().unwrap().success());
    let mut command = Command::new(cht_tests::root().join("scripts/transcribe"));
    command.arg("--command").arg(&engine);
    let lines =
        [audio("A000001", 100.0), audio("A000001", 100.0), audio("A000002", 108.0), "x".to_owned()];
    // Lines that lack something, or are something else, are passed on.
    let bad = [r#"{"v":1,"type":"audio","session":7,"path":"/x"}"#, r#"["audio"]"#, "\"audio\""];
    let lines: Vec<_> = bad.into_iter().map(str::to_owned).chain(lines).collect();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one of them is reported");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches(r#""code":"bad_line""#).count(), 1, "{text}");
    assert!(lines.iter().all(|line| text.contains(&format!("{line}\n"))), "{text}");
    let found = text.lines().filter(|line| line.contains(r#""type":"transcript""#));
    let found: Vec<Value> = found
        .map(|line| {
            cht_tests::wire::parse(line).unwrap();
            serde_json::from_str(line).unwrap()
        })
        .collect();
    let spans: Vec<_> = found
        .iter()
        .map(|it| (it["start"].as_f64(), it["end"].as_f64(), it["text"].as_str(), &it["audio"]))
        .collect();
    let first = (Some(100.0), Some(108.0), Some("Late we said"), &Value::from("A000001"));
    let second = (Some(109.2), Some(116.0), Some("we said, late"), &Value::from("A000002"));
    assert_eq!(spans, [first, second]);
}
