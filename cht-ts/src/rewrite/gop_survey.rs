//! Lists the GOPs of a stream and the size of each picture, which tell where something happens
//! without decoding.
use super::single::SingleStream;
use super::unit::{Unit, Units};
use crate::codec::Codec;
use crate::time::Pts;

/// A GOP: an access point and the access units that follow it, in stream order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// PTS of the access point.
    pub pts: Pts,
    /// Size of the access point in bytes.
    pub bytes: usize,
    /// PTS and size in bytes of the units after it.
    pub others: Vec<(Pts, usize)>,
    /// It begins with a gradual refresh: its first picture is incomplete by itself, and the units
    /// after it need those before.
    pub is_refresh: bool,
}

/// Surveys the video of `pid` in a whole stream that comes in `pieces`. Units before the first
/// access point, and access points without a PTS, are in no GOP; a unit without a PTS is part of
/// the unit before. Returns `None` if [`SingleStream`] cannot extract `codec`.
///
/// # Errors
///
/// The first error of `pieces`.
pub fn survey<E>(
    pieces: impl Iterator<Item = Result<impl AsRef<[u8]>, E>>,
    pid: u16,
    codec: Codec,
) -> Result<Option<Vec<Group>>, E> {
    let mut packets = Vec::new();
    let Some(mut single) = SingleStream::begin(pid, codec, &mut packets) else { return Ok(None) };
    packets.clear();
    let mut units = Units::new(codec);
    let mut groups = Vec::new();
    for piece in pieces {
        for part in piece?.as_ref().chunks(1 << 20) {
            single.push(part, &mut packets);
            units.push(&packets, &mut |unit| add(&mut groups, &unit));
            packets.clear();
        }
    }
    single.finish(&mut packets);
    units.push(&packets, &mut |unit| add(&mut groups, &unit));
    units.finish(&mut |unit| add(&mut groups, &unit));
    Ok(Some(groups))
}

fn add(groups: &mut Vec<Group>, unit: &Unit) {
    let bytes = unit.payload().len();
    match (unit.pts, groups.last_mut()) {
        (Some(pts), _) if unit.random_access || unit.is_refresh => {
            let is_refresh = unit.is_refresh;
            groups.push(Group { pts, bytes, others: Vec::new(), is_refresh });
        }
        (Some(pts), Some(group)) => group.others.push((pts, bytes)),
        (None, Some(group)) => {
            *group.others.last_mut().map_or(&mut group.bytes, |(_, last)| last) += bytes;
        }
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    #[test]
    fn groups_are_the_same_in_any_pieces() {
        let mut counter = 0;
        let mut stream = Vec::new();
        // A picture without a beginning, then two groups; null packets between them count for
        // nothing.
        let slices =
            [(0x41u8, 100), (0x65, 5000), (0x41, 40), (0x41, 700), (0x65, 6000), (0x41, 30)];
        for (n, (header, length)) in slices.into_iter().enumerate() {
            let slice = [&[0, 0, 1, header][..], &vec![0x88; length]].concat();
            let pes = testutil::pes(0xE0, Some(n as i64 * 3600), None, &slice);
            stream.extend(testutil::packets(0x51, &mut counter, None, &pes).concat());
            stream.extend(testutil::packets(0x1FFF, &mut 0, None, &[0xFF; 500]).concat());
        }
        let group = Group::default;
        let picture = |pts, bytes| (Pts::new(pts), bytes);
        let first = vec![picture(7200, 44), picture(10800, 704)];
        let second = vec![picture(18000, 34)];
        let expected = [
            Group { pts: Pts::new(3600), bytes: 5004, others: first, ..group() },
            Group { pts: Pts::new(14400), bytes: 6004, others: second, ..group() },
        ];
        for size in [188, 1000, 1 << 20] {
            let pieces = stream.chunks(size).map(Ok::<_, ()>);
            assert_eq!(survey(pieces, 0x51, Codec::H264), Ok(Some(expected.to_vec())), "{size}");
        }
    }
}
