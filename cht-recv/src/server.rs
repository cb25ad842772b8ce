//! The socket: who connects, and how long.

use std::{
    fs::File,
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Connected, Disconnected, EndReason, Listening},
    process::{clock, report, signals},
    session::Session,
};
use rustix::event::{PollFd, PollFlags};

use crate::{
    args::{Args, SecondSender},
    disk,
    input::{
        sender::{Sender, Stream},
        source::{self, Source},
    },
    rate_limit::{Bitrate, RateLimit},
    record::{
        recorder::{Connection, Recorder},
        recover::recover_others,
        retention::Retention,
    },
    report::{
        counters::Counters,
        events::{self, EventWriter},
        heartbeat::Heartbeat,
        metrics_server,
    },
};

/// Bytes per read: large enough that a fast stream costs few calls, small enough to stay in the cache.
const READ: usize = 256 * 1024;

/// How long somebody at the door waits while another sender is inside. One that was started anew connects
/// while the last bytes of the one before are still on their way, and it should not be sent away for that.
const ACCEPT_GRACE: Duration = Duration::from_secs(1);

/// Further tries that a read-only disk gets at the start: 5 s.
const READ_ONLY_TRIES: u32 = 10;

/// Runs the recorder until it is stopped, or with `--once` until the first connection has ended.
pub(crate) fn record(args: &Args) -> Result<()> {
    report::never_wait().context("a thread for messages")?;
    args.plan()?;
    let (mut door, address) = source::open(args)?;
    let now = clock::monotonic();
    let health = Arc::new(Counters::new(args.sessions.clone(), now));
    let metrics = match &args.metrics {
        Some(place) => {
            Some(metrics_server::serve(metrics_server::bind(place)?, Arc::clone(&health))?)
        }
        None => None,
    };
    let listening = Listening { address, metrics };
    let stop = signals::stop_on_signal()?;
    let (announcer, announced) = events::start(Arc::clone(&health))?;
    let interval = unless_0(args.stats_interval);
    let pulse = Rc::new(Heartbeat::new(health, announcer.clone(), interval, now));
    let begin = |at_start| {
        Recording::begin_with_room(args, &announcer, &listening, &stop, &pulse, at_start)
    };
    let mut recording = Some(begin(true)?);
    let begin = || begin(false);
    let recorded = listen(&mut *door, &mut recording, begin, &stop, &Rules::of(args), &pulse);
    pulse.stopping();
    // Whatever happened: what was received is finished and announced first.
    let finished = recording.map_or(Ok(()), |recording| recording.recorder.finish());
    drop((announcer, pulse));
    announced.wait();
    match (finished, recorded) {
        // The closing thread's error is the cause; the other one says what else is lost.
        (Err(cause), Err(consequence)) => {
            report::warn(format_args!("{consequence:#}"));
            Err(cause)
        }
        (finished, recorded) => finished.and(recorded),
    }
}

fn unless_0(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

/// The session that is recorded now.
struct Recording {
    recorder: Recorder,
    _lock: File,
}

impl Recording {
    /// Begins a session. A disk that refuses is waited for; with retention a full one makes room for itself.
    fn begin_with_room(
        args: &Args,
        announcer: &EventWriter,
        listening: &Listening,
        stop: &UnixStream,
        pulse: &Rc<Heartbeat>,
        at_start: bool,
    ) -> Result<Self> {
        let limits = args.plan()?.limits;
        let mut retention = limits
            .any()
            .then(|| Retention::new(limits, args.sessions.clone(), None, announcer.clone()));
        let (mut session, mut said, mut tries) = (None, false, 0);
        loop {
            let begun = Self::begin(args, &mut session, announcer.clone(), listening, stop, pulse);
            let error = match begun {
                Err(error) if disk::may_pass(&error, at_start) => error,
                Err(error) if disk::was_read_only(&error) && tries < READ_ONLY_TRIES => error,
                result => return result,
            };
            tries += 1;
            if disk::was_full(&error)
                && retention.as_mut().is_some_and(|retention| retention.make_room(None))
            {
                continue;
            }
            if !std::mem::replace(&mut said, true) {
                let remedy = if disk::was_full(&error) {
                    "; nobody is listened to until there is room (remove something, or stop cht-recv)"
                } else {
                    "; nobody is listened to until the disk takes it (mend it, or stop cht-recv)"
                };
                report::warn(format_args!("{error:#}{remedy}"));
            }
            if !disk::wait(stop) {
                return Err(error);
            }
            pulse.beat(clock::monotonic());
        }
    }

    /// Begins `session`, which is made if it is none yet.
    fn begin(
        args: &Args,
        session: &mut Option<Session>,
        announcer: EventWriter,
        listening: &Listening,
        stop: &UnixStream,
        pulse: &Rc<Heartbeat>,
    ) -> Result<Self> {
        let id = args.session_id.as_deref();
        let session = match session {
            Some(session) => session.clone(),
            None => session.insert(Session::create(&args.sessions, id, &clock::local())?).clone(),
        };
        let lock = session.lock()?;
        let plan = args.plan()?;
        let largest = plan.bounds.adopted_bytes();
        recover_others(&args.sessions, &session, largest, &announcer)?;
        let pulse = Rc::clone(pulse);
        let recorder = Recorder::new(session, announcer, stop, &plan, pulse)?;
        let (name, address) = (recorder.session().name(), &listening.address);
        let way = source::way(args);
        report::note(format_args!("recording into {name}, {way} {address}"));
        recorder.listening(listening.clone());
        Ok(Self { recorder, _lock: lock })
    }
}

/// What holds for every connection.
struct Rules {
    once: bool,
    /// A second sender takes the place of the first.
    replace: bool,
    idle_timeout: Option<Duration>,
    /// Without a sender for so long, a session is over.
    session_gap: Option<Duration>,
    max_bitrate: Option<Bitrate>,
}

impl Rules {
    fn of(args: &Args) -> Self {
        Self {
            once: args.once,
            replace: args.second_sender == SecondSender::Replace && !args.once,
            idle_timeout: source::idle_timeout(args),
            session_gap: unless_0(args.session_gap),
            max_bitrate: args.max_bitrate,
        }
    }
}

/// Serves one connection after another.
fn listen(
    door: &mut dyn Source,
    recording: &mut Option<Recording>,
    begin: impl Fn() -> Result<Recording>,
    stop: &UnixStream,
    rules: &Rules,
    pulse: &Heartbeat,
) -> Result<()> {
    let mut next = None;
    let mut over: Option<Instant> = None;
    loop {
        let sender = match next.take() {
            Some(sender) => sender,
            None => match wait_for_sender(door, stop, pulse)? {
                Some(sender) => sender,
                None => return Ok(()),
            },
        };
        if is_over(over)
            && let Some(ended) = recording.take()
        {
            // The lock goes with it, after the last segment is finished.
            ended.recorder.finish()?;
        }
        let current = match recording {
            Some(current) => current,
            None => recording.insert(begin()?),
        };
        let after = serve(&mut current.recorder, sender, door, stop, rules, pulse)?;
        over = rules.session_gap.map(|gap| clock::monotonic() + gap);
        match after {
            After::Stop => return Ok(()),
            After::Gone if rules.once || door.is_done() => return Ok(()),
            After::Gone => {}
            After::Replaced(by) => next = Some(by),
        }
    }
}

/// The next sender; `None` if `stop` was first.
fn wait_for_sender(
    door: &mut dyn Source,
    stop: &UnixStream,
    pulse: &Heartbeat,
) -> Result<Option<Sender>> {
    door.vacant(clock::monotonic());
    loop {
        let ready = wait(stop, Some(door), None, door.deadline(), pulse)?;
        if ready.stop {
            return Ok(None);
        }
        let admitted = door.admit(clock::monotonic(), false)?;
        complain(door, pulse);
        if let Some(sender) = admitted {
            return Ok(Some(sender));
        }
    }
}

/// Says what the door has to complain about.
fn complain(door: &mut dyn Source, pulse: &Heartbeat) {
    if let Some((code, message)) = door.complaint() {
        pulse.complain(code, &message);
    }
}

/// What comes after a connection.
enum After {
    Stop,
    Gone,
    Replaced(Sender),
}

/// Records one connection to its end, or until `stop`.
fn serve(
    recorder: &mut Recorder,
    mut sender: Sender,
    door: &mut dyn Source,
    stop: &UnixStream,
    rules: &Rules,
    pulse: &Heartbeat,
) -> Result<After> {
    let peer = sender.peer.clone();
    let mut connection = recorder.connection();
    let number = connection.number;
    connection.emit(Connected { connection: number, peer: peer.clone(), at: clock::wall() });
    pulse.connected(&peer);
    let (after, reason) = receive(&mut connection, &mut sender, door, stop, rules, pulse)?;
    // Before the segment is finished: a sender that is sent away should know at once.
    drop(sender);
    let end =
        if matches!(after, After::Stop) { EndReason::Stopped } else { EndReason::Disconnected };
    let bytes = connection.finish(end)?;
    pulse.disconnected();
    recorder.emit_last(Disconnected { connection: number, peer, reason, bytes, at: clock::wall() });
    Ok(after)
}

/// Takes a sender's bytes until there is a reason not to.
fn receive(
    connection: &mut Connection<'_>,
    sender: &mut Sender,
    door: &mut dyn Source,
    stop: &UnixStream,
    rules: &Rules,
    pulse: &Heartbeat,
) -> Result<(After, String)> {
    let mut buffer = vec![0; READ];
    let mut pace = rules.max_bitrate.map(|rate| RateLimit::new(rate, clock::monotonic()));
    let mut heard = clock::monotonic();
    // A sender that has hung up makes place: who comes now waits until its last bytes are read.
    let mut leaving = false;
    // Until when those at the door wait whether it does.
    let mut hold: Option<Instant> = None;
    // Something may have come right behind the handshake.
    let mut readable = true;
    loop {
        let mut allowance = READ;
        if let Some(pace) = &mut pace {
            allowance = pace.allowance(clock::monotonic()).min(READ);
        }
        if readable && allowance > 0 {
            let received = sender.stream.receive(&mut buffer[..allowance]);
            if !received.bytes.is_empty() {
                connection.push(received.bytes, clock::monotonic())?;
                // After the push: a disk that was slow is no fault of the sender.
                heard = clock::monotonic();
            }
            if let Some(end) = received.end {
                return Ok((After::Gone, end));
            }
            if let Some(pace) = &mut pace {
                pace.spend(received.raw);
                allowance = pace.allowance(heard).min(READ);
            }
        }

        let paused = pace.as_ref().filter(|_| allowance == 0).map(RateLimit::refilled);
        let idle = rules.idle_timeout.map(|timeout| heard + timeout);
        let holding = hold.filter(|until| !is_over(Some(*until)));
        let at_door = if leaving || holding.is_some() { None } else { Some(&*door) };
        let doubt = connection.deadline().filter(|_| paused.is_none());
        let limits = [paused.or(idle), holding, at_door.and_then(Source::deadline), doubt];
        // A socket that is polled for nothing still wakes by its errors, so it is left out in a pause.
        let polled = paused.is_none().then_some(&*sender);
        let ready = wait(stop, at_door, polled, limits.into_iter().flatten().min(), pulse)?;

        if ready.stop {
            finish(connection, &mut sender.stream, &mut buffer)?;
            return Ok((After::Stop, "stopped".to_owned()));
        }
        if let Some(at_door) = at_door
            && (ready.door || is_over(at_door.deadline()))
        {
            let now = clock::monotonic();
            if door.prepare(now, !rules.replace) {
                leaving = sender.has_hung_up();
                // Whoever comes just after others had to wait shares their fate.
                if hold.is_none_or(|until| until + ACCEPT_GRACE < now) {
                    hold = Some(now + ACCEPT_GRACE);
                } else if !leaving && let Some(next) = door.admit(now, !rules.replace)? {
                    drain(connection, sender, &mut buffer)?;
                    return Ok((After::Replaced(next), "replaced".to_owned()));
                }
            }
        }
        complain(door, pulse);
        readable = ready.sender;
        if !readable && is_over(doubt) {
            connection.rest(clock::monotonic())?;
        }
        if paused.is_some() {
            // While we did not listen, it could not be heard.
            heard = clock::monotonic();
        } else if let Some(timeout) = rules.idle_timeout
            && !readable
            && is_over(idle)
        {
            finish(connection, &mut sender.stream, &mut buffer)?;
            return Ok((After::Gone, format!("idle for {} s", timeout.as_secs_f64())));
        }
    }
}

/// Records what a sender that is given up holds back.
fn finish(
    connection: &mut Connection<'_>,
    stream: &mut Box<dyn Stream>,
    buffer: &mut [u8],
) -> Result<()> {
    stream.finish(buffer, &mut |bytes| connection.push(bytes, clock::monotonic()))
}

/// Records what has arrived of a sender that is to go.
fn drain(connection: &mut Connection<'_>, sender: &mut Sender, buffer: &mut [u8]) -> Result<()> {
    let mut left = sender.arrived() as usize;
    while left > 0 {
        let length = left.min(buffer.len());
        let received = sender.stream.receive(&mut buffer[..length]);
        connection.push(received.bytes, clock::monotonic())?;
        if received.raw == 0 {
            break;
        }
        left -= received.raw;
    }
    Ok(())
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= clock::monotonic())
}

/// What a wait ended with.
struct Ready {
    stop: bool,
    door: bool,
    sender: bool,
}

/// Waits for whichever is first, and does what is due meanwhile.
fn wait(
    stop: &UnixStream,
    door: Option<&dyn Source>,
    sender: Option<&Sender>,
    limit: Option<Instant>,
    pulse: &Heartbeat,
) -> Result<Ready> {
    let mut descriptors = Vec::with_capacity(4);
    descriptors.push(PollFd::new(stop, PollFlags::IN));
    descriptors.extend(sender.map(|sender| sender.stream.interest()));
    let at_door = descriptors.len();
    if let Some(door) = door {
        door.descriptors(&mut descriptors);
    }
    let limit = limit.into_iter().chain(pulse.deadline()).min();
    clock::wait_ready(&mut descriptors, limit).context("poll")?;
    pulse.beat(clock::monotonic());
    let is_ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
    Ok(Ready {
        stop: is_ready(&descriptors[0]),
        door: descriptors[at_door..].iter().any(is_ready),
        sender: sender.is_some() && is_ready(&descriptors[1]),
    })
}
