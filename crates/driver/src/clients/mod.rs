//! Many clients behind one loop.
//!
//! [`Clients`] is a machine like a broker: the same loop turns it, and every adapter with it. Handles post commands
//! into it and wait for receipts; no state of the protocol lives in a future, so dropping one can lose nothing.
mod command;
mod credentials;
mod error;
mod fate;
mod handle;
mod inbox;
mod listeners;
mod machine;
mod member;
mod message;
mod reach;
mod requests;
mod resident;
mod routes;
mod shared;
mod slot;
mod stream;
mod streams;
#[cfg(test)]
pub(crate) mod tests;
mod tickets;
mod untold;
mod window;

pub(crate) use command::{Command, Follow};
pub use credentials::{Ask, Challenge};
pub(crate) use credentials::{CredentialsFrom, StepsFrom};
pub use error::{Ended, Error, Refusal};
pub(crate) use fate::Fate;
#[cfg(test)]
pub(crate) use fate::Fates;
pub use fate::MessageReceipt;
pub use handle::{Client, Endpoint, Maker};
pub(crate) use handle::{Face, Handle, Lasting, Over};
pub use listeners::Event;
pub use message::{Ack, Message};
pub(crate) use reach::Reach;
pub use resident::Resident;
pub use shared::Notice;
pub use slot::Receipt;
pub(crate) use slot::Slot;
pub(crate) use stream::Manner;
pub(crate) use streams::{StreamId, Terms};

use crate::dial::Resolver;
use crate::machine::Task;
use crate::{Mailbox, Post, Reactor, Shard};
use credentials::Asking;
use inbox::Inbox;
use machine::{ClientId, Matter};
use member::{Attempt, Member, Taker};
use reach::Poster;
use requests::Requests;
use shared::{Charge, Shared};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tickets::Tickets;
use tidewire_core::client::{self, Action, Cause, Config};
use tidewire_core::id::ShardId;
use tidewire_core::time::Instant;
use untold::Untold;

/// Room for so many commands is kept, where there were more than a few.
const COMMANDS_KEPT: usize = 1024;
const FEW: usize = 64;

/// Where a client's delays are drawn from, different each time.
pub fn seed() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; 32];
    for (n, part) in seed.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(n).to_le_bytes());
    }
    seed
}

/// Many clients, as one machine.
pub struct Clients {
    members: Vec<Option<Member>>,
    /// Generations go on where a place is used again.
    generations: Vec<u32>,
    free: Vec<u32>,
    tasks: VecDeque<Task<ClientId, Matter>>,
    deadlines: BTreeSet<(Instant, u32)>,
    resolver: Resolver,
    poster: Poster,
    notices: Vec<Notice>,
    /// Room for the next commands.
    commands: VecDeque<Command>,
    /// No new client is made, and those that there are go: so many are left.
    going: Option<usize>,
    /// It ends when the last of them is gone.
    is_temporary: bool,
    /// Who waits for the end.
    over: Vec<Over>,
    /// Others see by it whether there is still a loop.
    alive: Arc<()>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("members", &(self.members.len() - self.free.len()))
            .finish_non_exhaustive()
    }
}

impl Clients {
    /// A loop of clients, with none yet, for whoever turns it; and what makes them, from anywhere.
    pub fn on<R: Reactor>(reactor: R) -> (Shard<R, Self>, Maker) {
        let mailbox = Mailbox::default();
        let (inward, poster): (_, Poster) = (mailbox.clone(), Arc::new(move |post| mailbox.post(post)));
        let clients = Self::new(Arc::clone(&poster));
        let alive = Arc::downgrade(&clients.alive);
        let shard = Shard::new(ShardId(0), clients, reactor, Box::new(()), None, vec![inward]);
        (shard, Maker::new(poster, alive))
    }

    fn new(poster: Poster) -> Self {
        Self {
            members: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            tasks: VecDeque::new(),
            deadlines: BTreeSet::new(),
            resolver: Resolver::default(),
            poster,
            notices: Vec::new(),
            commands: VecDeque::new(),
            going: None,
            is_temporary: false,
            over: Vec::new(),
            alive: Arc::default(),
        }
    }

    fn add(
        &mut self,
        now: Instant,
        config: Config,
        servers: Vec<Endpoint>,
        seed: &[u8; 32],
        shared: Arc<Shared>,
        face: Face,
    ) -> ClientId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.generations.push(0);
            u32::try_from(self.members.len() - 1).expect("there are fewer clients than that")
        });
        let asks = (face.credentials_from, face.steps_from);
        let asking = Asking::new(asks, &config, &self.poster, index);
        let mut member = Member {
            client: client::Client::new(config, seed),
            taker: Taker::of(face.resident, face.streams.is_some()),
            inbox: Inbox::default(),
            requests: Requests::new(
                face.response_topic,
                u64::from_ne_bytes(std::array::from_fn(|n| seed[n])),
            ),
            words: None,
            last_words: None,
            asking,
            shared,
            servers: servers.into(),
            generation: self.generations[index as usize],
            attempt: Attempt::None,
            from: None,
            error: None,
            last: None,
            tickets: Tickets::default(),
            untold: Untold::default(),
            done: Vec::new(),
            freed: Charge::default(),
            ended: Vec::new(),
            armed: None,
            turn: 0,
            abandoned: false,
            awaited: false,
        };
        match self.going {
            None => member.client.connect(now),
            Some(_) => member.shared.close(),
        }
        let id = ClientId { index, generation: member.generation };
        self.members[index as usize] = Some(member);
        self.act(now, index);
        id
    }

    /// States what must hold between two turns; panics where it does not.
    #[cfg(test)]
    fn check(&self) {
        for member in self.members.iter().flatten() {
            member.client.check();
            member.tickets.check();
            assert!(member.done.is_empty() && member.freed.messages == 0, "whoever waits has been told");
            let state = member.shared.state();
            if let Some(streams) = &state.streams {
                streams.check();
            }
            assert_eq!(member.tickets.published(), member.untold.check());
            let open = member.tickets.published() + member.tickets.requested();
            let coming = |command: &&Command| matches!(command, Command::Publish(..));
            assert_eq!(state.commands.iter().filter(coming).count(), state.queued.messages);
            assert_eq!(
                open + state.commands.iter().filter(coming).count(),
                state.open,
                "what is open is counted"
            );
            assert!(state.open > 0 || state.bytes == 0, "and its bytes");
        }
    }

    fn member(&mut self, index: u32) -> Option<&mut Member> {
        self.members.get_mut(index as usize)?.as_mut()
    }

    /// The member whose connection that is, unless it has a later one.
    fn connected(&mut self, id: ClientId) -> Option<&mut Member> {
        self.member(id.index).filter(|member| member.generation == id.generation)
    }

    /// A handle says that there is something to do.
    fn knocked(&mut self, now: Instant, id: ClientId) {
        let going = self.going;
        let Some(member) = self.members.get_mut(id.index as usize).and_then(Option::as_mut) else { return };
        let mut state = member.shared.state();
        state.knocked = false;
        state.queued = Charge::default();
        std::mem::swap(&mut state.coming, &mut member.untold.coming);
        // Room that was made for many goes from one busy client to the next, and stays with none.
        let is_busy = state.commands.len() > FEW;
        let room = if is_busy { std::mem::take(&mut self.commands) } else { VecDeque::new() };
        let mut commands = std::mem::replace(&mut state.commands, room);
        drop(state);
        let stays = going.is_none();
        for command in commands.drain(..) {
            // Nobody comes back during a shutdown.
            if stays || !matches!(command, Command::Connect) {
                member.obey(now, command);
            }
        }
        if is_busy {
            commands.shrink_to(COMMANDS_KEPT);
            self.commands = commands;
        }
        self.act(now, id.index);
    }

    /// Nobody holds it any more: it goes once it has said goodbye.
    fn abandon(&mut self, now: Instant, id: ClientId) {
        if let Some(member) = self.member(id.index) {
            member.abandoned = true;
            self.act(now, id.index);
        }
    }

    /// Does what a client announces, takes what it has for the application, and sees to its deadline.
    fn act(&mut self, now: Instant, index: u32) {
        let mut is_news = true;
        let mut is_over = false;
        // What is taken makes room, and that is announced: the last look is at what it announces.
        while !is_over && (self.perform(now, index) | std::mem::take(&mut is_news)) {
            let Some(member) = self.members[index as usize].as_mut() else { return };
            // Nobody comes back during a shutdown.
            is_over = self.going.is_some() && member.client.is_ended();
            member.tell(now, &mut self.notices);
            member.advance_requests(now);
        }
        let due = self.member(index).and_then(|member| member.poll_timeout());
        self.arm(index, due);
        self.see_end(now, index, is_over);
    }

    /// Does what a client announces. Is there news for whoever takes that?
    fn perform(&mut self, now: Instant, index: u32) -> bool {
        let mut is_news = false;
        let Some(member) = self.members.get_mut(index as usize).and_then(Option::as_mut) else {
            return false;
        };
        while let Some(action) = member.client.poll_action() {
            is_news |= matches!(action, Action::Event | Action::Message);
            member.perform(now, index, action, &mut self.resolver, &self.poster, &mut self.tasks);
        }
        is_news
    }

    /// Sees to its deadline.
    fn arm(&mut self, index: u32, due: Option<Instant>) {
        let Some(member) = self.members.get_mut(index as usize).and_then(Option::as_mut) else { return };
        if let Some(at) = due
            && member.armed.is_none_or(|armed| at < armed)
        {
            if let Some(armed) = member.armed.replace(at) {
                self.deadlines.remove(&(armed, index));
            }
            self.deadlines.insert((at, index));
        }
    }

    /// It may have ended, or it is over with it.
    fn see_end(&mut self, now: Instant, index: u32, is_over: bool) {
        let Some(member) = self.members.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let ended = is_over || member.client.is_ended();
        let gone = ended && std::mem::take(&mut member.awaited);
        if ended && member.abandoned {
            self.remove(now, index);
        }
        if let Some(left) = self.going.as_mut().filter(|left| gone && **left > 0) {
            *left -= 1;
            if *left == 0 {
                self.tasks.push_back(Task::Attend(Matter::Drained));
            }
        }
    }

    fn remove(&mut self, now: Instant, index: u32) {
        if let Some(mut member) = self.members[index as usize].take() {
            member.end_all();
            member.shared.close();
            if let Some(armed) = member.armed {
                self.deadlines.remove(&(armed, index));
            }
            self.generations[index as usize] = member.generation.wrapping_add(1);
            self.free.push(index);
            self.end_if_empty(now);
        }
    }

    /// There is nobody who could want another client.
    fn end_when_empty(&mut self, now: Instant) {
        self.is_temporary = true;
        self.end_if_empty(now);
    }

    fn end_if_empty(&self, now: Instant) {
        if self.is_temporary && self.free.len() == self.members.len() && self.going.is_none() {
            (self.poster)(Post::Shutdown(now));
        }
    }

    /// A name was looked up.
    fn resolved(&mut self, now: Instant, id: ClientId, found: Result<Vec<SocketAddr>, Arc<str>>) {
        let Some(member) = self.connected(id).filter(|member| member.attempt == Attempt::Resolving) else {
            return;
        };
        match found {
            Ok(mut addresses) => {
                // One that swallows every attempt is not always the first.
                let turn = member.turn % addresses.len().max(1);
                addresses.rotate_left(turn);
                member.turn += 1;
                member.attempt = Attempt::Connecting(addresses.into());
                self.try_next(now, id);
            }
            Err(error) => {
                member.error = Some(error);
                member.attempt = Attempt::None;
                member.client.handle_close(now, Cause::Unreachable);
                self.act(now, id.index);
            }
        }
    }

    /// The next of a name's addresses.
    fn try_next(&mut self, now: Instant, id: ClientId) {
        let Some(member) = self.connected(id) else { return };
        let Attempt::Connecting(left) = &mut member.attempt else { return };
        match left.pop_front() {
            Some(to) => {
                let from = member.from;
                self.tasks.push_back(Task::Connect { connection: id, to, from });
            }
            None => {
                member.attempt = Attempt::None;
                member.client.handle_close(now, Cause::Unreachable);
                self.act(now, id.index);
            }
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for member in self.members.iter().flatten() {
            member.shared.close();
        }
        self.members.iter_mut().flatten().for_each(Member::end_all);
    }
}
