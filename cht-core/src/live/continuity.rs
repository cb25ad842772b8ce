//! Continuity counters of one PID for a player that does not get all packets (ISO/IEC 13818-1
//! §2.4.3.3). Pure.

use super::stamps::{self, Packet};

/// Renumbers the packets of one PID.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    /// Added to the counters.
    shift: u8,
    /// The last counter that the player got.
    last: Option<u8>,
    /// Whether an unknown number of packets was left out.
    has_gap: bool,
}

impl Continuity {
    /// Notes that a packet is left out.
    pub(super) fn leave_out(&mut self, packet: &Packet) {
        // Only packets with payload count.
        self.shift = self.shift.wrapping_sub(u8::from(stamps::has_payload(packet)));
    }

    /// Notes that packets were left out that nobody has counted.
    pub(super) fn rejoin(&mut self) {
        self.has_gap = true;
    }

    /// Numbers a packet so that it follows the last one.
    pub(super) fn pass(&mut self, packet: &mut Packet) {
        let counter = stamps::continuity(packet);
        if std::mem::take(&mut self.has_gap)
            && let Some(last) = self.last
        {
            let step = u8::from(stamps::has_payload(packet));
            self.shift = last.wrapping_add(step).wrapping_sub(counter);
        }
        let counter = counter.wrapping_add(self.shift) & 0x0F;
        self.last = Some(counter);
        stamps::set_continuity(packet, counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::stamps::tests::pes;

    fn packet(counter: u8) -> Packet {
        let mut packet = pes(256, 0xE0, 9000, 9000);
        stamps::set_continuity(&mut packet, counter);
        packet
    }

    #[test]
    fn counters_continue_after_packets_left_out() {
        let mut continuity = Continuity::default();
        let pass = |continuity: &mut Continuity, counters: [u8; 2]| {
            counters.map(|counter| {
                let mut packet = packet(counter);
                continuity.pass(&mut packet);
                stamps::continuity(&packet)
            })
        };
        assert_eq!(pass(&mut continuity, [3, 4]), [3, 4]);
        continuity.rejoin();
        assert_eq!(pass(&mut continuity, [9, 10]), [5, 6]);
        continuity.leave_out(&packet(11));
        continuity.leave_out(&packet(12));
        assert_eq!(pass(&mut continuity, [13, 14]), [7, 8]);
        continuity.rejoin();
        assert_eq!(pass(&mut continuity, [0, 1]), [9, 10]);
    }
}
