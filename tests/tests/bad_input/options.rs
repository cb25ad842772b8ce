//! Options without effect in a combination are refused, and every option is known to do something.

use cht_tests::{tool, words};

use super::{bounded, pipe, said};

#[test]
fn option_without_effect_is_refused_with_its_place() {
    for (tool_name, options, place) in [
        ("cht-scenes", "--threshold 0.3", "with --detect scene"),
        ("cht-scenes", "--detect adaptive --settle 1", "with --detect auto or screen"),
        ("cht-scenes", "--detect scene --max-wait 1", "with --detect auto or screen"),
        ("cht-scenes", "--detect scene --dedupe", "with --detect auto or screen"),
        ("cht-scenes", "--lag-limit 5", "with --on-lag keyframes"),
        ("cht-scenes", "--decode keyframes --on-lag keyframes", "with --decode full or fast"),
        ("cht-scenes", "--detect screen --min-gap 1", "with --detect auto, adaptive or scene"),
        ("cht-scenes", "--out x --session y", "without --out"),
        ("cht-scenes", "--from-scores x --session y", "without --from-scores"),
        ("cht-scenes", "--from-scores x --jobs 2", "without --from-scores"),
        ("cht-scenes", "--from-scores x --hwaccel auto", "without --from-scores"),
        ("cht-scenes", "--from-scores x --decode fast", "without --from-scores"),
        ("cht-scenes", "--from-scores x --program 1", "without --from-scores"),
        ("cht-scenes", "--from-scores x --stream 0", "without --from-scores"),
        ("cht-scenes", "--from-scores x --on-lag keyframes", "without --from-scores"),
        ("cht-scenes", "--from-scores x --stats-interval 1", "without --from-scores"),
        ("cht-scenes", "--format png --quality 50", "with --format jpeg or webp"),
        ("cht-scenes", "--format png --max-bytes 900k", "with --format jpeg or webp"),
        ("cht-segwatch", "--settle 5", "with PATH or --follow"),
        ("cht-segwatch", "--since 1d a.ts", "with --follow"),
        ("cht-segwatch", "--session x a.ts", "with --follow and without PATH"),
        ("cht-audio", "--session x --out y", "without --out"),
        ("cht-index", "--session x --out y.json", "without --out"),
        ("cht-index", "--sent F000001 --out y.json --overwrite", "without --sent"),
        ("cht-monitor", "--player cat --hwaccel cuda", "with ffplay, mpv or vlc as player"),
        ("cht-monitor", "--stdout --ffplay x", "where ffplay runs"),
        ("cht-monitor", "x --sessions y", "without SESSION"),
        ("cht-monitor", "--http :0 --from start", "without --fifo and --http"),
        ("cht-monitor", "--fifo x --restart", "with a player"),
        ("cht-monitor", "--stdout --json", "with - as SESSION"),
        ("cht-monitor", "--http :0 --print-command", "with a player"),
        ("cht-recv", "--once --second-sender replace", "without --once"),
        ("cht-recv", "--input - --second-sender replace", "with tcp://"),
        ("cht-recv", "--input srt://:9 --second-sender replace", "with tcp://"),
        ("cht-recv", "--input - --session-gap 9", "without --once"),
        ("cht-recv", "--once --session-gap 9", "without --once"),
        ("cht-recv", "--ffmpeg x", "with srt://"),
        ("cht-recv", "--input udp://127.0.0.1:0 --keepalive 9", "with tcp:// and tls://"),
        ("cht-recv", "--handshake-timeout 5", "with tls://"),
    ] {
        let output = pipe(bounded(tool_name).args(words(options)), b"");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{tool_name} {options}: {said}");
        assert!(said.contains(&format!("has no effect here; it has one {place}")), "{said}");
    }
}

/// Options that have an effect wherever they are accepted, or are refused with a message of their
/// own.
const EFFECTIVE: &[(&str, &str)] = &[
    (
        "cht-recv",
        "listen sessions session-id session-time segment-time segment-max-bytes segment-max-time min-free \
         retain-bytes retain-age retain-frames-age once idle-timeout realtime transcode allow max-bitrate cert key \
         client-ca stats-interval metrics json",
    ),
    ("cht-segwatch", "follow cache reread json"),
    (
        "cht-scenes",
        "out detect max-interval max-frames decoder-timeout max-pixels format crop scale thumbnails \
         scores from-scores overwrite ffmpeg json",
    ),
    (
        "cht-audio",
        "out rate channels format min max stream program fill skip-silent decoder-timeout \
         stats-interval overwrite ffmpeg json",
    ),
    ("cht-index", "out sent format metrics json"),
    ("cht-monitor", "program stream player stdout fifo http"),
];

/// Options without effect in some combination, which is tested above.
const REFUSED: &[(&str, &str)] = &[
    ("cht-recv", "second-sender keepalive ffmpeg session-gap handshake-timeout"),
    ("cht-segwatch", "settle session since"),
    (
        "cht-scenes",
        "session threshold min-gap settle max-wait min-change ignore program stream decode jobs \
         hwaccel on-lag lag-limit stats-interval quality max-bytes dedupe",
    ),
    ("cht-audio", "session"),
    ("cht-index", "session overwrite"),
    ("cht-monitor", "sessions from ffplay hwaccel restart print-command json"),
];

#[test]
fn every_option_is_listed_by_its_effect() {
    for ((tool_name, effective), (_, refused)) in EFFECTIVE.iter().zip(REFUSED) {
        let output = tool(tool_name).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let lines = help.lines().skip_while(|line| *line != "Options:");
        let options = lines.filter_map(|line| {
            // Further lines of a text are indented by more.
            line.strip_prefix("      --")?.split([' ', '.']).next()
        });
        let mut found: Vec<_> = options.collect();
        let mut known: Vec<_> = [words(effective), words(refused)].concat();
        found.sort_unstable();
        known.sort_unstable();
        assert_eq!(found, known, "{tool_name}: put an option that is new into one of the lists");
    }
}
