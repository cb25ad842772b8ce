//! cht-recv: inputs other than TCP. Which of them are bit exact, and how each begins and ends.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and what it skips by printing"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use cht_tests::{QUICK, Stage, b3sum, bin, ffmpeg, generate, probe_frames, recording, tool, words};
use tempfile::TempDir;

/// A recorder, and all that belongs to it.
struct Recorder {
    folder: TempDir,
    stage: Stage,
    /// Of the `listening` event.
    address: String,
}

impl Recorder {
    fn start(input: &str, options: &str) -> Self {
        Self::with_stdin(input, options, Stdio::null())
    }

    /// With its stderr in the file `said`.
    fn with_stdin(input: &str, options: &str, stdin: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let mut command = tool("cht-recv");
        command.args(["--input", input]).args(words(options)).stdin(stdin).stderr(said);
        let mut stage = Stage::start(command.arg("--sessions").arg(folder.path().join("sessions")));
        let address = stage.wait_for("listening")["address"].as_str().unwrap().to_owned();
        Self { folder, stage, address }
    }

    /// Where datagrams are received.
    fn port(&self) -> SocketAddr {
        self.address.split_once("://").unwrap().1.parse().unwrap()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    /// Waits until it says something.
    fn wait_for_word(&self, word: &str) {
        let script = r#"grep -q -m1 "$1" < <(tail -n +1 --pid $$ -f "$0")"#;
        let mut waiting = Command::new("timeout");
        waiting.args(["60", "bash", "-c", script]).arg(self.folder.path().join("said")).arg(word);
        assert!(waiting.status().unwrap().success(), "{word}: {}", self.said());
    }

    fn recording(&self) -> Vec<u8> {
        recording(Path::new(self.stage.events[0]["session"].as_str().unwrap()))
    }

    /// Pictures that can be decoded of what is recorded.
    fn frames(&self) -> usize {
        let path = self.folder.path().join("recorded.ts");
        fs::write(&path, self.recording()).unwrap();
        probe_frames(&path).len()
    }

    /// The reason of the next connection that ends.
    fn reason(&mut self) -> String {
        self.stage.wait_for("disconnected")["reason"].as_str().unwrap().to_owned()
    }

    fn stop(&mut self) {
        self.stage.signal("TERM");
        assert!(self.stage.finish().success(), "{}", self.said());
    }

    /// Whether a word is in any event or message.
    fn tells(&self, word: &str) -> bool {
        self.said().contains(word) || self.stage.events.iter().any(|e| e.to_string().contains(word))
    }

    /// The process that it has started.
    fn child(&self) -> u32 {
        let id = self.stage.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let [child] = words(&children)[..] else { panic!("children: {children:?}") };
        child.parse().unwrap()
    }
}

/// Runs a recorder that must not start; what it says.
fn refused(arguments: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg("30").arg(bin("cht-recv")).args(words(arguments)).stdin(Stdio::null());
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    said
}

/// `seconds` of video, 25 frames each, in a file of its own.
fn clip(folder: &TempDir, seconds: f64) -> PathBuf {
    let path = folder.path().join("clip.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", seconds)], QUICK);
    path
}

/// A real sender, in real time, from a file to a URL.
fn sender(path: &Path, options: &str, url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(words("-hide_banner -loglevel error -nostdin -re -i")).arg(path);
    command.args(words("-map 0 -c copy")).args(words(options)).arg(url);
    command.stderr(Stdio::null());
    command
}

/// Sends as soon as somebody listens: the recorder cannot know when its ffmpeg does.
fn send(path: &Path, options: &str, url: &str) {
    let sent = (0..100).any(|_| sender(path, options, url).status().unwrap().success());
    assert!(sent, "{url}: nobody listens");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a process has gone that is not ours.
fn wait_for_end(id: u32) {
    let mut waiting = Command::new("timeout");
    waiting.args(["30", "tail", "--pid", &id.to_string(), "-f", "/dev/null"]);
    assert!(waiting.status().unwrap().success(), "{id} is still there");
}

type Datagrams = Vec<Vec<u8>>;

/// What passes datagrams on, and keeps a copy.
struct Relay {
    address: SocketAddr,
    passed: JoinHandle<Datagrams>,
}

impl Relay {
    /// `alter` gets the number of a datagram, from 0, and those that wait; what it takes out of them is passed on.
    fn start(to: SocketAddr, alter: fn(usize, &mut Datagrams) -> Datagrams) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let passed = std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            let (mut copies, mut waiting) = (Vec::new(), Datagrams::new());
            loop {
                let length = socket.recv(&mut buffer).unwrap();
                if length == 0 {
                    for datagram in waiting {
                        socket.send_to(&datagram, to).unwrap();
                    }
                    return copies;
                }
                waiting.push(buffer[..length].to_vec());
                for datagram in alter(copies.len(), &mut waiting) {
                    socket.send_to(&datagram, to).unwrap();
                }
                copies.push(buffer[..length].to_vec());
            }
        });
        Self { address, passed }
    }

    /// Nothing more will come: the datagrams, in the order of their arrival.
    fn end(self) -> Vec<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[], self.address).unwrap();
        self.passed.join().unwrap()
    }
}

/// Datagrams of a transport stream: few enough for a socket's usual buffer.
fn datagrams(mark: u8) -> Vec<Vec<u8>> {
    (0..40_u8).map(|n| [0x47, mark, n, 0x10].repeat(329)).collect()
}

fn connect(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket
}

fn send_all(socket: &UdpSocket, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        socket.send(datagram).unwrap();
    }
}

#[test]
fn a_socket_file_takes_streams_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cht.sock");
    let url = format!("unix:{}", path.display());
    let clip = clip(&folder, 1.0);
    let bytes = fs::read(&clip).unwrap();
    // Of a program that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let mut recv = Recorder::start(&url, "");
    assert_eq!(recv.address, url);
    let file = fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let said = refused(&format!("--input {url}"));
    assert!(said.contains("another program listens there"), "{said}");

    let mut first = UnixStream::connect(&path).unwrap();
    first.write_all(&bytes[..5000]).unwrap();
    let peer = recv.stage.wait_for("connected")["peer"].clone();
    assert!(peer.as_str().unwrap().starts_with(&format!("pid {} of", std::process::id())));
    first.write_all(&bytes[5000..]).unwrap();
    drop(first);
    assert_eq!(recv.reason(), "end of stream");
    assert!(sender(&clip, "-f mpegts", &url).status().unwrap().success());
    let sent = recv.stage.wait_for("disconnected")["bytes"].as_u64().unwrap();
    recv.stop();
    let recorded = recv.recording();
    assert_eq!(b3sum(&recorded[..bytes.len()]), b3sum(&bytes));
    assert_eq!(recorded.len() as u64, bytes.len() as u64 + sent);
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn a_second_sender_at_a_socket_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}/s", folder.path().display());
    let mut recv = Recorder::start(&url, "--second-sender replace");
    let mut first = UnixStream::connect(folder.path().join("s")).unwrap();
    first.write_all(&[1; 1880]).unwrap();
    recv.stage.wait_for("connected");
    let mut second = UnixStream::connect(folder.path().join("s")).unwrap();
    assert_eq!(recv.reason(), "replaced");
    second.write_all(&[2; 1880]).unwrap();
    drop(second);
    assert_eq!(recv.reason(), "end of stream");
    recv.stop();
    assert_eq!(recv.recording(), [[1; 1880], [2; 1880]].concat());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "mine").unwrap();
    let said = refused(&format!("--input unix:{}", path.display()));
    assert!(said.contains("something else than a socket is there"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn stdin_is_recorded_bit_for_bit_and_then_all_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(&folder, 2.0);
    let bytes = fs::read(&path).unwrap();
    // A pipe.
    let mut cat = Command::new("cat").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let mut recv = Recorder::with_stdin("-", "--segment-time 1", cat.stdout.take().unwrap().into());
    assert_eq!((recv.reason(), recv.stage.finish().code()), ("end of stream".to_owned(), Some(0)));
    cat.wait().unwrap();
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
    assert_eq!(recv.stage.of_type("connected")[0]["peer"], "stdin");
    // A file.
    let mut recv = Recorder::with_stdin("-", "", fs::File::open(&path).unwrap().into());
    assert!(recv.stage.finish().success());
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
}

#[test]
fn a_quiet_stdin_can_be_stopped() {
    let mut writer =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut recv = Recorder::with_stdin("-", "", writer.stdout.take().unwrap().into());
    // Before its first byte, and after it.
    writer.stdin.as_ref().unwrap().write_all(&[0x47; 188]).unwrap();
    recv.stage.wait_for("connected");
    recv.stop();
    assert_eq!(recv.recording(), [0x47; 188]);
    let mut recv = Recorder::with_stdin("-", "", Stdio::piped());
    recv.stop();
    writer.kill().unwrap();
    writer.wait().unwrap();
}

#[test]
fn udp_of_a_real_sender_is_recorded_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--once --idle-timeout 1");
    let relay = Relay::start(recv.port(), |_, waiting| std::mem::take(waiting));
    let url = format!("udp://{}?pkt_size=1316", relay.address);
    assert!(sender(&clip, "-f mpegts", &url).status().unwrap().success());
    let passed = relay.end().concat();
    assert_eq!(recv.reason(), "idle for 1 s");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    assert!(passed.len() > 100_000);
    assert_eq!(b3sum(&recv.recording()), b3sum(&passed));
}

#[test]
fn rtp_of_a_real_sender_is_put_in_order_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let mut recv = Recorder::start("rtp://127.0.0.1:0", "--once --idle-timeout 1");
    // Every fifth packet waits for the two behind it, and some come twice. The first one tells where it begins.
    let relay = Relay::start(recv.port(), |n, waiting| match (n % 5, n % 7) {
        _ if n < 5 => std::mem::take(waiting),
        (0 | 1, _) => Vec::new(),
        (2, 0) => vec![waiting.remove(2), waiting.remove(1), waiting[0].clone(), waiting.remove(0)],
        (2, _) => vec![waiting.remove(1), waiting.remove(1), waiting.remove(0)],
        _ => std::mem::take(waiting),
    });
    let url = format!("rtp://{}?pkt_size=1316", relay.address);
    assert!(sender(&clip, "-f rtp_mpegts", &url).status().unwrap().success());
    let passed = relay.end();
    assert_eq!(recv.reason(), "idle for 1 s");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    let packets = passed.iter().filter(|datagram| datagram[1] & 0x7F == 33);
    let payload = packets.flat_map(|datagram| &datagram[12..]).copied().collect::<Vec<u8>>();
    assert!(payload.len() > 100_000);
    assert_eq!(b3sum(&recv.recording()), b3sum(&payload));
    assert_eq!(recv.frames(), 75);
}

#[test]
fn lost_rtp_packets_are_counted() {
    let mut recv = Recorder::start("rtp://127.0.0.1:0", "--once --idle-timeout 0.5");
    let socket = connect(recv.port());
    let packet = |n: u8| [&[0x80, 33, 0, n, 0, 0, 0, 0, 0, 0, 0, 1][..], &[n; 188]].concat();
    send_all(&socket, &[packet(1), packet(2), packet(5), packet(6)]);
    assert_eq!(recv.reason(), "idle for 0.5 s");
    // What is recorded is not what was sent.
    assert_eq!(recv.stage.finish().code(), Some(1));
    assert_eq!(recv.recording(), [[1; 188], [2; 188], [5; 188], [6; 188]].concat());
    assert!(recv.said().contains("warning: 2 RTP packets of 127.0.0.1"), "{}", recv.said());
}

#[test]
fn silence_ends_a_connection_of_datagrams_and_the_next_one_begins_another() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--idle-timeout 0.3");
    let socket = connect(recv.port());
    for mark in [1, 2] {
        send_all(&socket, &datagrams(mark));
        assert_eq!(recv.reason(), "idle for 0.3 s");
    }
    // A signal ends it as well; nothing of it is lost.
    socket.send(&[0x47; 188]).unwrap();
    recv.stage.wait_for("connected");
    recv.stop();
    let sent = [datagrams(1).concat(), datagrams(2).concat(), vec![0x47; 188]].concat();
    assert_eq!(b3sum(&recv.recording()), b3sum(&sent));
    assert_eq!(recv.stage.of_type("connected").len(), 3);
}

#[test]
fn a_second_sender_of_datagrams_does_not_mix_with_the_first() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--idle-timeout 1");
    let (first, second) = (connect(recv.port()), connect(recv.port()));
    for (n, datagram) in datagrams(1).iter().enumerate() {
        first.send(datagram).unwrap();
        if n == 10 {
            recv.stage.wait_for("connected");
        }
        second.send(&[9; 188]).unwrap();
    }
    first.send(&[1; 188]).unwrap();
    assert_eq!(recv.reason(), "idle for 1 s");
    recv.stop();
    let sent = [datagrams(1).concat(), vec![1; 188]].concat();
    assert_eq!(b3sum(&recv.recording()[..sent.len()]), b3sum(&sent));
    assert!(recv.said().contains("was not heard: another sender sends"), "{}", recv.said());
}

#[test]
fn a_sender_of_datagrams_that_was_started_anew_loses_nothing() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--idle-timeout 0.5");
    for mark in [1, 2] {
        // From another port; the first one is still being waited for.
        send_all(&connect(recv.port()), &datagrams(mark));
        recv.stage.wait_for("connected");
    }
    assert_eq!(recv.reason(), "idle for 0.5 s");
    recv.stop();
    let sent = [datagrams(1).concat(), datagrams(2).concat()].concat();
    assert_eq!(b3sum(&recv.recording()), b3sum(&sent));
}

#[test]
fn a_sender_of_datagrams_replaces_another_if_asked_to() {
    let mut recv =
        Recorder::start("udp://127.0.0.1:0", "--second-sender replace --idle-timeout 0.5");
    send_all(&connect(recv.port()), &datagrams(1));
    send_all(&connect(recv.port()), &datagrams(2));
    assert_eq!(recv.reason(), "replaced");
    assert_eq!(recv.reason(), "idle for 0.5 s");
    recv.stop();
    let sent = [datagrams(1).concat(), datagrams(2).concat()].concat();
    assert_eq!(b3sum(&recv.recording()), b3sum(&sent));
}

#[test]
fn strangers_are_not_heard() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--allow 192.168.7.0/24");
    send_all(&connect(recv.port()), &datagrams(1));
    recv.stop();
    assert!(recv.stage.of_type("connected").is_empty() && recv.recording().is_empty());
}

#[test]
fn rtp_that_is_taken_for_udp_is_recorded_and_said() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--once --idle-timeout 0.3");
    let packet = [&[0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0x47; 188]].concat();
    connect(recv.port()).send(&packet).unwrap();
    assert!(recv.stage.finish().success());
    assert_eq!(recv.recording(), packet);
    assert!(recv.said().contains("sends RTP; it is recorded with its headers"), "{}", recv.said());
}

#[test]
fn a_multicast_group_is_joined_on_the_interface_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 1.0);
    let url = format!("udp://239.255.77.7:{}", free_port());
    for (interface, port) in [("127.0.0.1", &url), ("lo", &url)] {
        let input = format!("{port}?iface={interface}");
        let mut recv = Recorder::start(&input, "--once --idle-timeout 1");
        let to = format!("{port}?localaddr=127.0.0.1&pkt_size=1316");
        assert!(sender(&clip, "-f mpegts", &to).status().unwrap().success());
        assert!(recv.stage.finish().success(), "{}", recv.said());
        assert_eq!(recv.frames(), 25);
    }
    let said = refused(&format!("--input {url}?iface=nosuch0"));
    assert!(said.contains("iface=nosuch0"), "{said}");
}

#[test]
fn what_the_system_dropped_is_said() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--once --idle-timeout 2");
    let socket = connect(recv.port());
    socket.send(&[0x47; 1316]).unwrap();
    recv.stage.wait_for("connected");
    // Stopped, it takes nothing; more than the largest buffer comes meanwhile.
    recv.stage.signal("STOP");
    for _ in 0..20_000 {
        socket.send(&[0x47; 1316]).unwrap();
    }
    recv.stage.signal("CONT");
    assert_eq!(recv.stage.finish().code(), Some(1));
    assert!(recv.said().contains("were dropped by the system"), "{}", recv.said());
}

/// A sender that hangs up at once takes with it what SRT still holds for its latency, 120 ms.
fn assert_nearly_all(frames: usize) {
    assert!((65..=75).contains(&frames), "{frames} of 75");
}

#[test]
fn srt_is_received_with_its_passphrase_only_and_tells_it_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let port = free_port();
    let url = |pass: &str| format!("srt://127.0.0.1:{port}?passphrase={pass}");
    let listen = format!("{}&mode=listener", url("right-secret"));
    let mut recv = Recorder::start(&listen, "--once");
    assert_eq!(recv.address, format!("srt://127.0.0.1:{port}"));
    while !recv.said().contains("a sender was sent away: Incorrect passphrase") {
        assert!(!sender(&clip, "-f mpegts", &url("wrong-secret")).status().unwrap().success());
    }
    send(&clip, "-f mpegts", &url("right-secret"));
    assert_eq!(recv.reason(), "end of stream");
    assert!(recv.stage.finish().success());
    assert_nearly_all(recv.frames());
    assert!(!recv.tells("secret"), "{}", recv.said());
}

#[test]
fn srt_is_fetched_and_a_wrong_passphrase_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let port = free_port();
    let listen = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=right-secret");
    let mut source = sender(&clip, "-f mpegts", &listen).spawn().unwrap();
    let mut recv = Recorder::start(&format!("srt://127.0.0.1:{port}?passphrase=wrong-secret"), "");
    recv.wait_for_word("Incorrect passphrase");
    recv.stop();
    assert!(recv.said().contains("it is tried again") && !recv.tells("secret"), "{}", recv.said());
    let mut recv =
        Recorder::start(&format!("srt://127.0.0.1:{port}?passphrase=right-secret"), "--once");
    assert!(recv.stage.finish().success());
    source.wait().unwrap();
    assert_nearly_all(recv.frames());
}

#[test]
fn rtmp_is_received_from_one_publisher_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let url = format!("rtmp://127.0.0.1:{}/live/streamkey", free_port());
    let mut recv = Recorder::start(&url, "");
    for _ in 0..2 {
        send(&clip, "-f flv", &url);
        recv.reason();
    }
    recv.stop();
    assert_eq!(recv.frames(), 150);
    assert!(recv.address.ends_with("/live") && !recv.tells("streamkey"), "{}", recv.said());
}

/// A server of a folder, and where it listens.
fn http_server(folder: &Path) -> (Child, String) {
    let mut server = Command::new("python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "--directory"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("port ").nth(1).unwrap().split(' ').next().unwrap();
    (server, format!("http://127.0.0.1:{port}"))
}

#[test]
fn files_and_playlists_are_fetched_by_http_once() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 4.0);
    let playlist = folder.path().join("list.m3u8");
    let path = clip.to_str().unwrap();
    let hls = ["-i", path, "-c", "copy", "-hls_time", "1", "-hls_list_size", "0"];
    ffmpeg(hls.iter().copied().chain([playlist.to_str().unwrap()]));
    let (mut server, url) = http_server(folder.path());
    for name in ["clip.ts", "list.m3u8"] {
        let mut recv = Recorder::start(&format!("{url}/{name}?token=very-secret"), "");
        assert_eq!(recv.reason(), "end of stream");
        // It would be the same once more.
        assert!(recv.stage.finish().success());
        assert_eq!(recv.frames(), 100, "{name}");
        assert!(!recv.tells("secret"));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_file_is_recorded_once_and_a_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 1.0);
    let mp4 = folder.path().join("a b.mp4");
    ffmpeg(["-i", clip.to_str().unwrap(), "-c", "copy", mp4.to_str().unwrap()]);
    for input in [mp4.display().to_string(), format!("file:{}", mp4.display())] {
        let mut recv = Recorder::start(&input, "");
        assert!(recv.stage.finish().success());
        assert_eq!((recv.frames(), recv.stage.of_type("connected").len()), (25, 1));
    }
    let said = refused("--input nothing.mp4");
    assert!(said.contains("nothing.mp4: no such file"), "{said}");
    let noise = folder.path().join("noise");
    fs::write(&noise, vec![7; 100_000]).unwrap();
    let said = refused(&format!("--input {} --sessions {0}.d", noise.display()));
    assert!(
        said.contains("noise: ffmpeg ended with exit status: 1: ") && said.contains("Invalid data"),
        "{said}"
    );
}

#[test]
fn a_file_in_real_time_can_be_stopped_and_leaves_no_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 30.0);
    let mut recv = Recorder::start(clip.to_str().unwrap(), "--realtime");
    recv.stage.wait_for("segment_open");
    let ffmpeg = recv.child();
    recv.stop();
    wait_for_end(ffmpeg);
    let closed = recv.stage.of_type("segment_closed");
    assert_eq!(closed.last().unwrap()["end_reason"], "stopped");
    let bytes = recv.recording().len() as u64;
    assert_eq!(recv.stage.of_type("disconnected")[0]["bytes"], bytes);
    assert!(bytes > 0 && bytes < fs::metadata(clip).unwrap().len() / 2);
}

#[test]
fn an_ffmpeg_that_dies_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 60.0);
    let url = format!("srt://127.0.0.1:{}", free_port());
    let mut recv = Recorder::start(&format!("{url}?mode=listener"), "");
    let mut senders = Vec::new();
    for _ in 0..2 {
        // Each tries until it is let in.
        let script = r#"until ffmpeg -hide_banner -loglevel quiet -nostdin -re -i "$0" -c copy -f mpegts "$1"; do :; done"#;
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-c", script]).arg(&clip).arg(&url);
        senders.push(shell.spawn().unwrap());
        recv.stage.wait_for("connected");
        let killed = Command::new("kill").args(["-KILL", &recv.child().to_string()]).status();
        assert!(killed.unwrap().success());
        let reason = recv.reason();
        assert!(reason.starts_with("ffmpeg ended with signal: 9"), "{reason}");
    }
    for mut sender in senders {
        cht_tests::signal(&sender, "TERM");
        sender.wait().unwrap();
    }
    recv.stop();
    let connections: Vec<_> =
        recv.stage.of_type("connected").iter().map(|e| e["connection"].clone()).collect();
    assert!(connections.starts_with(&[1.into(), 2.into()]), "{connections:?}");
}

#[test]
fn a_recorder_that_is_killed_leaves_no_ffmpeg() {
    let port = free_port();
    let mut recv = Recorder::start(&format!("rtmp://127.0.0.1:{port}/live/key"), "");
    // Somebody who says nothing: ffmpeg has nothing to write, and cannot find out by itself that nobody reads.
    let silent = (0..).find_map(|_| TcpStream::connect(("127.0.0.1", port)).ok());
    let ffmpeg = recv.child();
    recv.stage.signal("KILL");
    recv.stage.finish();
    wait_for_end(ffmpeg);
    drop(silent);
}

#[test]
fn what_ffmpeg_lacks_is_named() {
    let said = refused("--input srt://127.0.0.1:1 --ffmpeg /nonexistent/ffmpeg");
    assert!(said.contains("/nonexistent/ffmpeg: cannot be run") && said.contains("install ffmpeg"));
    // The real one, but for one line.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    fs::write(&path, "#!/bin/sh\nffmpeg \"$@\" | grep -vx ' *srt'\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let said = refused(&format!(
        "--input srt://127.0.0.1:1?passphrase=secret --ffmpeg {}",
        path.display()
    ));
    assert!(said.contains("was built without srt; install one that has it"), "{said}");
    assert!(!said.contains("secret"));
}

#[test]
fn options_that_cannot_be_kept_are_refused() {
    for (arguments, message) in [
        ("--input srt://:9 --allow 127.0.0.1", "--allow cannot be kept"),
        ("--input udp://:9 --max-bitrate 1M", "--max-bitrate makes a sender wait"),
        ("--input rtmp://:9/a/b --realtime", "--realtime is for files"),
        ("--input ftp://me:secret@host/x", "ftp://host/x: ftp:// is not received"),
        ("--input udp://host-without-port", "must be udp://HOST:PORT"),
        ("--input udp://:9?iface=lo", "iface is for multicast groups"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(message) && !said.contains("secret"), "{said}");
    }
}

/// A real RTSP server, VLC; `None` (said by name) where there is none. It refuses to run as root.
fn rtsp_server(clip: &Path, port: u16) -> Option<Child> {
    if Command::new("cvlc")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        println!("skipped: no cvlc here to serve RTSP");
        return None;
    }
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let prefix =
        if is_root { "setpriv --reuid 65534 --regid 65534 --clear-groups cvlc" } else { "cvlc" };
    let prefix = words(prefix);
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(["-q", "--loop"]).arg(clip).env("HOME", "/tmp");
    command
        .arg("--sout")
        .arg(format!("#rtp{{sdp=rtsp://127.0.0.1:{port}/cam}}"))
        .arg("--sout-keep");
    Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn rtsp_is_fetched_from_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("cam.ts");
    generate(
        &clip,
        &[("testsrc2=s=320x240:r=25", 30.0)],
        "-c:v libx264 -preset ultrafast -g 25 -bf 0",
    );
    // For a server that runs as somebody else.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let port = free_port();
    let Some(mut server) = rtsp_server(&clip, port) else { return };
    let mut recv =
        Recorder::start(&format!("rtsp://me:secret@127.0.0.1:{port}/cam"), "--segment-time 1");
    recv.stage.wait_for("segment_closed");
    recv.stop();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(recv.frames() >= 25 && !recv.tells("secret"), "{}", recv.said());
}
