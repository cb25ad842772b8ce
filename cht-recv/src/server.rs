//! The loop: one sender after another, each recorded to its end.

use std::{
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Disconnected, EndReason, Listening},
    process::{clock, report, signals},
};
use rustix::event::{PollFd, PollFlags};

use crate::{
    args::Args,
    input::{open::open, sender::Sender, source::Source, spec::Input},
    rate_limit::{Bitrate, RateLimit},
    record::{
        recorder::{Connection, Recorder},
        session_files::{self, NextSession},
    },
    report::{counters::Counters, events, heartbeat::Heartbeat, metrics},
    start::SessionStarter,
    turn::Turn,
};

/// Bytes per read: large enough that a fast stream costs few calls, small enough for the cache.
const READ: usize = 256 * 1024;

/// Time that a second connection is held before it is refused. A sender that was restarted connects
/// while the last bytes of its predecessor are still on their way, and must not be sent away for
/// that.
const ACCEPT_GRACE: Duration = Duration::from_secs(1);

/// Runs the recorder until it is stopped, or with `--once` until the first connection has ended.
pub(crate) fn record(args: &Args) -> Result<()> {
    report::never_wait().context("a thread for messages")?;
    let plan = args.record.plan()?;
    let input = Input::parse(&args.listen)?;
    let rules = Rules::of(args, &input);
    let verb = input.verb();
    let (mut source, address) = open(input, &args.listen, &args.input)?;
    let now = clock::monotonic();
    let counters = Arc::new(Counters::new(args.sessions.clone(), now));
    let metrics = match &args.metrics {
        Some(place) => Some(metrics::serve(place, Arc::clone(&counters))?),
        None => None,
    };
    let stop = signals::stop_on_signal()?;
    let (events, written) = events::start(Arc::clone(&counters))?;
    let interval = unless_0(args.stats_interval);
    let heartbeat = Rc::new(Heartbeat::new(counters, events, interval, now));
    let listening = Listening { address, metrics };
    let turn = Turn::new(args.session_time, &args.sessions, plan, listening.clone());
    let starter = SessionStarter::new(args, plan, verb, listening, &stop, Rc::clone(&heartbeat));
    let mut recording = Some(starter.start(true)?);
    let (source, heartbeat_of_loop) = (&mut *source, &*heartbeat);
    let mut server =
        Server { source, stop: &stop, rules, heartbeat: heartbeat_of_loop, turn, next: None };
    let served = server.run(&mut recording, &starter);
    heartbeat.stopping();
    // In any case, received bytes are finished and announced first.
    let finished =
        recording.map_or(Ok(()), |recorder| recorder.finish().map(session_files::Ended::leave));
    server.turn.finish(server.next);
    if finished.is_ok() {
        heartbeat.recorded();
    }
    drop((starter, heartbeat));
    written.wait();
    match (finished, served) {
        // The closing thread's error is the cause; the other one says what else is lost.
        (Err(cause), Err(consequence)) => {
            report::warn(format_args!("{consequence:#}"));
            Err(cause)
        }
        (finished, served) => finished.and(served),
    }
}

fn unless_0(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

/// Rules for every connection.
struct Rules {
    once: bool,
    /// A second sender takes the place of the first.
    replace: bool,
    idle_timeout: Option<Duration>,
    /// Time without a sender after which a session is over.
    session_gap: Option<Duration>,
    max_bitrate: Option<Bitrate>,
}

impl Rules {
    fn of(args: &Args, input: &Input) -> Self {
        Self {
            once: args.input.once,
            replace: args.input.replaces(),
            idle_timeout: args.input.idle_timeout(input),
            session_gap: unless_0(args.session_gap),
            max_bitrate: args.input.max_bitrate,
        }
    }
}

/// What follows a connection.
enum After {
    Stop,
    Gone,
    Replaced(Sender),
}

/// Serves the senders of one input.
struct Server<'a> {
    source: &'a mut dyn Source,
    /// Readable when the recorder is asked to stop.
    stop: &'a UnixStream,
    rules: Rules,
    heartbeat: &'a Heartbeat,
    turn: Turn,
    /// The next session, from the end of the recorded one to its last keyframe.
    next: Option<NextSession>,
}

impl Server<'_> {
    /// Serves one connection after another.
    fn run(
        &mut self,
        recording: &mut Option<Recorder>,
        starter: &SessionStarter<'_>,
    ) -> Result<()> {
        let mut next = None;
        let mut over: Option<Instant> = None;
        self.turn.begun();
        loop {
            let sender = match next.take() {
                Some(sender) => sender,
                None => match self.wait_for_sender()? {
                    Some(sender) => sender,
                    None => return Ok(()),
                },
            };
            let ends = is_over(over) || (self.turn.is_over() && self.next.is_none());
            if ends && let Some(ending) = recording.take() {
                let ended = ending.finish()?;
                self.turn.begun();
                *recording = Some(starter.start(false)?);
                ended.leave();
            }
            let Some(current) = recording else { bail!("no session is recorded") };
            if let Some(next) = self.next.take() {
                self.turn.begun();
                current.turn_over(next)?;
            }
            let after = self.serve(current, sender)?;
            over = self.rules.session_gap.map(|gap| clock::monotonic() + gap);
            match after {
                After::Stop => return Ok(()),
                After::Gone if self.rules.once || self.source.is_done() => return Ok(()),
                After::Gone => {}
                After::Replaced(by) => next = Some(by),
            }
        }
    }

    /// Waits for the next sender; `None` if `stop` was first.
    fn wait_for_sender(&mut self) -> Result<Option<Sender>> {
        self.source.vacant(clock::monotonic());
        loop {
            let ready = self.wait(true, None, self.source.deadline())?;
            if ready.stop {
                return Ok(None);
            }
            let admitted = self.source.admit(clock::monotonic(), false)?;
            self.complain();
            if let Some(sender) = admitted {
                return Ok(Some(sender));
            }
        }
    }

    /// Reports the complaint of the source, if there is one.
    fn complain(&mut self) {
        if let Some((code, message)) = self.source.complaint() {
            self.heartbeat.complain(code, &message);
        }
    }

    /// Records one connection to its end, or until `stop`.
    fn serve(&mut self, recorder: &mut Recorder, mut sender: Sender) -> Result<After> {
        let peer = sender.peer.clone();
        let mut connection = recorder.connection(&peer);
        self.heartbeat.connected(&peer);
        let received = self.receive(&mut connection, &mut sender);
        // Before the segment is finished: a sender that is sent away should know at once.
        drop(sender);
        let (after, reason) = match received {
            Ok(received) => received,
            Err(error) => {
                // The bytes that are held are finished first.
                if let Err(consequence) = connection.finish(EndReason::Stopped) {
                    report::warn(format_args!("{consequence:#}"));
                }
                return Err(error);
            }
        };
        let end =
            if matches!(after, After::Stop) { EndReason::Stopped } else { EndReason::Disconnected };
        let bytes = connection.finish(end)?;
        self.heartbeat.disconnected(&reason);
        let (connection, at) = (recorder.connections(), clock::wall());
        recorder.emit_last(Disconnected { connection, peer, reason, bytes, at });
        Ok(after)
    }

    /// Records a sender's bytes until something ends the connection. Returns what follows, and why.
    fn receive(
        &mut self,
        connection: &mut Connection<'_>,
        sender: &mut Sender,
    ) -> Result<(After, String)> {
        let mut buffer = vec![0; READ];
        let mut limit = self.rules.max_bitrate.map(|rate| RateLimit::new(rate, clock::monotonic()));
        let mut heard = clock::monotonic();
        // A sender that has hung up makes room: the next one waits until its last bytes are read.
        let mut leaving = false;
        // Until when a second connection waits for the first to hang up.
        let mut hold: Option<Instant> = None;
        // Something may have come right after the handshake.
        let mut readable = true;
        loop {
            let mut allowance = READ;
            if let Some(limit) = &mut limit {
                allowance = limit.allowance(clock::monotonic()).min(READ);
            }
            if readable && allowance > 0 {
                let received = sender.stream.receive(&mut buffer[..allowance]);
                if !received.bytes.is_empty() {
                    self.push(connection, received.bytes)?;
                    // After the push: a slow disk is not the sender's fault.
                    heard = clock::monotonic();
                }
                if let Some(end) = received.end {
                    return Ok((After::Gone, end));
                }
                if let Some(limit) = &mut limit {
                    limit.spend(received.raw);
                    allowance = limit.allowance(heard).min(READ);
                }
            }

            let paused = limit.as_ref().filter(|_| allowance == 0).map(RateLimit::refilled);
            let idle = self.rules.idle_timeout.map(|timeout| heard + timeout);
            let holding = hold.filter(|until| !is_over(Some(*until)));
            let accepts = !leaving && holding.is_none();
            let due = self.source.deadline().filter(|_| accepts);
            let doubt = connection.deadline().filter(|_| paused.is_none());
            let deadline = [paused.or(idle), holding, due, doubt].into_iter().flatten().min();
            // A socket that is polled for nothing still wakes by its errors: a pause leaves it out.
            let polled = paused.is_none().then_some(&*sender);
            let ready = self.wait(accepts, polled, deadline)?;

            if ready.stop {
                finish(connection, sender, &mut buffer)?;
                return Ok((After::Stop, "stopped".to_owned()));
            }
            if accepts && (ready.source || is_over(self.source.deadline())) {
                let (now, taken) = (clock::monotonic(), !self.rules.replace);
                if self.source.prepare(now, taken) {
                    leaving = sender.has_hung_up();
                    // A connection that comes just after held ones is treated as they were.
                    if hold.is_none_or(|until| until + ACCEPT_GRACE < now) {
                        hold = Some(now + ACCEPT_GRACE);
                    } else if !leaving && let Some(next) = self.source.admit(now, taken)? {
                        drain(connection, sender, &mut buffer)?;
                        return Ok((After::Replaced(next), "replaced".to_owned()));
                    }
                }
            }
            self.complain();
            readable = ready.sender;
            if !readable && is_over(doubt) {
                connection.rest(clock::monotonic())?;
            }
            if paused.is_some() {
                // The sender was not read meanwhile, so its silence does not count.
                heard = clock::monotonic();
            } else if let Some(timeout) = self.rules.idle_timeout
                && !readable
                && is_over(idle)
            {
                finish(connection, sender, &mut buffer)?;
                return Ok((After::Gone, format!("idle for {} s", timeout.as_secs_f64())));
            }
        }
    }

    /// Records bytes, in the next session if that begins in them.
    fn push(&mut self, connection: &mut Connection<'_>, bytes: &[u8]) -> Result<()> {
        if self.next.is_none() {
            self.next = self.turn.next();
        }
        let was_due = self.next.is_some();
        connection.push(bytes, clock::monotonic(), &mut self.next)?;
        if was_due && self.next.is_none() {
            self.turn.begun();
        }
        Ok(())
    }

    /// Waits for `stop`, for `sender`, for the source if the loop `accepts`, or until `limit`.
    /// Beats afterwards.
    fn wait(
        &self,
        accepts: bool,
        sender: Option<&Sender>,
        limit: Option<Instant>,
    ) -> Result<Ready> {
        let mut descriptors = Vec::with_capacity(4);
        descriptors.push(PollFd::new(self.stop, PollFlags::IN));
        descriptors.extend(sender.map(|sender| sender.stream.interest()));
        let of_source = descriptors.len();
        if accepts {
            self.source.descriptors(&mut descriptors);
        }
        let limit = limit.into_iter().chain(self.heartbeat.deadline()).min();
        clock::wait_ready(&mut descriptors, limit).context("poll")?;
        self.heartbeat.beat(clock::monotonic());
        let is_ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        Ok(Ready {
            stop: is_ready(&descriptors[0]),
            source: descriptors[of_source..].iter().any(is_ready),
            sender: sender.is_some() && is_ready(&descriptors[1]),
        })
    }
}

/// Descriptors that ended a wait.
struct Ready {
    stop: bool,
    source: bool,
    sender: bool,
}

/// Records the bytes that a sender holds back, before it is given up.
fn finish(connection: &mut Connection<'_>, sender: &mut Sender, buffer: &mut [u8]) -> Result<()> {
    sender.stream.finish(buffer, &mut |bytes| connection.push(bytes, clock::monotonic(), &mut None))
}

/// Records the bytes that have arrived from a sender that is replaced.
fn drain(connection: &mut Connection<'_>, sender: &mut Sender, buffer: &mut [u8]) -> Result<()> {
    let mut left = sender.arrived() as usize;
    while left > 0 {
        let length = left.min(buffer.len());
        let received = sender.stream.receive(&mut buffer[..length]);
        connection.push(received.bytes, clock::monotonic(), &mut None)?;
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
