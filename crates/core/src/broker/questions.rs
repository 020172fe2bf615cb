//! Questions that the policy put off: each has a name, a deadline and exactly one end.
use super::connection::{Flags, State};
use super::incoming::Incoming;
use super::policy::{Answer, Authentication, Denial, Grant};
use super::timers::Key;
use super::timing::Kind;
use super::{Action, Broker, Question};
use crate::Input;
use crate::id::{ConnectionId, QuestionId};
use crate::message::Publication;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// What a question is about.
pub(super) enum About {
    /// The step in the connection's greeting.
    Connect,
    /// A PUBLISH that waits; its head only, if its payload is still to come.
    Publish(Box<Waiting>),
}

/// A PUBLISH that the policy has not judged yet.
pub(super) struct Waiting {
    pub(super) incoming: Incoming,
    pub(super) publisher: Grant,
    /// As the policy's host is asked.
    pub(super) publication: Publication,
}

struct Open {
    connection: ConnectionId,
    about: About,
}

/// The open questions, by their ids.
#[derive(Default)]
pub(super) struct Questions {
    open: BTreeMap<u64, Open>,
    asked: u64,
}

impl Questions {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.values().map(|o| o.connection)
    }
}

impl Broker {
    /// Announces a question, unless too many are open: then `false`.
    pub(super) fn ask(&mut self, now: Instant, index: u32, about: About) -> bool {
        if self.questions.open.len() >= self.limits.answers_open as usize {
            return false;
        }
        self.questions.asked += 1;
        let question = self.questions.asked;
        let connection = self.connections.id(index);
        self.questions.open.insert(question, Open { connection, about });
        self.connections[index].flags.set(Flags::HELD);
        self.connections.lane(index).question = Some(question);
        self.push(Action::Ask(QuestionId(question)));
        let at = now.after_secs(self.limits.answer_seconds.into());
        let [high, low] =
            [question >> 32, question & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or_default());
        self.timers.insert(at, Key::new(Kind::Answer as u8, high, low));
        true
    }

    /// What to find the answer to; `None` if it has been given, or is no longer needed.
    pub(super) fn open_question(&self, question: QuestionId) -> Option<Question<'_>> {
        let open = self.questions.open.get(&question.0)?;
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
    pub(super) fn on_answer(&mut self, now: Instant, question: QuestionId, answer: Answer) {
        let Some(open) = self.questions.open.remove(&question.0) else { return };
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
                    Answer::Continue { data } => Authentication::Continue { data },
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
    pub(super) fn answer_is_late(&mut self, now: Instant, question: u64) {
        self.on_answer(now, QuestionId(question), Answer::Deny(Denial::new(ReasonCode::ServerBusy)));
    }

    /// The connection that asked is going: nobody needs the answer.
    pub(super) fn drop_question(&mut self, id: ConnectionId) {
        self.connections[id.index].flags.clear(Flags::HELD);
        if let Some(question) = self.connections[id.index].lane.as_deref_mut().and_then(|l| l.question.take())
        {
            self.questions.open.remove(&question);
        }
    }

    /// A verdict has come: what was kept meanwhile is handled, and then the socket is read again.
    pub(super) fn go_on(&mut self, now: Instant, id: ConnectionId, input: Input) {
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
