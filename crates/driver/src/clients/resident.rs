//! A program that lives in the loop, with its client.
use super::handle::{Face, number_of};
use super::shared::Shared;
use super::{Clients, Endpoint, Maker};
use tidewire_core::client::{Action, Client, Config};
use tidewire_core::time::Instant;

/// A program that lives in the loop, with its client: no handle, no future and no queue stands between the two, and
/// nobody is woken. For whoever has thousands of clients do the same, or counts what a message costs.
///
/// It goes when its client has [ended](Client::is_ended), or with the loop.
pub trait Resident: Send + 'static {
    /// Something has happened to the client, or it is [time](Self::poll_timeout): takes events and messages out of the
    /// machine, and has it do what is to be done next. What it does not take, it has not heard.
    ///
    /// `error` is why the last connection or attempt came to nothing, in the system's words. It must not block: all
    /// other clients of the loop wait meanwhile.
    fn turn(&mut self, now: Instant, client: &mut Client, error: Option<&str>);

    /// When it wants a turn though nothing happens.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

impl Maker {
    /// A client of these servers, which are tried in turn, for a program in the loop. It connects at once, with the
    /// configuration as it is; `seed` is where its delays are drawn from.
    ///
    /// # Panics
    /// Without a server.
    pub fn resident(
        &self,
        mut config: Config,
        servers: Vec<Endpoint>,
        seed: [u8; 32],
        resident: impl Resident,
    ) {
        config.servers = number_of(&servers);
        let face = Face { resident: Some(Box::new(resident)), ..Face::default() };
        self.call(move |clients, now| {
            let id = clients.add(now, config, servers, &seed, Shared::new(None), face);
            clients.abandon(now, id);
        });
    }

    /// Each program in the loop has a turn: something has changed for all of them.
    pub fn wake_residents(&self) {
        self.call(|clients, now| {
            for index in 0..u32::try_from(clients.members.len()).unwrap_or(u32::MAX) {
                clients.act(now, index);
            }
        });
    }
}

impl Clients {
    /// Does what a client announces while it sends. What its program makes of that waits for the loop's next turn: as
    /// long as the socket takes more, there would be no end to this one.
    pub(super) fn postpone(&mut self, now: Instant, index: u32) {
        let Some(member) = self.members.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let mut is_told = false;
        while let Some(action) = member.client.poll_action() {
            is_told |= matches!(action, Action::Event);
            member.perform(now, index, action, &mut self.resolver, &self.poster, &mut self.tasks);
        }
        let due = if is_told { Some(now) } else { member.poll_timeout() };
        self.arm(index, due);
    }
}
