//! Metrics, as Prometheus gets them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

/// Returns the metrics, as Prometheus gets them.
pub fn scrape(url: &str) -> String {
    let place = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let mut socket = TcpStream::connect(place).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    body.to_owned()
}

/// Returns the value of a series.
pub fn metric<'a>(text: &'a str, series: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// Checks names, types and help of metrics, also by Prometheus' linter if it is installed.
pub fn metrics_are_well_formed(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        for word in ["HELP", "TYPE"] {
            assert!(text.contains(&format!("# {word} {name} ")), "{name} has no {word}");
        }
        let counts = text.contains(&format!("# TYPE {name} counter"));
        assert_eq!(counts, name.ends_with("_total"), "{name}");
    }
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
