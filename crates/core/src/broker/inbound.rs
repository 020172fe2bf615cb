//! What a connection sent: from bytes to packets, and to whoever handles them.
use super::Broker;
use super::base::rules::Rule;
use super::connection::fault::Fault;
use super::connection::{State, Unread};
use crate::Input;
use crate::codec::{Decoder, Item, Packet};
use crate::id::ConnectionId;
use crate::time::Instant;

/// So many bytes of an unfinished packet count as a sign of life. Fewer don't: a packet has a minimum rate.
const PROGRESS: u16 = 1024;

impl Broker {
    /// Bytes came. What is not decoded is kept, if it may be decoded later.
    pub(super) fn feed(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Input {
        let Some(connection) = self.connections.get(id) else { return Input::Done };
        match connection.state {
            State::Free | State::Closing | State::Aborted => return Input::Done,
            State::Moving | State::Asking => return self.keep(now, id, bytes),
            State::Opened | State::Up if connection.is_stopped(Unread::HELD) => {
                return self.keep(now, id, bytes);
            }
            // After a restart no socket is read before all shards have told their interest.
            State::Opened if !self.shards.are_ready() => {
                return self.keep(now, id, bytes);
            }
            State::Opened | State::Up => {}
        }
        let mut decoder = core::mem::take(&mut connection.decoder);
        let mut rest = bytes;
        let forgiven = decoder.forgave();
        let (result, packets) = self.decode(now, id, &mut decoder, &mut rest);
        if decoder.forgave() && !forgiven {
            self.connections.room.count_forgiven();
        }
        if !self.connections.is(id) {
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
            let limits = self.connections.room.takes(up);
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
                        connection.make_terse();
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
            Packet::Pingreq => self.answer_ping(index),
            Packet::Disconnect(disconnect) => {
                self.on_disconnect(now, index, disconnect)?;
                return Ok(Input::Done);
            }
            Packet::Auth(auth) => return self.on_auth_again(now, index, auth),
            _ => return Err(Fault::Unexpected),
        }
        Ok(Input::More)
    }

    /// Before CONNACK.
    fn on_stranger(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Result<Input, Fault> {
        let greeted = self.connections[index].busy.as_deref().is_some_and(|l| l.applicant.is_some());
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
            self.connections.busy(id.index).kept.extend_from_slice(bytes);
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

    /// What has come was handled: is more to be read?
    pub(super) fn after_input(&mut self, now: Instant, id: ConnectionId) -> Input {
        let input = self.charge_or_fail(now, id);
        if input != Input::More {
            return input;
        }
        let connection = &mut self.connections[id.index];
        if let Some(busy) = connection.busy.as_deref() {
            let (answers, output) = (busy.answers.len(), busy.out.len() as u64);
            if answers > 2 * usize::from(self.limits.receive_maximum) {
                connection.stop(Unread::WINDOW);
            }
            if connection.is_blocked() && output > self.limits.unsent_bytes {
                connection.stop(Unread::UNHEARD);
            }
        }
        if connection.is_unread() { Input::Hold } else { Input::More }
    }

    /// Charges what the connection keeps of unfinished input. It waits, or ends, if there is no room for more.
    pub(super) fn charge_or_fail(&mut self, now: Instant, id: ConnectionId) -> Input {
        let before = self.connections[id.index].charged;
        self.charge(now, id.index);
        let connection = &self.connections[id.index];
        let (state, kept) = (connection.state, connection.charged);
        if self.connections.room.is_over(&self.limits, state) && kept > before {
            self.fail(now, id.index, &Fault::Incomplete);
            return Input::Done;
        }
        if state == State::Up && kept > 0 && self.connections.room.is_scarce(&self.limits, kept) {
            return self.wait_for_room(now, id);
        }
        Input::More
    }

    /// A piece of a large payload.
    pub(super) fn on_body(&mut self, now: Instant, index: u32, bytes: &[u8]) -> Result<Input, Fault> {
        let Some(incoming) =
            self.connections[index].busy.as_deref_mut().and_then(|l| l.incoming.as_deref_mut())
        else {
            return Ok(Input::More);
        };
        incoming.append(bytes);
        Ok(self.complete_if_all(now, index))
    }

    pub(super) fn on_payload(&mut self, now: Instant, id: ConnectionId, n: usize) -> Input {
        let Some(connection) = self.connections.get(id) else { return Input::Done };
        let Some(incoming) = connection.busy.as_deref_mut().and_then(|l| l.incoming.as_deref_mut()) else {
            return Input::Done;
        };
        let n = incoming.payload.filled(n);
        connection.decoder.skip_body(u32::try_from(n).unwrap_or_default());
        connection.heard = now;
        connection.progress = 0;
        match self.complete_if_all(now, id.index) {
            Input::More => self.after_input(now, id),
            other => other,
        }
    }

    pub(super) fn space(&mut self, id: ConnectionId) -> Option<&mut [u8]> {
        let connection = self.connections.get(id)?;
        let ready = connection.state == State::Up && !connection.is_stopped(Unread::HELD);
        if !ready || connection.decoder.body_left() == 0 {
            return None;
        }
        connection.busy.as_deref_mut()?.incoming.as_deref_mut()?.space()
    }
}
