//! What must hold of the scanner for any input. Also for the ordinary test that replays the corpus.
//!
//! The first byte gives the sizes of the pushes; all of them together must find the same as one.
use cht_ts::{Codec, Completion, Found, GopFilter, ParameterSets, Scanner, SingleStream};

fn scan<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Scanner) {
    let mut scanner = Scanner::new();
    let (mut all, mut held, mut end) = (Vec::new(), 0, 0);
    for part in parts {
        end += part.len() as u64;
        let mut take = |found: Found<'_>| {
            if let Found::Pes(pes) = found {
                assert!(held <= pes.cut && pes.cut <= pes.offset && pes.offset < end);
            }
            all.push(format!("{found:?}"));
        };
        scanner.push(part, &mut take);
        assert_eq!(scanner.position(), end);
        assert!(held <= scanner.holdback() && scanner.holdback() <= end);
        held = scanner.holdback();
    }
    scanner.finish(&mut |found| {
        if let Found::Pes(pes) = found {
            assert!(held <= pes.cut && pes.cut <= pes.offset && pes.offset < end);
        }
        all.push(format!("{found:?}"));
    });
    assert_eq!((scanner.position(), scanner.holdback()), (end, end));
    let counters = scanner.counters();
    assert!(counters.lost_bytes + counters.truncated_bytes + counters.packets * 188 <= end);
    (all, scanner)
}

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else { return };
    let (whole, a) = scan(std::iter::once(bytes));
    let (parts, b) = scan(bytes.chunks(usize::from(step) + 1));
    assert_eq!(whole, parts);
    assert_eq!((a.counters(), a.programs(), a.psi()), (b.counters(), b.programs(), b.psi()));
    assert!(a.pids().eq(b.pids()));
    assert_eq!(a.video_pid(), b.video_pid());
    let Some(pid) = a.video_pid() else { return };
    assert_eq!(a.parameter_sets(pid), b.parameter_sets(pid));
    assert_eq!(a.lacks_parameters(pid), b.lacks_parameters(pid));
    let sets = a.parameter_sets(pid).map(ParameterSets::elementary).unwrap_or_default();
    for codec in [Codec::H264, Codec::Hevc, Codec::Mpeg2Video] {
        let whole = taken_apart(std::iter::once(bytes), pid, codec, &sets);
        assert_eq!(whole, taken_apart(bytes.chunks(usize::from(step) + 1), pid, codec, &sets));
    }
}

/// The stream of `pid` completed, and its keyframes alone.
fn taken_apart<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    pid: u16,
    codec: Codec,
    sets: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let (mut packets, mut complete, mut thinned) = (Vec::new(), Vec::new(), Vec::new());
    let Some(mut single) = SingleStream::begin(pid, codec, &mut packets) else {
        return (complete, thinned);
    };
    packets.clear();
    let mut completion = Completion::new(pid, codec, sets.to_vec());
    for part in parts {
        single.push(part, &mut packets);
        completion.push(&packets, &mut complete);
        packets.clear();
    }
    single.finish(&mut packets);
    completion.push(&packets, &mut complete);
    completion.finish(&mut complete);
    let mut thin = GopFilter::new(pid, codec);
    thin.push(&complete, &mut thinned);
    thin.finish(&mut thinned);
    (complete, thinned)
}
