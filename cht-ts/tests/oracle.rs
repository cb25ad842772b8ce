//! The scanner against two other readers: mpeg2ts-reader for PES packets, ffprobe for keyframes and
//! formats.
// Helpers of tests fail by panicking, and print why they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use cht_ts::{Damage, Found, Media, Pes, Pts, Scanner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// PTS and DTS of the PES packets of each PID, in order.
type Stamps = BTreeMap<u16, Vec<(Option<u64>, Option<u64>)>>;

mod reader {
    #![allow(unreachable_pub)] // the macro wants its types public
    use super::Stamps;
    use mpeg2ts_reader::demultiplex::{self, Demultiplex, FilterRequest, NullPacketFilter};
    use mpeg2ts_reader::pes::Timestamp;
    use mpeg2ts_reader::{packet, packet_filter_switch, pes, psi};

    packet_filter_switch! {
        Switch<Context> {
            Pes: pes::PesPacketFilter<Context, Stream>,
            Pat: demultiplex::PatPacketFilter<Context>,
            Pmt: demultiplex::PmtPacketFilter<Context>,
            Null: NullPacketFilter<Context>,
        }
    }

    pub struct Context {
        changeset: demultiplex::FilterChangeset<Switch>,
        stamps: Stamps,
    }

    impl demultiplex::DemuxContext for Context {
        type F = Switch;
        fn filter_changeset(&mut self) -> &mut demultiplex::FilterChangeset<Switch> {
            &mut self.changeset
        }
        fn construct(&mut self, request: FilterRequest<'_, '_>) -> Switch {
            match request {
                FilterRequest::ByPid(psi::pat::PAT_PID) => {
                    Switch::Pat(demultiplex::PatPacketFilter::default())
                }
                FilterRequest::Pmt { pid, program_number } => {
                    Switch::Pmt(demultiplex::PmtPacketFilter::new(pid, program_number))
                }
                FilterRequest::ByStream { stream_info, .. } => {
                    Switch::Pes(pes::PesPacketFilter::new(Stream(stream_info.elementary_pid())))
                }
                _ => Switch::Null(NullPacketFilter::default()),
            }
        }
    }

    pub struct Stream(packet::Pid);

    impl pes::ElementaryStreamConsumer<Context> for Stream {
        fn start_stream(&mut self, _: &mut Context) {}
        fn begin_packet(&mut self, context: &mut Context, header: pes::PesHeader<'_>) {
            let stamps = match header.contents() {
                pes::PesContents::Parsed(Some(parsed)) => match parsed.pts_dts() {
                    Ok(pes::PtsDts::PtsOnly(pts)) => (pts.ok().map(Timestamp::value), None),
                    Ok(pes::PtsDts::Both { pts, dts }) => {
                        (pts.ok().map(Timestamp::value), dts.ok().map(Timestamp::value))
                    }
                    _ => (None, None),
                },
                _ => (None, None),
            };
            context.stamps.entry(self.0.into()).or_default().push(stamps);
        }
        fn continue_packet(&mut self, _: &mut Context, _: &[u8]) {}
        fn end_packet(&mut self, _: &mut Context) {}
        fn continuity_error(&mut self, _: &mut Context) {}
    }

    pub(super) fn stamps(bytes: &[u8]) -> Stamps {
        let changeset = demultiplex::FilterChangeset::default();
        let mut context = Context { changeset, stamps: Stamps::new() };
        Demultiplex::new(&mut context).push(&mut context, bytes);
        context.stamps
    }
}

fn scan(bytes: &[u8]) -> (Vec<Pes>, Vec<Damage>, Scanner) {
    let mut scanner = Scanner::new();
    let (mut pes, mut damage) = (Vec::new(), Vec::new());
    let mut take = |found: Found<'_>| match found {
        Found::Pes(found) => pes.push(found),
        Found::Damage(found) => damage.push(found),
        _ => {}
    };
    scanner.push(bytes, &mut take);
    scanner.finish(&mut take);
    (pes, damage, scanner)
}

fn on_wire(pts: Pts) -> u64 {
    pts.ticks() as u64
}

fn stamps(pes: &[Pes], scanner: &Scanner) -> Stamps {
    let mut stamps = Stamps::new();
    let streams = scanner.programs().iter().flat_map(|program| &program.streams);
    let listed: BTreeSet<u16> = streams.map(|stream| stream.pid).collect();
    for pes in pes.iter().filter(|pes| listed.contains(&pes.pid)) {
        stamps.entry(pes.pid).or_default().push((pes.pts.map(on_wire), pes.dts.map(on_wire)));
    }
    stamps
}

/// Returns the PTS of the keyframes of each video PID, as ffprobe reads them.
fn probe(path: &Path) -> BTreeMap<u16, BTreeSet<u64>> {
    let output = Command::new("ffprobe")
        .args(["-v", "quiet", "-select_streams", "v", "-of", "csv", "-show_entries"])
        .arg("stream=index,id:packet=stream_index,pts,flags")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut pids = BTreeMap::new();
    let mut keyframes: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for line in text.lines() {
        match line.split(',').collect::<Vec<_>>()[..] {
            ["stream", index, id, ..] => {
                let pid = u16::from_str_radix(id.trim_start_matches("0x"), 16).unwrap();
                pids.insert(index.parse::<u64>().unwrap(), pid);
            }
            ["packet", index, pts, flags, ..] if flags.starts_with('K') && pts != "N/A" => {
                keyframes.entry(index.parse().unwrap()).or_default().insert(pts.parse().unwrap());
            }
            _ => {}
        }
    }
    pids.into_iter()
        .map(|(index, pid)| (pid, keyframes.remove(&index).unwrap_or_default()))
        .collect()
}

fn keyframes(pes: &[Pes]) -> BTreeMap<u16, BTreeSet<u64>> {
    let mut keyframes: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
    for pes in pes.iter().filter(|pes| pes.media == Media::Video) {
        let of_pid = keyframes.entry(pes.pid).or_default();
        of_pid.extend(pes.pts.filter(|_| pes.random_access).map(on_wire));
    }
    keyframes
}

fn ffmpeg(dir: &Path, name: &str, args: &str) -> PathBuf {
    let path = dir.join(name);
    let output = Command::new("ffmpeg")
        .args("-v error -f lavfi -i testsrc2=s=322x182:r=25 -f lavfi -i sine=r=48000".split(' '))
        .args(args.split_whitespace())
        .args(["-t", "3", "-f", "mpegts"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

/// Name, arguments, codecs expected, keyframes expected at least.
const GENERATED: [(&str, &str, &[&str]); 9] = [
    ("plain", "-c:v libx264 -pix_fmt yuv420p -bf 0 -g 25 -c:a aac", &["h264", "aac"]),
    (
        "open_gop",
        "-c:v libx264 -pix_fmt yuv420p -x264-params open-gop=1:bframes=3:keyint=25:scenecut=0 -c:a mp2",
        &["h264", "mp2"],
    ),
    (
        "slices_interlaced",
        "-c:v libx264 -pix_fmt yuv422p -x264-params slices=4:tff=1:keyint=20 -c:a ac3",
        &["h264", "ac3"],
    ),
    (
        "intra_refresh",
        "-c:v libx264 -pix_fmt yuv420p -x264-params intra-refresh=1:keyint=25 -c:a libmp3lame",
        &["h264", "mp3"],
    ),
    (
        "hevc",
        "-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none:keyint=25 -c:a eac3",
        &["hevc", "eac3"],
    ),
    (
        "hevc_no_b",
        "-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none:keyint=20:bframes=0:open-gop=0 -c:a libopus",
        &["hevc", "opus"],
    ),
    (
        "mpeg2_cbr",
        "-c:v mpeg2video -pix_fmt yuv420p -bf 2 -g 12 -b:v 2M -c:a mp2 -muxrate 6M",
        &["mpeg2video", "mp2"],
    ),
    ("mpeg4", "-c:v mpeg4 -pix_fmt yuv420p -bf 2 -g 12 -c:a ac3", &["mpeg4", "ac3"]),
    (
        "two_programs",
        "-map 0:v -map 1:a -map 0:v -map 1:a -c:v:0 libx264 -c:v:1 mpeg2video -pix_fmt yuv420p -g 25 \
         -c:a mp2 -program st=0:st=1 -program st=2:st=3 -muxrate 8M",
        &["h264", "mp2", "mpeg2video", "mp2"],
    ),
];

#[test]
fn generated_streams_match_ffprobe() {
    let dir = tempfile::tempdir().unwrap();
    for (name, args, codecs) in GENERATED {
        let path = ffmpeg(dir.path(), name, args);
        let bytes = std::fs::read(&path).unwrap();
        let (pes, damage, scanner) = scan(&bytes);
        assert_eq!(damage, [], "{name}");
        assert_eq!(stamps(&pes, &scanner), reader::stamps(&bytes), "{name}");
        let keys = keyframes(&pes);
        assert!(!keys.is_empty() && keys.values().all(|keys| keys.len() >= 2), "{name} {keys:?}");
        assert_eq!(keys, probe(&path), "{name}");
        let streams: Vec<_> =
            scanner.programs().iter().flat_map(|program| &program.streams).collect();
        let found: Vec<_> = streams.iter().map(|stream| stream.codec.as_str()).collect();
        assert_eq!(found, codecs, "{name}");
        for stream in streams {
            match stream.media() {
                // MPEG-4 part 2 is not read for its size.
                Media::Video if stream.codec.as_str() != "mpeg4" => {
                    let size = stream.video.map(|video| (video.width, video.height));
                    assert_eq!(size, Some((322, 182)), "{name}");
                }
                Media::Audio => {
                    let format = stream.audio.map(|audio| (audio.sample_rate, audio.channels));
                    assert_eq!(format, Some((48_000, 1)), "{name} {}", stream.codec);
                }
                _ => {}
            }
        }
    }
}

/// The stream has the time codes of M2TS before its packets.
#[test]
fn m2ts() {
    let dir = tempfile::tempdir().unwrap();
    let args = "-c:v libx264 -pix_fmt yuv420p -g 25 -c:a ac3 -mpegts_m2ts_mode 1";
    let path = ffmpeg(dir.path(), "m2ts", args);
    let bytes = std::fs::read(&path).unwrap();
    let (pes, damage, scanner) = scan(&bytes);
    assert_eq!((scanner.packet_size(), damage), (Some(192), vec![]));
    let stripped: Vec<u8> =
        bytes.chunks_exact(192).flat_map(|packet| &packet[4..]).copied().collect();
    assert_eq!(stamps(&pes, &scanner), reader::stamps(&stripped));
    assert_eq!(keyframes(&pes), probe(&path));
    assert!(pes.iter().all(|pes| pes.offset % 192 == 0));
}

/// A segment cut at a keyframe's `cut`, played after `psi`, has all pictures from there on.
#[test]
fn segments_play_after_their_psi() {
    let dir = tempfile::tempdir().unwrap();
    let args = "-c:v libx264 -pix_fmt yuv420p -bf 2 -g 25 -c:a aac -mpegts_flags -resend_headers -pat_period 60";
    let bytes = std::fs::read(ffmpeg(dir.path(), "whole", args)).unwrap();
    let (pes, _, scanner) = scan(&bytes);
    let pictures = pes.iter().filter(|pes| pes.media == Media::Video).count();
    for (index, pes) in pes.iter().filter(|pes| pes.media == Media::Video).enumerate() {
        if !pes.random_access {
            continue;
        }
        let path = dir.path().join("segment");
        let segment = &bytes[pes.cut as usize..];
        std::fs::write(&path, [&scanner.psi().unwrap(), segment].concat()).unwrap();
        let output = Command::new("ffprobe")
            .args("-v error -count_frames -select_streams v -of csv=p=0".split(' '))
            .args(["-show_entries", "stream=nb_read_frames"])
            .arg(&path)
            .output()
            .unwrap();
        let frames = String::from_utf8(output.stdout).unwrap();
        let frames = frames.lines().next().unwrap().trim_end_matches(',').to_string();
        assert_eq!(frames, (pictures - index).to_string());
    }
}

/// Reads a real stream, where the checkout has them next to it.
fn footage(name: &str) -> Option<(PathBuf, Vec<u8>)> {
    let folder = std::env::var_os("CHT_FOOTAGE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/footage"),
        PathBuf::from,
    );
    let path = folder.join("ts").join(name);
    if let Ok(bytes) = std::fs::read(&path) {
        return Some((path, bytes));
    }
    println!("skipped: {} is absent", path.display());
    None
}

#[test]
fn clean_footage_has_no_damage() {
    for name in
        ["hls_bbb_60s_640x360p24_h264.ts", "bbb_1080p30_h264.ts", "bbb_mpeg2_1080p24_2500ms.ts"]
    {
        let Some((path, bytes)) = footage(name) else { continue };
        let (pes, damage, scanner) = scan(&bytes);
        assert_eq!(damage, [], "{name}");
        let mut expected = reader::stamps(&bytes);
        for stamps in expected.values_mut() {
            for place in 1..stamps.len() {
                // A packet with the end of a picture alone, and the time stamps of the next one.
                if stamps[place - 1] == stamps[place] {
                    stamps[place - 1] = (None, None);
                }
            }
        }
        assert_eq!(stamps(&pes, &scanner), expected, "{name}");
        assert_eq!(keyframes(&pes), probe(&path), "{name}");
    }
}

/// No section of this capture's PMT is intact (each of the ten has its own wrong bytes), so no PID
/// is listed; ffmpeg takes one unchecked and finds video on a PID that is a damaged copy of the
/// real one.
#[test]
fn video_of_a_broken_broadcast() {
    let Some((_, bytes)) = footage("animalplanet_1080i25_h264_corrupt_tei_pcr.ts") else { return };
    let (pes, _, scanner) = scan(&bytes);
    let counters = scanner.counters();
    assert_eq!((counters.packets, counters.transport_errors, counters.sync_losses), (4000, 19, 0));
    assert!(scanner.programs()[0].streams.is_empty() && counters.psi_crc_errors == 9);
    assert_eq!(scanner.video_pid(), Some(0x3D));
    assert!(pes.iter().any(|pes| pes.pid == 0x3D && pes.random_access));
}

/// Three hundred and fifty packets with one counter value: each second repetition is one too many.
#[test]
fn footage_of_duplicates() {
    let Some((_, bytes)) = footage("duplicate_packets_small.ts") else { return };
    let (_, damage, scanner) = scan(&bytes);
    let counters = scanner.counters();
    assert_eq!((counters.duplicates, counters.continuity_errors), (175, 174));
    assert_eq!(damage.len(), 174);
}

#[test]
fn footage_that_loses_sync() {
    let Some((_, bytes)) = footage("sync_loss_small.ts") else { return };
    let (_, _, scanner) = scan(&bytes);
    let counters = scanner.counters();
    assert_eq!((counters.packets, counters.sync_losses, counters.lost_bytes), (299, 2, 188));
}

#[test]
fn footage_of_broken_hevc() {
    let Some((_, bytes)) = footage("hevc_corrupt_small.ts") else { return };
    let (pes, damage, scanner) = scan(&bytes);
    assert_eq!((stamps(&pes, &scanner), damage), (reader::stamps(&bytes), vec![]));
    let size = scanner.programs()[0].streams[0].video.map(|video| (video.width, video.height));
    assert_eq!((size, pes[0].random_access), (Some((1920, 1080)), true));
}
