//! A program that lives in the loop, with its client.
use super::handle::{Face, number_of};
use super::member::Taker;
use super::shared::Shared;
use super::{Clients, Endpoint, Maker};
use tidewire_core::client::{Client, Config};
use tidewire_core::time::Instant;

/// A program that lives in the loop, with its client: no handle, no future and no queue stands between the two, and
/// nobody is woken. For whoever has thousands of clients do the same, or counts what a message costs.
///
/// It goes when its client has [ended](Client::is_ended), unless it has connected again in the turn in which it hears of
/// that; and with the loop. A loop that ends lets nobody come back.
pub trait Resident: Send + 'static {
    /// Something has happened to the client, or it is [time](Self::poll_timeout): takes events out of the machine until
    /// there are none, and messages as far as it wants them, and has it do what is to be done next. What it leaves is not
    /// announced again.
    ///
    /// `error` is why this connection or attempt came to nothing, in the system's words. It must not block: all other
    /// clients of the loop wait meanwhile.
    fn turn(&mut self, now: Instant, client: &mut Client, error: Option<&str>);

    /// When it wants a turn though nothing happens: later than its last one, or the loop never sleeps.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

impl Maker {
    /// A client of these servers, which are tried in turn, for a program in the loop. It connects at once, unless the loop
    /// is about to end. The configuration holds as it is, but nobody is asked for credentials; `seed` is where its delays
    /// are drawn from.
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
        (config.servers, config.ask_credentials) = (number_of(&servers), false);
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
                if clients.member(index).is_some_and(|member| matches!(member.taker, Taker::Resident(_))) {
                    clients.arm(index, Some(now));
                }
            }
        });
    }
}

impl Clients {
    /// Does what a client announces while it sends. What its program makes of that waits for the loop's next turn: as
    /// long as the socket takes more, there would be no end to this one.
    pub(super) fn postpone(&mut self, now: Instant, index: u32) {
        let is_news = self.perform(now, index);
        let due = self.member(index).and_then(|member| member.poll_timeout());
        self.arm(index, if is_news { Some(now) } else { due });
    }
}
