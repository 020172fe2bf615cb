//! The carrier: does what the shards announce, between sockets and shards.
use super::{Client, Line, Shards};
use tidewire_core::Input;
use tidewire_core::broker::{Action, CloseCause};
use tidewire_core::id::{ConnectionId, ShardId};

impl Shards {
    /// Does what is announced until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        loop {
            self.check();
            let mut busy = false;
            for shard in 0..self.brokers.len() {
                while let Some(action) = self.brokers[shard].poll_action() {
                    busy = true;
                    self.act(shard, action);
                }
            }
            busy |= !self.passages_are_held && self.carry_passages();
            busy |= !self.mail_is_held && self.carry_mail();
            if !busy {
                return;
            }
        }
    }

    fn act(&mut self, shard: usize, action: Action) {
        let line = |id: ConnectionId| self.by_id.get(&(shard, id)).copied();
        match action {
            Action::Transmit(id) => {
                if let Some(at) = line(id) {
                    self.write(at);
                }
            }
            Action::Close(id) => {
                if let Some(at) = line(id) {
                    self.lines[at].closing = true;
                    self.write(at);
                }
            }
            Action::Abort(id) => {
                if let Some(at) = line(id) {
                    self.lines[at].end = Some("aborted");
                    self.ended(at, CloseCause::Linger);
                }
            }
            Action::Pause(id) => {
                if let Some(at) = line(id) {
                    self.gates.push((Client(at), "pause"));
                    self.lines[at].reading = Input::Hold;
                }
            }
            Action::Resume(id) => {
                if let Some(at) = line(id) {
                    self.gates.push((Client(at), "resume"));
                    self.lines[at].reading = Input::More;
                    self.read(at);
                }
            }
            Action::Move { connection, to } => {
                if let Some(passage) = self.brokers[shard].take_passage(connection) {
                    let at = self.by_id.remove(&(shard, connection)).expect("it was here");
                    self.lines[at].place = None;
                    self.passages.push_back((at, to.index(), passage));
                }
            }
            Action::Mail(to) => {
                while let Some(mail) = self.brokers[shard].poll_mail(to) {
                    self.mail.push_back((shard, to.index(), mail));
                }
            }
            Action::Journal => {
                let mut bytes = vec![];
                while let Some(position) = self.brokers[shard].poll_journal(&mut bytes) {
                    self.brokers[shard].handle_durable(self.now, position);
                }
            }
            Action::Local(id) => self.locals.push(id),
            Action::Ask(question) => self.asked.push_back((shard, question)),
            Action::Event => {
                while let Some(event) = self.brokers[shard].poll_event() {
                    self.events.push(event);
                }
            }
            other => panic!("an action that the carrier does not know: {other:?}"),
        }
        self.check();
    }

    fn carry_passages(&mut self) -> bool {
        let Some((at, to, passage)) = self.passages.pop_front() else { return false };
        if self.lines[at].end.is_some() {
            return true;
        }
        let id = self.brokers[to].handle_passage(self.now, passage);
        self.by_id.insert((to, id), at);
        self.lines[at].place = Some((to, id));
        self.lines[at].reading = Input::More;
        self.check();
        self.read(at);
        true
    }

    fn carry_mail(&mut self) -> bool {
        let Some((from, to, mail)) = self.mail.pop_front() else { return false };
        let from = ShardId(u16::try_from(from).expect("shards are few"));
        self.brokers[to].handle_mail(self.now, from, mail);
        self.check();
        true
    }

    /// Hands in what the client has sent, unless the broker wants it left in the socket; then its end.
    pub(super) fn read(&mut self, at: usize) {
        while let Some((shard, id)) = self.lines[at].place {
            let line = &mut self.lines[at];
            if line.reading == Input::Hold {
                return;
            }
            if line.inbox.is_empty() {
                if line.fin {
                    // The other direction is still open: what is there is written first.
                    self.write(at);
                    self.lines[at].end = self.lines[at].end.or(Some("closed"));
                    self.ended(at, CloseCause::PeerClosed);
                }
                return;
            }
            let bytes: Vec<u8> = line.inbox.drain(..).collect();
            if line.reading == Input::Done {
                continue;
            }
            line.reading = self.brokers[shard].handle_bytes(self.now, id, &bytes);
            self.check();
        }
    }

    /// Pulls output as far as the client's socket takes it.
    pub(super) fn write(&mut self, at: usize) {
        let Some((shard, id)) = self.lines[at].place else { return };
        loop {
            let line = &mut self.lines[at];
            let more = if line.output.is_empty() {
                self.brokers[shard].poll_transmit(self.now, id, line.limit, &mut line.output)
            } else {
                true
            };
            line.flush();
            let unsent = line.output.unsent();
            if unsent > 0 {
                return self.brokers[shard].handle_blocked(self.now, id, unsent);
            }
            if !more {
                break;
            }
        }
        let line = &mut self.lines[at];
        if line.closing {
            line.end = Some("closed");
            if line.polite {
                self.ended(at, CloseCause::PeerClosed);
            }
        }
    }
}

impl Line {
    fn flush(&mut self) {
        while self.window > 0 && !self.output.is_empty() {
            let mut slices: [&[u8]; 4] = [&[]; 4];
            let filled = self.output.slices(&mut slices);
            let bytes = slices[..filled].concat();
            let n = bytes.len().min(self.window);
            self.heard.extend_from_slice(&bytes[..n]);
            self.output.advance(n);
            if self.window != usize::MAX {
                self.window -= n;
            }
        }
    }
}
