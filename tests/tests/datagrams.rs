//! cht-recv records UDP, RTP and multicast bit for bit.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    net::{SocketAddr, UdpSocket},
    thread::JoinHandle,
};

use cht_tests::{Recorder, b3sum, clip, free_port, refused, sender};

/// Options for frequent `stats`.
const FREQUENT: &str = "--stats-interval 0.1";

type Datagrams = Vec<Vec<u8>>;

/// Relay of datagrams, which keeps copies.
struct Relay {
    address: SocketAddr,
    passed: JoinHandle<Datagrams>,
}

impl Relay {
    /// Starts it. `alter` gets the number of a datagram, from 0, and the waiting ones; datagrams
    /// that it takes are passed on.
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

    /// Ends it, and returns the datagrams in the order of arrival.
    fn end(self) -> Vec<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[], self.address).unwrap();
        self.passed.join().unwrap()
    }
}

/// Returns datagrams of a transport stream, few enough for a socket's default buffer.
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
fn udp_of_real_sender_is_recorded_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let mut recv = Recorder::start("udp://127.0.0.1:0", FREQUENT);
    let relay = Relay::start(recv.port(), |_, waiting| std::mem::take(waiting));
    let url = format!("udp://{}?pkt_size=1316", relay.address);
    assert!(sender(&clip, "-f mpegts", &url).status().unwrap().success());
    let passed = relay.end().concat();
    recv.wait_for_bytes(passed.len());
    recv.stop();
    assert!(passed.len() > 100_000);
    assert_eq!(b3sum(&recv.recording()), b3sum(&passed));
}

#[test]
fn reordered_rtp_of_real_sender_is_recorded_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let mut recv = Recorder::start("rtp://127.0.0.1:0", FREQUENT);
    // Every fifth packet comes after the next two, and some come twice. The first one sets the
    // order.
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
    let packets = passed.iter().filter(|datagram| datagram[1] & 0x7F == 33);
    let payload = packets.flat_map(|datagram| &datagram[12..]).copied().collect::<Vec<u8>>();
    recv.wait_for_bytes(payload.len());
    recv.stop();
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
    // The recording differs from the sent stream.
    assert_eq!(recv.stage.finish().code(), Some(1));
    assert_eq!(recv.recording(), [[1; 188], [2; 188], [5; 188], [6; 188]].concat());
    assert!(recv.said().contains("warning: 2 RTP packets of 127.0.0.1"), "{}", recv.said());
}

#[test]
fn silence_ends_connection_of_datagrams() {
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
fn second_sender_of_datagrams_is_ignored() {
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
fn restarted_sender_of_datagrams_loses_nothing() {
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
fn second_sender_of_datagrams_replaces_first_on_request() {
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
fn two_senders_with_replace_switch_once() {
    let mut recv =
        Recorder::start("udp://127.0.0.1:0", "--second-sender replace --idle-timeout 0.5");
    let (first, second) = (connect(recv.port()), connect(recv.port()));
    first.send(&[1; 188]).unwrap();
    recv.stage.wait_for("connected");
    for _ in 0..500 {
        first.send(&[1; 188]).unwrap();
        second.send(&[2; 188]).unwrap();
    }
    assert_eq!(
        (recv.reason(), recv.reason()),
        ("replaced".to_owned(), "idle for 0.5 s".to_owned())
    );
    recv.stop();
    assert_eq!(recv.stage.of_type("segment_closed").len(), 2);
    assert_eq!(recv.recording(), [[1; 188].repeat(2), [2; 188].repeat(500)].concat());
    assert!(recv.said().contains("another sender has taken over, and goes on"), "{}", recv.said());
}

#[test]
fn browser_datagram_is_refused() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--once --idle-timeout 0.5");
    let (browser, sender) = (connect(recv.port()), connect(recv.port()));
    // STUN, which WebRTC begins with, and QUIC, as of HTTP/3.
    let foreign =
        [b"\0\x01\0\0\x21\x12\xA4\x42abcdefghijkl".to_vec(), b"\xC0\0\0\0\x01\x08abc".to_vec()];
    send_all(&browser, &foreign);
    assert_eq!(recv.stage.wait_for("error")["code"], "foreign_protocol");
    send_all(&sender, &datagrams(1)[..20]);
    recv.stage.wait_for("connected");
    send_all(&browser, &foreign);
    send_all(&sender, &datagrams(1)[20..]);
    assert_eq!(recv.stage.finish().code(), Some(1));
    assert_eq!(b3sum(&recv.recording()), b3sum(&datagrams(1).concat()));
    assert_eq!(recv.stage.of_type("connected").len(), 1);
}

#[test]
fn datagrams_of_strangers_are_ignored() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--allow 192.168.7.0/24");
    send_all(&connect(recv.port()), &datagrams(1));
    recv.stop();
    assert!(recv.stage.of_type("connected").is_empty() && recv.recording().is_empty());
}

#[test]
fn rtp_received_as_udp_is_recorded_with_a_note() {
    let mut recv = Recorder::start("udp://127.0.0.1:0", "--once --idle-timeout 0.3");
    let packet = [&[0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0x47; 188]].concat();
    connect(recv.port()).send(&packet).unwrap();
    assert!(recv.stage.finish().success());
    assert_eq!(recv.recording(), packet);
    assert!(recv.said().contains("sends RTP; it is recorded with its headers"), "{}", recv.said());
}

#[test]
fn multicast_group_is_joined_on_named_interface() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 1.0);
    let url = format!("udp://239.255.77.7:{}", free_port());
    for (interface, port) in [("127.0.0.1", &url), ("lo", &url)] {
        let input = format!("{port}?iface={interface}");
        let mut recv = Recorder::start(&input, "--once");
        let to = format!("{port}?localaddr=127.0.0.1&pkt_size=1316");
        assert!(sender(&clip, "-f mpegts", &to).status().unwrap().success());
        assert!(recv.stage.finish().success(), "{}", recv.said());
        assert_eq!(recv.frames(), 25);
    }
    let said = refused(&format!("--input {url}?iface=nosuch0"));
    assert!(said.contains("iface=nosuch0"), "{said}");
}

#[test]
fn datagrams_dropped_by_the_system_are_reported() {
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
