//! From listeners to shards: one thread for all listeners.
use crate::reactor::poll;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidewire_driver::Clock;
use tidewire_driver::adapter::{Gate, Turns};
use tidewire_driver::serve::{Notices, ServerMailbox};

const EVENTS: usize = 64;
const WAKER: Token = Token(usize::MAX);

/// All listeners. They close when it ends.
pub(crate) struct Acceptor {
    poll: Poll,
    events: Events,
    listeners: Vec<(TcpListener, Gate)>,
    clock: Clock,
    notices: Notices,
    shards: Turns,
    stop: Arc<Stop>,
}

/// How the thread is told to end.
pub(crate) struct Stop {
    asked: AtomicBool,
    waker: Waker,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.waker.wake().expect("a wake-up needs nothing that was not had when the waker was made");
    }
}

impl Acceptor {
    pub(crate) fn new(
        listeners: Vec<std::net::TcpListener>,
        clock: Clock,
        notices: Notices,
        mailboxes: Vec<ServerMailbox>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let listeners = (0..).zip(listeners).map(|(number, listener)| {
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            poll.registry().register(&mut listener, Token(number.into()), Interest::READABLE)?;
            Ok((listener, Gate::new(number)))
        });
        let listeners = listeners.collect::<io::Result<_>>()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Arc::new(Stop { asked: AtomicBool::new(false), waker });
        let (events, shards) = (Events::with_capacity(EVENTS), Turns::new(mailboxes));
        Ok(Self { poll, events, listeners, clock, notices, shards, stop })
    }

    pub(crate) fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    pub(crate) fn run(mut self) {
        while !self.stop.asked.load(Ordering::Acquire) {
            let now = self.clock.now();
            for (listener, gate) in &mut self.listeners {
                let accept = || listener.accept().map(|(stream, address)| (stream.into(), address));
                gate.turn(now, &self.shards, &self.notices, accept);
            }
            let time = self.listeners.iter().filter_map(|(_, gate)| gate.rest(now)).min();
            poll(&mut self.poll, &mut self.events, time).expect("a poll of our own can be waited for");
            for event in &self.events {
                if let Some((_, gate)) = self.listeners.get_mut(event.token().0) {
                    gate.notice();
                }
            }
        }
    }
}
