//! Options for the pictures that are written: file format, crop, scale and thumbnails.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Options for pictures, as the journal stores them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default)]
pub struct OutputOptions {
    /// File format of pictures
    #[arg(
        long,
        value_name = "NAME",
        env = "CHT_PICTURE_FORMAT",
        value_enum,
        default_value = "jpeg"
    )]
    pub format: Format,
    /// Keep only this part: left, top and size in square pixels, applied before --scale
    #[arg(long, value_name = "X,Y,WxH")]
    pub crop: Option<Crop>,
    /// Scale pictures down to at most this width (and height), keeping their aspect ratio
    #[arg(long, value_name = "WIDTHxHEIGHT|WIDTH", env = "CHT_SCALE")]
    pub scale: Option<Scale>,
    /// Write a JPEG thumbnail of at most this width next to each picture
    #[arg(long, value_name = "WIDTH", env = "CHT_THUMBNAILS", value_parser = clap::value_parser!(u32).range(1..=65500))]
    pub thumbnails: Option<u32>,
}

/// File format of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// small, readable everywhere
    #[default]
    Jpeg,
    /// lossless
    Png,
    /// smaller than JPEG, slower
    Webp,
    /// lossless, smaller than PNG
    WebpLossless,
}

/// Part of a picture to keep, in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crop {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// Largest size of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Largest width.
    pub width: u32,
    /// Largest height, if it has a limit of its own.
    pub height: Option<u32>,
}

impl OutputOptions {
    /// Returns whether `--quality` has an effect on any file.
    #[must_use]
    pub fn has_quality(&self) -> bool {
        matches!(self.format, Format::Jpeg | Format::Webp) || self.thumbnails.is_some()
    }
}

impl Format {
    /// Returns the file name extension, with its dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Jpeg => ".jpg",
            Self::Png => ".png",
            Self::Webp | Self::WebpLossless => ".webp",
        }
    }

    /// Returns the largest width and height that it can store, in pixels.
    pub(crate) fn largest(self) -> u32 {
        match self {
            Self::Jpeg => 65_500,
            Self::Png => i32::MAX as u32,
            Self::Webp | Self::WebpLossless => 16_383,
        }
    }

    /// Returns its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::WebpLossless => "webp-lossless",
        }
    }
}

impl OutputOptions {
    /// Returns the options of thumbnails, if they are wanted.
    pub(crate) fn thumbnail(&self) -> Option<Self> {
        let scale = Scale { width: self.thumbnails?, height: None };
        Some(Self { format: Format::Jpeg, scale: Some(scale), ..*self })
    }
}

/// Writes the options as on the command line.
impl fmt::Display for OutputOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--format {}", self.format.name())?;
        if let Some(Crop { x, y, width, height }) = self.crop {
            write!(f, " --crop {x},{y},{width}x{height}")?;
        }
        if let Some(Scale { width, height }) = self.scale {
            write!(f, " --scale {width}")?;
            height.map_or(Ok(()), |height| write!(f, "x{height}"))?;
        }
        self.thumbnails.map_or(Ok(()), |width| write!(f, " --thumbnails {width}"))
    }
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (x, rest) = text.split_once(',')?;
            let (y, size) = rest.split_once(',')?;
            let (width, height) = size.split_once('x')?;
            let (x, y) = (x.parse().ok()?, y.parse().ok()?);
            Some(Self { x, y, width: length(width)?, height: length(height)? })
        };
        read().ok_or_else(|| "must be X,Y,WIDTHxHEIGHT, as in 0,60,1280x600".to_owned())
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || match text.split_once('x') {
            Some((width, height)) => {
                Some(Self { width: length(width)?, height: Some(length(height)?) })
            }
            None => Some(Self { width: length(text)?, height: None }),
        };
        read().ok_or_else(|| "must be WIDTH or WIDTHxHEIGHT, as in 640 or 640x360".to_owned())
    }
}

/// Parses a number of pixels.
fn length(text: &str) -> Option<u32> {
    text.parse().ok().filter(|length| (1..=65_500).contains(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_crop_parse_as_documented() {
        let scale = |text: &str| text.parse::<Scale>();
        assert_eq!(scale("640"), Ok(Scale { width: 640, height: None }));
        assert_eq!(scale("640x360"), Ok(Scale { width: 640, height: Some(360) }));
        let crop = Crop { x: 0, y: 60, width: 1280, height: 600 };
        assert_eq!("0,60,1280x600".parse(), Ok(crop));
        for wrong in ["", "0", "x", "640x", "x360", "-1", "640x0", "70000"] {
            assert!(scale(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "1,2", "1,2,3", "1,2,3x0", "-1,2,3x4", "1,2,3x4x5"] {
            assert!(wrong.parse::<Crop>().is_err(), "{wrong}");
        }
    }
}
