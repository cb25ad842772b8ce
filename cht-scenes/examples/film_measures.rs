//! Development aid: raw small luma on stdin; film findings and screen findings on stdout.
#![allow(clippy::all, clippy::pedantic, clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use cht_scenes::{detect::*, measure::*};
use std::io::{BufRead, Read};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let w: usize = a[1].parse().unwrap();
    let h: usize = a[2].parse().unwrap();
    let pts: Vec<i64> = std::io::BufReader::new(std::fs::File::open(&a[3]).unwrap())
        .lines()
        .map(|l| l.unwrap().split(' ').next().unwrap().parse().unwrap())
        .collect();
    let mut inp = std::io::stdin().lock();
    let mut buf = vec![0u8; w * h];
    let mut meter = Meter::default();
    let mut ad = Adaptive::default();
    let mut sc = Screen::new(ScreenRules::default());
    let dbg = std::env::var("DBG").ok().map(|d| {
        let v: Vec<usize> = d.split('-').map(|x| x.parse().unwrap()).collect();
        (v[0], v[1])
    });
    let mut n = 0;
    let mut flat = 0.0;
    let mut ch = 0usize;
    let mut still = 0;
    let num = |at: i64| pts.iter().position(|&p| p >= at).unwrap_or(pts.len() - 1);
    while inp.read_exact(&mut buf).is_ok() {
        if n >= pts.len() {
            break;
        }
        let m = meter.push(pts[n], 0.0, Plane { width: w, height: h, samples: buf.clone() });
        flat += m.drawn;
        ch += m.changes.len();
        still += (m.changes.is_empty()) as usize;
        if let Some(f) = ad.push(&m) {
            println!("film {} {:?} {:.2}", num(f.at), f.kind, f.strength);
        }
        if n == 0 {
            sc.push(&m);
            sc.keep();
            println!("screen 0 First 0");
        } else if let Some(f) = sc.push(&m) {
            println!("screen {} since {} {:.4}", num(m.at), num(f.since), f.strength);
            sc.keep();
        }
        if let Some(d) = &dbg {
            if (d.0..d.1).contains(&n) {
                println!("dbg {n} ch {} {}", m.changes.len(), sc.debug(m.at));
            }
        }
        n += 1;
    }
    for f in ad.finish() {
        println!("film {} {:?} {:.2}", num(f.at), f.kind, f.strength);
    }
    println!(
        "stats frames {} flat {:.3} changes/frame/blocks {:.4} still {:.3}",
        n,
        flat / n as f32,
        ch as f64 / n as f64 / ((w / 4) * (h / 4)) as f64,
        still as f64 / n as f64
    );
}
