//! Scans a transport stream and prints its contents and the speed: `scan FILE [TIMES]`.
#![allow(clippy::print_stdout)]
use cht_ts::{Found, Scanner};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("usage: scan FILE [TIMES]")?;
    let times: u32 = args.next().map_or(Ok(1), |times| times.to_string_lossy().parse())?;
    let bytes = std::fs::read(path)?;

    let mut best = f64::INFINITY;
    let mut last = Scanner::new();
    let mut pes = 0_u64;
    for _ in 0..times.max(1) {
        let mut scanner = Scanner::new();
        let mut count = |found: Found<'_>| pes += u64::from(matches!(found, Found::Pes(_)));
        let start = Instant::now();
        scanner.push(&bytes, &mut count);
        scanner.finish(&mut count);
        best = best.min(start.elapsed().as_secs_f64());
        last = scanner;
    }
    for program in last.programs() {
        println!("{program:?}");
    }
    for (pid, counters) in last.pids() {
        println!("{pid:#06x} {counters:?}");
    }
    println!("{:?}", last.counters());
    println!("video PID {:?}, packets of {:?} bytes", last.video_pid(), last.packet_size());
    println!(
        "{} PES packets, best {:.2} GB/s",
        pes / u64::from(times.max(1)),
        bytes.len() as f64 / best / 1e9
    );
    Ok(())
}
