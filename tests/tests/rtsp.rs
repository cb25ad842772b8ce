//! cht-recv fetches RTSP over TCP from a server in this test, which relays a real ffmpeg, and from
//! VLC.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use cht_tests::{Recorder, free_port, generate, words};

/// Generates `seconds` of video without B-frames, which ffmpeg's RTP sender requires.
fn clip(folder: &Path, seconds: f64) -> PathBuf {
    let path = folder.join("cam.ts");
    let encoder = "-c:v libx264 -preset ultrafast -g 25 -bf 0";
    generate(&path, &[("testsrc2=s=320x240:r=25", seconds)], encoder);
    path
}

/// One side of RTSP (RFC 2326) over TCP: a publisher or a player.
struct Peer {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

/// Message of a peer.
enum Sent {
    /// A request: its first line and headers, its body.
    Request(String, String),
    /// An interleaved packet, with its four bytes of header (§10.12).
    Packet(Vec<u8>),
}

impl Peer {
    fn accept(listener: &TcpListener) -> Self {
        let writer = listener.accept().unwrap().0;
        Self { reader: BufReader::new(writer.try_clone().unwrap()), writer }
    }

    /// Reads the next message; `None` at the end.
    fn next(&mut self) -> Option<Sent> {
        if self.reader.fill_buf().ok()?.first()? == &b'$' {
            let mut packet = vec![0; 4];
            self.reader.read_exact(&mut packet).ok()?;
            let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            packet.resize(4 + length, 0);
            self.reader.read_exact(&mut packet[4..]).ok()?;
            return Some(Sent::Packet(packet));
        }
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = header(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).ok()?;
        Some(Sent::Request(head, String::from_utf8(body).unwrap()))
    }

    /// Answers requests up to the one that starts the stream, and returns a publisher's description
    /// of it.
    fn shake_hands(&mut self, description: &str) -> String {
        let mut announced = String::new();
        loop {
            let Some(Sent::Request(head, body)) = self.next() else { panic!("no stream") };
            let method = head.split(' ').next().unwrap();
            let more = match method {
                "SETUP" => {
                    let transport = header(&head, "Transport").unwrap();
                    assert!(transport.starts_with("RTP/AVP/TCP"), "{transport}");
                    format!("Transport: {transport}\r\n")
                }
                "DESCRIBE" => format!(
                    "Content-Type: application/sdp\r\nContent-Length: {}\r\n",
                    description.len()
                ),
                _ => "Public: DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, TEARDOWN\r\n".to_owned(),
            };
            let number = header(&head, "CSeq").unwrap();
            let body_out = if method == "DESCRIBE" { description } else { "" };
            let answer =
                format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{more}\r\n{body_out}");
            self.writer.write_all(answer.as_bytes()).unwrap();
            match method {
                "ANNOUNCE" => announced = body,
                "PLAY" | "RECORD" => return announced,
                _ => {}
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Passes on what one publisher sends to one player, from its first packet on.
fn relay(publishers: TcpListener, players: TcpListener) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut publisher = Peer::accept(&publishers);
        let description = publisher.shake_hands("");
        let mut player = Peer::accept(&players);
        player.shake_hands(&description);
        while let Some(sent) = publisher.next() {
            // A request is the farewell.
            let Sent::Packet(packet) = sent else { break };
            if player.writer.write_all(&packet).is_err() {
                break;
            }
        }
    })
}

#[test]
fn rtsp_over_tcp_is_fetched_with_every_picture() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), 4.0);
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (publishers, players) = (listen(), listen());
    let url =
        |listener: &TcpListener| format!("rtsp://me:secret@{}/cam", listener.local_addr().unwrap());
    let (publish_at, play_at) = (url(&publishers), url(&players));
    let relay = relay(publishers, players);
    let mut publisher = Command::new("ffmpeg");
    publisher.args(words("-hide_banner -loglevel error -nostdin -re -i")).arg(clip);
    publisher.args(words("-c copy -f rtsp -rtsp_transport tcp")).arg(publish_at);
    let mut publisher = publisher.spawn().unwrap();
    let mut recv = Recorder::start(&play_at, "--once --segment-time 1");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    assert!(publisher.wait().unwrap().success());
    relay.join().unwrap();
    assert_eq!(recv.frames(), 100, "{}", recv.said());
    assert!(!recv.tells("secret"), "{}", recv.said());
}

/// Starts VLC as RTSP server; `None` (with a message) without it. It refuses to run as root.
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
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
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
fn rtsp_of_real_server_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), 30.0);
    // For a server that runs as another user.
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
