//! A machine that does what the bytes it gets say.
use crate::Place;
use crate::machine::{Task, Turned};
use std::collections::{BTreeMap, VecDeque};
use tidewire_core::Input;
use tidewire_core::broker::CloseCause;
use tidewire_core::broker::policy::{Answer, Peer};
use tidewire_core::id::{Position, QuestionId, ShardId};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;

/// What happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Open(u32),
    Passage(u32),
    Bytes(u32, Vec<u8>),
    Payload(u32, usize),
    Blocked(u32, usize),
    Closed(u32, CloseCause),
    Transmit(u32),
    MailOut,
    MailIn(ShardId),
    Timeout,
    Durable(Position),
    JournalFailed,
    Shutdown,
}

/// Each byte is a command:
/// `e` echo it; `h` hold; `d` done; `c` close; `a` abort; `p` pause; `m` mail to shard 1; `v` move there, with
/// the bytes that follow; `j` write a record. Anything else is only seen.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) seen: Vec<Seen>,
    pub(crate) tasks: VecDeque<Task<Place, ()>>,
    pub(crate) outputs: BTreeMap<u32, Vec<u8>>,
    pub(crate) timeout: Option<Instant>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) drained: bool,
    /// What came after the command to move.
    rests: BTreeMap<u32, Vec<u8>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    mail: u32,
    records: u64,
}

impl Script {
    fn place(&mut self) -> Place {
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            u32::try_from(self.generations.len() - 1).unwrap()
        });
        Place { index, generation: self.generations[index as usize] }
    }

    /// The connections that it knows.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        let all = (0..).zip(&self.generations);
        let all = all.map(|(index, &generation)| Place { index, generation });
        all.filter(|place| !self.free.contains(&place.index))
    }

    /// Has this to send on that connection.
    pub(crate) fn say(&mut self, to: Place, bytes: &[u8]) {
        self.outputs.entry(to.index).or_default().extend(bytes);
        self.tasks.push_back(Task::Transmit(to));
    }

    fn release(&mut self, place: Place) {
        assert_eq!(self.generations[place.index as usize], place.generation, "it has ended already");
        self.generations[place.index as usize] += 1;
        self.free.push(place.index);
        self.outputs.remove(&place.index);
        self.rests.remove(&place.index);
    }
}

impl Turned for Script {
    type Id = Place;
    type Passage = Vec<u8>;
    type Mail = u32;
    type Matter = ();
    type Host = ();

    fn handle_open(&mut self, _: Instant, _: Peer) -> Option<Place> {
        let place = self.place();
        self.seen.push(Seen::Open(place.index));
        Some(place)
    }

    fn handle_bytes(&mut self, _: Instant, id: Place, bytes: &[u8]) -> Input {
        self.seen.push(Seen::Bytes(id.index, bytes.to_vec()));
        let mut input = Input::More;
        for (at, command) in bytes.iter().enumerate() {
            match command {
                b'e' => self.say(id, b"e"),
                b'h' => input = Input::Hold,
                b'd' => input = Input::Done,
                b'c' => self.tasks.push_back(Task::Close(id)),
                b'a' => self.tasks.push_back(Task::Abort(id)),
                b'p' => self.tasks.push_back(Task::Pause(id)),
                b'm' => {
                    self.mail += 1;
                    self.tasks.push_back(Task::Mail(ShardId(1)));
                }
                b'v' => {
                    self.tasks.push_back(Task::Move { connection: id, to: ShardId(1) });
                    self.rests.insert(id.index, bytes[at + 1..].to_vec());
                    return Input::Hold;
                }
                b'j' => {
                    self.records += 1;
                    self.tasks.push_back(Task::Journal);
                }
                _ => {}
            }
        }
        input
    }

    fn payload_space(&mut self, _: Place) -> Option<&mut [u8]> {
        self.payload.as_deref_mut()
    }

    fn handle_payload(&mut self, _: Instant, id: Place, n: usize) -> Input {
        self.seen.push(Seen::Payload(id.index, n));
        self.payload = None;
        Input::More
    }

    fn handle_blocked(&mut self, _: Instant, id: Place, unsent: usize) {
        self.seen.push(Seen::Blocked(id.index, unsent));
    }

    fn handle_close(&mut self, _: Instant, id: Place, cause: CloseCause) {
        self.release(id);
        self.seen.push(Seen::Closed(id.index, cause));
    }

    fn handle_timeout(&mut self, now: Instant) {
        assert!(self.timeout.take().is_some_and(|at| at <= now), "nothing is due");
        self.seen.push(Seen::Timeout);
    }

    fn handle_passage(&mut self, now: Instant, rest: Vec<u8>) -> Place {
        let place = self.place();
        self.seen.push(Seen::Passage(place.index));
        if !rest.is_empty() && self.handle_bytes(now, place, &rest) == Input::Hold {
            self.tasks.push_back(Task::Pause(place));
        }
        place
    }

    fn handle_mail(&mut self, _: Instant, from: ShardId, _: u32) {
        self.seen.push(Seen::MailIn(from));
    }

    fn handle_answer(&mut self, _: Instant, _: QuestionId, _: Answer) {}

    fn handle_durable(&mut self, _: Instant, up_to: Position) {
        self.seen.push(Seen::Durable(up_to));
    }

    fn handle_journal_failed(&mut self, _: Instant) {
        self.seen.push(Seen::JournalFailed);
    }

    fn shutdown(&mut self, _: Instant, _: Instant) {
        self.seen.push(Seen::Shutdown);
        self.tasks.push_back(Task::Attend(()));
    }

    fn poll_task(&mut self) -> Option<Task<Place, ()>> {
        self.tasks.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn poll_transmit(&mut self, _: Instant, id: Place, limit: usize, out: &mut Output) -> bool {
        self.seen.push(Seen::Transmit(id.index));
        let Some(pending) = self.outputs.get_mut(&id.index) else { return false };
        let rest = pending.split_off(limit.min(pending.len()));
        out.put(pending);
        *pending = rest;
        !pending.is_empty()
    }

    fn poll_mail(&mut self, _: ShardId) -> Option<u32> {
        let mail = std::mem::take(&mut self.mail);
        (mail > 0).then(|| self.seen.push(Seen::MailOut)).map(|()| mail)
    }

    fn poll_journal(&mut self, out: &mut Vec<u8>) -> Option<Position> {
        let records = std::mem::take(&mut self.records);
        (records > 0).then(|| out.extend(b"record")).map(|()| Position(records))
    }

    fn take_passage(&mut self, id: Place) -> Option<Vec<u8>> {
        let rest = self.rests.remove(&id.index)?;
        self.release(id);
        Some(rest)
    }

    fn attend(&mut self, _: Instant, (): (), (): &mut ()) -> bool {
        self.drained
    }
}
