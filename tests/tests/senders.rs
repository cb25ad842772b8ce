//! cht-recv's senders: which are accepted, for how long, and over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cht_tests::{QUICK, Recorder, Stage, b3sum, ffmpeg, generate, recording, tool, words};

/// Starts a recorder of TCP.
fn start(options: &str) -> Recorder {
    Recorder::start("tcp://127.0.0.1:0", options)
}

/// Waits until the other side closes; whether it did so without having read everything does not
/// matter.
fn wait_for_close(mut socket: &TcpStream) {
    // With TLS there is a word of farewell.
    if let Err(error) = socket.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

/// Returns a second of video, and bytes that distinguish it from others.
fn stream(folder: &Path, mark: u8) -> Vec<u8> {
    let path = folder.join("clip.ts");
    if !path.exists() {
        generate(&path, &[("testsrc2=s=320x240:r=25", 1.0)], QUICK);
    }
    let mut bytes = fs::read(path).unwrap();
    bytes.extend([mark; 188]);
    bytes
}

#[test]
fn second_sender_is_refused_and_first_undisturbed() {
    let mut recv = start("");
    let bytes = stream(recv.folder.path(), 1);
    let mut first = recv.connect();
    first.write_all(&bytes[..5000]).unwrap();
    recv.stage.wait_for("connected");
    for _ in 0..5 {
        wait_for_close(&recv.connect());
    }
    first.write_all(&bytes[5000..]).unwrap();
    first.shutdown(Shutdown::Write).unwrap();
    assert_eq!(recv.reason(), "end of stream");
    // The place is free again.
    recv.connect().write_all(&bytes).unwrap();
    assert_eq!(recv.reason(), "end of stream");
    recv.stop();
    assert_eq!(recv.stage.of_type("connected").len(), 2);
    assert_eq!(b3sum(&recv.recording()), b3sum(&[&bytes[..], &bytes[..]].concat()));
    let said = recv.said();
    assert_eq!(said.matches("another sender is connected").count(), 1, "{said}");
    assert!(said.contains("4 more like one above"), "{said}");
}

#[test]
fn reconnecting_sender_is_never_refused() {
    let mut recv = start("");
    let bytes = vec![0x47; 1 << 20];
    for _ in 0..20 {
        // The next sender does not wait until the recorder has read all of it.
        recv.connect().write_all(&bytes).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(recv.stage.wait_for("disconnected")["bytes"], bytes.len());
    }
    recv.stop();
}

#[test]
fn second_sender_replaces_first_on_request() {
    let mut recv = start("--second-sender replace");
    let (one, two) = (stream(recv.folder.path(), 1), stream(recv.folder.path(), 2));
    let mut first = recv.connect();
    first.write_all(&one).unwrap();
    recv.stage.wait_for("connected");
    let mut second = recv.connect();
    second.write_all(&two).unwrap();
    wait_for_close(&first);
    assert_eq!(recv.reason(), "replaced");
    drop(second);
    assert_eq!(recv.reason(), "end of stream");
    recv.stop();
    // What had arrived of the first is there to the last byte.
    assert_eq!(b3sum(&recv.recording()), b3sum(&[one, two].concat()));
    let closed = recv.stage.of_type("segment_closed");
    assert_eq!((&closed[0]["connection"], &closed[1]["connection"]), (&1.into(), &2.into()));
}

/// Sends a browser's request, in clear or in TLS, with a stream in its body.
fn request(recv: &Recorder, head: &[u8], stream: &[u8]) {
    let mut browser = recv.connect();
    // It may be closed before all is sent.
    let _ = browser.write_all(&[head, stream].concat());
    wait_for_close(&browser);
}

#[test]
fn browser_request_is_refused_and_disturbs_no_sender() {
    for options in ["--session-gap 0.000001", "--second-sender replace"] {
        let mut recv = start(options);
        let bytes = stream(recv.folder.path(), 1);
        let heads: [&[u8]; 3] = [
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",
        ];
        for head in heads {
            request(&recv, head, &bytes);
        }
        let error = recv.stage.wait_for("error");
        assert_eq!(error["code"], "foreign_protocol");
        assert!(error["message"].as_str().unwrap().contains("was refused: it speaks HTTP"));
        let mut sender = recv.connect();
        sender.write_all(&bytes[..5000]).unwrap();
        assert_eq!(recv.stage.wait_for("connected")["connection"], 1);
        // One that the browser opened in advance, and its requests.
        let silent = recv.connect();
        for head in heads {
            request(&recv, head, &bytes);
        }
        sender.write_all(&bytes[5000..]).unwrap();
        drop(sender);
        assert_eq!(recv.reason(), "end of stream");
        assert_eq!(recv.stage.terminate().code(), Some(1));
        drop(silent);
        assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
        assert_eq!(recv.stage.of_type("connected").len(), 1, "{options}");
        assert_eq!(recv.stage.of_type("listening").len(), 1, "{options}");
        // Messages about many of them are limited.
        assert_eq!(recv.said().matches("was refused: it speaks").count(), 1, "{}", recv.said());
    }
}

#[test]
fn silent_connection_takes_no_number() {
    let mut recv = start("--second-sender replace");
    let address = recv.port();
    let connect =
        |n| (0..n).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<TcpStream>>();
    let mut silent = connect(300);
    let mut sender = recv.connect();
    sender.write_all(&[1, 2, 3]).unwrap();
    assert_eq!(recv.stage.wait_for("connected")["connection"], 1);
    // Some leave without a word, as a check of the port does; one more has something to say.
    drop(silent.split_off(200));
    drop(connect(20));
    request(&recv, b"GET / HTTP/1.1\r\n\r\n", b"");
    sender.write_all(&[4, 5]).unwrap();
    drop(sender);
    assert_eq!(recv.reason(), "end of stream");
    recv.stage.terminate();
    assert_eq!(recv.recording(), [1, 2, 3, 4, 5]);
    assert_eq!(recv.stage.of_type("connected").len(), 1);
}

#[test]
fn listening_on_every_interface_is_reported_without_allow() {
    for address in ["tcp://0:0", "tcp://0.0.0.0:0", "tcp://[::]:0", "udp://0:0", "rtp://[::]:0"] {
        for (allow, says) in [("", true), ("--allow 127.0.0.1", false)] {
            let mut recv = Recorder::start(address, allow);
            recv.stop();
            let said = recv.said();
            assert_eq!(
                said.contains("is every interface of this machine"),
                says,
                "{address}: {said}"
            );
        }
    }
}

#[test]
fn silent_sender_is_disconnected() {
    let mut recv = start("--once --idle-timeout 2");
    let bytes = stream(recv.folder.path(), 1);
    let mut sender = recv.connect();
    sender.write_all(&bytes).unwrap();
    assert_eq!(recv.reason(), "idle for 2 s");
    wait_for_close(&sender);
    assert!(recv.stage.finish().success());
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
}

#[test]
fn connection_has_keepalive() {
    let mut recv = start("");
    let mut sender = recv.connect();
    sender.write_all(&[0x47]).unwrap();
    recv.stage.wait_for("connected");
    let port = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
    let (ours, theirs) = (port(sender.peer_addr().unwrap()), port(sender.local_addr().unwrap()));
    // The columns of proc(5): local address, remote address, state, queues, timer (02 is
    // keepalive).
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().map(words).find(|line| {
        line.get(1).is_some_and(|local| local.ends_with(&ours)) && line[2].ends_with(&theirs)
    });
    assert!(line.unwrap()[5].starts_with("02:"), "no keepalive");
}

/// Network namespace at the other end of a virtual cable, which is removed with the test.
struct Machine {
    name: String,
}

impl Machine {
    /// Connects one; `None` (with a message) if that is not allowed.
    fn connect() -> Option<Self> {
        let machine = Self { name: format!("cht{}", std::process::id()) };
        let connected = machine.shell(
            "ip netns add NS; ip link add NSa type veth peer name NSb netns NS
             ip addr add 10.213.7.1/30 dev NSa; ip link set NSa up
             ip -n NS addr add 10.213.7.2/30 dev NSb; ip -n NS link set NSb up",
        );
        if !connected {
            println!("skipped: a machine that vanishes (a network of its own is not allowed here)");
        }
        connected.then_some(machine)
    }

    fn shell(&self, script: &str) -> bool {
        let script = script.replace("NS", &self.name);
        let status = Command::new("sh").args(["-euc", &script]).stderr(Stdio::null()).status();
        status.unwrap().success()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.shell("ip link del NSa; ip netns del NS");
    }
}

#[test]
fn vanished_sender_is_disconnected() {
    let Some(machine) = Machine::connect() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = tool("cht-recv");
    // The least that is allowed; a minute takes a minute.
    command.args(words("--listen tcp://10.213.7.1:0 --once --keepalive 6 --stats-interval 0.1"));
    let mut recv = Stage::start(command.arg("--sessions").arg(folder.path()));
    let address = recv.wait_for("listening")["address"].as_str().unwrap().to_owned();
    let (host, port) = address.strip_prefix("tcp://").unwrap().rsplit_once(':').unwrap();
    let script = format!("exec 3<>/dev/tcp/{host}/{port}; printf hello >&3; exec sleep 600");
    let mut sender = Command::new("ip");
    sender.args(["netns", "exec", &machine.name, "bash", "-c", &script]);
    let mut sender = sender.spawn().unwrap();
    while recv.wait_for("stats")["recv"]["bytes"] != b"hello".len() {}
    // With the link down, the connection ends silently.
    assert!(machine.shell("ip -n NS link set NSb down"));
    let reason = recv.wait_for("disconnected")["reason"].as_str().unwrap().to_owned();
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(reason.contains("timed out"), "{reason}");
    assert!(recv.finish().success());
    assert_eq!(recording(&recv.session()), b"hello");
}

#[test]
fn stranger_is_refused_before_reading() {
    let mut recv = start("--allow ::1 --allow 192.168.7.0/24");
    for _ in 0..3 {
        let mut stranger = recv.connect();
        // It may be closed already.
        let _ = stranger.write_all(&[0x47; 188]);
        wait_for_close(&stranger);
    }
    recv.stop();
    assert!(recv.stage.of_type("connected").is_empty() && recv.recording().is_empty());
    let said = recv.said();
    assert_eq!(said.matches("--allow does not name its address").count(), 1, "{said}");
    assert!(said.contains("2 more like one above"), "{said}");

    let mut recv = start("--once --allow 10.0.0.0/8 --allow 127.0.0.0/8");
    recv.connect().write_all(&[0x47; 188]).unwrap();
    assert!(recv.stage.finish().success());
    assert_eq!(recv.recording(), [0x47; 188]);
}

#[test]
fn too_fast_sender_waits_and_loses_nothing() {
    let mut recv = start("--once --max-bitrate 32M --idle-timeout 1");
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| (n >> 7) as u8).collect();
    let begin = Instant::now();
    recv.connect().write_all(&bytes).unwrap();
    assert!(recv.stage.finish().success());
    // Two seconds at four megabytes a second, less the first burst.
    assert!(begin.elapsed() > Duration::from_millis(1850), "{:?}", begin.elapsed());
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
}

/// Makes a certificate authority and certificates: `ca.pem`, `server.pem`, `client.pem`, and their
/// keys.
fn certificates(folder: &Path) {
    let script = "
        key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1; }
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=ca
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >ext
        for name in server client; do
            key $name
            openssl x509 -req -days 2 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\
                -extfile ext -out $name.pem
        done";
    let made = Command::new("bash").args(["-euc", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Starts a recorder of TLS with the certificates in its folder.
fn tls_recorder(options: &str) -> Recorder {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let options = format!(
        "--cert {} --key {} {}",
        at("server.pem"),
        at("server.key"),
        options.replace("CA", &at("ca.pem"))
    );
    Recorder::in_folder(folder, "tls://127.0.0.1:0", &options, Stdio::null())
}

/// Starts openssl's client, which sends its stdin.
fn s_client(recv: &Recorder, options: &str) -> Child {
    let mut command = Command::new("openssl");
    command.args(words("s_client -quiet -no_ign_eof -verify_return_error -CAfile ca.pem"));
    command.arg("-connect").arg(recv.port().to_string()).args(words(options));
    command.current_dir(recv.folder.path()).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send_by_s_client(recv: &Recorder, options: &str, bytes: &[u8]) {
    let mut client = s_client(recv, options);
    // It may be refused before it has sent anything.
    let _ = client.stdin.take().unwrap().write_all(bytes);
    client.wait().unwrap();
}

#[test]
fn tls_is_recorded_bit_for_bit() {
    for version in ["-tls1_3", "-tls1_2"] {
        let mut recv = tls_recorder("--once");
        // No letters: openssl's client takes some of them for commands.
        let bytes: Vec<u8> =
            (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 28) as u8).collect();
        send_by_s_client(&recv, version, &bytes);
        assert!(recv.stage.finish().success());
        assert_eq!(b3sum(&recv.recording()), b3sum(&bytes), "{version}");
        assert_eq!(recv.stage.of_type("disconnected")[0]["bytes"], bytes.len());
    }
}

#[test]
fn ffmpeg_sends_over_tls() {
    let mut recv = tls_recorder("--once --client-ca CA");
    let at = |name: &str| recv.folder.path().join(name).display().to_string();
    let clip: PathBuf = recv.folder.path().join("clip.ts");
    generate(&clip, &[("testsrc2=s=320x240:r=25", 2.0)], QUICK);
    // The very same bytes through a file.
    let copy = words("-c copy -f mpegts");
    let plain = recv.folder.path().join("plain.ts");
    let clip = clip.to_str().unwrap();
    ffmpeg([&["-i", clip], &copy[..], &[plain.to_str().unwrap()]].concat());
    let url = format!(
        "{}?verify=1&cafile={}&cert={}&key={}",
        recv.address,
        at("ca.pem"),
        at("client.pem"),
        at("client.key")
    );
    ffmpeg([&["-i", clip], &copy[..], &[&url]].concat());
    assert!(recv.stage.finish().success());
    assert_eq!(b3sum(&recv.recording()), b3sum(&fs::read(plain).unwrap()));
}

#[test]
fn client_without_certificate_is_refused() {
    let mut recv = tls_recorder("--client-ca CA");
    send_by_s_client(&recv, "", b"without");
    // Signed by itself: the authority does not know it.
    let own = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout own.key -out own.pem -subj /CN=own";
    let mut openssl = Command::new("openssl");
    openssl.args(words(own)).current_dir(recv.folder.path()).stderr(Stdio::null());
    assert!(openssl.status().unwrap().success());
    send_by_s_client(&recv, "-cert own.pem -key own.key", b"own");
    send_by_s_client(&recv, "-cert client.pem -key client.key", b"allowed");
    recv.stage.wait_for("disconnected");
    recv.stop();
    assert_eq!(recv.recording(), b"allowed");
    let said = recv.said();
    assert_eq!(said.matches("TLS handshake with").count(), 1, "{said}");
    assert!(said.contains("1 more like one above"), "{said}");
}

#[test]
fn stalled_handshake_blocks_no_other_and_ends() {
    let mut recv = tls_recorder("--handshake-timeout 1");
    let silent: Vec<TcpStream> = (0..3).map(|_| recv.connect()).collect();
    let mut nonsense = recv.connect();
    nonsense.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    send_by_s_client(&recv, "", b"served all the same");
    recv.stage.wait_for("disconnected");
    for socket in &silent {
        wait_for_close(socket);
    }
    recv.stop();
    assert_eq!(recv.recording(), b"served all the same");
    assert_eq!(recv.stage.of_type("connected").len(), 1);
}

#[test]
fn excess_handshake_ends_the_oldest() {
    let mut recv = tls_recorder("--handshake-timeout 3600");
    // As many as may go on at a time.
    let silent: Vec<TcpStream> = (0..256).map(|_| recv.connect()).collect();
    send_by_s_client(&recv, "", b"served all the same");
    recv.stage.wait_for("disconnected");
    wait_for_close(&silent[0]);
    for socket in &silent[1..] {
        socket.set_nonblocking(true).unwrap();
        let waiting = (&mut &*socket).read(&mut [0]).unwrap_err();
        assert_eq!(waiting.kind(), io::ErrorKind::WouldBlock, "more than one was ended");
    }
    recv.stop();
    assert_eq!(recv.recording(), b"served all the same");
    assert!(recv.said().contains("too many others came after it"), "{}", recv.said());
}

/// Passes bytes on, in one direction, until they end.
fn pass_on(mut from: TcpStream, mut to: TcpStream) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    })
}

#[test]
fn sender_in_handshake_survives_flood_of_connections() {
    let mut recv = tls_recorder("--once --handshake-timeout 3600");
    let bytes = vec![7; 1 << 20];
    // Between the sender and the recorder, so that the flood comes in the middle of the handshake.
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = between.local_addr().unwrap().to_string();
    let mut client = Command::new("openssl")
        .args(words("s_client -quiet -no_ign_eof -verify_return_error -CAfile ca.pem -connect"))
        .arg(address)
        .current_dir(recv.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || stdin.write_all(&sent));
    let (mut sender, mut recorder) = (between.accept().unwrap().0, recv.connect());
    let mut buffer = vec![0; 1 << 16];
    let count = sender.read(&mut buffer).unwrap();
    recorder.write_all(&buffer[..count]).unwrap();
    let count = recorder.read(&mut buffer).unwrap();
    assert!(count > 0, "the recorder does not answer");
    let flood: Vec<TcpStream> = (0..300).map(|_| recv.connect()).collect();
    while !recv.said().contains("too many others came after it") {
        wait_for_close(&flood[0]);
    }
    sender.write_all(&buffer[..count]).unwrap();
    let clone = |socket: &TcpStream| socket.try_clone().unwrap();
    let passing = [pass_on(clone(&sender), clone(&recorder)), pass_on(recorder, sender)];
    assert!(recv.stage.finish().success());
    sending.join().unwrap().unwrap();
    drop(flood);
    for thread in passing {
        thread.join().unwrap();
    }
    client.wait().unwrap();
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
}

#[test]
fn unfinished_handshake_replaces_no_sender() {
    let mut recv = tls_recorder("--second-sender replace");
    let mut first = s_client(&recv, "");
    let mut stdin = first.stdin.take().unwrap();
    stdin.write_all(b"first ").unwrap();
    recv.stage.wait_for("connected");
    let silent = recv.connect();
    stdin.write_all(b"goes on ").unwrap();
    send_by_s_client(&recv, "", b"second");
    assert_eq!(recv.reason(), "replaced");
    drop((silent, stdin));
    assert!(first.wait().is_ok());
    recv.stage.wait_for("disconnected");
    recv.stop();
    let recorded = recv.recording();
    let recorded = String::from_utf8_lossy(&recorded);
    assert!(recorded.starts_with("first ") && recorded.ends_with("second"), "{recorded}");
}

#[test]
fn sender_after_gap_starts_new_session() {
    for (gap, sessions) in [("0", 1), ("3600", 1), ("0.000001", 2)] {
        let mut recv = start(&format!("--session-gap {gap}"));
        for mark in [1, 2] {
            recv.connect().write_all(&[mark; 188]).unwrap();
            recv.stage.wait_for("disconnected");
        }
        recv.stop();
        let listening = recv.stage.of_type("listening");
        assert_eq!(listening.len(), sessions, "--session-gap {gap}");
        let last = Path::new(listening[sessions - 1]["session"].as_str().unwrap());
        assert_eq!(recording(last).last(), Some(&2));
        assert_eq!(recording(last).len() + (sessions - 1) * 188, 376);
    }
}

#[test]
fn contradicting_options_are_refused() {
    for (options, says) in [
        ("--listen tls://:0", "needs --cert FILE and --key FILE"),
        ("--listen tcp://:0 --cert /nowhere --key /nowhere", "are for tls://"),
        ("--listen tls://:0 --cert /nowhere --key /nowhere", "--cert /nowhere: "),
        ("--allow 10.0.0.1/8", "has bits beyond /8"),
        ("--max-bitrate fast", "must be bits per second"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = tool("cht-recv");
        command.arg("--sessions").arg(folder.path().join("s")).args(words(options));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        assert!(said.contains(says), "{options}: {said}");
        assert!(!folder.path().join("s").exists(), "{options}: a session was made");
    }
}
