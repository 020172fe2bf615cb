//! mio's poll as a [`Reactor`].
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use tidewire_core::time::Instant;
use tidewire_driver::{Clock, Place, Reactor, Ready, adapter};

/// Taken from the system at a time; what is more comes with the next.
const EVENTS: usize = 1024;

/// Not a place: so many connections no process has.
const WAKER: Token = Token(usize::MAX);

/// A poll, and the news that it brought.
pub struct MioReactor {
    clock: Clock,
    poll: Poll,
    events: Events,
    waker: Waker,
    /// By place: whose the socket is that is registered there.
    generations: Vec<u32>,
    news: Vec<Ready>,
    /// How many of the news were given out.
    told: usize,
}

impl fmt::Debug for MioReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MioReactor").finish_non_exhaustive()
    }
}

impl AsMut<Self> for MioReactor {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

/// Ends a wait from another thread.
struct Bell(mio::Waker);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake().expect("a wake-up needs nothing that was not had when the waker was made");
    }
}

impl MioReactor {
    /// A reactor without sockets.
    pub fn new(clock: Clock) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Bell(mio::Waker::new(poll.registry(), WAKER)?)).into();
        let events = Events::with_capacity(EVENTS);
        Ok(Self { clock, poll, events, waker, generations: Vec::new(), news: Vec::new(), told: 0 })
    }

    /// Ends a [`wait`](Self::wait), or the next one if there is none at the moment.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Waits for news or the waker, no longer than this; without end if there is no time.
    pub fn wait(&mut self, time: Option<Duration>) -> io::Result<()> {
        poll(&mut self.poll, &mut self.events, time)?;
        if self.told == self.news.len() {
            self.news.clear();
            self.told = 0;
        }
        for event in &self.events {
            let index = event.token().0;
            // The generation now, before anything can be done with the place.
            if let Some(&generation) = self.generations.get(index) {
                let index = u32::try_from(index).expect("it was a place's when it was registered");
                self.news.push(ready(Place { index, generation }, event));
            }
        }
        Ok(())
    }

    fn remember(&mut self, place: Place) -> Token {
        let index = place.index as usize;
        if self.generations.len() <= index {
            self.generations.resize(index + 1, 0);
        }
        self.generations[index] = place.generation;
        Token(index)
    }
}

/// A poll that a signal interrupted brought nothing.
pub(crate) fn poll(poll: &mut Poll, events: &mut Events, time: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, time) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}

fn ready(place: Place, event: &Event) -> Ready {
    let closed = event.is_read_closed() || event.is_write_closed() || event.is_error();
    Ready { place, readable: event.is_readable(), writable: event.is_writable() || closed, closed }
}

impl Reactor for MioReactor {
    type Socket = std::net::TcpStream;
    type Stream = TcpStream;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn attach(&mut self, place: Place, socket: std::net::TcpStream) -> io::Result<TcpStream> {
        let mut stream = TcpStream::from_std(socket);
        let token = self.remember(place);
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn detach(&mut self, mut stream: TcpStream) -> io::Result<std::net::TcpStream> {
        self.poll.registry().deregister(&mut stream)?;
        Ok(stream.into())
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<std::net::TcpStream> {
        adapter::begin(to, from)
    }

    fn connected(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // Who has a peer is connected. The edge that tells is the socket's first room to write.
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let n = stream.read(buffer)?;
        if 0 < n && n < buffer.len() {
            rearm(stream);
        }
        Ok(n)
    }

    fn write_vectored(&mut self, stream: &mut TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // Without a vector it is a shorter way through the kernel.
            [slice] => stream.write(slice),
            slices => stream.write_vectored(slices),
        }
    }

    fn finish(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)
    }

    fn next_ready(&mut self) -> Option<Ready> {
        let ready = *self.news.get(self.told)?;
        self.told += 1;
        Some(ready)
    }
}

/// Systems without edges of their own give the next one to those who were told to wait. Elsewhere this is nothing.
fn rearm(stream: &TcpStream) {
    let _ = stream.try_io(|| Err::<(), _>(ErrorKind::WouldBlock.into()));
}
