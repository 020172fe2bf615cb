//! CONNECT: from the packet to the one point at which it takes effect.
use super::authority::policy::{Access, AuthStep, Authentication, Denial, Grant};
use super::authority::questions::About;
use super::authority::supported::Supported;
use super::base::NONE;
use super::base::limits::Limit;
use super::base::rules::Rule;
use super::base::timers::{Key, Kind as TimerKind};
use super::cause::{Cause, ProtocolError};
use super::connection::State;
use super::connection::answers::Reply;
use super::connection::applicant::{Applicant, ROUNDS, put_auth};
use super::connection::fault::Fault;
use super::leaving::Leaving;
use super::session::{Kind, RESENT_SECONDS};
use super::{Action, Broker, Event};
use crate::Input;
use crate::codec::{Auth, Connect, Packet};
use crate::id::ShardId;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use crate::version::Version;
use alloc::boxed::Box;
use alloc::string::String;

impl Broker {
    /// A CONNECT was decoded. `Hold` when its verdict is pending or it has to move. [MQTT-3.1.3-5]
    pub(super) fn on_connect(
        &mut self,
        now: Instant,
        index: u32,
        connect: &Connect<'_>,
    ) -> Result<Input, Fault> {
        let mut applicant = Applicant::new(connect);
        if connect.client_id.is_empty() {
            // [MQTT-3.1.3-8 of 3.1.1] 3.1 has no empty ones at all.
            let allowed = match connect.version {
                Version::V3_1 => false,
                Version::V3_1_1 => connect.clean_start,
                Version::V5 => true,
            };
            if !allowed {
                let missing = ProtocolError::ClientIdMissing;
                return Err(Fault::Refused(Denial::new(missing.reason()), Cause::Protocol(missing)));
            }
            // An assigned id is at home where it is assigned. [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
            applicant.assign(&self.new_client_id());
        } else {
            let home = self.shards.home(connect.client_id.as_str());
            if home != self.shards.me() {
                return Ok(self.move_home(index, connect, home));
            }
        }
        self.connections.busy(index).applicant = Some(Box::new(applicant));
        Ok(self.ask_in(now, index))
    }

    /// [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    fn new_client_id(&mut self) -> String {
        loop {
            let id = self.here.client_id();
            if self.shards.home(&id) == self.shards.me() && self.sessions.find(&id).is_none() {
                return id;
            }
        }
    }

    /// Everything that was read goes along: the packet itself, and what comes behind it.
    fn move_home(&mut self, index: u32, connect: &Connect<'_>, home: ShardId) -> Input {
        let busy = self.connections.busy(index);
        busy.kept.clear();
        Packet::Connect(connect.clone())
            .encode(connect.version, u32::MAX, &mut busy.kept)
            .expect("what was decoded can be encoded");
        self.connections[index].state = State::Moving;
        let connection = self.connections.id(index);
        self.actions.push(Action::Move { connection, to: home });
        Input::Hold
    }

    /// Asks the policy about the step that the applicant has come to.
    fn ask_in(&mut self, now: Instant, index: u32) -> Input {
        let peer = self.connections[index].peer();
        let Some(busy) = self.connections[index].busy.as_deref() else { return Input::Done };
        let Some(applicant) = busy.applicant.as_deref() else { return Input::Done };
        let verdict = self.policy.authenticate(now, &peer, &applicant.step);
        self.on_authentication(now, index, verdict)
    }

    /// The policy has spoken, at once or after a while.
    pub(super) fn on_authentication(&mut self, now: Instant, index: u32, verdict: Authentication) -> Input {
        match verdict {
            Authentication::Allow(grant) => self.let_in(now, index, &grant),
            Authentication::Continue { data } => self.continue_auth(now, index, &data),
            Authentication::Deny(denial) => self.refuse(now, index, &denial, Cause::Denied),
            Authentication::Later => {
                if self.ask(now, index, About::Connect) {
                    self.connections[index].state = State::Asking;
                    Input::Hold
                } else {
                    let cause = Cause::Limit(Limit::answers_open);
                    self.refuse(now, index, &Denial::new(ReasonCode::ServerBusy), cause)
                }
            }
        }
    }

    /// Another step of an authentication that takes several: AUTH goes out, the client's AUTH is awaited.
    /// [MQTT-4.12.0-2] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    fn continue_auth(&mut self, now: Instant, index: u32, data: &[u8]) -> Input {
        let busy = self.connections.busy(index);
        let Some(applicant) = busy.applicant.as_deref_mut() else { return Input::Done };
        let Some(method) = applicant.method.clone() else {
            // Nothing can be continued with a client that speaks of no method. [MQTT-4.12.0-6]
            let denial = Denial::new(ReasonCode::BadAuthenticationMethod);
            return self.refuse(now, index, &denial, Cause::Denied);
        };
        applicant.awaits_auth = true;
        let limit = applicant.maximum_packet_size;
        if !put_auth(ReasonCode::ContinueAuthentication, &method, data, limit, &mut busy.out) {
            let too_large = ProtocolError::AnswerTooLarge;
            return self.refuse(now, index, &Denial::new(too_large.reason()), Cause::Protocol(too_large));
        }
        self.connections[index].state = State::Opened;
        self.announce(index);
        Input::More
    }

    /// An AUTH came before CONNACK.
    pub(super) fn on_auth(&mut self, now: Instant, index: u32, auth: &Auth<'_>) -> Result<Input, Fault> {
        let busy = self.connections.busy(index);
        let Some(applicant) = busy.applicant.as_deref_mut().filter(|g| g.awaits_auth) else {
            return Err(Fault::Unexpected);
        };
        let same = auth.properties.authentication_method() == applicant.method.as_deref();
        if !same || auth.reason != ReasonCode::ContinueAuthentication {
            return Err(Fault::AuthenticationMethod);
        }
        applicant.rounds += 1;
        if applicant.rounds > ROUNDS {
            return Err(Fault::Refused(Denial::new(ReasonCode::NotAuthorized), Cause::Denied));
        }
        applicant.awaits_auth = false;
        applicant.step = AuthStep::Continue {
            method: applicant.method.clone().unwrap_or_default(),
            data: auth.properties.authentication_data().unwrap_or_default().into(),
        };
        Ok(self.ask_in(now, index))
    }

    /// The one point at which a CONNECT takes effect: takeover, Clean Start, the will's replacement, Session
    /// Present and CONNACK are decided here, against the state of this moment. [MQTT-3.1.4-5] [MQTT-3.2.0-2]
    fn let_in(&mut self, now: Instant, index: u32, grant: &Grant) -> Input {
        let Some(mut applicant) = self.connections.busy(index).applicant.take() else { return Input::Done };
        let found = self.sessions.find(&applicant.client_id);
        if self.journal.has_failed() {
            self.connections.busy(index).applicant = Some(applicant);
            let denial = Denial::new(ReasonCode::ServerUnavailable);
            return self.refuse(now, index, &denial, Cause::JournalFailed);
        }
        if let Some((denial, cause)) = self.refusal(now, index, &applicant, grant, found) {
            self.connections.busy(index).applicant = Some(applicant);
            return self.refuse(now, index, &denial, cause);
        }
        let (session, present) = self.find_session(now, index, &applicant, found);
        self.attach(now, index, session, present, &mut applicant, grant);
        let keep_alive = self.limits.keep_alive(applicant.keep_alive);
        self.connections.uncharge(index);
        self.connections.attach(index, session);
        self.connections.set_aliases(index, applicant.topic_alias_maximum.min(self.limits.topic_aliases));
        let c = &mut self.connections[index];
        (c.keep_alive, c.heard) = (keep_alive, now);
        c.hint = NONE;
        if let Some(method) = applicant.method.take() {
            self.connections.set_method(index, method);
        }
        let c = &mut self.connections[index];
        if applicant.terse {
            c.make_terse();
        }
        if applicant.bridge {
            c.make_bridge();
        }
        // The timer of the CONNECT is still set, and looks at what is due when it goes off.
        if u64::from(keep_alive) * 3 / 2 < u64::from(self.limits.connect_seconds) {
            self.watch(now, index);
        }
        let said = present && self.rules.obeys(Rule::PresentIsSaid);
        let connack = applicant.connack(&self.limits, grant, said);
        self.answer(index, Reply::Encoded(connack));
        self.announce(index);
        // The end of a session before it has told other shards something, too.
        self.wait_if_window_is_full(index);
        self.actions.event(Event::Connected {
            id: self.connections.id(index),
            peer: self.connections[index].peer(),
            client_id: core::mem::take(&mut applicant.client_id),
            identity: grant.identity,
            version: applicant.version,
            keep_alive,
            session_present: present,
        });
        Input::More
    }

    /// The session for this client, and whether it is the one that was there.
    /// [MQTT-3.1.2-6] [MQTT-3.1.3-2] [MQTT-3.1.4-4]
    fn find_session(
        &mut self,
        now: Instant,
        index: u32,
        applicant: &Applicant,
        found: Option<u32>,
    ) -> (u32, bool) {
        let mut takeovers = None;
        if let Some(session) = found {
            self.take_over(now, session, index, applicant.clean_start);
            takeovers = self.sessions[session].rare.as_deref().map(|rare| rare.takeovers).filter(|t| t.1 > 0);
            // The old session's expiry decides whether there is anything to hand on. [MQTT-3.1.2-4] [MQTT-3.1.2-5]
            // [MQTT-3.2.2-3]
            let goes_on = !applicant.clean_start || !self.rules.obeys(Rule::DiscardedByCleanStart);
            if goes_on && self.sessions[session].expiry > 0 {
                return (session, true);
            }
            self.end_session(now, session);
        }
        let session = self.sessions.insert(&applicant.client_id, Kind::Client);
        if let Some(takeovers) = takeovers {
            // They are counted for the Client Identifier, over all its sessions.
            self.sessions[session].rare.get_or_insert_default().takeovers = takeovers;
        }
        (session, false)
    }

    /// The session has this connection, grant and will from here on.
    fn attach(
        &mut self,
        now: Instant,
        index: u32,
        session: u32,
        present: bool,
        applicant: &mut Applicant,
        grant: &Grant,
    ) {
        let before = self.sessions[session].grant;
        let known = self.grants.find(grant.identity, grant.variant);
        if known.is_some_and(|place| self.grants.grant(place).is_none()) {
            // Since a restart nobody knew what it may do, and what is remembered says that it may nothing.
            self.router.forget_all();
        }
        let place = self.grants.set(grant);
        self.rest_on(session, place);
        self.grants.begin_connection(place);
        self.watch_grant(now, place);
        let in_flight =
            if applicant.version.is_v5() { self.limits.in_flight } else { self.limits.in_flight_v3 };
        let will = applicant.will.take();
        let s = &mut self.sessions[session];
        s.expiry = applicant.expiry.min(self.limits.session_expiry_seconds);
        (s.connection, s.version) = (index, applicant.version);
        s.maximum_packet_size = applicant.maximum_packet_size;
        s.receive_maximum = applicant.receive_maximum.min(in_flight);
        if let Some(rare) = s.rare.as_deref_mut() {
            (rare.will_at, rare.ends_at, rare.accepted) = (None, None, None);
        }
        if will.is_some() {
            // [MQTT-3.1.2-7]
            s.rare.get_or_insert_default().will = will.map(Box::new);
        }
        if let Some(busy) = s.busy.as_deref_mut()
            && busy.resume(self.journal.end())
        {
            let key = Key::new(TimerKind::Resend as u8, index, self.connections[index].generation);
            self.timers.insert(now.after_secs(RESENT_SECONDS), key);
        }
        self.pen().session(now, session, present);
        if self.sessions[session].rare.as_deref().is_some_and(|m| m.will.is_some()) {
            self.pen().will(session);
        }
        if present && before != place {
            self.judge_resumed(session, grant.identity);
        }
        self.tell_room(session);
    }

    /// Why this client can't have that session now, if so. Nothing changes here but the count of takeovers.
    /// [MQTT-3.1.4-2]
    fn refusal(
        &mut self,
        now: Instant,
        index: u32,
        applicant: &Applicant,
        grant: &Grant,
        found: Option<u32>,
    ) -> Option<(Denial, Cause)> {
        let v5 = applicant.version.is_v5();
        let limit = applicant.maximum_packet_size;
        if limit < u32::MAX && applicant.connack(&self.limits, grant, false).len() as u64 > u64::from(limit) {
            // It takes no packet in which it could be welcomed. [MQTT-3.1.2-24]
            let too_large = ProtocolError::AnswerTooLarge;
            return Some((Denial::new(too_large.reason()), Cause::Protocol(too_large)));
        }
        if let Some(will) = &applicant.will {
            if let Err(error) = Supported::by(&self.limits, grant).check(will.qos, will.retain) {
                return Some((Denial::new(error.reason()), Cause::Protocol(error)));
            }
            let access =
                Access::Publish { topic: Text::known_str(&will.topic), qos: will.qos, retain: will.retain };
            if !grant.rights.may(&applicant.client_id, access).allow {
                return Some((Denial::new(ReasonCode::NotAuthorized), Cause::WillDenied));
            }
        }
        let Some(session) = found else {
            return self.over_quota(grant, true).map(quota_exceeded);
        };
        let s = &self.sessions[session];
        // There is one session per client id, and it belongs to the identity that made it.
        let owner = if s.grant == NONE { None } else { Some(self.grants[s.grant].identity) };
        if s.kind != Kind::Client || owner.is_some_and(|owner| owner != grant.identity) {
            let reason = if v5 { ReasonCode::ClientIdentifierNotValid } else { ReasonCode::NotAuthorized };
            return Some((Denial::new(reason), Cause::OthersSession));
        }
        // The one that was accepted later keeps the session, also when it is gone before the older one's verdict.
        let last = s.rare.as_deref().and_then(|m| m.accepted);
        if last.is_some_and(|last| self.connections[index].accepted(now) < last)
            && self.rules.obeys(Rule::LatestKeeps)
        {
            return Some((Denial::new(ReasonCode::ServerUnavailable), Cause::Outdated));
        }
        if s.connection == NONE {
            return self.over_quota(grant, false).map(quota_exceeded);
        }
        self.refusal_of_takeover(now, index, session, v5)
    }

    /// Why this connection can't take the session from the one that has it, if so.
    fn refusal_of_takeover(
        &mut self,
        now: Instant,
        index: u32,
        session: u32,
        v5: bool,
    ) -> Option<(Denial, Cause)> {
        let holder = self.sessions[session].connection;
        let (newcomer, holder) = (&self.connections[index], &self.connections[holder]);
        // The one that was accepted later keeps the session, whichever verdict comes last.
        let patience = self.limits.connect_seconds;
        if newcomer.is_older_than(holder, patience) && self.rules.obeys(Rule::LatestKeeps) {
            return Some((Denial::new(ReasonCode::ServerUnavailable), Cause::Outdated));
        }
        let limit = self.limits.takeovers_per_minute;
        let (since, count) = &mut self.sessions[session].rare.get_or_insert_default().takeovers;
        if now >= since.after_secs(60) {
            (*since, *count) = (now, 0);
        }
        if *count >= limit {
            let reason = if v5 { ReasonCode::QuotaExceeded } else { ReasonCode::ServerUnavailable };
            return Some((Denial::new(reason), Cause::Limit(Limit::takeovers_per_minute)));
        }
        *count += 1;
        None
    }

    /// The limit that one more connection, and one more session if it needs one, would go beyond.
    fn over_quota(&self, grant: &Grant, needs_session: bool) -> Option<Limit> {
        let limits = &self.limits;
        let (connections_max, sessions_max) =
            (limits.connections_of(grant.anonymous), limits.sessions_of(grant.anonymous));
        let is_limited = connections_max.min(sessions_max) < u32::MAX;
        let (connections, sessions) = if is_limited { self.grants.count(grant.identity) } else { (0, 0) };
        let of_connections = [
            (Limit::connections, self.connections.up() >= limits.connections),
            (Limit::connections_per_identity, connections >= connections_max),
        ];
        let of_sessions = [
            (Limit::sessions, self.sessions.clients() >= limits.sessions),
            (Limit::sessions_per_identity, sessions >= sessions_max),
        ];
        let of_sessions = of_sessions.into_iter().filter(|_| needs_session);
        of_connections.into_iter().chain(of_sessions).find(|(_, is_met)| *is_met).map(|(limit, _)| limit)
    }

    /// Ends what was there before: the old connection hears that its session was taken over. [MQTT-3.1.4-3]
    fn take_over(&mut self, now: Instant, session: u32, by: u32, clean_start: bool) {
        let old = self.sessions[session].connection;
        if old != NONE {
            let cause = Cause::TakenOver { by: self.connections[by].peer() };
            if self.rules.obeys(Rule::TakenOverIsTold) {
                self.farewell(now, old, &Denial::new(ReasonCode::SessionTakenOver), cause);
            } else {
                self.close(now, old);
            }
            self.detach(now, session, Leaving::TakenOver);
        }
        if let Some(rare) = self.sessions[session].rare.as_deref_mut() {
            rare.ends_at = None;
            // Within its delay and with the session going on, nobody hears of the will. [MQTT-3.1.3-9]
            if rare.will_at.is_some() && !clean_start {
                self.cancel_will(session);
            }
        }
    }
}

/// Too many of something.
fn quota_exceeded(limit: Limit) -> (Denial, Cause) {
    (Denial::new(ReasonCode::QuotaExceeded), Cause::Limit(limit))
}
