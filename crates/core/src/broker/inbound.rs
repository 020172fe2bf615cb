//! What a connection sent: from bytes to packets, and to whoever handles them.
use super::base::rules::Rule;
use super::base::timers::Key;
use super::connection::fault::Fault;
use super::connection::{Flags, NONE, State};
use super::timing::Kind;
use super::{Action, Broker};
use crate::Input;
use crate::codec::{Decoder, Item, Packet};
use crate::id::ConnectionId;
use crate::time::Instant;

/// So many bytes of an unfinished packet count as a sign of life. Fewer don't: a packet has a minimum rate.
const PROGRESS: u16 = 1024;

impl Broker {
    /// Bytes came. What is not decoded is kept, if it may be decoded later.
    pub(crate) fn feed(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Input {
        let Some(connection) = self.connections.get(id) else { return Input::Done };
        match connection.state {
            State::Free | State::Closing | State::Aborted => return Input::Done,
            State::Moving | State::Asking => return self.keep(now, id, bytes),
            State::Opened | State::Up if connection.flags.has(Flags::HELD) => {
                return self.keep(now, id, bytes);
            }
            // After a restart no socket is read before all shards have told their interest.
            State::Opened if !self.awaited.is_empty() => {
                return self.keep(now, id, bytes);
            }
            State::Opened | State::Up => {}
        }
        let mut decoder = core::mem::take(&mut connection.decoder);
        let mut rest = bytes;
        let forgiven = decoder.forgave();
        let (result, packets) = self.decode(now, id, &mut decoder, &mut rest);
        self.connections.forgiven += u64::from(decoder.forgave() && !forgiven);
        if self.connections.get(id).is_none() {
            return Input::Done;
        }
        let connection = &mut self.connections[id.index];
        if !connection.is_ending() {
            connection.decoder = decoder;
            self.heard(now, id.index, bytes.len(), packets);
        }
        match result {
            Ok(Input::Hold) => self.keep(now, id, rest),
            Ok(Input::Done) => Input::Done,
            Ok(Input::More) => self.after_input(now, id),
            Err(fault) => {
                self.fail(now, id.index, &fault);
                Input::Done
            }
        }
    }

    /// Takes packets off `rest` until there are no more, or until they have to wait.
    fn decode(
        &mut self,
        now: Instant,
        id: ConnectionId,
        decoder: &mut Decoder,
        rest: &mut &[u8],
    ) -> (Result<Input, Fault>, usize) {
        let mut packets = 0;
        loop {
            let up = self.connections[id.index].state == State::Up;
            let limits = if up { &self.decode_limits } else { &self.stranger_limits };
            // Looked at where it is: an item is large to move.
            let next = decoder.next(limits, rest);
            let result = match &next {
                Ok(Some(item)) => {
                    packets += usize::from(!matches!(item, Item::Body(_)));
                    self.on_item(now, id.index, item)
                }
                Ok(None) => return (Ok(Input::More), packets),
                Err(error) => {
                    let error = *error;
                    let connection = &mut self.connections[id.index];
                    connection.spoken = decoder.mode().version;
                    if decoder.may_be_limited() {
                        connection.flags.set(Flags::TERSE);
                    }
                    return (Err(error.into()), packets);
                }
            };
            if !matches!(result, Ok(Input::More)) {
                return (result, packets);
            }
        }
    }

    fn on_item(&mut self, now: Instant, index: u32, item: &Item<'_>) -> Result<Input, Fault> {
        let packet = match item {
            Item::Packet(packet) => packet,
            Item::Head(publish) => return self.on_publish(now, index, publish),
            Item::Body(bytes) => return self.on_body(now, index, bytes),
        };
        if self.connections[index].state != State::Up {
            return self.on_stranger(now, index, packet);
        }
        match packet {
            Packet::Publish(publish) => return self.on_publish(now, index, publish),
            Packet::Puback(ack) => self.on_puback(index, ack)?,
            Packet::Pubrec(ack) => self.on_pubrec(index, ack)?,
            Packet::Pubrel(ack) => self.on_pubrel(index, ack),
            Packet::Pubcomp(ack) => self.on_pubcomp(index, ack)?,
            Packet::Subscribe(subscribe) => self.on_subscribe(index, subscribe)?,
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(index, unsubscribe)?,
            Packet::Pingreq => {
                // [MQTT-3.12.4-1]
                self.connections.lane(index).out.extend_from_slice(&[0xd0, 0]);
                self.announce(index);
            }
            Packet::Disconnect(disconnect) => {
                self.on_disconnect(now, index, disconnect)?;
                return Ok(Input::Done);
            }
            // AUTH: whoever is in stays in until the credential ends; nobody can authenticate again yet.
            _ => return Err(Fault::Unexpected),
        }
        Ok(Input::More)
    }

    /// Before CONNACK.
    fn on_stranger(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Result<Input, Fault> {
        let greeted = self.connections[index].lane.as_deref().is_some_and(|l| l.greeting.is_some());
        match packet {
            Packet::Connect(connect) if !greeted => {
                self.connections[index].spoken = Some(connect.version);
                self.on_connect(now, index, connect)
            }
            Packet::Auth(auth) if greeted => self.on_auth(now, index, auth),
            Packet::Disconnect(_) if greeted => {
                self.close(now, index);
                Ok(Input::Done)
            }
            _ => Err(Fault::Unexpected),
        }
    }

    /// A verdict is pending: what came is kept, undecoded, and charged.
    fn keep(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Input {
        if self.connections[id.index].state != State::Moving || self.rules.obeys(Rule::PassageCarriesAll) {
            self.connections.lane(id.index).kept.extend_from_slice(bytes);
        }
        match self.charge_or_fail(now, id) {
            Input::More => Input::Hold,
            other => other,
        }
    }

    /// A sign of life.
    fn heard(&mut self, now: Instant, index: u32, bytes: usize, packets: usize) {
        let connection = &mut self.connections[index];
        if connection.state != State::Up {
            return;
        }
        connection.progress = connection.progress.saturating_add(u16::try_from(bytes).unwrap_or(u16::MAX));
        if packets > 0 || connection.progress >= PROGRESS {
            connection.heard = now;
            connection.progress = 0;
        }
    }

    /// What a connection's timer is for now, and when.
    pub(crate) fn connection_due(&self, index: u32) -> Option<(Instant, super::Timer)> {
        let connection = &self.connections[index];
        let seconds = |s: u64| connection.heard.after_secs(s);
        match connection.state {
            State::Opened | State::Asking => {
                Some((seconds(self.limits.connect_seconds.into()), super::Timer::Connect))
            }
            State::Closing => Some((seconds(self.limits.linger_seconds.into()), super::Timer::Linger)),
            State::Up if connection.keep_alive > 0 => {
                // One and a half times. [MQTT-3.1.2-22]
                let micros = u64::from(connection.keep_alive) * 1_500_000;
                let at = connection.heard.after(core::time::Duration::from_micros(micros));
                Some((at, super::Timer::KeepAlive))
            }
            _ => None,
        }
    }

    /// Arms the timer of a connection.
    pub(crate) fn watch(&mut self, now: Instant, index: u32) {
        if let Some((at, _)) = self.connection_due(index) {
            let at = at.min(now.after_secs(super::timing::HORIZON));
            let generation = self.connections[index].generation;
            self.timers.insert(at, Key::new(Kind::Connection as u8, index, generation));
        }
    }

    /// A timer of a connection went off: it is due, or it was put off by what came meanwhile.
    pub(crate) fn on_connection_timer(&mut self, now: Instant, id: ConnectionId) {
        if self.connections.get(id).is_none() {
            return;
        }
        let Some((at, timer)) = self.connection_due(id.index) else { return };
        if at > now {
            return self.watch(now, id.index);
        }
        match timer {
            super::Timer::KeepAlive if self.connections[id.index].flags.is_silenced() => {
                // Its signs of life wait in a socket that we don't read.
                self.connections[id.index].heard = now;
                self.watch(now, id.index);
            }
            super::Timer::KeepAlive => self.fail(now, id.index, &Fault::KeepAlive),
            super::Timer::Linger => self.abort(id),
            _ => {
                // Too slow a stranger gets no words: it may not even speak MQTT.
                let limit = super::cause::Cause::Limit(super::base::limits::Limit::connect_seconds);
                self.tell_refused(id.index, crate::reason::ReasonCode::UnspecifiedError, limit);
                self.close(now, id.index);
                self.abort(id);
            }
        }
    }

    /// The driver is to drop it now.
    pub(crate) fn abort(&mut self, id: ConnectionId) {
        if self.connections[id.index].state != State::Aborted {
            debug_assert_eq!(self.connections[id.index].session, NONE, "it has been detached");
            self.connections[id.index].state = State::Aborted;
            self.push(Action::Abort(id));
        }
    }
}
