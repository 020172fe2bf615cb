//! With what to connect, where the application is asked before each attempt.
use super::Clients;
use super::machine::ClientId;
use super::member::Member;
use super::reach::{Poster, call};
use std::fmt;
use std::sync::Arc;
use tidewire_core::client::{Cause, Credentials};
use tidewire_core::time::Instant;

/// Who is asked.
pub(crate) type CredentialsFrom = Box<dyn FnMut(Ask) + Send>;

/// With what to connect? If it is dropped unanswered, the attempt is given up, and the next one asks again.
#[non_exhaustive]
pub struct Ask {
    /// Counted from 1 since the last connection.
    pub attempt: u32,
    /// Why the last one ended, or the last connection.
    pub last: Option<Cause>,
    answer: Option<Answer>,
}

type Answer = Box<dyn FnOnce(Option<Credentials>) + Send>;

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
    pub fn answer(mut self, credentials: Credentials) {
        if let Some(answer) = self.answer.take() {
            answer(Some(credentials));
        }
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(None);
        }
    }
}

/// What is asked of the application, and how often it was.
#[derive(Default)]
pub(super) struct Asking {
    from: Option<CredentialsFrom>,
    attempts: u32,
    last: Option<Cause>,
}

impl Asking {
    pub(super) fn new(from: Option<CredentialsFrom>) -> Self {
        Self { from, attempts: 0, last: None }
    }

    pub(super) fn connected(&mut self) {
        self.attempts = 0;
    }

    pub(super) fn ended(&mut self, cause: Cause) {
        self.last = Some(cause);
    }
}

impl Member {
    pub(super) fn ask_for_credentials(&mut self, now: Instant, index: u32, poster: &Poster) {
        let asking = &mut self.credentials;
        let Some(from) = &mut asking.from else { return self.client.credentials(now, None) };
        asking.attempts += 1;
        let id = ClientId { index, generation: self.generation };
        let poster = Arc::clone(poster);
        let answer = move |credentials| {
            call(&poster, move |clients, now| clients.credentials(now, id, credentials));
        };
        from(Ask { attempt: asking.attempts, last: asking.last, answer: Some(Box::new(answer)) });
    }
}

impl Clients {
    /// What the application says, if that attempt is still under way.
    fn credentials(&mut self, now: Instant, id: ClientId, credentials: Option<Credentials>) {
        if let Some(member) = self.connected(id) {
            member.client.credentials(now, credentials);
            self.act(now, id.index);
        }
    }
}
