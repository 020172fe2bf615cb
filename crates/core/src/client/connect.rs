//! From the wish for a connection to CONNACK.
use super::config::{Config, Credentials};
use super::event::{Cause, Event, Misuse};
use super::link::{AuthTurn, Link};
use super::server::Server;
use super::{Action, Client, Next, Phase};
use crate::codec::{Auth, Connack, Connect, Packet, PropertiesBuf, Property, PropertyError, Will};
use crate::delivery::Outward;
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::time::Instant;
use crate::version::Version;

impl Client {
    /// The application wants a connection.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.phase == Phase::Idle {
            (self.attempts, self.leaving, self.ended) = (0, None, None);
            self.open(now);
        } else {
            self.again = self.leaving.is_some();
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        self.phase = Phase::Opening(now.after_secs(self.config.connect_seconds.into()));
        self.actions.push(Action::Open(self.server));
    }

    /// The connection is there; CONNECT follows as soon as it is known what it says. [MQTT-3.1.2-30]
    pub(super) fn opened(&mut self, now: Instant) {
        let Phase::Opening(deadline) = self.phase else { return };
        (self.cause, self.next) = (None, Next::Reconnect);
        self.link = Link::new(now, self.version);
        self.link.leftover = self.receiver.len();
        self.phase = Phase::Asking(deadline);
        if self.config.ask_credentials {
            return self.actions.push(Action::Credentials);
        }
        let Config { username, password, .. } = &self.config;
        let (username, password) = (username.clone(), password.clone());
        let ours = Credentials { username, password, ..Credentials::default() };
        self.on_credentials(now, Some(ours));
    }

    pub(super) fn on_credentials(&mut self, now: Instant, credentials: Option<Credentials>) {
        match (self.phase, credentials) {
            (Phase::Asking(deadline), Some(credentials)) => {
                self.phase = Phase::Greeting(deadline);
                match self.greet(&credentials) {
                    Ok(()) => self.actions.transmit(),
                    Err(cause) => self.close(now, cause, Next::Stop),
                }
            }
            (Phase::Asking(_), None) => self.close(now, Cause::NoCredentials, Next::Reconnect),
            // Nobody goes on with an authentication.
            (Phase::Greeting(_), None) if self.link.auth == AuthTurn::Application => {
                self.close(now, Cause::NoCredentials, Next::Reconnect);
            }
            _ => {}
        }
    }

    /// CONNECT is the first packet. [MQTT-3.1.0-1] [MQTT-3.1.3-2]
    fn greet(&mut self, credentials: &Credentials) -> Result<(), Cause> {
        let config = &self.config;
        let (username, password) = (credentials.username.as_deref(), credentials.password.as_deref());
        let keeps = config.session_expiry_seconds > 0;
        let properties = match self.version.is_v5() {
            true => of_connect(config, credentials.authentication_data.as_deref()),
            false => Ok(PropertiesBuf::new()),
        };
        let properties = properties.map_err(Cause::Property)?;
        let mut will_properties = PropertiesBuf::new();
        let payload = config.will.as_ref().map(|w| w.publication.payload.to_vec()).unwrap_or_default();
        let will = config.will.as_ref().map(|will| {
            let publication = &will.publication;
            if self.version.is_v5() {
                will_properties = PropertiesBuf::of_will(publication, will.delay_seconds);
            }
            Will {
                topic: publication.topic.as_text(),
                payload: &payload,
                qos: publication.qos,
                retain: publication.retain,
                properties: will_properties.as_properties(),
            }
        });
        // Before 5.0 one flag says both: forget what there is, and forget this when the connection ends.
        // A client without a name of its own can't keep anything. [MQTT-3.1.3-7 of 3.1.1]
        let client_id = self.assigned.as_deref().unwrap_or(&config.client_id);
        let clean_start = match self.version.is_v5() {
            true => !self.resuming,
            false => !keeps || client_id.is_empty(),
        };
        let connect = Packet::Connect(Connect {
            version: self.version,
            bridge: false,
            clean_start,
            keep_alive: config.keep_alive_seconds,
            properties: properties.as_properties(),
            client_id: Text::new(client_id).map_err(Cause::Text)?,
            will,
            username: username.map(Text::new).transpose().map_err(Cause::Text)?,
            // Without a User Name only 5.0 has room for it. [MQTT-3.1.2-22 of 3.1.1]
            password: password.filter(|_| self.version.is_v5() || username.is_some()),
        });
        let encoded = connect.encode(self.version, u32::MAX, &mut self.link.out);
        encoded.map_err(|_| Cause::TooLarge)
    }

    // Cold: once for a connection, and not in the middle of what is there for each message.
    #[cold]
    pub(super) fn on_connack(&mut self, now: Instant, connack: &Connack<'_>) {
        if connack.reason != ReasonCode::Success {
            self.explain(None, connack.properties);
            return self.on_refusal(now, connack.reason);
        }
        let method = connack.properties.authentication_method();
        if let Some(ours) = &self.config.authentication
            && self.version.is_v5()
            && method != Some(&*ours.method)
        {
            // [MQTT-4.12.0-5]
            return self.violated(now, ReasonCode::BadAuthenticationMethod);
        }
        if self.link.auth == AuthTurn::Application {
            // It has asked, and has not waited for the answer.
            return self.violated(now, ReasonCode::ProtocolError);
        }
        self.link.auth = AuthTurn::Nobody;
        self.link.server = Server::of(self.version, connack);
        let aliases = self.config.topic_aliases.min(self.link.server.topic_alias_maximum);
        self.link.outward = Outward::new(aliases);
        if let Some(assigned) = &self.link.server.assigned_client_id {
            self.assigned = Some(assigned.clone());
        }
        self.link.since = Some(now);
        self.phase = Phase::Up;
        // Who was only silent to 5.0 may speak it another time.
        self.version_known |= self.version.is_v5() || self.refused_5;
        let present = connack.session_present;
        if present && !self.resuming && self.version.is_v5() {
            // We asked for a new one. [MQTT-3.2.2-4] [MQTT-3.1.2-4]
            return self.violated(now, ReasonCode::ProtocolError);
        }
        // A session that is there before we have done anything is somebody's before us, under our name.
        if present && !self.knows_session {
            self.estrange();
        }
        // [MQTT-3.1.2-23] [MQTT-4.1.0-1]
        (self.resuming, self.knows_session) = (true, true);
        self.inbox.push(Event::Connected { session_present: present });
        self.actions.event();
        self.forget_asked();
        if present {
            // What nobody has taken was not acknowledged, and comes again. [MQTT-4.4.0-1]
            self.stats.superseded += self.inbox.supersede() as u64;
        } else {
            // [MQTT-3.2.2-5]
            self.strange = None;
            // [MQTT-3.2.2-5]
            self.on_session_lost();
        }
        // In order, and before anything new. [MQTT-4.4.0-1] [MQTT-4.6.0-1]
        self.sender.resume(1);
        self.actions.transmit();
    }

    /// The server did not let us in.
    fn on_refusal(&mut self, now: Instant, reason: ReasonCode) {
        let next = match reason {
            ReasonCode::UnsupportedProtocolVersion if !self.version_known && self.version.is_v5() => {
                self.refused_5 = true;
                Next::OtherVersion
            }
            // The next credentials are others: tokens expire.
            ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized if self.config.ask_credentials => {
                Next::Reconnect
            }
            // Asking again would be answered the same.
            ReasonCode::UnsupportedProtocolVersion
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ClientIdentifierNotValid
            | ReasonCode::BadUserNameOrPassword
            | ReasonCode::NotAuthorized
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::TopicNameInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::PayloadFormatInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported => Next::Stop,
            _ => Next::Reconnect,
        };
        self.close(now, Cause::Refused(reason), next);
    }

    /// What a server before 5.0 says to a CONNECT that it does not know: Connect Return code 1.
    pub(super) fn speaks_only_older(&self) -> bool {
        !self.version_known && self.version.is_v5() && self.link.first == ([0x20, 2, 0, 1], 4)
    }

    /// The other of the two versions that are tried.
    pub(super) fn turn_version(&mut self) {
        self.version = if self.version.is_v5() { Version::V3_1_1 } else { Version::V5 };
    }

    #[cold]
    pub(super) fn on_auth(&mut self, now: Instant, auth: &Auth<'_>) {
        let Some(ours) = &self.config.authentication else {
            return self.violated(now, ReasonCode::ProtocolError);
        };
        if auth.properties.authentication_method() != Some(&*ours.method) {
            // [MQTT-4.12.0-5]
            return self.violated(now, ReasonCode::BadAuthenticationMethod);
        }
        let is_early = auth.reason == ReasonCode::Success && self.phase != Phase::Up;
        if self.link.auth != AuthTurn::Server || is_early {
            // Nobody has asked it, or it has asked and has not waited for the answer; and at first it is CONNACK that lets
            // us in. (Section 4.12)
            return self.violated(now, ReasonCode::ProtocolError);
        }
        // [MQTT-4.12.0-3]
        self.link.auth = match auth.reason {
            ReasonCode::ContinueAuthentication => AuthTurn::Application,
            _ => AuthTurn::Nobody,
        };
        let data = auth.properties.authentication_data().unwrap_or_default().into();
        self.inbox.push(Event::Auth { reason: auth.reason, data });
        self.actions.event();
    }

    /// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    pub(super) fn send_auth(&mut self, reason: ReasonCode, data: &[u8]) -> Result<(), Misuse> {
        // [MQTT-4.12.0-7]
        let Some(ours) = &self.config.authentication else { return Ok(()) };
        // Only while connected can another one begin. [MQTT-4.12.1-1]
        let now_is = match reason {
            ReasonCode::ContinueAuthentication => self.link.auth == AuthTurn::Application,
            ReasonCode::ReAuthenticate => self.phase == Phase::Up && self.link.auth == AuthTurn::Nobody,
            _ => false,
        };
        if !now_is || !self.version.is_v5() {
            return Ok(());
        }
        let mut properties = PropertiesBuf::new();
        // [MQTT-4.12.0-5]
        properties.push(Property::AuthenticationMethod(&ours.method)).map_err(Misuse::Property)?;
        properties.push(Property::AuthenticationData(data)).map_err(Misuse::Property)?;
        let auth = Packet::Auth(Auth { reason, properties: properties.as_properties() });
        let limit = self.link.server.maximum_packet_size;
        auth.encode(self.version, limit, &mut self.link.out).map_err(|_| Misuse::TooLarge)?;
        self.link.auth = AuthTurn::Server;
        self.actions.transmit();
        Ok(())
    }
}

/// Those of a CONNECT.
fn of_connect(config: &Config, data: Option<&[u8]>) -> Result<PropertiesBuf, PropertyError> {
    let mut properties = config.properties.clone();
    if config.session_expiry_seconds > 0 {
        properties.push(Property::SessionExpiryInterval(config.session_expiry_seconds))?;
    }
    properties.push(Property::ReceiveMaximum(config.receive_maximum.max(1)))?;
    properties.push(Property::MaximumPacketSize(config.maximum_packet_size.max(1)))?;
    if config.topic_alias_maximum > 0 {
        properties.push(Property::TopicAliasMaximum(config.topic_alias_maximum))?;
    }
    if let Some(authentication) = &config.authentication {
        properties.push(Property::AuthenticationMethod(&authentication.method))?;
        if let Some(data) = data.or(authentication.data.as_deref()) {
            properties.push(Property::AuthenticationData(data))?;
        }
    }
    Ok(properties)
}

impl PropertiesBuf {
    /// Those of a Will.
    fn of_will(publication: &crate::message::Publication, delay_seconds: u32) -> Self {
        let delay = (delay_seconds > 0).then_some(Property::WillDelayInterval(delay_seconds));
        let expiry = publication.message_expiry_interval.map(Property::MessageExpiryInterval);
        let all = delay.into_iter().chain(expiry).chain(publication.properties().iter());
        Self::of(all).expect("a message has no other properties than a Will may have")
    }
}
