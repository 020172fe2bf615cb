//! With what to connect, where the application is asked before each attempt, and how an authentication goes on.
use super::machine::ClientId;
use super::member::{Attempt, Member};
use super::reach::{Poster, call};
use std::fmt;
use std::sync::Arc;
use tidewire_core::client::{Cause, Config, Credentials};
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;

/// Who is asked.
pub(crate) type CredentialsFrom = Box<dyn FnMut(Ask) + Send>;
/// Who takes the steps of an authentication.
pub(crate) type StepsFrom = Box<dyn FnMut(Challenge) + Send>;

/// With what to connect? If it is dropped unanswered, the attempt is given up, and the next one asks again.
#[non_exhaustive]
pub struct Ask {
    /// Counted from 1 since the last connection.
    pub attempt: u32,
    /// Why the last one ended, or the last connection.
    pub last: Option<Cause>,
    reply: Reply<Credentials>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("attempt", &self.attempt)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Ask {
    /// With these. From anywhere, at any time before the attempt is given up.
    pub fn answer(self, credentials: Credentials) {
        self.reply.with(credentials);
    }
}

/// A step of an authentication. If it is dropped unanswered, the attempt is given up, and the next one begins anew. (5.0,
/// section 4.12)
#[non_exhaustive]
pub struct Challenge {
    /// What the server said; empty at the first step.
    pub data: Box<[u8]>,
    /// An attempt begins, and with it another authentication: nothing of an earlier one holds any more.
    pub is_first: bool,
    reply: Reply<Box<[u8]>>,
}

impl fmt::Debug for Challenge {
    /// What is said is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("is_first", &self.is_first).finish_non_exhaustive()
    }
}

impl Challenge {
    /// With this, 65,535 bytes at most: more gives the attempt up. From anywhere, at any time before that.
    pub fn answer(self, data: impl Into<Box<[u8]>>) {
        self.reply.with(data.into());
    }
}

/// Where an answer goes; none, if this is dropped before there was one.
struct Reply<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

/// How answers find their client: at this place.
struct Home {
    poster: Poster,
    index: u32,
}

impl Home {
    /// An answer for this attempt: told to the client, on the loop, if that is still under way.
    fn reply<T: Send + 'static>(
        &self,
        generation: u32,
        tell: impl FnOnce(&mut Member, Instant, Option<T>) + Send + 'static,
    ) -> Reply<T> {
        let (poster, id) = (Arc::clone(&self.poster), ClientId { index: self.index, generation });
        Reply(Some(Box::new(move |answer| {
            call(&poster, move |clients, now| {
                if let Some(member) = clients.connected(id) {
                    tell(member, now, answer);
                    clients.act(now, id.index);
                }
            });
        })))
    }
}

impl<T> Reply<T> {
    fn with(mut self, answer: T) {
        if let Some(tell) = self.0.take() {
            tell(Some(answer));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(None);
        }
    }
}

/// What is asked of the application, and how often it was.
pub(super) struct Asking {
    from: Option<CredentialsFrom>,
    steps_from: Option<StepsFrom>,
    /// What an authentication has besides, where nobody is asked for others.
    fixed: Credentials,
    home: Home,
    attempts: u32,
    last: Option<Cause>,
}

impl Asking {
    /// `None`, if nobody is to be asked.
    pub(super) fn new(
        (from, steps_from): (Option<CredentialsFrom>, Option<StepsFrom>),
        config: &Config,
        poster: &Poster,
        index: u32,
    ) -> Option<Box<Self>> {
        if from.is_none() && steps_from.is_none() {
            return None;
        }
        let mut fixed = Credentials::default();
        if steps_from.is_some() {
            (fixed.username, fixed.password) = (config.username.clone(), config.password.clone());
        }
        let home = Home { poster: Arc::clone(poster), index };
        Some(Box::new(Self { from, steps_from, fixed, home, attempts: 0, last: None }))
    }

    pub(super) fn connected(&mut self) {
        self.attempts = 0;
    }

    pub(super) fn ended(&mut self, cause: Cause) {
        self.last = Some(cause);
    }
}

impl Member {
    pub(super) fn ask_for_credentials(&mut self, now: Instant) {
        let Some(asking) = &mut self.asking else { return self.client.credentials(now, None) };
        asking.attempts += 1;
        match &mut asking.from {
            Some(from) => {
                let reply = asking.home.reply(self.generation, Self::begin);
                from(Ask { attempt: asking.attempts, last: asking.last, reply });
            }
            None => {
                let fixed = asking.steps_from.as_ref().map(|_| asking.fixed.clone());
                self.begin(now, fixed);
            }
        }
    }

    /// Connects with these; the first step of an authentication, if there is one, goes with them.
    fn begin(&mut self, now: Instant, credentials: Option<Credentials>) {
        // Of an attempt that has ended nothing begins.
        if self.attempt != Attempt::Connected {
            return;
        }
        let Some(asking) = &mut self.asking else { return };
        match (credentials, &mut asking.steps_from) {
            (Some(mut credentials), Some(steps_from)) => {
                let begin = move |member: &mut Self, now, data: Option<Box<[u8]>>| {
                    let data = data.filter(|data| data.len() <= usize::from(u16::MAX));
                    let is_answered = data.is_some();
                    credentials.authentication_data = data;
                    member.client.credentials(now, is_answered.then_some(credentials));
                };
                let reply = asking.home.reply(self.generation, begin);
                steps_from(Challenge { data: Box::default(), is_first: true, reply });
            }
            (credentials, _) => self.client.credentials(now, credentials),
        }
    }

    /// The server has asked for the next step. True if somebody takes it.
    pub(super) fn takes_challenge(&mut self, data: &[u8]) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        let Some(steps_from) = &mut asking.steps_from else { return false };
        let go_on = |member: &mut Self, now, data: Option<Box<[u8]>>| {
            let said = data.map(|data| member.client.authenticate(ReasonCode::ContinueAuthentication, &data));
            if !matches!(said, Some(Ok(()))) {
                member.client.credentials(now, None);
            }
        };
        let reply = asking.home.reply(self.generation, go_on);
        steps_from(Challenge { data: data.into(), is_first: false, reply });
        true
    }
}
