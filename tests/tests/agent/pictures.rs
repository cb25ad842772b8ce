//! `frame`: the picture that was on the screen at any time, decoded from the recording.

use std::{fs, io::Write as _, net::TcpStream, path::Path, process::Command};

use cht_tests::{encode_with_early_sound, generate, record, recorder, words};
use serde_json::Value;

use super::{ask, refused};

/// Size of the pictures of the clip below, as samples.
const RGB: usize = 160 * 120 * 3;

/// Returns the pictures of a stream or a file, decoded by ffmpeg alone.
fn decoded(path: &Path) -> Vec<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(words("-hide_banner -loglevel error -nostdin -i")).arg(path);
    command.args(words("-map 0:v -fps_mode passthrough -f rawvideo -pix_fmt rgb24 -"));
    let output = command.output().unwrap();
    output.stdout.chunks(RGB).map(<[u8]>::to_vec).collect()
}

#[test]
fn picture_at_any_time_is_the_decoders_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.ts");
    let encoder = "-c:v libx264 -preset veryfast -bf 3 -x264-params \
                   open-gop=1:keyint=20:min-keyint=20:scenecut=0:b-pyramid=normal";
    generate(&source, &[("testsrc2=s=160x120:r=25", 5.0)], encoder);
    let (bytes, pictures) = (fs::read(&source).unwrap(), decoded(&source));
    let (mut recv, address) = recorder(folder.path(), "--segment-time 1.5 --stats-interval 0.1");
    let mut sender = TcpStream::connect(&address).unwrap();
    let half = bytes.len() / 188 / 2 * 188;
    sender.write_all(&bytes[..half]).unwrap();
    while recv.wait_for("stats")["recv"]["bytes"] != half {}
    let session = recv.session();
    let out = folder.path().join("o.png");
    let shot = |which: &str| {
        let to = format!("frame {which} --out {}", out.display());
        let answer = ask(&session, &to);
        (answer["timestamp"].as_f64().unwrap(), decoded(&out).remove(0))
    };
    // In the middle of a segment that grows, and its newest picture.
    let (live, picture) = shot("live");
    let number = (live * 25.0).round() as usize;
    assert!(number > 45 && picture == pictures[number], "{live}");
    for time in ["1.99", "0:01.99", "0:00:01.99"] {
        assert!(shot(time).1 == pictures[49], "{time}");
    }
    let said = refused(&session, &format!("frame 99999 --out {}", out.display()));
    assert!(
        said.contains("nothing is recorded at 99999.000 s; the newest picture is at"),
        "{said}"
    );
    sender.write_all(&bytes[half..]).unwrap();
    drop(sender);
    recv.wait_for("disconnected");
    recv.stop();
    assert!(fs::read_dir(session.join("stream")).unwrap().count() > 5, "several segments");
    // Around the keyframes, which begin segments: some pictures before them come after them.
    for number in (35..45).chain([0, 1, 57, 76, 77, 78, 79, 80, 81, 99, 123, 124]) {
        let (time, picture) = shot(&format!("{:.3}", number as f64 / 25.0 + 0.02));
        assert!((time * 25.0 - number as f64).abs() < 0.01, "{number}: {time}");
        assert!(picture == pictures[number], "{number}");
    }
    // Renamed, it is decoded as before.
    let renamed = folder.path().join("renamed");
    fs::rename(&session, &renamed).unwrap();
    ask(&renamed, &format!("frame 3.1 --out {}", out.display()));
    assert!(decoded(&out).remove(0) == pictures[77]);
    let session = renamed;
    let crop = ask(
        &session,
        &format!("frame 1 --crop 40,20,80,40 --max-pixels 800 --out {}", out.display()),
    );
    assert_eq!((&crop["picture"]["width"], &crop["picture"]["height"]), (&40.into(), &20.into()));
    for (arguments, says) in [
        ("frame 1", "say where the picture goes"),
        ("frame 7", "nothing is recorded at 7.000 s; the recording ends at 5.0"),
        ("frame F000001 --out x.png", "F000001: no such frame"),
        ("frame 1 --out x.gif", "must end in .png or .jpg"),
        ("frame 1 --crop 100,0,100,100 --out x.png", "not within the picture, which has 160×120"),
    ] {
        let said = refused(&session, arguments);
        assert!(said.contains(says), "{arguments}: {said}");
    }
}

#[test]
fn picture_before_a_damaged_part_is_said_to_be_older() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.ts");
    let encoder = "-c:v libx264 -preset veryfast -bf 0 -g 25";
    generate(&source, &[("testsrc2=s=160x120:r=25", 4.0)], encoder);
    let recorded = record(folder.path(), &fs::read(&source).unwrap(), "--segment-time 1");
    let session = recorded.session();
    let out = folder.path().join("o.png");
    let shot = |time: f64| ask(&session, &format!("frame {time} --out {}", out.display()));
    let older = |shot: &Value| {
        let note = shot["note"].as_str()?;
        note.strip_prefix("this picture is ")?.split(" s older").next()?.parse::<f64>().ok()
    };
    for time in [0.0, 0.03, 1.5, 1.97, 3.9] {
        assert_eq!(shot(time)["note"], Value::Null, "{time}");
    }
    // The second half of the second segment.
    let segment = session.join("stream/segment_000002.ts");
    let mut bytes = fs::read(&segment).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    fs::write(&segment, bytes).unwrap();
    let damaged = shot(1.9);
    let (older, given) = (older(&damaged).unwrap(), damaged["timestamp"].as_f64().unwrap());
    assert!(given < 1.8 && (older - (1.9 - given)).abs() < 0.001, "{damaged}");
    for time in [1.1, 2.1] {
        assert_eq!(shot(time)["note"], Value::Null, "{time}");
    }
}

/// ffmpeg moves the time stamps of a file in which a stream that it does not decode begins first.
#[test]
fn sound_that_begins_first_moves_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.ts");
    let encoder = "-c:v libx264 -preset ultrafast -g 20";
    encode_with_early_sound(&source, "testsrc2=s=160x120:r=25:d=5", encoder);
    let pictures = decoded(&source);
    let recorded = record(folder.path(), &fs::read(&source).unwrap(), "--segment-time 1");
    let out = folder.path().join("o.png");
    for number in [0, 1, 10, 19, 20, 30, 74, 124] {
        let time = number as f64 / 25.0 + 0.02;
        ask(&recorded.session(), &format!("frame {time} --out {}", out.display()));
        assert!(decoded(&out).remove(0) == pictures[number], "{number}");
    }
    // A segment that is gone takes no other with it.
    let gone = recorded.session().join("stream/segment_000002.ts");
    fs::remove_file(&gone).unwrap();
    for number in [0, 19, 90, 120] {
        let time = number as f64 / 25.0 + 0.02;
        ask(&recorded.session(), &format!("frame {time} --out {}", out.display()));
        assert!(decoded(&out).remove(0) == pictures[number], "{number}");
    }
    let said = refused(&recorded.session(), &format!("frame 2 --out {}", out.display()));
    assert!(
        said.contains("segment_000002.ts: the segment of that time, which begins at"),
        "{said}"
    );
}
