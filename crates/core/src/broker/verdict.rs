//! Questions that the policy put off: each has a ticket, a deadline and exactly one end.
use super::authority::policy::{Answer, Authentication, Denial, Grant};
use super::base::timers::Key;
use super::connection::{Flags, State};
use super::incoming::Incoming;
use super::timing::Kind;
use super::{Action, Broker, Question};
use crate::Input;
use crate::id::{ConnectionId, Ticket};
use crate::message::Publication;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// What a question is about.
pub(crate) enum About {
    /// The step in the connection's greeting.
    Connect,
    /// A PUBLISH that waits; its head only, if its payload is still to come.
    Publish(Box<Waiting>),
}

/// A PUBLISH that the policy has not judged yet.
pub(crate) struct Waiting {
    pub(crate) incoming: Incoming,
    pub(crate) publisher: Grant,
    /// As the policy's host is asked.
    pub(crate) publication: Publication,
}

struct Open {
    connection: ConnectionId,
    about: About,
}

/// The open questions, by ticket.
#[derive(Default)]
pub(crate) struct Questions {
    open: BTreeMap<u64, Open>,
    asked: u64,
}

impl Questions {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.values().map(|o| o.connection)
    }
}

impl Broker {
    /// Announces a question, unless too many are open: then `false`.
    pub(crate) fn ask(&mut self, now: Instant, index: u32, about: About) -> bool {
        if self.questions.open.len() >= self.limits.answers_open as usize {
            return false;
        }
        self.questions.asked += 1;
        let ticket = self.questions.asked;
        let connection = self.connections.id(index);
        self.questions.open.insert(ticket, Open { connection, about });
        self.connections[index].flags.set(Flags::HELD);
        self.connections.lane(index).question = Some(ticket);
        self.push(Action::Ask(Ticket(ticket)));
        let at = now.after_secs(self.limits.answer_seconds.into());
        let [high, low] =
            [ticket >> 32, ticket & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or_default());
        self.timers.insert(at, Key::new(Kind::Answer as u8, high, low));
        true
    }

    /// What to find the answer to; `None` if it has been given, or is no longer needed.
    pub(crate) fn open_question(&self, ticket: Ticket) -> Option<Question<'_>> {
        let open = self.questions.open.get(&ticket.0)?;
        Some(match &open.about {
            About::Connect => {
                let connection = &self.connections[open.connection.index];
                let greeting = connection.lane.as_deref()?.greeting.as_deref()?;
                Question::Authenticate { peer: connection.peer(), step: &greeting.step }
            }
            About::Publish(waiting) => {
                Question::Admit { publisher: &waiting.publisher, publication: &waiting.publication }
            }
        })
    }

    /// The authority has answered. An answer to a question that is closed does nothing.
    pub(crate) fn on_answer(&mut self, now: Instant, ticket: Ticket, answer: Answer) {
        let Some(open) = self.questions.open.remove(&ticket.0) else { return };
        let id = open.connection;
        if self.connections.get(id).is_none() {
            return;
        }
        self.connections[id.index].flags.clear(Flags::HELD);
        let lane = self.connections.lane(id.index);
        (lane.question, lane.waiting) = (None, 0);
        let input = match open.about {
            About::Connect => {
                self.connections[id.index].state = State::Opened;
                let verdict = match answer {
                    Answer::Allow(grant) => Authentication::Allow(grant),
                    Answer::Continue(data) => Authentication::Continue(data),
                    Answer::Deny(denial) => Authentication::Deny(denial),
                    // No answer to what was asked: it lets nobody in.
                    Answer::Admit | Answer::Changed(_) => {
                        Authentication::Deny(Denial::new(ReasonCode::NotAuthorized))
                    }
                };
                self.on_authentication(now, id.index, verdict)
            }
            About::Publish(waiting) => self.on_admission(now, id.index, waiting.incoming, answer),
        };
        self.go_on(now, id, input);
    }

    /// Nobody answered in time: that is a no.
    pub(crate) fn answer_is_late(&mut self, now: Instant, ticket: u64) {
        self.on_answer(now, Ticket(ticket), Answer::Deny(Denial::new(ReasonCode::ServerBusy)));
    }

    /// The connection that asked is going: nobody needs the answer.
    pub(crate) fn drop_question(&mut self, id: ConnectionId) {
        self.connections[id.index].flags.clear(Flags::HELD);
        if let Some(ticket) = self.connections[id.index].lane.as_deref_mut().and_then(|l| l.question.take()) {
            self.questions.open.remove(&ticket);
        }
    }

    /// A verdict has come: what was kept meanwhile is handled, and then the socket is read again.
    pub(crate) fn go_on(&mut self, now: Instant, id: ConnectionId, input: Input) {
        if input != Input::More || self.connections.get(id).is_none() {
            return;
        }
        let kept = core::mem::take(&mut self.connections.lane(id.index).kept);
        self.charge(now, id.index);
        if self.connections[id.index].state == State::Up {
            self.connections[id.index].heard = now;
        }
        let input = self.feed(now, id, &kept);
        if input == Input::More && !self.connections[id.index].flags.is_unread() {
            self.push(Action::Resume(id));
        }
    }
}
