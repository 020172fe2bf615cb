//! A turn of a shard: what the driver does with everything that the broker announces.
use super::{Intake, World, anybody};
use crate::history::End;
use tidewire_core::Input;
use tidewire_core::broker::policy::Answer;
use tidewire_core::broker::{Action, CloseCause, Mail, Question};
use tidewire_core::id::{ConnectionId, ShardId};

impl World {
    /// A turn: mail, then timers and sockets; then all mail is posted, then sockets are written.
    pub(crate) fn turn(&mut self, shard: usize, intake: &Intake) {
        self.micros += 1000;
        let now = self.now();
        // What the host has asked for itself, as a local subscriber.
        self.actions(shard);
        for from in 0..self.shards() {
            for _ in 0..intake.mail.get(from).copied().unwrap_or(0) {
                let Some(mail) = self.next_mail(shard, from) else { break };
                let from = ShardId(u16::try_from(from).expect("few shards"));
                self.brokers[shard].handle_mail(now, from, mail);
                self.actions(shard);
            }
        }
        for _ in 0..intake.passages {
            let Some((line, passage)) = self.passages[shard].pop_front() else { break };
            let id = self.brokers[shard].handle_passage(now, passage);
            self.lines[line].place = Some((shard, id));
            self.due_reads[shard].insert(line);
            self.actions(shard);
        }
        for verdict in &intake.verdicts {
            if *verdict < self.questions[shard].len() {
                let (question, about_connect) = self.questions[shard].remove(*verdict);
                let answer = if about_connect { Answer::Allow(anybody()) } else { Answer::Admit };
                self.brokers[shard].handle_answer(now, question, answer);
                self.actions(shard);
            }
        }
        if self.brokers[shard].poll_timeout().is_some_and(|d| d.at <= now) {
            self.brokers[shard].handle_timeout(now);
            self.actions(shard);
        }
        for line in &intake.lines {
            self.read_socket(shard, *line, intake.read);
        }
        while let Some(line) = self.due_reads[shard].pop_first() {
            self.read_socket(shard, line, intake.read);
        }
        self.post(shard);
        self.write_sockets(shard, intake);
        if self.checks {
            self.brokers[shard].check();
            assert!(self.brokers[shard].stats().ledger.balances(), "the books balance");
        }
    }

    /// Where a client is at home, or a topic is ordered.
    pub(crate) fn home(&self, name: &str) -> usize {
        use std::hash::Hasher;
        let mut placement = [0; 16];
        placement[..8].copy_from_slice(&self.setup.placement.to_le_bytes());
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&placement);
        hasher.write(name.as_bytes());
        let shards = self.shards() as u64;
        usize::try_from(hasher.finish() % shards).expect("few shards")
    }

    /// Its latest connection is to send no more for now.
    pub(crate) fn is_paused(&self, client: usize) -> bool {
        self.clients[client].line.is_some_and(|n| self.lines[n].paused)
    }

    /// The shard that has the server's end of a client's latest connection, if there is something to read.
    pub(crate) fn has_input(&self, client: usize) -> Option<(usize, usize)> {
        let n = self.clients[client].line?;
        let line = &self.lines[n];
        let (shard, _) = line.place?;
        let waits = line.held || line.paused;
        (!waits && (!line.up.is_empty() || line.up_end.is_some())).then_some((shard, n))
    }

    /// Everything there is.
    pub(crate) fn whole_turn(&mut self, shard: usize) {
        let verdicts = vec![0; self.questions[shard].len()];
        let lines = self.lines_at(shard);
        let mail = vec![usize::MAX; self.shards()];
        self.turn(
            shard,
            &Intake { mail, passages: usize::MAX, verdicts, lines, read: usize::MAX, room: usize::MAX },
        );
    }

    pub(crate) fn lines_at(&self, shard: usize) -> Vec<usize> {
        let here = |n: &usize| self.lines[*n].place.is_some_and(|(at, _)| at == shard);
        (0..self.lines.len()).filter(here).collect()
    }

    fn next_mail(&mut self, to: usize, from: usize) -> Option<Mail> {
        let queue = &mut self.mail[to][from];
        if self.setup.pair_order || queue.len() < 2 {
            return queue.pop_front();
        }
        self.disorder = self.disorder.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = usize::try_from(self.disorder >> 60).expect("four bits") % queue.len();
        queue.remove(at)
    }

    fn read_socket(&mut self, shard: usize, n: usize, most: usize) {
        let now = self.now();
        let line = &mut self.lines[n];
        let Some((at, id)) = line.place else { return };
        if at != shard {
            return;
        }
        if line.held || line.paused {
            // While input is refused, the peer's end is not reported either.
            if !self.setup.close_waits && line.up_end.is_some() {
                self.report_close(shard, n);
            }
            return;
        }
        let end = most.min(line.up.len());
        if end > 0 {
            let bytes: Vec<u8> = line.up.drain(..end).collect();
            match self.brokers[shard].handle_bytes(now, id, &bytes) {
                Input::Hold => self.lines[n].held = true,
                Input::More | Input::Done => {}
            }
            self.actions(shard);
        }
        let line = &self.lines[n];
        let is_here = line.place.is_some_and(|(at, _)| at == shard);
        if is_here && line.up.is_empty() && line.up_end.is_some() && !line.held && !line.paused {
            self.report_close(shard, n);
        }
    }

    fn report_close(&mut self, shard: usize, n: usize) {
        let line = &mut self.lines[n];
        let Some((_, id)) = line.place.take() else { return };
        let cause = match line.up_end {
            Some(End::Fin) => CloseCause::PeerClosed,
            Some(End::Reset) => CloseCause::Reset,
            None => CloseCause::Linger,
        };
        line.down_end = true;
        line.blocked = false;
        let now = self.now();
        self.brokers[shard].handle_close(now, id, cause);
        self.actions(shard);
    }

    fn line_of(&self, shard: usize, id: ConnectionId) -> Option<usize> {
        self.lines.iter().position(|l| l.place == Some((shard, id)))
    }

    /// Does what is announced, as far as it is not for the end of the turn.
    fn actions(&mut self, shard: usize) {
        while let Some(action) = self.brokers[shard].poll_action() {
            match action {
                Action::Mail(to) => {
                    self.due_mail[shard].insert(to.index());
                }
                Action::Transmit(id) => self.due_output[shard].push_back(id),
                Action::Close(id) => {
                    if let Some(n) = self.line_of(shard, id) {
                        self.lines[n].closing = true;
                        self.lines[n].paused = false;
                        self.lines[n].held = false;
                        self.due_output[shard].push_back(id);
                    }
                }
                Action::Abort(id) => {
                    if let Some(n) = self.line_of(shard, id) {
                        self.lines[n].up.clear();
                        self.report_close(shard, n);
                    }
                }
                Action::Pause(id) => {
                    if let Some(n) = self.line_of(shard, id) {
                        self.lines[n].paused = true;
                    }
                }
                Action::Resume(id) => {
                    if let Some(n) = self.line_of(shard, id) {
                        (self.lines[n].paused, self.lines[n].held) = (false, false);
                        self.due_reads[shard].insert(n);
                    }
                }
                Action::Move { connection, to } => {
                    let n = self.line_of(shard, connection);
                    if let (Some(n), Some(passage)) = (n, self.brokers[shard].take_passage(connection)) {
                        let line = &mut self.lines[n];
                        (line.place, line.held) = (None, false);
                        self.passages[to.index()].push_back((n, passage));
                    }
                }
                Action::Ask(question) => {
                    let about = self.brokers[shard].question(question);
                    let about_connect = matches!(about, Some(Question::Authenticate { .. }));
                    self.questions[shard].push((question, about_connect));
                }
                Action::Event => while self.brokers[shard].poll_event().is_some() {},
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn post(&mut self, shard: usize) {
        let from = shard;
        while let Some(to) = self.due_mail[shard].pop_first() {
            if let Some(mail) = self.brokers[shard].poll_mail(ShardId(u16::try_from(to).expect("few shards")))
            {
                self.mail[to][from].push_back(mail);
            }
        }
        self.actions(shard);
    }

    fn write_sockets(&mut self, shard: usize, intake: &Intake) {
        for n in self.lines_at(shard) {
            if self.lines[n].blocked
                && let Some((_, id)) = self.lines[n].place
            {
                self.due_output[shard].push_back(id);
            }
        }
        while let Some(id) = self.due_output[shard].pop_front() {
            if let Some(n) = self.line_of(shard, id) {
                self.write_socket(shard, n, id, intake.room);
            }
            self.actions(shard);
        }
    }

    fn write_socket(&mut self, shard: usize, n: usize, id: ConnectionId, mut room: usize) {
        let now = self.now();
        loop {
            let more = self.brokers[shard].poll_transmit(now, id, 4096, &mut self.lines[n].output);
            let line = &mut self.lines[n];
            while room > 0 && !line.output.is_empty() {
                let mut slices: [&[u8]; 4] = [&[]; 4];
                let filled = line.output.slices(&mut slices);
                let taken: Vec<u8> = slices[..filled].concat().into_iter().take(room).collect();
                room -= taken.len();
                line.output.advance(taken.len());
                if line.up_end.is_none() {
                    line.down.extend(taken);
                }
            }
            line.blocked = !line.output.is_empty();
            if line.blocked {
                let unsent = line.output.unsent();
                return self.brokers[shard].handle_blocked(now, id, unsent);
            }
            if !more {
                line.down_end |= line.closing;
                return;
            }
        }
    }
}
