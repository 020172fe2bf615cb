//! The policy's host has answered, or has not in time.
use super::authority::policy::{Answer, Authentication, Denial};
use super::authority::questions::About;
use super::connection::{State, Unread};
use super::{Broker, Question};
use crate::Input;
use crate::id::QuestionId;
use crate::reason::ReasonCode;
use crate::time::Instant;

impl Broker {
    /// What to find the answer to; `None` if it has been given, or is no longer needed.
    pub(super) fn open_question(&self, question: QuestionId) -> Option<Question<'_>> {
        let open = self.questions.get(question)?;
        Some(match &open.about {
            About::Connect => {
                let connection = &self.connections[open.connection.index];
                let applicant = connection.busy.as_deref()?.applicant.as_deref()?;
                Question::Authenticate { peer: connection.peer(), step: &applicant.step }
            }
            About::Again => Question::Authenticate {
                peer: self.connections[open.connection.index].peer(),
                step: self.connections.step_again(open.connection.index)?,
            },
            About::Publish(waiting) => {
                Question::Admit { publisher: &waiting.publisher, publication: &waiting.publication }
            }
        })
    }

    /// The authority has answered. An answer to a question that is closed does nothing.
    pub(super) fn on_answer(&mut self, now: Instant, question: QuestionId, answer: Answer) {
        let Some(open) = self.questions.close(question) else { return };
        let id = open.connection;
        if !self.connections.is(id) {
            return;
        }
        self.connections[id.index].let_go(Unread::HELD);
        let busy = self.connections.busy(id.index);
        (busy.question, busy.waiting) = (None, 0);
        let input = match open.about {
            About::Connect => {
                self.connections[id.index].state = State::Opened;
                self.on_authentication(now, id.index, verdict_of(answer))
            }
            About::Again => match self.on_verdict_again(now, id.index, verdict_of(answer)) {
                Ok(input) => input,
                Err(fault) => {
                    self.fail(now, id.index, &fault);
                    Input::Done
                }
            },
            About::Publish(waiting) => self.on_admission(now, id.index, waiting.incoming, answer),
        };
        if input == Input::More {
            self.after.go_on(id);
        }
    }

    /// Nobody answered in time: that is a no.
    pub(super) fn answer_is_late(&mut self, now: Instant, question: u64) {
        self.on_answer(now, QuestionId(question), Answer::Deny(Denial::new(ReasonCode::ServerBusy)));
    }
}

fn verdict_of(answer: Answer) -> Authentication {
    match answer {
        Answer::Allow(grant) => Authentication::Allow(grant),
        Answer::Continue { data } => Authentication::Continue { data },
        Answer::Deny(denial) => Authentication::Deny(denial),
        // No answer to what was asked: it lets nobody in.
        Answer::Admit | Answer::Changed(_) => Authentication::Deny(Denial::new(ReasonCode::NotAuthorized)),
    }
}
