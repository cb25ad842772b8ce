//! What pictures are to look like: the options about them.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The options about pictures, as they stand in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default)]
pub(crate) struct OutputOptions {
    /// How pictures are written
    #[arg(long, value_name = "NAME", value_enum, default_value = "jpeg")]
    pub format: Format,
    /// Keep this part only: left, top and size in square pixels, before --scale
    #[arg(long, value_name = "X,Y,WxH")]
    pub crop: Option<Crop>,
    /// Make pictures at most so wide (and high); their shape stays
    #[arg(long, value_name = "WIDTHxHEIGHT|WIDTH")]
    pub scale: Option<Scale>,
    /// Write a small JPEG of at most this width beside each picture
    #[arg(long, value_name = "WIDTH", value_parser = clap::value_parser!(u32).range(1..=65500))]
    pub thumbnails: Option<u32>,
}

/// A picture's file format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// small, and read by everything
    #[default]
    Jpeg,
    /// without loss
    Png,
    /// smaller than JPEG, slower
    Webp,
    /// without loss, smaller than PNG
    WebpLossless,
}

/// The part of a picture that is kept, in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crop {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The largest size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scale {
    pub width: u32,
    pub height: Option<u32>,
}

impl OutputOptions {
    /// Whether anything is written whose quality can be chosen.
    pub(crate) fn has_quality(&self) -> bool {
        matches!(self.format, Format::Jpeg | Format::Webp) || self.thumbnails.is_some()
    }
}

impl Format {
    /// How names of its files end.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Jpeg => ".jpg",
            Self::Png => ".png",
            Self::Webp | Self::WebpLossless => ".webp",
        }
    }

    /// The greatest width and height that it has room for.
    pub(crate) fn most(self) -> u32 {
        match self {
            Self::Jpeg => 65_500,
            Self::Png => i32::MAX as u32,
            Self::Webp | Self::WebpLossless => 16_383,
        }
    }

    /// As on the command line.
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
    /// That of the small pictures beside, if there are to be some.
    pub(crate) fn thumbnail(&self) -> Option<Self> {
        let scale = Scale { width: self.thumbnails?, height: None };
        Some(Self { format: Format::Jpeg, scale: Some(scale), ..*self })
    }
}

/// As on the command line.
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

/// A number of pixels.
fn length(text: &str) -> Option<u32> {
    text.parse().ok().filter(|length| (1..=65_500).contains(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_parts_as_people_write_them() {
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
