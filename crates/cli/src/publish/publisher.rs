//! Publishing what comes in, over any number of connections.
use crate::client::{Event, FAREWELL, Haste, Input, Watched, at_once, code_of, not_published};
use crate::say::Failure;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tidewire_core::bytes::Bytes;
use tidewire_core::message::{Payload, Publication};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_driver::clients::{Error, MessageReceipt};
use tokio::time::Sleep;

/// Messages that are on their way, at most: more are taken once they have arrived.
const TOGETHER: usize = 4096;
/// The same in bytes; one message may go beyond it.
const BYTES: usize = 64 * 1024 * 1024;
/// Connections in a row that ended without an answer to what was sent: it may be why.
const IN_VAIN: u32 = 10;
/// Nothing came forward for too long.
const IMPATIENT: u8 = 27;
/// What is on its way has so long to arrive when somebody wants an end.
const MOMENT: Duration = Duration::from_millis(500);

/// A message under way.
struct Open {
    /// Counted from 1.
    number: u64,
    length: usize,
    receipt: MessageReceipt,
}

/// Why it ends.
enum End {
    /// All that came in has ended.
    Done,
    /// The rest of what came in is not to be published.
    Failed(Failure),
    /// It could be, but there is nobody to publish it to, or no time.
    Short(Failure),
}

pub(super) struct Publisher {
    template: Publication,
    input: Input,
    is_read: bool,
    open: VecDeque<Open>,
    bytes: usize,
    /// So many were taken from the input; and of those so many not by the client.
    taken: u64,
    untaken: u64,
    /// What goes wrong with one of several keeps no other from being sent.
    failed: Option<Failure>,
    /// What the server takes; `None` before it was known for the first time.
    limit: Option<u32>,
    /// Connections in a row that came to nothing.
    in_vain: u32,
    patience: Option<Duration>,
    /// Runs while something is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Publisher {
    pub(super) fn new(template: Publication, input: Input, patience: Option<Duration>) -> Self {
        Self {
            template,
            input,
            is_read: false,
            open: VecDeque::new(),
            bytes: 0,
            taken: 0,
            untaken: 0,
            failed: None,
            limit: None,
            in_vain: 0,
            patience,
            waiting: None,
        }
    }

    /// Publishes all that comes in, if it can.
    pub(super) async fn run(mut self, watched: &mut Watched) -> Result<(), Failure> {
        let end = poll_fn(|cx| self.poll(watched, cx)).await;
        let (patience, result) = match end {
            // What is sent with QoS 0 has yet to leave.
            End::Done => {
                let patience = self.patience.map_or(Duration::MAX, |patience| patience.max(FAREWELL));
                (patience, self.failed.take().map_or(Ok(()), Err))
            }
            End::Failed(failure) => (FAREWELL, Err(failure)),
            End::Short(failure) => (MOMENT, Err(failure)),
        };
        watched.catch_up();
        // Without a connection nobody hears it.
        let haste =
            if watched.is_connected() { watched.goodbye(ReasonCode::Success, patience).await } else { None };
        let Err(failure) = result else {
            return haste.map_or(Ok(()), |haste| Err(cut_short(watched, &haste)));
        };
        if let Some(earlier) = self.failed.take() {
            earlier.say();
        }
        Err(match self.left() {
            0 => failure,
            left => failure.and(&format!("{left} of {} messages not {}", self.all(), self.fate())),
        })
    }

    /// Of messages that have ended well.
    fn fate(&self) -> &'static str {
        if self.template.qos == QoS::AtMostOnce { "sent" } else { "acknowledged" }
    }

    /// What was taken, and what is known to be still to come.
    fn all(&self) -> u64 {
        self.taken + self.input.left()
    }

    /// So many of them have not ended well, and it is not told of each why.
    fn left(&mut self) -> u64 {
        let mut cx = Context::from_waker(Waker::noop());
        let is_left =
            |open: &mut Open| !matches!(Pin::new(&mut open.receipt).poll(&mut cx), Poll::Ready(Ok(_)));
        let open: Vec<bool> = self.open.iter_mut().map(is_left).collect();
        self.input.left() + self.untaken + open.into_iter().map(u64::from).sum::<u64>()
    }

    fn poll(&mut self, watched: &mut Watched, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            // What has ended well is not spoilt by an end of the connection: events come last.
            if let Poll::Ready(ended) = self.poll_ended(cx) {
                match ended {
                    Ok(()) => continue,
                    Err(end) => return Poll::Ready(end),
                }
            }
            if self.has_room()
                && let Poll::Ready(next) = self.input.poll_next(cx)
            {
                match self.take(watched, next) {
                    Ok(()) => continue,
                    Err(end) => return Poll::Ready(end),
                }
            }
            if self.is_read && self.open.is_empty() {
                return Poll::Ready(End::Done);
            }
            if let Poll::Ready(event) = watched.poll_event(cx) {
                match self.on_event(watched, event) {
                    Ok(()) => continue,
                    Err(end) => return Poll::Ready(end),
                }
            }
            return self.poll_patience(watched, cx).map(End::Short);
        }
    }

    /// The first of those under way has ended.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Some(first) = self.open.front_mut() else { return Poll::Pending };
        let end = ready!(Pin::new(&mut first.receipt).poll(cx));
        // It is among those that are left. The client's end follows, and says why.
        if matches!(&end, Err(error) if is_of_the_client(error)) {
            return Poll::Pending;
        }
        let Some(Open { number, length, .. }) = self.open.pop_front() else { return Poll::Pending };
        self.bytes -= length;
        self.input.ended();
        (self.in_vain, self.waiting) = (0, None);
        let Err(error) = end else { return Poll::Ready(Ok(())) };
        let failure = self.failure(length, &error);
        if self.input.is_repeated() {
            return Poll::Ready(Err(End::Failed(failure)));
        }
        if let Some(earlier) = self.failed.replace(failure.at(format_args!("line {number}"))) {
            earlier.say();
        }
        Poll::Ready(Ok(()))
    }

    fn on_event(&mut self, watched: &Watched, event: Event) -> Result<(), End> {
        match event {
            Event::Connected(server) => self.limit = Some(server.maximum_packet_size),
            Event::Interrupted { was_connected } => {
                self.in_vain += u32::from(was_connected && !self.open.is_empty());
                if self.in_vain == IN_VAIN {
                    return Err(End::Short(watched.failure()));
                }
            }
            Event::Lost(failure) => return Err(End::Short(failure)),
            Event::Signal(signal) => return Err(End::Short(Failure::Quiet(code_of(signal)))),
            Event::Message(_) | Event::SubscriptionLost(..) => {}
        }
        Ok(())
    }

    /// Nothing is taken before there was a connection: it may not come about.
    fn has_room(&self) -> bool {
        let (messages, bytes) = if self.input.is_repeated() { (1, usize::MAX) } else { (TOGETHER, BYTES) };
        self.limit.is_some() && !self.is_read && self.open.len() < messages && self.bytes < bytes
    }

    fn take(&mut self, watched: &Watched, next: Option<io::Result<Bytes>>) -> Result<(), End> {
        let Some(payload) = next else {
            self.is_read = true;
            return Ok(());
        };
        let payload =
            payload.map_err(|error| End::Failed(Failure::Machine(format!("standard input: {error}"))))?;
        let length = payload.len();
        let mut publication = self.template.clone();
        publication.payload = Payload::Whole(payload);
        self.taken += 1;
        let begun = at_once(watched.client.publish(publication));
        match begun.expect("the outbox has no limits but those above") {
            Ok(receipt) => {
                self.bytes += length;
                self.open.push_back(Open { number: self.taken, length, receipt });
            }
            // The client's end is among the events, and says why.
            Err(error) if is_of_the_client(&error) => self.untaken += 1,
            Err(error) => return Err(End::Failed(self.failure(length, &error))),
        }
        Ok(())
    }

    fn failure(&self, length: usize, error: &Error) -> Failure {
        not_published(self.template.topic.as_str(), length, self.limit.unwrap_or(u32::MAX), error)
    }

    /// It is over while there is no connection, or something under way, and nothing ends for so long.
    fn poll_patience(&mut self, watched: &Watched, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(patience) = self.patience else { return Poll::Pending };
        if watched.is_connected() && self.open.is_empty() {
            self.waiting = None;
            return Poll::Pending;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        let why = if watched.is_connected() { watched.silent() } else { watched.failure() };
        let why = why.with_code(IMPATIENT);
        let seconds = patience.as_secs_f64();
        Poll::Ready(why.and(&format!("nothing came forward for {seconds} s (--patience)")))
    }
}

/// All was handed over, and perhaps not all has left.
fn cut_short(watched: &Watched, haste: &Haste) -> Failure {
    match haste {
        Haste::Signal(signal) => Failure::Quiet(code_of(*signal)),
        Haste::Time => watched.silent().with_code(IMPATIENT).and("not all has left in time (--patience)"),
    }
}

/// It says nothing of the message.
fn is_of_the_client(error: &Error) -> bool {
    matches!(error, Error::Ended(_) | Error::Gone)
}
