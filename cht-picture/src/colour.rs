//! Converts luma and chroma to the RGB of a standard-range screen.
//!
//! Standard range is kept as it is, as players do. High dynamic range is tone-mapped by ITU-R
//! BT.2408 and BT.2390: white at 203 cd/m², brighter light compressed below it, and BT.2020 colours
//! converted to BT.709.

use super::format::{Colours, FrameFormat, Matrix, Transfer};

/// Conversion of a stream's sample codes to numbers from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Code of black, and the share of one code in the range from black to white.
    pub black: f32,
    pub range: f32,
    /// Chroma code of no colour.
    pub grey: f32,
    /// Blue and red added per code of chroma.
    pub from_cb: f32,
    pub from_cr: f32,
    /// Green lost per gain of blue and of red.
    pub green_cb: f32,
    pub green_cr: f32,
}

impl Scale {
    pub(crate) fn new(format: &FrameFormat) -> Self {
        let Colours { full, matrix, .. } = format.colours;
        let unit = (1 << (format.samples.depth - 8)) as f32;
        let top = (1 << format.samples.depth) as f32 - 1.0;
        let (black, range) =
            if full { (0.0, 1.0 / top) } else { (16.0 * unit, 1.0 / (219.0 * unit)) };
        let (grey, colour) = (128.0 * unit, if full { top } else { 224.0 * unit });
        let (red, blue) = matrix.luma();
        let green = 1.0 - red - blue;
        Self {
            black,
            range,
            grey,
            from_cb: 2.0 * (1.0 - blue) / colour,
            from_cr: 2.0 * (1.0 - red) / colour,
            green_cb: blue / green,
            green_cr: red / green,
        }
    }
}

/// Returns the nearest 8-bit code.
#[inline(always)]
pub(crate) fn code(value: f32) -> u8 {
    // A float of this size has no fraction bits, and its low byte is the rounded value: no branch,
    // no conversion.
    const ROUND: f32 = (1 << 23) as f32;
    (value.clamp(0.0, 255.0) + ROUND).to_bits() as u8
}

/// Converts samples to packed 8-bit RGB.
pub(crate) struct ToRgb {
    scale: Scale,
    tone_map: Option<ToneMap>,
}

impl ToRgb {
    pub(crate) fn new(format: &FrameFormat) -> Self {
        let transfer = format.colours.transfer;
        let tone_map = (transfer != Transfer::Sdr).then(|| ToneMap::new(transfer));
        Self { scale: Scale::new(format), tone_map }
    }

    /// Converts a row of luma and chroma samples, all of the same length.
    pub(crate) fn row(&self, [luma, blue, red]: [&[f32]; 3], rgb: &mut [u8]) {
        let Scale { black, range, grey, from_cb, from_cr, green_cb, green_cr } = self.scale;
        let to_code = |value: f32| (value * 255.0 + 0.5) as u8;
        let samples = luma.iter().zip(blue).zip(red);
        for (((y, cb), cr), out) in samples.zip(rgb.chunks_exact_mut(3)) {
            let y = (y - black) * range;
            let (b, r) = ((cb - grey) * from_cb, (cr - grey) * from_cr);
            let mut pixel = [y + r, y - green_cb * b - green_cr * r, y + b];
            if let Some(tone_map) = &self.tone_map {
                pixel = tone_map.apply(pixel);
            }
            out.copy_from_slice(&pixel.map(to_code));
        }
    }
}

impl Matrix {
    /// Returns the weights of red and blue in luma.
    fn luma(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Smpte240 => (0.212, 0.087),
        }
    }
}

/// White of standard range, in cd/m² (BT.2408).
const WHITE: f64 = 203.0;
/// Brightest light expected in a stream, in cd/m².
const PEAK: f64 = 1000.0;

/// Number of entries in a lookup table.
const TABLE: usize = 4096;

/// Tone mapping of high dynamic range for a standard-range screen, in units of the screen's white.
struct ToneMap {
    hlg: bool,
    /// Light, indexed by code.
    light: Vec<f32>,
    /// Factor for the light, indexed by the fourth root of light / peak.
    bend: Vec<f32>,
    /// Code, indexed by the square root of light.
    code: Vec<f32>,
}

impl ToneMap {
    fn new(transfer: Transfer) -> Self {
        let hlg = transfer == Transfer::Hlg;
        let table = |entry: &dyn Fn(f64) -> f64| -> Vec<f32> {
            (0..TABLE).map(|n| entry(n as f64 / (TABLE - 1) as f64) as f32).collect()
        };
        Self {
            hlg,
            light: table(&|code| if hlg { hlg_light(code) } else { pq_light(code) / WHITE }),
            bend: table(&|root| {
                let light = root.powi(4) * PEAK;
                if light > 0.0 { bend(light) / light } else { 1.0 }
            }),
            code: table(&|root| srgb_code(root * root)),
        }
    }

    fn apply(&self, pixel: [f32; 3]) -> [f32; 3] {
        let mut light = pixel.map(|code| look_up(&self.light, code));
        if self.hlg {
            // Scene light to the light of a 1000 cd/m² screen (BT.2100).
            let [r, g, b] = light;
            let luma = 0.2627 * r + 0.678 * g + 0.0593 * b;
            let gain = luma.powf(0.2) * (PEAK / WHITE) as f32;
            light = light.map(|value| value * gain);
        }
        let [r, g, b] = light;
        let light = [
            1.6605 * r - 0.5876 * g - 0.0728 * b,
            -0.1246 * r + 1.1329 * g - 0.0083 * b,
            -0.0182 * r - 0.1006 * g + 1.1187 * b,
        ]
        .map(|value: f32| value.max(0.0));
        // The same factor for all three keeps the hue.
        let brightest = light[0].max(light[1]).max(light[2]);
        let root = (brightest / (PEAK / WHITE) as f32).sqrt().sqrt();
        let factor = look_up(&self.bend, root);
        light.map(|value| look_up(&self.code, (value * factor).sqrt()))
    }
}

fn look_up(table: &[f32], at: f32) -> f32 {
    table[((at * (TABLE - 1) as f32 + 0.5) as usize).min(TABLE - 1)]
}

/// Converts a code of SMPTE ST 2084 to cd/m².
fn pq_light(code: f64) -> f64 {
    let root = code.powf(1.0 / PQ_M2);
    10_000.0 * ((root - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * root)).powf(1.0 / PQ_M1)
}

/// Converts cd/m² to a code of SMPTE ST 2084.
fn pq_code(light: f64) -> f64 {
    let root = (light / 10_000.0).powf(PQ_M1);
    ((PQ_C1 + PQ_C2 * root) / (1.0 + PQ_C3 * root)).powf(PQ_M2)
}

const PQ_M1: f64 = 2610.0 / 16384.0;
const PQ_M2: f64 = 2523.0 / 32.0;
const PQ_C1: f64 = 3424.0 / 4096.0;
const PQ_C2: f64 = 2413.0 / 128.0;
const PQ_C3: f64 = 2392.0 / 128.0;

/// Converts a code of ARIB STD-B67 to scene light from 0 to 1.
fn hlg_light(code: f64) -> f64 {
    const A: f64 = 0.178_832_77;
    const B: f64 = 1.0 - 4.0 * A;
    // 0.5 − A·ln(4A)
    const C: f64 = 0.559_910_73;
    if code <= 0.5 { code * code / 3.0 } else { (((code - C) / A).exp() + B) / 12.0 }
}

/// Compresses light in cd/m² to the range of a standard-range screen (BT.2390, 5.4.1, without black
/// lift).
fn bend(light: f64) -> f64 {
    let source = pq_code(PEAK);
    let most = pq_code(WHITE) / source;
    let knee = 1.5 * most - 0.5;
    let code = (pq_code(light) / source).min(1.0);
    if code < knee {
        return light;
    }
    let t = (code - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let bent = (2.0 * t3 - 3.0 * t2 + 1.0) * knee
        + (t3 - 2.0 * t2 + t) * (1.0 - knee)
        + (3.0 * t2 - 2.0 * t3) * most;
    pq_light(bent * source)
}

/// Converts light to a code, both from 0 to 1 (IEC 61966-2-1).
fn srgb_code(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pq_conversion_round_trips_and_matches_the_standard() {
        for light in [0.1, 1.0, 100.0, 203.0, 1000.0, 10_000.0] {
            assert!((pq_light(pq_code(light)) / light - 1.0).abs() < 1e-9);
        }
        // BT.2408, table 1: 203 cd/m² is 58 % PQ.
        assert!((pq_code(203.0) - 0.58).abs() < 0.005);
        assert!((pq_code(1000.0) - 0.75).abs() < 0.005);
    }

    #[test]
    fn hlg_reaches_white_at_three_quarters() {
        // BT.2408, table 1: 203 cd/m² is 75 % HLG.
        let light = hlg_light(0.75).powf(1.2) * PEAK;
        assert!((light - 203.0).abs() < 2.0, "{light}");
        assert!((hlg_light(1.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn compression_keeps_dark_light_and_ends_at_white() {
        assert!((bend(50.0) - 50.0).abs() < 1e-9);
        assert!((bend(PEAK) - WHITE).abs() < 0.01);
        let levels: Vec<f64> = (1..100).map(|n| bend(f64::from(n) * 10.0)).collect();
        assert!(levels.is_sorted());
    }

    #[test]
    fn grey_stays_grey_after_tone_mapping() {
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            let tone_map = ToneMap::new(transfer);
            for code in [0.0, 0.2, 0.5, 0.75, 1.0] {
                let shown = tone_map.apply([code; 3]).map(|value| (value * 255.0).round());
                let spread = shown.iter().fold(0.0, |most: f32, v| most.max((v - shown[0]).abs()));
                assert!(spread <= 1.0, "{transfer:?} {code}: {shown:?}");
            }
            assert_eq!(tone_map.apply([1.0; 3]).map(|v| (v * 255.0).round() as i32), [255; 3]);
        }
    }
}
