//! Reads the messages of an SEI byte by byte, for a recovery point.

/// `payloadType` of a recovery point.
const RECOVERY_POINT: u32 = 6;

/// Progress in the messages of an SEI (ISO/IEC 14496-10 §7.3.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sei {
    Type(u32),
    /// The type, and the size as far as it is read.
    Size(u32, u32),
    /// The bytes left of a recovery point, of which none was read.
    Recovery(u32),
    Payload(u32),
}

impl Sei {
    /// Progress before the first byte.
    pub(crate) const START: Self = Self::Type(0);

    /// Takes the next byte. Sets `recovery` if a recovery point begins, which makes the picture an
    /// access point, and `gradual` by its `recovery_frame_cnt` (ISO/IEC 14496-10 §D.2.8).
    pub(crate) fn push(&mut self, byte: u8, recovery: &mut bool, gradual: &mut bool) {
        let value = u32::from(byte);
        *self = match *self {
            Self::Type(sum) if byte == 0xFF => Self::Type(sum.saturating_add(255)),
            Self::Type(sum) => {
                *recovery |= sum + value == RECOVERY_POINT;
                Self::Size(sum + value, 0)
            }
            Self::Size(kind, sum) if byte == 0xFF => Self::Size(kind, sum.saturating_add(255)),
            Self::Size(_, sum) if sum + value == 0 => Self::Type(0),
            Self::Size(RECOVERY_POINT, sum) => Self::Recovery(sum + value),
            Self::Size(_, sum) => Self::Payload(sum + value),
            Self::Recovery(left) => {
                // recovery_frame_cnt, ue(v), is 0 where the first bit is set.
                *gradual = byte >> 7 == 0;
                Self::payload(left - 1)
            }
            Self::Payload(left) => Self::payload(left - 1),
        };
    }

    /// Returns the state before a payload of `left` bytes.
    const fn payload(left: u32) -> Self {
        if left == 0 { Self::Type(0) } else { Self::Payload(left) }
    }
}
