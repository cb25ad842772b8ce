//! Frame format: sample layout and colours of a picture, as ffmpeg's `showinfo` prints them.

/// Pixel formats that leave the decoder; ffmpeg converts others to the nearest of these.
const FORMATS: [&str; 9] = [
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "yuv420p12le",
    "yuv422p12le",
    "yuv444p12le",
];

/// Valid widths and heights, in samples: no decoder of ffmpeg outputs larger pictures.
const SIDES: std::ops::RangeInclusive<u32> = 1..=1 << 16;

/// Full-range pixel formats, which ffmpeg has deprecated.
const FULL_RANGE: [&str; 3] = ["yuvj420p", "yuvj422p", "yuvj444p"];

/// Returns the list for ffmpeg's `format` filter.
#[must_use]
pub fn formats(with_full_range: bool) -> String {
    let full = FULL_RANGE.iter().filter(|_| with_full_range);
    FORMATS.iter().chain(full).copied().collect::<Vec<_>>().join("|")
}

/// Format of a decoded picture: three consecutive planes without padding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameFormat {
    /// Width, in samples of luma.
    pub width: u32,
    /// Height, in samples of luma.
    pub height: u32,
    /// Aspect ratio of a sample, width by height.
    pub aspect: (u32, u32),
    /// How samples are stored.
    pub samples: Samples,
    /// First field in time, if the picture is interlaced.
    pub field: Option<Field>,
    /// What samples mean.
    pub colours: Colours,
}

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Samples {
    /// Chroma subsampling, as right shifts of width and height.
    pub chroma: (u32, u32),
    /// Bits per sample; above 8, a sample takes two bytes, little-endian.
    pub depth: u32,
}

/// One of the two fields of an interlaced picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The field with the first row.
    Top,
    /// The other one.
    Bottom,
}

/// Meaning of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    /// Full range; otherwise black is code 16 of 256, and white 235.
    pub full: bool,
    /// How luma and chroma are made from RGB.
    pub matrix: Matrix,
    /// How codes are made from light.
    pub transfer: Transfer,
}

/// Conversion between RGB and luma with chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, not constant luminance.
    Bt2020,
    /// SMPTE 240M.
    Smpte240,
}

/// Conversion of codes to light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Standard range, as most streams have.
    Sdr,
    /// SMPTE ST 2084: absolute brightness.
    Pq,
    /// ARIB STD-B67, hybrid log-gamma.
    Hlg,
}

impl FrameFormat {
    /// Parses the two lines about a picture: its own, and the later one about its colours.
    #[must_use]
    pub fn read(frame: &str, colours: &str) -> Option<Self> {
        let (width, height) = pair(field(frame, " s:")?, 'x')
            .filter(|(width, height)| [width, height].iter().all(|side| SIDES.contains(side)))?;
        let format = field(frame, " fmt:")?;
        let matrix = match field(colours, "color_space:") {
            Some("bt709") => Matrix::Bt709,
            // ffmpeg converts RGB (`gbr`) to YUV with this matrix.
            Some("smpte170m" | "bt470bg" | "fcc" | "gbr") => Matrix::Bt601,
            Some("smpte240m") => Matrix::Smpte240,
            Some("bt2020nc" | "bt2020c") => Matrix::Bt2020,
            // As players do: pictures taller than standard definition are HD.
            _ if height <= 576 => Matrix::Bt601,
            _ => Matrix::Bt709,
        };
        let transfer = match field(colours, "color_trc:") {
            Some("smpte2084") => Transfer::Pq,
            Some("arib-std-b67") => Transfer::Hlg,
            _ => Transfer::Sdr,
        };
        let full = format.starts_with("yuvj") || field(colours, "color_range:") == Some("pc");
        let aspect = field(frame, " sar:").and_then(|text| pair(text, '/'));
        Some(Self {
            width,
            height,
            aspect: aspect.filter(|&(across, down)| across > 0 && down > 0).unwrap_or((1, 1)),
            samples: Samples::read(format)?,
            field: match field(frame, " i:") {
                Some("T") => Some(Field::Top),
                Some("B") => Some(Field::Bottom),
                _ => None,
            },
            colours: Colours { full, matrix, transfer },
        })
    }

    /// Returns width and height of plane `n`, in samples.
    #[must_use]
    pub fn plane(&self, n: usize) -> (usize, usize) {
        let (across, down) = if n == 0 { (0, 0) } else { self.samples.chroma };
        let size = |full: u32, shift: u32| full.div_ceil(1 << shift) as usize;
        (size(self.width, across), size(self.height, down))
    }

    /// Returns the size of a sample, in bytes.
    #[must_use]
    pub fn sample(&self) -> usize {
        if self.samples.depth > 8 { 2 } else { 1 }
    }

    /// Returns the size of all planes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (0..3).map(|n| self.plane(n)).map(|(width, height)| width * height).sum::<usize>()
            * self.sample()
    }
}

impl Field {
    /// Returns its first row in the picture.
    pub(crate) fn first_row(self) -> usize {
        usize::from(self == Self::Bottom)
    }
}

impl Samples {
    fn read(format: &str) -> Option<Self> {
        let rest = format.strip_prefix("yuvj").or_else(|| format.strip_prefix("yuv"))?;
        let chroma = match rest.get(..4)? {
            "420p" => (1, 1),
            "422p" => (1, 0),
            "444p" => (0, 0),
            _ => return None,
        };
        let depth = &rest[4..];
        let depth = match depth {
            "" => 8,
            "10le" => 10,
            "12le" => 12,
            _ => return None,
        };
        Some(Self { chroma, depth })
    }
}

/// Returns the word after `name`, skipping padding.
#[must_use]
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(name)? + name.len();
    text[at..].split_ascii_whitespace().next()
}

fn pair(text: &str, between: char) -> Option<(u32, u32)> {
    let (first, second) = text.split_once(between)?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_pixel_format_is_parsed() {
        for format in formats(true).split('|') {
            assert!(Samples::read(format).is_some(), "{format}");
        }
        for other in ["nv12", "yuv420p9le", "yuv420p1le", "yuv420p4294967295le", "yuv420p10be"] {
            assert!(Samples::read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn impossible_size_is_refused() {
        for size in ["4294967295x4294967295", "65537x2", "0x2"] {
            let line = format!("n:   0 pts: 0 fmt:yuv420p sar:1/1 s:{size} i:P iskey:1 type:I");
            assert_eq!(
                FrameFormat::read(&line, "color_range:tv color_space:bt709"),
                None,
                "{size}"
            );
        }
    }

    #[test]
    fn interlaced_anamorphic_picture_is_parsed() {
        let frame = FrameFormat::read(
            "n:   0 pts: 133500 fmt:yuv420p10le sar:16/11 s:703x575 i:B iskey:1 type:I",
            "color_range:tv color_space:unknown color_primaries:unknown color_trc:arib-std-b67",
        )
        .unwrap();
        assert_eq!((frame.aspect, frame.field), ((16, 11), Some(Field::Bottom)));
        assert_eq!((frame.plane(0), frame.plane(1)), ((703, 575), (352, 288)));
        assert_eq!(frame.bytes(), 2 * (703 * 575 + 2 * 352 * 288));
        let Colours { full, matrix, transfer } = frame.colours;
        assert_eq!((full, matrix, transfer), (false, Matrix::Bt601, Transfer::Hlg));
    }
}
