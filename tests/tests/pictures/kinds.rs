//! Pictures of each kind of stream next to ffmpeg's: each pair of coding, field order, chroma, file
//! format and part of the picture is there once. `bench/colours` compares all combinations.

use std::{fs::create_dir, path::Path, process::Command};

use cht_tests::words;

use super::{EXACT, first, psnr, rgb};

/// Kind of stream, and the options for its pictures.
struct Kind {
    codec: &'static str,
    field: &'static str,
    chroma: &'static str,
    depth: u32,
    range: &'static str,
    options: String,
    /// ffmpeg's filter for what `options` say.
    part: &'static str,
}

/// What `--scale` or `--crop` says, and ffmpeg's filter for the same.
type Look = (&'static str, &'static str);

const WHOLE: Look = ("", "null");
/// `--scale`, and ffmpeg's cubic filter with the kernel of Keys, as in cht-scenes.
const SCALED: Look = ("--scale 96", "scale=96:72:flags=bicubic+accurate_rnd:param0=0:param1=0.5");
const CROPPED: Look = ("--crop 16,8,96x64", "crop=96:64:16:8:exact=1");

/// Coding, field order, chroma, depth, range, file format, look.
type Case = (&'static str, &'static str, &'static str, u32, &'static str, &'static str, Look);

const KINDS: [Case; 9] = [
    ("h264", "prog", "420", 8, "tv", "jpeg --quality 100", WHOLE),
    ("hevc", "prog", "422", 10, "pc", "png", SCALED),
    ("hevc", "prog", "444", 8, "tv", "webp-lossless", CROPPED),
    ("mpeg2", "tff", "420", 8, "tv", "png", CROPPED),
    ("h264", "tff", "422", 10, "tv", "webp-lossless", WHOLE),
    ("h264", "tff", "444", 8, "pc", "jpeg --quality 100", SCALED),
    ("h264", "bff", "420", 10, "pc", "webp-lossless", SCALED),
    ("mpeg2", "bff", "422", 8, "tv", "jpeg --quality 100", CROPPED),
    ("h264", "bff", "444", 10, "tv", "png", WHOLE),
];

impl Kind {
    fn pixel_format(&self, chroma: &str) -> String {
        format!("yuv{chroma}p{}", if self.depth == 10 { "10le" } else { "" })
    }

    /// Writes a stream of a lavfi source; `false` if this ffmpeg has no such encoder.
    fn code(&self, source: &str, path: &Path) -> bool {
        let Self { codec, field, chroma, range, .. } = self;
        let (fields, interlaced) = match *field {
            "prog" => (String::new(), 0),
            field => (format!("-flags +ildct+ilme -top {}", u8::from(field == "tff")), 1),
        };
        let encoder = match *codec {
            "mpeg2" => "mpeg2video -qscale:v 1",
            "h264" => "libx264 -preset ultrafast -qp 4",
            _ if *range == "pc" => {
                "libx265 -preset ultrafast -x265-params log-level=none:qp=4:colormatrix=smpte170m:range=full"
            }
            _ => "libx265 -preset ultrafast -x265-params log-level=none:qp=4:colormatrix=smpte170m",
        };
        let filter = format!(
            "{source},scale=out_color_matrix=bt601:out_range={range}:out_h_chr_pos=0:{EXACT}:interl={interlaced},\
             format={},setfield={field}",
            self.pixel_format(chroma)
        );
        let coding =
            format!("-c:v {encoder} {fields} -colorspace smpte170m -color_range {range} -f mpegts");
        let coded = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", &filter])
            .args(words(&coding))
            .arg(path)
            .status();
        coded.unwrap().success()
    }

    /// Returns ffmpeg's filters for the same picture. Of two fields, cht-scenes takes the chroma of
    /// the first, which lies a quarter of a row away from that of a picture of half the height.
    fn reading(&self) -> String {
        let Self { field, chroma, depth, range, .. } = self;
        let to_rgb = format!(
            "scale=in_color_matrix=bt601:in_range={range}:in_h_chr_pos=0:{EXACT}+full_chroma_inp,format=gbrp"
        );
        let (name, at) = match (*field, *chroma) {
            ("prog", _) => return to_rgb,
            ("tff", "420") => ("top", 0),
            ("tff", _) => ("top", -64),
            (_, "420") => ("bottom", 256),
            _ => ("bottom", 64),
        };
        let is_named_full = *range == "pc" && *depth == 8;
        let fine = if is_named_full { "yuvj444p".to_owned() } else { self.pixel_format("444") };
        format!(
            "setsar=1,split[y][c];[y]extractplanes=y[luma];[c]field={name},\
             scale=192:144:in_v_chr_pos={at}:in_h_chr_pos=0:in_range={range}:out_range={range}:{EXACT},\
             format={fine},setsar=1,extractplanes=u+v[u][v];[luma][u][v]mergeplanes=0x001020:{fine},{to_rgb}"
        )
    }

    /// Returns the pictures that cht-scenes and ffmpeg make of the source.
    fn pictures(&self, source: &str, folder: &Path) -> Option<[Vec<u8>; 2]> {
        create_dir(folder).unwrap();
        let path = folder.join("in.ts");
        if !self.code(source, &path) {
            return None;
        }
        let ours = rgb(&first(&path, folder, &self.options), &format!("scale={EXACT},format=gbrp"));
        Some([ours, rgb(&path, &format!("{},{}", self.reading(), self.part))])
    }
}

#[test]
fn pictures_of_any_stream_match_ffmpeg() {
    for (codec, field, chroma, depth, range, format, (look, part)) in KINDS {
        let options = format!("--format {format} {look}");
        let name = format!("{codec} {field} {chroma}, {depth} bits, {range}, {options}");
        let kind = Kind { codec, field, chroma, depth, range, options, part };
        let folder = tempfile::tempdir().unwrap();
        let flat = "color=0x9060a8:s=192x144:r=25:d=0.2";
        let Some([ours, theirs]) = kind.pictures(flat, &folder.path().join("flat")) else {
            println!("skipped: {name}");
            continue;
        };
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let off = ours.iter().zip(&theirs).map(|(one, other)| one.abs_diff(*other)).max();
        let still = "testsrc2=s=192x144:r=25:d=0.04,gblur=2,loop=4:1";
        let [ours, theirs] = kind.pictures(still, &folder.path().join("still")).unwrap();
        let found = psnr(&ours, &theirs);
        println!("{name}: {off:?} levels, {found:.1} dB");
        assert!(off <= Some(2) && found > 40.0, "{name}: {off:?} levels, {found} dB");
    }
}
