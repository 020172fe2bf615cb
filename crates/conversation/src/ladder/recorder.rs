//! What crosses a wire, written down.
use crate::run::{Failure, Heard, LineId, Wire};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

/// A wire that writes down what another one carries.
///
/// Where time is virtual, what the broker sends is written down when it sends it. Where it is real, that is when the
/// script reads it: of two connections nobody can tell from here which one's packet came first.
#[allow(missing_debug_implementations, reason = "a wire has none")]
pub struct Recorder<'w> {
    wire: &'w mut dyn Wire,
    lines: Vec<Line>,
    clients: Vec<String>,
    events: Vec<Event>,
    /// What is under way: the line of the script, and its client.
    step: (usize, Option<usize>),
    is_over: bool,
    failure: Option<Failure>,
}

/// What there is to draw.
pub(super) struct Record {
    /// In the order in which they appeared.
    pub(super) clients: Vec<String>,
    pub(super) events: Vec<Event>,
    pub(super) failure: Option<Failure>,
}

/// Something that happened on the wire.
pub(super) struct Event {
    /// Of the script: what caused it or, of what came, what read it. 0 for what nobody read.
    pub(super) line: usize,
    pub(super) what: What,
}

pub(super) enum What {
    /// A step begins. What it only expects leaves nothing else behind.
    Step,
    Opened(LineId, usize),
    Sent(LineId, Vec<u8>),
    Came(LineId, Vec<u8>),
    ServerClosed(LineId),
    Closed(LineId),
}

/// A connection of the wire, and what came on it and was not read yet.
struct Line {
    id: LineId,
    /// The beginning of a packet.
    partial: Vec<u8>,
    /// Packets, and where they are written down.
    unread: VecDeque<(Vec<u8>, usize)>,
    /// Where its end is written down, if the server has closed it.
    end: Option<usize>,
    /// The client has closed it.
    is_closed: bool,
}

impl<'w> Recorder<'w> {
    /// Carries what `wire` carries.
    pub fn new(wire: &'w mut dyn Wire) -> Self {
        Self {
            wire,
            lines: vec![],
            clients: vec![],
            events: vec![],
            step: (0, None),
            is_over: false,
            failure: None,
        }
    }

    pub(super) fn into_record(self) -> Record {
        let Self { clients, events, failure, .. } = self;
        Record { clients, events, failure }
    }

    /// Its place among the clients.
    fn client(&mut self, name: &str) -> usize {
        self.clients.iter().position(|client| client == name).unwrap_or_else(|| {
            self.clients.push(name.to_owned());
            self.clients.len() - 1
        })
    }

    fn note(&mut self, line: usize, what: What) -> usize {
        self.events.push(Event { line, what });
        self.events.len() - 1
    }

    fn at(&self, id: LineId) -> usize {
        self.lines.iter().position(|line| line.id == id).expect("who uses a connection has opened it")
    }

    /// Takes what the wire has, and cuts it into packets.
    fn pull(&mut self, at: usize) -> Heard {
        let line = &mut self.lines[at];
        let id = line.id;
        let heard = self.wire.receive(id, &mut line.partial);
        loop {
            let line = &mut self.lines[at];
            let length = match packet_length(&line.partial) {
                Some(length) if length <= line.partial.len() => length,
                // Its end will not come, or not in time.
                _ if heard != Heard::Bytes => line.partial.len(),
                _ => break,
            };
            if length == 0 {
                break;
            }
            let packet: Vec<_> = line.partial.drain(..length).collect();
            let event = self.note(0, What::Came(id, packet.clone()));
            self.lines[at].unread.push_back((packet, event));
        }
        if heard == Heard::Closed && self.lines[at].end.is_none() {
            self.lines[at].end = Some(self.note(0, What::ServerClosed(id)));
        }
        heard
    }

    /// Where no time passes meanwhile, what came of a step can be seen at once.
    fn look(&mut self) {
        if self.is_over || !self.wire.is_virtual() {
            return;
        }
        for at in 0..self.lines.len() {
            if !self.lines[at].is_closed {
                while self.pull(at) == Heard::Bytes {}
            }
        }
    }
}

/// Of the packet that begins here; `None` if that is not known yet. What has no length ends with the bytes that there
/// are.
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (at, byte) in bytes.iter().skip(1).enumerate() {
        if at == 4 {
            return Some(bytes.len());
        }
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(at + 2 + length);
        }
    }
    None
}

impl Wire for Recorder<'_> {
    fn open(&mut self) -> io::Result<LineId> {
        let id = self.wire.open()?;
        if !self.is_over {
            let (line, client) = self.step;
            // Who uses a wire without a script may be anybody.
            let client = client.unwrap_or_else(|| self.client("client"));
            let (partial, unread) = (vec![], VecDeque::new());
            self.lines.push(Line { id, partial, unread, end: None, is_closed: false });
            self.note(line, What::Opened(id, client));
            self.look();
        }
        Ok(id)
    }

    fn send(&mut self, line: LineId, bytes: &[u8]) {
        if !self.is_over {
            self.note(self.step.0, What::Sent(line, bytes.to_vec()));
        }
        self.wire.send(line, bytes);
        self.look();
    }

    /// One packet at a time, so that it is known which step has read it.
    fn receive(&mut self, line: LineId, into: &mut Vec<u8>) -> Heard {
        if self.is_over {
            return self.wire.receive(line, into);
        }
        let at = self.at(line);
        loop {
            if let Some((bytes, event)) = self.lines[at].unread.pop_front() {
                self.events[event].line = self.step.0;
                into.extend_from_slice(&bytes);
                return Heard::Bytes;
            }
            if let Some(event) = self.lines[at].end {
                self.events[event].line = self.step.0;
                return Heard::Closed;
            }
            if self.pull(at) == Heard::Nothing && self.lines[at].unread.is_empty() {
                return Heard::Nothing;
            }
        }
    }

    fn close(&mut self, line: LineId, cut: bool) {
        if !self.is_over {
            let at = self.at(line);
            self.lines[at].is_closed = true;
            if self.lines[at].end.is_none() {
                self.note(self.step.0, What::Closed(line));
            }
        }
        self.wire.close(line, cut);
        self.look();
    }

    fn wait(&mut self, time: Duration) {
        self.wire.wait(time);
        self.look();
    }

    fn is_virtual(&self) -> bool {
        self.wire.is_virtual()
    }

    fn begin_step(&mut self, line: usize, who: Option<&str>) {
        let client = who.map(|who| self.client(who));
        self.step = (line, client);
        self.note(line, What::Step);
        self.wire.begin_step(line, who);
    }

    fn end_steps(&mut self, failure: Option<&Failure>) {
        self.is_over = true;
        self.failure = failure.cloned();
        self.wire.end_steps(failure);
    }
}
