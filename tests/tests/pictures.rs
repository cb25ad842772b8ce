//! Picture files of cht-scenes: formats, sizes, colours, fields and metadata.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cht_tests::{Stage, ffmpeg, footage, line, of_type, tool, words};
use serde_json::Value;

#[path = "pictures/kinds.rs"]
mod kinds;

/// Options of an almost lossless encoder, so that differences are caused by the rendering.
const FINE: &str = "-c:v libx264 -preset ultrafast -qp 8";

/// Flags of ffmpeg's best scaler. Chroma lies at the left as in MPEG (`h_chr_pos=0`); ffmpeg's
/// default is the middle.
const EXACT: &str = "flags=bicubic+accurate_rnd+full_chroma_int";
const EXACT_SCALE: &str = "scale=flags=bicubic+accurate_rnd+full_chroma_int";

/// Encodes frames of a lavfi source.
fn stream(folder: &Path, source: &str, encoder: &str) -> PathBuf {
    let path = folder.join("in.ts");
    let mut arguments = vec!["-f", "lavfi", "-i", source];
    arguments.extend(words(encoder));
    arguments.extend(["-f", "mpegts", path.to_str().unwrap()]);
    ffmpeg(arguments);
    path
}

/// Runs cht-scenes on a segment, which must be successful, and returns its events and stderr.
fn scenes(path: &Path, out: &Path, options: &str) -> (Vec<Value>, String) {
    let (events, said, code) = try_scenes(path, out, options);
    assert_eq!(code, Some(0), "{said}");
    (events, said)
}

fn try_scenes(path: &Path, out: &Path, options: &str) -> (Vec<Value>, String, Option<i32>) {
    let said = out.with_extension("stderr");
    let mut command = tool("cht-scenes");
    if !options.contains("--detect") {
        command.args(["--detect", "scene"]);
    }
    command.arg("--out").arg(out).args(words(options));
    // Runs are compared, and `stats` are of a run.
    command.args(["--stats-interval", "0"]).stderr(fs::File::create(&said).unwrap());
    let mut stage = Stage::fed(&mut command, [path.display()]);
    let code = stage.finish().code();
    (std::mem::take(&mut stage.events), fs::read_to_string(said).unwrap(), code)
}

/// Returns the `frame` events, which must be some.
fn frames(events: &[Value]) -> Vec<&Value> {
    let frames = of_type(events, "frame");
    assert!(!frames.is_empty(), "{events:#?}");
    frames
}

fn size(frame: &Value) -> (u64, u64) {
    (frame["width"].as_u64().unwrap(), frame["height"].as_u64().unwrap())
}

/// Returns the first frame of a file through a filter of ffmpeg, as packed RGB.
fn rgb(path: &Path, filter: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-i", path.to_str().unwrap()])
        .args(["-frames:v", "1", "-vf", &format!("{filter},format=rgb24"), "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns the peak signal-to-noise ratio, in dB.
fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len(), "pictures of two sizes");
    let square = |(a, b): (&u8, &u8)| f64::from(i32::from(*a) - i32::from(*b)).powi(2);
    let error: f64 = one.iter().zip(other).map(square).sum::<f64>() / one.len() as f64;
    10.0 * (255.0 * 255.0 / error.max(1e-9)).log10()
}

/// Returns the picture file of the first frame.
fn first(path: &Path, folder: &Path, options: &str) -> PathBuf {
    let format = if options.contains("--format") { "" } else { "--format png" };
    let (events, _) = scenes(path, &folder.join("out"), &format!("{format} {options}"));
    frames(&events)[0]["path"].as_str().unwrap().into()
}

#[test]
fn colours_match_ffmpeg_with_the_streams_matrix() {
    const SD: &str = "testsrc2=s=720x480:r=25:d=0.2,gblur=1";
    const HD: &str = "testsrc2=s=1280x720:r=25:d=0.2,gblur=1";
    let cases = [
        ("BT.601", SD, "bt601", "tv", "yuv420p", "-colorspace smpte170m"),
        ("nothing said, SD", SD, "bt601", "tv", "yuv420p", ""),
        ("BT.709", HD, "bt709", "tv", "yuv420p", "-colorspace bt709"),
        ("nothing said, HD", HD, "bt709", "tv", "yuv420p", ""),
        ("BT.601 in HD", HD, "bt601", "tv", "yuv420p", "-colorspace smpte170m"),
        ("full range", HD, "bt709", "pc", "yuvj420p", "-colorspace bt709 -color_range pc"),
        ("10 bits", HD, "bt709", "tv", "yuv420p10le", "-colorspace bt709"),
        ("4:2:2", HD, "bt709", "tv", "yuv422p", "-colorspace bt709"),
    ];
    for (name, source, matrix, range, format, tags) in cases {
        let folder = tempfile::tempdir().unwrap();
        let filter = format!(
            "scale=out_color_matrix={matrix}:out_range={range}:out_h_chr_pos=0:{EXACT},format={format}"
        );
        let path = stream(folder.path(), &format!("{source},{filter}"), &format!("{FINE} {tags}"));
        let ours = rgb(&first(&path, folder.path(), ""), "null");
        let theirs = |matrix: &str| {
            let read = format!("scale=in_h_chr_pos=0:in_color_matrix={matrix}:in_range={range}");
            rgb(&path, &format!("{read}:{EXACT}+full_chroma_inp"))
        };
        let found = psnr(&ours, &theirs(matrix));
        let other = psnr(&ours, &theirs(if matrix == "bt601" { "bt709" } else { "bt601" }));
        println!("{name}: {found:.1} dB, by the other matrix {other:.1} dB");
        assert!(found > 50.0 && other < 35.0, "{name}: {found} dB, {other} dB");
    }
}

#[test]
fn jpeg_keeps_chroma_of_the_stream() {
    for (name, size, matrix, tag) in
        [("SD", "641x359", "bt601", "smpte170m"), ("HD", "1280x720", "bt709", "bt709")]
    {
        let folder = tempfile::tempdir().unwrap();
        let source = format!(
            "testsrc2=s={size}:r=25:d=0.2,gblur=3,\
             scale=out_color_matrix={matrix}:out_h_chr_pos=0:{EXACT},format=yuv420p"
        );
        let path = stream(folder.path(), &source, &format!("{FINE} -colorspace {tag}"));
        let (events, _) = scenes(&path, &folder.path().join("jpeg"), "--quality 100");
        let jpeg = Path::new(frames(&events)[0]["path"].as_str().unwrap());
        let shown = psnr(&rgb(jpeg, EXACT_SCALE), &rgb(&first(&path, folder.path(), ""), "null"));
        println!("{name}: {shown:.1} dB");
        assert!(shown > 44.0, "{name}: {shown} dB");
        let format = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=pix_fmt", "-of", "csv=p=0"])
            .arg(jpeg)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&format.stdout).trim(), "yuvj420p");
    }
}

#[test]
fn anamorphic_pixels_become_square() {
    let folder = tempfile::tempdir().unwrap();
    let source = "testsrc2=s=720x480:r=25:d=0.2,gblur=1,setsar=32/27";
    let path = stream(folder.path(), source, FINE);
    let (events, _) = scenes(&path, &folder.path().join("out"), "");
    assert_eq!(size(frames(&events)[0]), (853, 480));
}

#[test]
fn anamorphic_footage_looks_as_in_a_player() {
    let Some(clip) = footage("edited/craft_704x576p25.mp4") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.ts");
    let copied = ["-t", "1", "-i", clip.to_str().unwrap(), "-an", "-c", "copy"];
    ffmpeg(copied.into_iter().chain([path.to_str().unwrap()]));
    let (events, _) = scenes(&path, &folder.path().join("out"), "--format png");
    let frame = frames(&events)[0];
    assert_eq!(size(frame), (1024, 576));
    let ours = rgb(Path::new(frame["path"].as_str().unwrap()), "null");
    let theirs =
        rgb(&path, &format!("scale=1024:576:in_h_chr_pos=0:in_color_matrix=bt601:{EXACT}"));
    let found = psnr(&ours, &theirs);
    assert!(found > 40.0, "{found} dB");
}

#[test]
fn interlaced_picture_shows_one_field_time() {
    for order in ["tff", "bff"] {
        let folder = tempfile::tempdir().unwrap();
        // What moves fills half of the picture.
        let moving = "testsrc2=s=720x576:r=50:d=0.4,gblur=2,scroll=h=0.02";
        let interlaced = format!(
            "{moving},scale=out_color_matrix=bt601:out_h_chr_pos=0,format=yuv420p,\
             interlace=scan={order}:lowpass=0"
        );
        let encoder =
            format!("{FINE} -flags +ilme+ildct -x264opts {order}=1 -colorspace smpte170m");
        let path = stream(folder.path(), &interlaced, &encoder);
        let ours = rgb(&first(&path, folder.path(), ""), "null");
        let woven = rgb(&path, "scale=in_h_chr_pos=0");
        let bwdif = rgb(&path, "scale=interl=1,bwdif=send_frame,scale=in_h_chr_pos=0");
        let truth = folder.path().join("truth.mkv");
        ffmpeg([
            "-f",
            "lavfi",
            "-i",
            moving,
            "-pix_fmt",
            "gbrp",
            "-c:v",
            "ffv1",
            truth.to_str().unwrap(),
        ]);
        let moments = ["null", "select=gte(n\\,1)"].map(|moment| rgb(&truth, moment));
        // Which of the two fields is the first is the encoder's business; ffmpeg's own filter takes
        // it.
        let moment = usize::from(psnr(&bwdif, &moments[1]) > psnr(&bwdif, &moments[0]));
        let [ours, woven, bwdif] =
            [ours, woven, bwdif].map(|picture| psnr(&picture, &moments[moment]));
        println!("{order}: moment {moment}: {ours:.1} dB; as it is {woven:.1}, bwdif {bwdif:.1}");
        assert!(ours > woven + 3.0, "{order}: {ours} dB, as it is {woven} dB");
    }
}

#[test]
fn high_dynamic_range_is_tone_mapped() {
    let filters = Command::new("ffmpeg").args(["-hide_banner", "-filters"]).output().unwrap();
    let encoders = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).output().unwrap();
    let has = |output: &std::process::Output, name: &str| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == name)
    };
    if !has(&filters, "zscale") || !has(&encoders, "libx265") {
        println!("skipped: this ffmpeg has no zscale or no libx265");
        return;
    }
    for (name, transfer) in [("PQ", "smpte2084"), ("HLG", "arib-std-b67")] {
        let folder = tempfile::tempdir().unwrap();
        // White at 80 cd/m²: in the range that stays as it is, so ffmpeg without tone mapping is
        // right as well.
        let source = format!(
            "testsrc2=s=640x360:r=25:d=0.2,gblur=1,format=gbrp,\
             setparams=color_primaries=bt709:color_trc=iec61966-2-1:colorspace=gbr:range=pc,\
             zscale=t=linear:npl=80,format=gbrpf32le,zscale=p=bt2020,\
             zscale=t={transfer}:m=bt2020nc:r=tv:npl=80:agamma=false,format=yuv420p10le"
        );
        let encoder = format!(
            "-c:v libx265 -preset ultrafast -x265-params \
             log-level=0:qp=4:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
        );
        let path = stream(folder.path(), &source, &encoder);
        let (events, said) = scenes(&path, &folder.path().join("out"), "--format png");
        assert!(said.contains(&format!("high dynamic range ({name})")), "{said}");
        let ours = rgb(Path::new(frames(&events)[0]["path"].as_str().unwrap()), "null");
        let theirs = rgb(
            &path,
            "zscale=t=linear:npl=203:agamma=false,format=gbrpf32le,zscale=p=bt709,\
             tonemap=clip,zscale=t=iec61966-2-1:m=gbr:r=full",
        );
        let (found, plain) = (psnr(&ours, &theirs), psnr(&ours, &rgb(&path, "null")));
        println!("{name}: {found:.1} dB, to what is not converted {plain:.1} dB");
        assert!(found > 30.0 && plain < 25.0, "{name}: {found} dB, {plain} dB");
    }
}

#[test]
fn file_formats_hold_picture_and_origin() {
    let folder = tempfile::tempdir().unwrap();
    let path = stream(folder.path(), "testsrc2=s=321x240:r=25:d=0.2,gblur=2,format=yuv444p", FINE);
    let mut exact = Vec::new();
    for (format, suffix, least) in [
        ("png", ".png", 90.0),
        ("webp-lossless", ".webp", 90.0),
        ("jpeg", ".jpg", 30.0),
        ("webp", ".webp", 28.0),
    ] {
        let out = folder.path().join(format);
        let (events, _) = scenes(&path, &out, &format!("--format {format}"));
        let frame = frames(&events)[0];
        let file = Path::new(frame["path"].as_str().unwrap());
        assert!(file.ends_with(format!("F000001{suffix}")), "{}", file.display());
        let bytes = fs::read(file).unwrap();
        assert_eq!(frame["bytes"], bytes.len());
        assert_eq!(frame["hash"], cht_tests::b3sum(&bytes));
        let pixels = rgb(file, "null");
        assert_eq!(pixels.len(), 321 * 240 * 3);
        if exact.is_empty() {
            exact.clone_from(&pixels);
        }
        let found = psnr(&pixels, &exact);
        println!("{format}: {} bytes, {found:.1} dB", bytes.len());
        assert!(found > least, "{format}: {found} dB");
        let packet = xmp(&bytes).unwrap_or_else(|| panic!("{format}: no XMP where it belongs"));
        for property in [
            "<dc:identifier>F000001</dc:identifier>",
            "<cht:segment>in.ts</cht:segment>",
            "<cht:timestamp>0</cht:timestamp>",
            "<cht:reason>first</cht:reason>",
            &format!("<cht:pts>{}</cht:pts>", frame["pts"]),
        ] {
            assert!(packet.contains(property), "{format}: {property} is not in {packet}");
        }
        exiftool(file);
    }
}

#[test]
fn fine_chroma_keeps_its_colours() {
    // ffmpeg's scene score takes neither 4:4:4 nor RGB: ffmpeg makes 4:2:0 of them for it.
    const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none:qp=4";
    for (format, encoder, options, least) in [
        ("yuv444p", FINE, "", 60.0),
        ("yuv444p", HEVC, "--detect auto --jobs 2", 60.0),
        ("yuv444p10le", FINE, "--detect auto", 60.0),
        ("yuv422p10le", FINE, "", 58.0),
        ("gbrp", "-c:v libx264rgb -preset ultrafast -qp 8", "", 50.0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let source = "testsrc2=s=320x240:r=25:d=0.2,gblur=2";
        let coded = format!(
            "{source},scale=out_color_matrix=bt601:out_h_chr_pos=0:{EXACT},format={format}"
        );
        let path = stream(folder.path(), &coded, encoder);
        let read = format!("scale=in_color_matrix=bt601:in_h_chr_pos=0:{EXACT}+full_chroma_inp");
        let found = psnr(&rgb(&first(&path, folder.path(), options), "null"), &rgb(&path, &read));
        println!("{format}: {found:.1} dB");
        assert!(found > least, "{format} {options}: {found} dB");
    }
}

/// Every picture of such a stream leaves the decoder, but only the score selects.
#[test]
fn fine_chroma_gives_frames_of_coarse_chroma() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = |format: &str, options: &str| {
        let source = "testsrc2=s=160x128:r=25:d=2,gblur=2,negate=enable='mod(floor(n/20),2)'";
        // Luma without loss: the scores of both are those of the same luma.
        let encoder = "-c:v libx264 -preset ultrafast -qp 0 -bf 0";
        let path =
            stream(folder.path(), &format!("{source},format=yuv420p,format={format}"), encoder);
        let out = folder.path().join(format!("{format}{}", options.replace(' ', "")));
        let (events, _) = scenes(&path, &out, options);
        let fields = ["id", "timestamp", "reason", "score"];
        let frames = frames(&events).into_iter();
        frames.map(|frame| fields.map(|field| frame[field].to_string())).collect::<Vec<_>>()
    };
    for options in ["", "--detect auto", "--min-gap 0 --max-interval 0.5", "--detect auto --jobs 2"]
    {
        let coarse = chosen("yuv420p", options);
        assert!(coarse.len() > 2, "{coarse:?}");
        assert_eq!(chosen("yuv444p", options), coarse, "{options}");
    }
}

/// Returns the XMP packet of a JPEG, PNG or WebP file, by the structure of the file.
fn xmp(file: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let big = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize);
    let little =
        |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize);
    if file.starts_with(b"\xff\xd8") {
        let mut at = 2;
        while file.get(at) == Some(&0xff) && file.get(at + 1) != Some(&0xda) {
            let length =
                usize::from(u16::from_be_bytes(file.get(at + 2..at + 4)?.try_into().ok()?));
            let content = file.get(at + 4..at + 2 + length)?;
            if file[at + 1] == 0xe1 {
                return text(content.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0")?);
            }
            at += 2 + length;
        }
    } else if file.starts_with(b"\x89PNG") {
        let mut at = 8;
        while let Some(length) = big(at) {
            let content = file.get(at + 8..at + 8 + length)?;
            if &file[at + 4..at + 8] == b"iTXt" {
                return text(content.strip_prefix(b"XML:com.adobe.xmp\0\0\0\0\0")?);
            }
            at += length + 12;
        }
    } else if file.starts_with(b"RIFF") {
        assert_eq!(little(4)? + 8, file.len(), "the length of the RIFF");
        assert_eq!((&file[12..16], file[20] & 4), (&b"VP8X"[..], 4), "it says that it holds XMP");
        let mut at = 12;
        while let Some(length) = little(at + 4) {
            if &file[at..at + 4] == b"XMP " {
                return text(file.get(at + 8..at + 8 + length)?);
            }
            at += 8 + length + length % 2;
        }
    }
    None
}

/// Checks a file with exiftool, if it is installed.
fn exiftool(file: &Path) {
    let Ok(output) =
        Command::new("exiftool").args(["-j", "-validate", "-warning"]).arg(file).output()
    else {
        println!("skipped: exiftool is not installed");
        return;
    };
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read[0]["Validate"], "OK", "{read:#}");
    let output = Command::new("exiftool").args(["-j", "-XMP:all"]).arg(file).output().unwrap();
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read[0]["Identifier"], "F000001", "{read:#}");
    assert_eq!((&read[0]["Segment"], &read[0]["Timestamp"]), (&"in.ts".into(), &0.into()));
}

#[test]
fn crop_and_scale_give_expected_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = stream(folder.path(), "testsrc2=s=640x360:r=25:d=0.2,gblur=1", FINE);
    let cases = [
        ("", (640, 360)),
        ("--scale 320", (320, 180)),
        ("--scale 320x90", (160, 90)),
        ("--scale 9999", (640, 360)),
        ("--crop 101,51,200x99", (200, 99)),
        ("--crop 600,300,200x200", (40, 60)),
        ("--crop 101,51,200x100 --scale 100", (100, 50)),
    ];
    for (n, (options, expected)) in cases.into_iter().enumerate() {
        let out = folder.path().join(n.to_string());
        let (events, _) = scenes(&path, &out, &format!("--format png {options}"));
        assert_eq!(size(frames(&events)[0]), expected, "{options}");
    }
    let picture = |n: usize| folder.path().join(n.to_string()).join("F000001.png");
    let part = rgb(&picture(0), "crop=200:99:101:51:exact=1");
    assert!(part == rgb(&picture(4), "null"), "a part is not as it is in the whole");
    let half = psnr(&rgb(&picture(1), "null"), &rgb(&picture(0), "scale=320:180:flags=bicubic"));
    assert!(half > 40.0, "{half} dB");
    let (events, said) =
        scenes(&path, &folder.path().join("outside"), "--format png --crop 640,0,10x10");
    assert_eq!(size(frames(&events)[0]), (640, 360));
    assert!(said.contains("--crop: lies outside"), "{said}");
    for wrong in ["--crop 1,2,3", "--crop 0,0,0x5", "--scale 0", "--scale axb", "--thumbnails 0"] {
        let (_, said, code) = try_scenes(&path, &folder.path().join("wrong"), wrong);
        assert_eq!(code, Some(2), "{wrong}");
        assert!(said.contains(wrong.split(' ').next().unwrap()), "{wrong}: {said}");
    }
}

#[test]
fn thumbnails_are_written_and_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = stream(folder.path(), "testsrc2=s=640x360:r=25:d=0.2,gblur=2", FINE);
    let (events, _) = scenes(&path, &out, "--format webp --thumbnails 160");
    let frame = frames(&events)[0];
    let thumbnail = Path::new(frame["thumbnail"].as_str().unwrap());
    assert_eq!(thumbnail, out.join("F000001.thumb.jpg"));
    assert_eq!(rgb(thumbnail, "null").len(), 160 * 90 * 3);
    let small = psnr(
        &rgb(thumbnail, "null"),
        &rgb(Path::new(frame["path"].as_str().unwrap()), "scale=160:90:flags=bicubic"),
    );
    assert!(small > 25.0, "{small} dB");
    // The same again, into an index.
    let index = folder.path().join("index.json");
    let options = "--detect scene --format webp --thumbnails 160";
    let again = cht_tests::scenes(&[path], &out, options).succeed();
    let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(&index), again.iter().map(line));
    assert!(stage.finish().success());
    assert_eq!(cht_tests::read_json(&index)[0]["thumbnail"], frame["thumbnail"]);
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn changed_output_options_need_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = stream(folder.path(), "testsrc2=s=320x240:r=25:d=0.2", FINE);
    let (before, _) = scenes(&path, &out, "--scale 160x99 --thumbnails 40");
    let expected = ["F000001.jpg", "F000001.thumb.jpg", "scenes.ndjson"];
    assert_eq!(names(&out), expected.map(str::to_owned).into());
    for other in ["--format png", "--scale 160 --thumbnails 40", "--crop 0,0,9x9", ""] {
        let (_, said, code) = try_scenes(&path, &out, other);
        assert_eq!(code, Some(2), "{other}");
        assert!(said.contains("--format jpeg --scale 160x99 --thumbnails 40"), "{said}");
    }
    // The same again: the same events, and what a killed run has left is gone.
    fs::write(out.join(".F000002.thumb.jpg.cht-tmp"), "half").unwrap();
    let (again, _) = scenes(&path, &out, "--scale 160x99 --thumbnails 40");
    assert_eq!(before, again);
    assert_eq!(names(&out), expected.map(str::to_owned).into());
    scenes(&path, &out, "--format png --overwrite");
    assert_eq!(names(&out), ["F000001.png", "scenes.ndjson"].map(str::to_owned).into());
}

/// Runs cht-scenes with cht-index after it; the ids in the index, and what cht-scenes said.
fn indexed(path: &Path, out: &Path, index: &Path, options: &str) -> (Vec<String>, String) {
    let said = out.with_extension("stderr");
    let mut scenes = tool("cht-scenes");
    scenes.arg("--out").arg(out).args(["--stats-interval", "0"]).args(words(options));
    scenes.stderr(fs::File::create(&said).unwrap());
    let mut scenes = Stage::fed(&mut scenes, [path.display()]);
    let status = scenes.finish();
    let said = fs::read_to_string(said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    let events = scenes.events.iter().map(line);
    let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(index), events);
    assert!(stage.finish().success());
    let frames = cht_tests::read_json(index);
    for frame in &frames {
        let bytes = fs::read(out.join(format!("{}.jpg", frame["id"].as_str().unwrap()))).unwrap();
        assert_eq!(frame["hash"], cht_tests::b3sum(&bytes));
    }
    (frames.iter().map(|frame| frame["id"].as_str().unwrap().to_owned()).collect(), said)
}

#[test]
fn folder_at_picture_path_costs_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let source = "testsrc2=s=160x128:r=25:d=2,negate=enable='mod(floor(n/10),2)'";
    let path = stream(folder.path(), source, FINE);
    let out = folder.path().join("out");
    let planted =
        ["F000002.jpg/inside", ".F000003.jpg.cht-tmp", "F000005.thumb.jpg", "scenes_000001.state"];
    for name in planted {
        fs::create_dir_all(out.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("elsewhere", out.join("F000004.jpg")).unwrap();
    let index = |name: &str| folder.path().join(name);
    let (ids, said) =
        indexed(&path, &out, &index("1.json"), "--detect adaptive --min-gap 0 --thumbnails 40");
    assert_eq!(ids, ["F000001", "F000004", "F000006", "F000007", "F000008"], "{said}");
    for name in planted {
        assert!(out.join(name).is_dir(), "{name}");
    }
    assert!(!out.join("F000005.jpg").exists(), "a picture of no frame");
    for place in ["F000002.jpg", "F000003.jpg", "F000005.thumb.jpg", "scenes_000001.state"] {
        assert!(said.contains(&format!("{place}: ")), "{place}: {said}");
    }
    // With other options all is made anew, and the folders stay.
    let (ids, _) = indexed(
        &path,
        &out,
        &index("2.json"),
        "--detect adaptive --min-gap 0 --quality 50 --overwrite",
    );
    assert_eq!(ids, ["F000001", "F000004", "F000005", "F000006", "F000007"]);
}

/// Only keyframes have the orientation, and ffmpeg's default would turn only these.
#[test]
fn display_orientation_turns_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let plain = stream(folder.path(), "testsrc2=s=320x240:r=25:d=3", "-c:v libx264 -g 25 -bf 2");
    let turned = folder.path().join("turned.ts");
    let filter = "h264_metadata=display_orientation=insert:rotate=90";
    ffmpeg([
        "-i",
        plain.to_str().unwrap(),
        "-c",
        "copy",
        "-bsf:v",
        filter,
        turned.to_str().unwrap(),
    ]);
    for options in ["--detect auto", "--detect scene", "--decode keyframes", "--jobs 2"] {
        let found = [&plain, &turned].map(|path| {
            let name = format!("{}{options}", path.file_stem().unwrap().to_str().unwrap());
            let out = folder.path().join(name.replace(' ', "_"));
            let (events, said) = scenes(path, &out, options);
            let is_said = said.contains("turned by 90°; they are kept as they are coded");
            assert_eq!(is_said, path == &turned, "{options}: {said}");
            let hash = |frame: &Value| {
                cht_tests::b3sum_of_jpeg(Path::new(frame["path"].as_str().unwrap()))
            };
            frames(&events)
                .into_iter()
                .map(|frame| (frame["pts"].clone(), size(frame), hash(frame)))
                .collect::<Vec<_>>()
        });
        assert_eq!(found[0], found[1], "{options}");
    }
}
