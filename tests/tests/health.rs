//! cht-recv reports its state: `stats` events, Prometheus metrics and service manager messages.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cht_tests::{
    QUICK, Shim, Stage, b3sum, generate, listen, metric, metrics_are_well_formed, recorder,
    recording, scrape, send, tool, words,
};
use serde_json::Value;

/// Returns two seconds of video with a lost packet, and a duplicate one, which is allowed.
fn stream_with_a_gap(folder: &Path) -> Vec<u8> {
    let path = folder.join("clip.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", 2.0)], QUICK);
    let mut packets: Vec<Vec<u8>> =
        fs::read(path).unwrap().chunks(188).map(<[u8]>::to_vec).collect();
    let of_video =
        |packet: &Vec<u8>| packet[1] & 0x1F == 1 && packet[2] == 0 && packet[3] >> 4 == 1;
    let video: Vec<usize> = (0..packets.len()).filter(|n| of_video(&packets[*n])).collect();
    let (early, late) = (video[video.len() / 3], video[video.len() / 2]);
    packets.remove(late);
    packets.insert(early, packets[early].clone());
    packets.concat()
}

fn pid(stats: &Value, pid: u16) -> Option<u64> {
    let pids = stats["recv"]["pids"].as_array().unwrap();
    pids.iter().find(|one| one["pid"] == pid)?["continuity_errors"].as_u64()
}

#[test]
fn stats_come_at_intervals_and_at_disconnection() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream_with_a_gap(folder.path());
    let (mut recv, address) = recorder(&folder.path().join("s"), "--stats-interval 0.2");
    // Before anybody comes.
    let none = recv.wait_for("stats");
    assert_eq!((&none["recv"]["connections"], &none["recv"]["bytes"]), (&0.into(), &0.into()));
    assert!(none["recv"].get("idle").is_none());
    assert_eq!(none["stage"], "cht-recv");
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    // While it is there and silent.
    let silent = loop {
        let stats = recv.wait_for("stats");
        if stats["recv"]["bytes"] == bytes.len() && stats["recv"]["bitrate"] == 0 {
            break stats;
        }
    };
    assert_eq!(silent["recv"]["connected"], true);
    assert!(silent["recv"]["idle"].as_f64().unwrap() > 0.0);
    drop(sender);
    let last = loop {
        let stats = recv.wait_for("stats");
        if stats["recv"]["connected"] == false {
            break stats;
        }
    };
    assert_eq!(last["recv"]["packets"], bytes.len() / 188);
    assert_eq!(last["recv"]["continuity_errors"], 1);
    assert_eq!(pid(&last, 256), Some(1));
    let free = last["recv"]["free_disk"].as_u64().unwrap();
    assert!(free > 0, "{last}");
    // The rate is over the interval.
    let rates = recv.of_type("stats").into_iter().map(|stats| {
        stats["recv"]["bitrate"].as_f64().unwrap() * stats["interval"].as_f64().unwrap()
    });
    let bits: f64 = rates.sum();
    assert!((bits / 8.0 - bytes.len() as f64).abs() < 1000.0, "{bits}");
    recv.stop();
}

#[test]
fn stats_interval_of_zero_gives_none_and_long_one_gives_one_per_connection() {
    for (interval, count) in [("0", 0), ("3600", 2)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut recv, address) = recorder(folder.path(), &format!("--stats-interval {interval}"));
        for _ in 0..2 {
            send(&address, &[0x47; 1880]);
            recv.wait_for("disconnected");
        }
        recv.stop();
        assert_eq!(recv.of_type("stats").len(), count, "--stats-interval {interval}");
    }
}

#[test]
fn stats_are_dropped_before_other_events_while_reader_stalls() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) =
        recorder(&folder.path().join("s"), "--stats-interval 0.001 --metrics 127.0.0.1:0");
    let metrics = recv.events[0]["metrics"].as_str().unwrap().to_owned();
    // From now on the pipe is not read. Two events per connection are more than pipe and queue
    // hold, as are their `stats`.
    let connections = 2500;
    for _ in 0..connections {
        drop(TcpStream::connect(&address).unwrap());
    }
    let served = || metric(&scrape(&metrics), "cht_recv_connections_total") == "2500";
    while !served() {}
    recv.terminate();
    let stats = recv.of_type("stats").len();
    let others = recv.events.len() - stats;
    assert!(others < 2 * connections, "the queue was never full");
    assert!(others > 4000, "{others} events, and {stats} stats");
}

#[test]
fn hanging_scrapers_keep_no_other_out() {
    let folder = tempfile::tempdir().unwrap();
    let (recv, _) = recorder(folder.path(), "--metrics 127.0.0.1:0");
    let metrics = recv.events[0]["metrics"].as_str().unwrap();
    let place = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let hang = |request: &[u8]| {
        let mut socket = TcpStream::connect(place).unwrap();
        // It may have been closed already: one too many.
        let _ = socket.write_all(request);
        socket
    };
    // An answer does not wait for the end of those that came before.
    let answered_first = (0..20).any(|_| {
        let hanging: Vec<_> = (0..12).map(|_| hang(b"GET /met")).collect();
        assert_eq!(metric(&scrape(metrics), "cht_recv_connected"), "0");
        hanging[11].set_nonblocking(true).unwrap();
        (&hanging[11]).read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    assert!(answered_first, "scrapers are served one after another");
    // More than are served at a time.
    let _hanging: Vec<_> = (0..200).map(|n| hang(&b"GET /met"[..n % 9])).collect();
    assert_eq!(metric(&scrape(metrics), "cht_recv_connected"), "0");
}

#[test]
fn metrics_match_what_was_received() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream_with_a_gap(folder.path());
    let (mut recv, address) =
        recorder(&folder.path().join("s"), "--metrics 127.0.0.1:0 --segment-time 1");
    let url = recv.events[0]["metrics"].as_str().unwrap().to_owned();
    let before = scrape(&url);
    assert_eq!(metric(&before, "cht_recv_connected"), "0");
    assert!(!before.contains("last_byte"), "{before}");

    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    recv.wait_for("segment_closed");
    let during = scrape(&url);
    assert_eq!(metric(&during, "cht_recv_connected"), "1");
    sender.shutdown(Shutdown::Write).unwrap();
    recv.wait_for("disconnected");

    let after = scrape(&url);
    for (series, expected) in [
        ("cht_recv_connected", 0),
        ("cht_recv_connections_total", 1),
        ("cht_recv_received_bytes_total", bytes.len()),
        ("cht_recv_received_packets_total", bytes.len() / 188),
        ("cht_recv_segments_closed_total", 2),
        ("cht_recv_errors_total", 0),
        ("cht_recv_events_left_out_total", 0),
        ("cht_recv_continuity_errors_total{pid=\"0x0100\"}", 1),
        ("cht_recv_continuity_errors_total{pid=\"other\"}", 0),
    ] {
        assert_eq!(metric(&after, series), expected.to_string(), "{series}");
    }
    // Seconds since the epoch, not since the start of something.
    let last: f64 = metric(&after, "cht_recv_last_byte_timestamp_seconds").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(now - 3600.0 < last && last <= now, "{last} {now}");
    assert_ne!(metric(&after, "cht_recv_free_disk_bytes"), "0");
    metrics_are_well_formed(&after);
    recv.stop();
}

#[test]
fn hanging_scrapers_do_not_disturb_recording() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream_with_a_gap(folder.path());
    let (mut recv, address) = recorder(&folder.path().join("s"), "--once --metrics 127.0.0.1:0");
    let url = recv.events[0]["metrics"].as_str().unwrap().to_owned();
    let place = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    // One says nothing, one stops in the middle of its request, one talks nonsense.
    let mut hanging: Vec<_> = (0..3).map(|_| TcpStream::connect(place).unwrap()).collect();
    hanging[1].write_all(b"GET /metrics HTT").unwrap();
    hanging[2].write_all(b"\0\0\0\0\r\n\r\n").unwrap();
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    recv.wait_for("segment_open");
    // They are sent away in time, and the one who asks properly is answered.
    assert_eq!(metric(&scrape(&url), "cht_recv_connected"), "1");
    let mut answer = String::new();
    hanging[2].read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(sender);
    assert!(recv.finish().success());
    assert_eq!(b3sum(&recording(&recv.session())), b3sum(&bytes));
}

#[test]
fn unavailable_metrics_address_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (place, says) in
        [("nowhere", "must be HOST:PORT"), (&*taken, "is another program listening there?")]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut command = tool("cht-recv");
        command.args(["--listen", "tcp://:0", "--metrics", place, "--sessions"]);
        let output = command.arg(folder.path().join("s")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!folder.path().join("s").exists(), "a session was made");
    }
}

/// Starts a recorder whose service manager is the test.
fn service(sessions: &Path, manager: &str, variables: &[(&str, String)]) -> Stage {
    let mut command = tool("cht-recv");
    command.args(words("--listen tcp://127.0.0.1:0 --stats-interval 0 --sessions")).arg(sessions);
    command.env("NOTIFY_SOCKET", manager).envs(variables.iter().cloned());
    Stage::start(&mut command)
}

/// Returns the next message that contains `word`.
fn told(manager: &UnixDatagram, word: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = manager.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.contains(word) {
            return message;
        }
    }
}

#[test]
fn service_manager_is_told_of_each_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let watchdog = [("WATCHDOG_USEC", "200000".to_owned())];
    let mut recv = service(&folder.path().join("s"), path.to_str().unwrap(), &watchdog);
    let ready = told(&manager, "READY=1");
    assert!(ready.contains("\nSTATUS=listening on tcp://127.0.0.1:"), "{ready}");
    // It is ready indeed.
    let listening = recv.wait_for("listening");
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    let mut sender = TcpStream::connect(address).unwrap();
    sender.write_all(&[0x47; 188]).unwrap();
    assert!(told(&manager, "STATUS=").contains("recording 127.0.0.1:"));
    for _ in 0..3 {
        told(&manager, "WATCHDOG=1");
    }
    drop(sender);
    told(&manager, "STATUS=waiting");
    recv.signal("TERM");
    told(&manager, "STOPPING=1");
    assert!(recv.finish().success());
}

/// Fault: writes to a growing segment hang.
const HANGING_WRITE: &str = "
ssize_t write(int fd, const void *bytes, size_t count) {
    char link[64], path[4096];
    snprintf(link, sizeof link, \"/proc/self/fd/%d\", fd);
    ssize_t length = readlink(link, path, sizeof path);
    int grows = length > 5 && memcmp(path + length - 5, \".part\", 5) == 0;
    while (grows && is_faulty()) usleep(10000);
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, \"write\");
    return real(fd, bytes, count);
}
";

#[test]
fn hung_main_loop_sends_no_watchdog_signals() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path(), HANGING_WRITE) else { return };
    // An abstract name, as containers use.
    let name = format!("cht-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut command = tool("cht-recv");
    command.args(words("--metrics 127.0.0.1:0 --stats-interval 0"));
    command.arg("--sessions").arg(folder.path().join("s"));
    command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "100000");
    shim.load(&mut command);
    let (mut recv, address) = listen(&mut command);
    let mut sender = TcpStream::connect(address).unwrap();
    sender.write_all(&[0x47; 1880]).unwrap();
    recv.wait_for("connected");
    told(&manager, "WATCHDOG=1");

    shim.break_it();
    sender.write_all(&[0x47; 1880]).unwrap();
    // Messages on their way arrive, then none for ten watchdog intervals, although the process
    // lives.
    manager.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut buffer = [0; 4096];
    let mut late = 0;
    while manager.recv(&mut buffer).is_ok() {
        late += 1;
        assert!(late < 200, "signs of life go on");
    }
    let metrics = recv.events[0]["metrics"].as_str().unwrap();
    assert_eq!(metric(&scrape(metrics), "cht_recv_connected"), "1");

    // As soon as it goes on, so do the signs.
    manager.set_read_timeout(None).unwrap();
    shim.mend_it();
    told(&manager, "WATCHDOG=1");
    drop(sender);
    recv.wait_for("disconnected");
    recv.stop();
}

#[test]
fn foreign_watchdog_and_missing_manager_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let other = [("WATCHDOG_USEC", "1000".to_owned()), ("WATCHDOG_PID", "1".to_owned())];
    let mut recv = service(&folder.path().join("a"), path.to_str().unwrap(), &other);
    recv.wait_for("listening");
    recv.stop();
    let mut buffer = [0; 4096];
    loop {
        let length = manager.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(!message.contains("WATCHDOG"), "{message}");
        if message.contains("STOPPING=1") {
            break;
        }
    }
    for nobody in ["/nowhere/notify", "vsock:2:1234"] {
        let mut recv = service(&folder.path().join("b"), nobody, &[]);
        recv.wait_for("listening");
        assert!(recv.terminate().success(), "{nobody}");
    }
}
