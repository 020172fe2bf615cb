//! A whole broker on nothing but the standard library: `broker PORT [JOURNAL]`.
//!
//! It lets everybody in from this machine, prints where it listens and what happens, and what is published to `screen/#`.
//! With a file for its journal it is durable: what it has acknowledged outlives it. It asks each socket in turn, which is
//! right for an example and a few clients; the adapters wait until a socket is ready.
#![allow(clippy::disallowed_methods, reason = "and a clock")]
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind::{Interrupted, NotFound, TimedOut, WouldBlock};
use std::io::{Error, IoSlice, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration, SystemTime};
use tidewire_core::broker::policy::{Answer, Denial, Open, Peer};
use tidewire_core::broker::{Action, Broker, CloseCause, Config, Restore};
use tidewire_core::id::ConnectionId;
use tidewire_core::{Input, output::Output, qos::QoS, reason::ReasonCode};
use tidewire_core::{time::Instant, topic::TopicFilter};

struct Socket {
    stream: TcpStream,
    /// What the broker wants of the bytes that come: `Hold` leaves them where they are, `Done` throws them away.
    input: Input,
    /// What the socket has not taken yet.
    output: Output,
    /// The broker may have more to send.
    more: bool,
    /// Half-close once all is out.
    closing: bool,
    ended: Option<CloseCause>,
}

impl Socket {
    /// Reads once. How many bytes moved says whether it is worth looking again at once.
    fn read(&mut self, now: Instant, id: ConnectionId, broker: &mut Broker, buffer: &mut [u8]) -> usize {
        if self.input == Input::Hold {
            return 0;
        }
        match self.stream.read(buffer) {
            Ok(0) => self.ended = Some(CloseCause::PeerClosed),
            Ok(n) if self.input == Input::Done => return n,
            Ok(n) => {
                self.input = broker.handle_bytes(now, id, &buffer[..n]);
                return n;
            }
            Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {}
            Err(error) if error.kind() == TimedOut => self.ended = Some(CloseCause::Vanished),
            Err(_) => self.ended = Some(CloseCause::Reset),
        }
        0
    }

    /// Writes once.
    fn write(&mut self, now: Instant, id: ConnectionId, broker: &mut Broker) -> usize {
        if self.output.is_empty() && self.more {
            self.more = broker.poll_transmit(now, id, 65_536, &mut self.output);
        }
        if self.output.is_empty() {
            if !self.more && std::mem::take(&mut self.closing) {
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            return 0;
        }
        let mut slices: [&[u8]; 16] = [&[]; 16];
        let n = self.output.slices(&mut slices);
        match self.stream.write_vectored(&slices.map(IoSlice::new)[..n]) {
            Ok(n) => {
                self.output.advance(n);
                return n;
            }
            Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {
                // Those who publish to it are to wait. Asking it for more, once this is out, ends that.
                broker.handle_blocked(now, id, self.output.unsent());
                self.more = true;
            }
            // What came before the line broke may still lie there: the end of reading ends it.
            Err(_) => self.output = Output::default(),
        }
        0
    }
}

/// Takes what the broker announces until there is nothing, and does it.
fn act(
    broker: &mut Broker,
    sockets: &mut BTreeMap<ConnectionId, Socket>,
    journal: &mut Option<File>,
    now: Instant,
) -> Result<()> {
    while let Some(action) = broker.poll_action() {
        if let Action::Transmit(id) | Action::Close(id) | Action::Pause(id) | Action::Resume(id) = action
            && let Some(socket) = sockets.get_mut(&id)
        {
            match action {
                Action::Transmit(_) => socket.more = true,
                Action::Close(_) => (socket.input, socket.more, socket.closing) = (Input::Done, true, true),
                // What is thrown away is read in any case.
                _ if socket.input == Input::Done => {}
                Action::Pause(_) => socket.input = Input::Hold,
                _ => socket.input = Input::More,
            }
        }
        match action {
            Action::Abort(id) => {
                sockets.remove(&id);
                broker.handle_close(now, id, CloseCause::Linger);
            }
            Action::Journal => {
                let mut records = Vec::new();
                while let (Some(up_to), Some(file)) = (broker.poll_journal(&mut records), &mut *journal) {
                    let written = file.write_all(&records).and_then(|()| file.sync_data());
                    written.inspect_err(|_| broker.handle_journal_failed(now))?;
                    broker.handle_durable(now, up_to);
                    records.clear();
                }
            }
            Action::Local(id) => {
                while let Some(received) = broker.poll_local(now, id) {
                    let payload = received.message.payload.to_vec();
                    println!("{}: {}", received.message.topic, payload.escape_ascii());
                    if let Some(token) = received.token {
                        broker.acknowledge(now, id, token, ReasonCode::Success);
                    }
                }
            }
            Action::Event => {
                while let Some(event) = broker.poll_event() {
                    println!("{event:?}");
                }
            }
            // `Open` answers at once; a policy that says `Later` is asked here.
            Action::Ask(question) => {
                let no = Denial::new(ReasonCode::NotAuthorized);
                broker.handle_answer(now, question, Answer::Deny(no));
            }
            // Done above; and one shard has no other to move a connection to, or to write to.
            _ => {}
        }
    }
    Ok(())
}

/// The broker that the journal tells of, and a journal that begins with how things stand now: so it does not grow for
/// ever, and nothing torn is in the middle of it.
fn restored(config: Config, journal: &str, wall: Instant) -> Result<(Broker, File, Instant)> {
    let mut restore = Restore::new(config);
    match std::fs::read(journal) {
        Err(error) if error.kind() == NotFound => {}
        before => restore.feed(&before?).map_err(Error::other)?,
    }
    let now = wall.max(restore.newest());
    let mut broker = restore.finish(now);
    let (new, mut records) = (format!("{journal}.new"), Vec::new());
    while broker.poll_snapshot(now, 1 << 20, &mut records) {}
    let mut file = File::create(&new)?;
    file.write_all(&records)?;
    file.sync_all()?;
    std::fs::rename(new, journal)?;
    Ok((broker, file, now))
}

fn serve(port: u16, journal: Option<&str>) -> Result<std::convert::Infallible> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let random = || RandomState::new().hash_one(0).to_le_bytes();
    let (started, policy) = (std::time::Instant::now(), Open::new());
    let everything = policy.grant();
    let mut config = Config::new(Box::new(policy), std::array::from_fn(|_| random()[0]));
    config.incarnation = u32::from_le_bytes(std::array::from_fn(|_| random()[0]));
    config.durable = journal.is_some();
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let wall = Instant::default().after(wall);
    let (mut broker, mut journal, begun) = match journal {
        Some(journal) => {
            restored(config, journal, wall).map(|(broker, file, now)| (broker, Some(file), now))?
        }
        None => (Broker::new(wall, config), None, wall),
    };
    let screen = broker.open_local(begun, "screen", everything);
    let filter = TopicFilter::new("screen/#").map_err(Error::other)?;
    broker.subscribe(begun, screen, &filter, QoS::ExactlyOnce);
    let (mut sockets, mut buffer) = (BTreeMap::<ConnectionId, Socket>::new(), vec![0; 65_536]);
    println!("mqtt://{}", listener.local_addr()?);
    loop {
        // All that happens in one turn happens at one time.
        let (now, mut moved) = (begun.after(started.elapsed()), 0);
        if broker.poll_timeout().is_some_and(|due| due.at <= now) {
            broker.handle_timeout(now);
        }
        while let Ok((stream, address)) = listener.accept() {
            if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_err() {
                continue;
            }
            let (id, output) = (broker.handle_open(now, Peer::new(address, 0)), Output::default());
            let (input, more, closing, ended) = (Input::More, false, false, None);
            sockets.insert(id, Socket { stream, input, output, more, closing, ended });
        }
        for (id, socket) in &mut sockets {
            moved += socket.read(now, *id, &mut broker, &mut buffer);
        }
        act(&mut broker, &mut sockets, &mut journal, now)?;
        for (id, socket) in &mut sockets {
            while let n @ 1.. = socket.write(now, *id, &mut broker) {
                moved += n;
            }
        }
        // Only now: who has half-closed still hears what it asked for.
        sockets.retain(|id, socket| {
            socket.ended.is_none_or(|cause| {
                broker.handle_close(now, *id, cause);
                false
            })
        });
        act(&mut broker, &mut sockets, &mut journal, now)?;
        if moved == 0 {
            // Timers of the broker are of seconds: none is late that is a millisecond late.
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(port) = arguments.next().and_then(|port| port.parse().ok()) else {
        eprintln!("usage: broker PORT [JOURNAL]");
        return std::process::ExitCode::from(2);
    };
    let Err(error) = serve(port, arguments.next().as_deref());
    eprintln!("{error}");
    std::process::ExitCode::FAILURE
}
