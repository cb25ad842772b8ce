//! How large a picture is handed out. Pure.

use std::str::FromStr;

/// Longest edge that models look at, in pixels: they scale down larger pictures.
pub(crate) const LONG_EDGE: u32 = 1568;

/// Pixels for each token of a picture.
const PIXELS_PER_TOKEN: u64 = 750;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub width: u32,
    pub height: u32,
}

/// A part of a picture: left edge, top edge, width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crop {
    pub x: u32,
    pub y: u32,
    pub size: Size,
}

impl Size {
    /// Returns the estimated number of tokens of a picture of this size.
    pub(crate) fn tokens(self) -> u64 {
        self.pixels().div_ceil(PIXELS_PER_TOKEN)
    }

    /// Returns the number of pixels.
    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns the largest size of the same shape with edges of at most `edge` pixels, and at most
    /// `pixels` in all. It is never larger than this one.
    pub(crate) fn within(self, edge: u32, pixels: u64) -> Self {
        let longest = f64::from(self.width.max(self.height));
        let by_edge = f64::from(edge) / longest;
        let by_pixels = (pixels as f64 / self.pixels() as f64).sqrt();
        let factor = by_edge.min(by_pixels).min(1.0);
        let scaled = |length: u32| ((f64::from(length) * factor) as u32).max(1);
        Self { width: scaled(self.width), height: scaled(self.height) }
    }

    /// Returns the largest size of the same shape of at most `tokens`, and no larger than models
    /// look at.
    pub(crate) fn for_model(self, tokens: u64) -> Self {
        self.within(LONG_EDGE, tokens.saturating_mul(PIXELS_PER_TOKEN))
    }
}

/// Returns the size of a picture in PNG (its header, ISO/IEC 15948 §11.2.2).
pub(crate) fn size_of_png(png: &[u8]) -> Option<Size> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some(Size { width: number(0)?, height: number(4)? })
}

impl Crop {
    /// Fails if the part does not lie within a picture of this size.
    pub(crate) fn check(self, size: Size) -> Result<(), String> {
        let is_within = u64::from(self.x) + u64::from(self.size.width) <= u64::from(size.width)
            && u64::from(self.y) + u64::from(self.size.height) <= u64::from(size.height);
        is_within.then_some(()).ok_or_else(|| {
            format!(
                "--crop {},{},{},{}: not within the picture, which has {}×{} pixels",
                self.x, self.y, self.size.width, self.size.height, size.width, size.height
            )
        })
    }
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "must be X,Y,WIDTH,HEIGHT in pixels, as 0,0,640,360".to_owned();
        let numbers: Option<Vec<u32>> =
            text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x, y, width, height]) if width > 0 && height > 0 => {
                Ok(Self { x, y, size: Size { width, height } })
            }
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn picture_is_made_smaller_and_never_larger() {
        assert_eq!(size(3840, 2160).for_model(10_000), size(1568, 882));
        assert_eq!(size(1568, 882).tokens(), 1844);
        assert_eq!(size(640, 360).for_model(10_000), size(640, 360));
        let small = size(1920, 1080).for_model(500);
        assert!(small.tokens() <= 500 && small.tokens() > 490, "{small:?}");
        assert_eq!(size(10_000, 1).for_model(9), size(1568, 1));
        assert_eq!(size(1000, 1000).within(5000, 0), size(1, 1));
    }

    #[test]
    fn size_of_a_png_stands_in_its_header() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x40\0\0\0\xf0\x08";
        assert_eq!(size_of_png(png), Some(size(320, 240)));
        assert_eq!((size_of_png(&png[..20]), size_of_png(b"GIF89a")), (None, None));
    }

    #[test]
    fn crop_is_four_numbers_within_the_picture() {
        let crop: Crop = "10, 20,300,40".parse().unwrap();
        assert_eq!((crop.x, crop.y, crop.size), (10, 20, size(300, 40)));
        assert!(crop.check(size(310, 60)).is_ok() && crop.check(size(309, 60)).is_err());
        assert!(crop.check(size(310, 59)).is_err());
        for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "-1,2,3,4", "a,b,c,d"] {
            assert!(wrong.parse::<Crop>().is_err(), "{wrong}");
        }
        let far: Crop = "4294967295,0,1,1".parse().unwrap();
        assert!(far.check(size(1, 1)).is_err());
    }
}
