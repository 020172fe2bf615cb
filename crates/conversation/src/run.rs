//! Doing what a script says, over any wire.
use crate::packet::{AckKind, Expected, Id, Outgoing, Publish, Reasons};
use crate::property::Property;
use crate::read::{Reader, Seen, SeenPublish};
use crate::script::{Doing, Script, Step, What};
use crate::write::write;
use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use tidewire_core::codec::DecodeError;
use tidewire_core::version::Version;

/// One of a wire's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineId(pub usize);

/// What came of listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Bytes.
    Bytes,
    /// Nothing, as long as the wire is willing to wait.
    Nothing,
    /// The server has closed.
    Closed,
}

/// What connects a script's clients with a broker.
pub trait Wire {
    /// A new connection.
    fn open(&mut self) -> io::Result<LineId>;
    /// Sends. A connection that cannot take it any more is found out by `receive`.
    fn send(&mut self, line: LineId, bytes: &[u8]);
    /// Appends what has come to `into`.
    fn receive(&mut self, line: LineId, into: &mut Vec<u8>) -> Heard;
    /// Ends the connection: in order, or by a reset.
    fn close(&mut self, line: LineId, cut: bool);
    /// Lets time pass.
    fn wait(&mut self, time: Duration);
    /// Is its time virtual? Then `Nothing` means that nothing will come, and its broker is nobody else's.
    fn is_virtual(&self) -> bool;
    /// What follows is done for this line of the script, counted from 1, by this client if it is a client's. Who only
    /// carries bytes need not know.
    fn begin_step(&mut self, _line: usize, _who: Option<&str>) {}
    /// The script is over, or it went another way: what follows leaves a broker as it was.
    fn end_steps(&mut self, _failure: Option<&Failure>) {}
}

/// Where a conversation went another way.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of the script, counted from 1.
    pub line: usize,
    /// What stands there.
    pub step: String,
    /// The protocol version of the run.
    pub version: Version,
    /// What happened.
    pub fault: Fault,
}

/// What happened instead of what was to happen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// This packet came.
    Came(String),
    /// Nothing came.
    Silence,
    /// The server closed the connection.
    Closed,
    /// What came is no packet, or none that a server may send.
    NotAPacket(DecodeError),
    /// A name for a Packet Identifier is used that was never bound.
    Unbound(String),
    /// A client that has no connection does something.
    NotOpen,
    /// No connection could be made.
    CannotOpen(io::ErrorKind),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} ({:?}): {}\n    came: {}", self.line, self.version, self.step, self.fault)
    }
}

/// What came instead.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Came(packet) => f.write_str(packet),
            Self::Silence => f.write_str("nothing"),
            Self::Closed => f.write_str("the end: the server closed the connection"),
            Self::NotAPacket(error) => write!(f, "what is no packet of a server: {error}"),
            Self::Unbound(name) => write!(f, "no packet that bound the name `{name}`"),
            Self::NotOpen => f.write_str("nothing: this client has no connection"),
            Self::CannotOpen(kind) => write!(f, "no connection: {kind}"),
        }
    }
}

impl core::error::Error for Failure {}

/// Runs a script with one protocol version.
///
/// # Panics
/// If the broker does, or if the script sends what no packet has room for.
pub fn run(script: &Script, version: Version, wire: &mut dyn Wire) -> Result<(), Failure> {
    let mut stage = Stage { wire, version, clients: BTreeMap::new() };
    let result = script.steps.iter().try_for_each(|step| {
        stage.step(step).map_err(|fault| Failure { line: step.line, step: step.text.clone(), version, fault })
    });
    stage.wire.end_steps(result.as_ref().err());
    if !stage.wire.is_virtual() {
        stage.sweep(script);
    }
    result
}

struct Stage<'w> {
    wire: &'w mut dyn Wire,
    version: Version,
    clients: BTreeMap<String, Client>,
}

struct Client {
    /// Its last connection.
    line: LineId,
    is_open: bool,
    version: Version,
    reader: Reader,
    ids: BTreeMap<String, u16>,
}

impl Stage<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Fault> {
        let (who, what) = match &step.doing {
            Doing::Wait(time) => {
                self.wire.begin_step(step.line, None);
                self.wire.wait(*time);
                return Ok(());
            }
            Doing::Client { who, what } => (who, what),
        };
        self.wire.begin_step(step.line, Some(who));
        match what {
            What::Open(version) => self.open(who, *version),
            What::Send(packet) => self.send(who, packet),
            What::Expect(expected) => self.expect(who, expected),
            What::ExpectNothing => self.expect_nothing(who),
            What::ExpectClosed => self.expect_closed(who),
            What::ExpectRefused(reasons) => self.expect_refused(who, reasons),
            What::Close | What::Cut => {
                let client = open(&mut self.clients, who)?;
                client.is_open = false;
                self.wire.close(client.line, matches!(what, What::Cut));
                Ok(())
            }
        }
    }

    fn open(&mut self, who: &str, version: Option<Version>) -> Result<(), Fault> {
        let line = self.wire.open().map_err(|error| Fault::CannotOpen(error.kind()))?;
        let client = self.clients.entry(who.to_owned()).or_insert_with(|| Client {
            line,
            is_open: true,
            version: self.version,
            reader: Reader::new(self.version),
            ids: BTreeMap::new(),
        });
        client.line = line;
        client.is_open = true;
        client.version = version.unwrap_or(self.version);
        client.reader = Reader::new(client.version);
        Ok(())
    }

    fn send(&mut self, who: &str, packet: &Outgoing) -> Result<(), Fault> {
        if let Outgoing::Connect(connect) = packet
            && self.clients.get(who).is_none_or(|client| !client.is_open)
        {
            self.open(who, connect.version)?;
        }
        let client = open(&mut self.clients, who)?;
        let (mut bytes, mut unbound) = (vec![], None);
        let find = |id: &Id| match id {
            Id::Number(number) => *number,
            Id::Name(name) => client.ids.get(name).copied().unwrap_or_else(|| {
                unbound = Some(name.clone());
                0
            }),
        };
        write(packet, client.version, find, &mut bytes);
        if let Some(name) = unbound {
            return Err(Fault::Unbound(name));
        }
        self.wire.send(client.line, &bytes);
        Ok(())
    }

    fn expect(&mut self, who: &str, expected: &[Expected]) -> Result<(), Fault> {
        let client = open(&mut self.clients, who)?;
        // Before 5.0 a server says nothing before it closes. [MQTT-3.14.0-1]
        let says = |e: &&Expected| client.version.is_v5() || !matches!(e, Expected::Disconnect { .. });
        let mut left: Vec<_> = expected.iter().filter(says).collect();
        while !left.is_empty() {
            let seen = client.next(self.wire)?;
            let Some(place) = left.iter().position(|expected| client.is(expected, &seen)) else {
                return Err(Fault::Came(seen.to_string()));
            };
            left.remove(place);
        }
        Ok(())
    }

    /// Where time is real, an answer to PINGREQ that comes next is the proof.
    fn expect_nothing(&mut self, who: &str) -> Result<(), Fault> {
        let client = open(&mut self.clients, who)?;
        if !self.wire.is_virtual() {
            self.wire.send(client.line, &[0xc0, 0]);
        }
        match client.next(self.wire) {
            Err(Fault::Silence) if self.wire.is_virtual() => Ok(()),
            Ok(Seen::Pingresp) if !self.wire.is_virtual() => Ok(()),
            Ok(seen) => Err(Fault::Came(seen.to_string())),
            Err(fault) => Err(fault),
        }
    }

    fn expect_closed(&mut self, who: &str) -> Result<(), Fault> {
        let client = open(&mut self.clients, who)?;
        match client.next(self.wire) {
            Err(Fault::Closed) => {
                client.is_open = false;
                self.wire.close(client.line, false);
                Ok(())
            }
            Ok(seen) => Err(Fault::Came(seen.to_string())),
            Err(fault) => Err(fault),
        }
    }

    /// A server may say why before it closes, or not. (Section 4.13)
    fn expect_refused(&mut self, who: &str, reasons: &Reasons) -> Result<(), Fault> {
        let client = open(&mut self.clients, who)?;
        match client.next(self.wire) {
            Err(Fault::Closed) => {}
            Ok(Seen::Connack { reason, .. }) if reason >= 0x80 && is_one_of(reasons, reason) => {}
            Ok(seen) => return Err(Fault::Came(seen.to_string())),
            Err(fault) => return Err(fault),
        }
        self.expect_closed(who)
    }

    /// Leaves a broker that others use as it was: no sessions, no Retained Messages.
    fn sweep(&mut self, script: &Script) {
        for client in self.clients.values().filter(|client| client.is_open) {
            self.wire.send(client.line, &[0xe0, 0]);
            self.wire.close(client.line, false);
        }
        sweep(script, self.wire);
    }
}

fn framed(header: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(header);
    crate::property::variable(u32::try_from(body.len()).expect("ids and topics are short"), out);
    out.extend_from_slice(body);
}

/// Leaves nothing of a script on its broker: no sessions, no Retained Messages.
pub(crate) fn sweep(script: &Script, wire: &mut dyn Wire) {
    let (mut ids, mut topics) = (BTreeSet::new(), BTreeSet::new());
    for step in &script.steps {
        match &step.doing {
            Doing::Client { what: What::Send(Outgoing::Connect(connect)), .. } => {
                ids.insert(connect.client_id.clone());
                topics.extend(connect.will.iter().filter(|will| will.retain).map(|will| &will.topic));
            }
            Doing::Client { what: What::Send(Outgoing::Publish(publish)), .. } if publish.retain => {
                topics.insert(&publish.topic);
            }
            _ => {}
        }
    }
    for id in ids.iter().filter(|id| !id.is_empty()) {
        empty_session(id, &topics, wire);
    }
}

fn empty_session(client_id: &[u8], topics: &BTreeSet<&Vec<u8>>, wire: &mut dyn Wire) {
    let Ok(line) = wire.open() else { return };
    let mut bytes = vec![];
    let mut connect = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
    crate::property::prefixed(client_id, &mut connect);
    framed(0x10, &connect, &mut bytes);
    for topic in topics {
        let mut publish = vec![];
        crate::property::prefixed(topic, &mut publish);
        framed(0x31, &publish, &mut bytes);
    }
    bytes.extend_from_slice(&[0xc0, 0]);
    wire.send(line, &bytes);
    let mut answer = vec![];
    while !answer.ends_with(&[0xd0, 0]) && wire.receive(line, &mut answer) == Heard::Bytes {}
    wire.send(line, &[0xe0, 0]);
    wire.close(line, false);
}

fn open<'c>(clients: &'c mut BTreeMap<String, Client>, who: &str) -> Result<&'c mut Client, Fault> {
    clients.get_mut(who).filter(|client| client.is_open).ok_or(Fault::NotOpen)
}

impl Client {
    /// The next packet, waited for as long as the wire is willing to.
    fn next(&mut self, wire: &mut dyn Wire) -> Result<Seen, Fault> {
        loop {
            if let Some(seen) = self.reader.next().map_err(Fault::NotAPacket)? {
                return Ok(seen);
            }
            match wire.receive(self.line, self.reader.inbound()) {
                Heard::Bytes => {}
                Heard::Nothing => return Err(Fault::Silence),
                Heard::Closed => return Err(Fault::Closed),
            }
        }
    }

    /// Is this what was expected? Then names that it uses are bound.
    fn is(&mut self, expected: &Expected, seen: &Seen) -> bool {
        match (expected, seen) {
            (Expected::Pingresp, Seen::Pingresp) => true,
            (
                Expected::Connack { reasons, session_present, properties },
                Seen::Connack { session_present: present, reason, properties: came },
            ) => {
                // 3.1 has no Session Present.
                let present_fits = session_present == present || self.version == Version::V3_1;
                present_fits && is_one_of(reasons, *reason) && self.contain(properties, came)
            }
            (Expected::Disconnect { reasons, properties }, Seen::Disconnect { reason, properties: came })
            | (Expected::Auth { reasons, properties }, Seen::Auth { reason, properties: came }) => {
                is_one_of(reasons, *reason) && self.contain(properties, came)
            }
            (
                Expected::Ack { kind, id, reasons, properties },
                Seen::Ack { kind: seen_kind, id: seen_id, reasons: seen_reasons, properties: came },
            ) => {
                kind == seen_kind
                    && self.reasons_fit(*kind, reasons, seen_reasons)
                    && self.contain(properties, came)
                    && self.binds(id.as_ref(), *seen_id)
            }
            (Expected::Publish(expected), Seen::Publish(seen)) => self.is_publish(expected, seen),
            _ => false,
        }
    }

    fn is_publish(&mut self, expected: &Publish, seen: &SeenPublish) -> bool {
        let same = expected.topic == seen.topic
            && expected.payload == seen.payload
            && (expected.qos, expected.dup, expected.retain) == (seen.qos, seen.dup, seen.retain);
        same && (!self.version.is_v5() || are_the_same(&expected.properties, &seen.properties))
            && seen.id.is_none_or(|id| self.binds(expected.id.as_ref(), id))
    }

    fn reasons_fit(&self, kind: AckKind, expected: &[Reasons], seen: &[u8]) -> bool {
        if expected.is_empty() || (kind == AckKind::Unsuback && !self.version.is_v5()) {
            return true;
        }
        let as_sent = |reason: &u8| if self.version.is_v5() { *reason } else { (*reason).min(0x80) };
        expected.len() == seen.len()
            && expected.iter().zip(seen).all(|(expected, seen)| {
                expected.is_empty() || expected.iter().any(|reason| as_sent(reason) == *seen)
            })
    }

    fn contain(&self, expected: &[Property], seen: &[Property]) -> bool {
        !self.version.is_v5() || expected.iter().all(|property| seen.iter().any(|s| property.matches(s)))
    }

    fn binds(&mut self, id: Option<&Id>, seen: u16) -> bool {
        match id {
            None => true,
            Some(Id::Number(number)) => *number == seen,
            Some(Id::Name(name)) => *self.ids.entry(name.clone()).or_insert(seen) == seen,
        }
    }
}

fn is_one_of(reasons: &Reasons, seen: u8) -> bool {
    reasons.is_empty() || reasons.contains(&seen)
}

/// In any order, but those with the same name in the order in which they were published. [MQTT-3.3.2-18]
fn are_the_same(expected: &[Property], seen: &[Property]) -> bool {
    let sorted = |properties: &[Property]| {
        let mut sorted = properties.to_vec();
        sorted.sort_by_key(|property| property.kind.id);
        sorted
    };
    expected.len() == seen.len()
        && sorted(expected).iter().zip(&sorted(seen)).all(|(expected, seen)| expected.matches(seen))
}
