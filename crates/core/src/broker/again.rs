//! AUTH from somebody who is in: whoever named a method in CONNECT may authenticate again, with the same one. Its rights,
//! and the end of what it was granted, are then those of the new verdict; its session and its subscriptions stay.
use super::Broker;
use super::authority::policy::{AuthStep, Authentication, Denial, Grant};
use super::authority::questions::About;
use super::base::limits::Limit;
use super::cause::Cause;
use super::connection::again::Turn;
use super::connection::answers::Reply;
use super::connection::applicant::{ROUNDS, put_auth};
use super::connection::fault::Fault;
use crate::Input;
use crate::codec::Auth;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::vec::Vec;

impl Broker {
    /// An AUTH from a client that is in. `Hold` when its verdict is pending: what comes behind it is judged by the
    /// rights that it will have. [MQTT-4.12.1-1]
    #[cold]
    pub(super) fn on_auth_again(
        &mut self,
        now: Instant,
        index: u32,
        auth: &Auth<'_>,
    ) -> Result<Input, Fault> {
        // [MQTT-4.12.0-7]
        let again = self.connections.again(index).ok_or(Fault::Unexpected)?;
        if auth.properties.authentication_method() != Some(&*again.method) {
            return Err(Fault::AuthenticationMethod);
        }
        let data = auth.properties.authentication_data().unwrap_or_default().into();
        let method = again.method.clone();
        let step = match (auth.reason, again.turn) {
            (ReasonCode::ReAuthenticate, Turn::Nobody) => {
                again.rounds = 0;
                AuthStep::Again { method, data }
            }
            (ReasonCode::ContinueAuthentication, Turn::Client) => {
                again.rounds += 1;
                AuthStep::Continue { method, data }
            }
            _ => return Err(Fault::AuthenticationMethod),
        };
        if again.rounds > ROUNDS {
            return Err(Fault::Refused(Denial::new(ReasonCode::NotAuthorized), Cause::Denied));
        }
        let peer = self.connections[index].peer();
        let verdict = self.policy.authenticate(now, &peer, &step);
        if let Some(again) = self.connections.again(index) {
            again.step = Some(step);
        }
        self.on_verdict_again(now, index, verdict)
    }

    /// The policy has spoken, at once or after a while. A no ends the connection. [MQTT-4.12.1-2]
    pub(super) fn on_verdict_again(
        &mut self,
        now: Instant,
        index: u32,
        verdict: Authentication,
    ) -> Result<Input, Fault> {
        match verdict {
            Authentication::Allow(grant) => self.renew(now, index, &grant),
            Authentication::Continue { data } => {
                self.send_auth(index, ReasonCode::ContinueAuthentication, &data, Turn::Client)
            }
            Authentication::Deny(denial) => Err(Fault::Refused(denial, Cause::Denied)),
            Authentication::Later => {
                if self.ask(now, index, About::Again) {
                    return Ok(Input::Hold);
                }
                let cause = Cause::Limit(Limit::answers_open);
                Err(Fault::Refused(Denial::new(ReasonCode::ServerBusy), cause))
            }
        }
    }

    /// The same identity has other rights from here on, or for longer.
    fn renew(&mut self, now: Instant, index: u32, grant: &Grant) -> Result<Input, Fault> {
        let session = self.connections[index].session;
        let before = self.sessions[session].grant;
        // A session belongs to the identity that made it.
        if self.grants.identity(before) != grant.identity {
            return Err(Fault::Refused(Denial::new(ReasonCode::NotAuthorized), Cause::OthersSession));
        }
        let place = self.grants.place(grant.identity, grant.variant);
        if place != before {
            self.grants.end_connection(before);
            self.rest_on(session, place);
            self.grants.begin_connection(place);
            self.pen().session(now, session, true);
        }
        self.on_grant(now, grant);
        self.send_auth(index, ReasonCode::Success, &[], Turn::Nobody)
    }

    /// AUTH goes out, and then it is this one's turn. [MQTT-4.12.0-5] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    fn send_auth(&mut self, index: u32, reason: ReasonCode, data: &[u8], turn: Turn) -> Result<Input, Fault> {
        let limit = self.sessions[self.connections[index].session].maximum_packet_size;
        let Some(again) = self.connections.again(index) else { return Ok(Input::More) };
        (again.turn, again.step) = (turn, None);
        let method = again.method.clone();
        let mut out = Vec::new();
        if !put_auth(reason, &method, data, limit, &mut out) {
            return Err(Fault::AnswerTooLarge);
        }
        self.answer(index, Reply::Encoded(out.into()));
        self.announce(index);
        Ok(Input::More)
    }
}
