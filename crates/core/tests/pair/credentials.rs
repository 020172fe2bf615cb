//! Credentials that are asked for before each attempt, and authentications that take several steps.
use super::*;
use tidewire_core::client::{Credentials, Timer};
use tidewire_core::codec::{Decoder, Item, Limits, Mode};
use tidewire_core::version::Role;

const VERSIONS: [Version; 2] = [Version::V3_1_1, V5];

impl Scripted {
    /// The connection is there, and the application is asked.
    fn asks(change: impl Fn(&mut Config)) -> Self {
        let mut s = Self::new(|config| {
            (config.ask_credentials, config.version) = (true, Some(V5));
            (config.username, config.password) = (Some("old".into()), Some((*b"old").into()));
            change(config);
        });
        s.is_asked();
        s
    }

    fn is_asked(&mut self) {
        self.client.handle_open(self.now);
        self.client.check();
        assert_eq!(self.client.poll_action(), Some(Action::Credentials));
        assert_eq!(self.sent(), [], "CONNECT waits");
    }

    fn answers(&mut self, credentials: Option<Credentials>) -> Vec<u8> {
        self.client.credentials(self.now, credentials);
        self.act();
        self.sent()
    }
}

/// User Name and Password of a CONNECT.
fn of(connect: &[u8]) -> (Option<String>, Option<Vec<u8>>) {
    let mut decoder = Decoder::new(Mode { role: Role::Server, version: None });
    let mut rest = connect;
    let Ok(Some(Item::Packet(Packet::Connect(connect)))) = decoder.next(&Limits::NONE, &mut rest) else {
        panic!("it is a CONNECT: {connect:x?}")
    };
    (connect.username.map(|name| name.as_str().to_owned()), connect.password.map(<[u8]>::to_vec))
}

#[test]
fn each_attempt_has_its_own() {
    for version in VERSIONS {
        let mut s = Scripted::asks(|config| config.version = Some(version));
        for token in ["one", "two", "three"] {
            let connect = s.answers(Some(Credentials::new("pump", token.as_bytes())));
            assert_eq!(of(&connect), (Some("pump".to_owned()), Some(token.into())));
            s.says(version, &connack(ReasonCode::Success, &PropertiesBuf::new()));
            assert!(s.client.server().is_some());
            s.closes();
            s.now = s.client.poll_timeout().unwrap().at;
            s.client.handle_timeout(s.now);
            s.act();
            s.is_asked();
        }
        assert_eq!(of(&s.answers(Some(Credentials::default()))), (None, None));
    }
}

#[test]
fn the_other_version_is_asked_for_as_well() {
    let mut s = Scripted::asks(|config| config.version = None);
    assert_eq!(level(&s.answers(Some(Credentials::new("a", b"b")))), 5);
    s.says_bytes(&[0x20, 2, 0, 1]);
    s.closes();
    s.is_asked();
    assert_eq!(level(&s.answers(Some(Credentials::new("a", b"b")))), 4);
}

#[test]
fn without_any_the_attempt_ends_and_there_is_another_one() {
    let mut s = Scripted::asks(|_| {});
    assert_eq!(s.answers(None), []);
    assert!(s.aborted);
    assert_eq!(s.cause(), Cause::NoCredentials);
    assert_eq!(s.client.poll_timeout().map(|due| due.timer), Some(Timer::Reconnect));
}

#[test]
fn the_time_for_an_attempt_goes_on_meanwhile() {
    let mut s = Scripted::asks(|config| config.connect_seconds = 30);
    let due = s.client.poll_timeout().expect("it does not wait for ever");
    assert_eq!((due.timer, due.at), (Timer::Connect, s.now.after_secs(30)));
    s.now = due.at;
    s.client.handle_timeout(s.now);
    s.act();
    assert!(s.aborted);
    assert_eq!(s.cause(), Cause::ConnectTimeout);
}

#[test]
fn a_late_answer_is_nobodys() {
    let mut s = Scripted::asks(|_| {});
    s.closes();
    assert_eq!(s.answers(Some(Credentials::new("a", b"b"))), []);
    assert_eq!(s.cause(), Cause::Closed);
    // And a question is not asked for a connection that is gone.
    let mut s = Scripted::new(|config| config.ask_credentials = true);
    s.client.handle_open(s.now);
    s.client.handle_close(s.now, Cause::Closed);
    assert!(std::iter::from_fn(|| s.client.poll_action()).all(|action| action != Action::Credentials));
}

#[test]
fn whatever_happens_meanwhile_nothing_was_said() {
    // The server speaks first, which it may not. [MQTT-3.1.0-1]
    let mut s = Scripted::asks(|_| {});
    s.says_bytes(&[0x20, 3, 0, 0, 0]);
    assert!(s.aborted && s.sent().is_empty());
    assert_eq!(s.cause(), Cause::Violation(ReasonCode::ProtocolError));
    // The application goes.
    let mut s = Scripted::asks(|_| {});
    s.client.disconnect(s.now, s.now.after_secs(5), ReasonCode::Success).unwrap();
    s.act();
    assert!(s.aborted && s.sent().is_empty());
    s.closes();
    assert!(s.client.is_ended());
    // It wants another connection.
    let mut s = Scripted::asks(|_| {});
    s.client.reconnect(s.now);
    s.act();
    assert!(s.aborted && s.sent().is_empty());
    s.closes();
    s.is_asked();
}

#[test]
fn a_password_is_in_no_log() {
    let told = format!("{:?}", Credentials::new("pump", b"secret"));
    assert!(told.contains("pump") && !told.contains("115"), "{told}");
}

/// [MQTT-3.1.2-30] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-4.12.1-1]
#[test]
fn an_authentication_takes_its_steps() {
    let properties = |data| with(&[Property::AuthenticationMethod("m"), Property::AuthenticationData(data)]);
    let mut s = Scripted::new(|config| {
        config.version = Some(V5);
        config.authentication = Some(Authentication { method: "m".into(), data: Some((*b"one").into()) });
    });
    let connect = s.open();
    assert!(connect.windows(3).any(|w| w == b"one"));
    for (reason, question) in
        [(ReasonCode::ContinueAuthentication, b"two"), (ReasonCode::ContinueAuthentication, b"for")]
    {
        let properties = properties(question);
        s.says(V5, &Packet::Auth(Auth { reason, properties: properties.as_properties() }));
        let Some(Event::Auth { data, .. }) = s.event() else { panic!("it is asked") };
        assert_eq!(*data, *question);
        s.client.authenticate(ReasonCode::ContinueAuthentication, b"six").unwrap();
        assert!(s.sent().ends_with(b"six"));
    }
    s.says(V5, &connack(ReasonCode::Success, &with(&[Property::AuthenticationMethod("m")])));
    s.event();
    s.client.authenticate(ReasonCode::ReAuthenticate, b"again").unwrap();
    assert!(s.sent().ends_with(b"again"));
    let other = with(&[Property::AuthenticationMethod("other")]);
    s.says(V5, &Packet::Auth(Auth { reason: ReasonCode::Success, properties: other.as_properties() }));
    assert!(s.closed, "[MQTT-4.12.0-5]");
}

/// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
#[test]
fn a_step_that_is_too_large_for_the_server_is_not_sent() {
    let method = [Property::AuthenticationMethod("m"), Property::MaximumPacketSize(20)];
    let mut s = Scripted::new(|config| {
        config.version = Some(V5);
        config.authentication = Some(Authentication { method: "m".into(), data: None });
    });
    s.open();
    s.says(V5, &connack(ReasonCode::Success, &with(&method)));
    let refused = s.client.authenticate(ReasonCode::ReAuthenticate, &[0; 10]);
    assert_eq!((refused, s.sent()), (Err(Misuse::TooLarge), vec![]));
    s.client.authenticate(ReasonCode::ReAuthenticate, &[0; 9]).expect("this has room");
    assert_eq!(s.sent().len(), 20);
}

#[test]
fn an_authentication_begins_anew_with_each_attempt_and_is_given_up_where_nobody_goes_on() {
    let mut s = Scripted::asks(|config| {
        config.authentication = Some(Authentication { method: "m".into(), data: Some((*b"fixed").into()) });
    });
    for first in [Some(&b"one"[..]), Some(b"two"), None] {
        let mut credentials = Credentials::new("pump", b"pw");
        credentials.authentication_data = first.map(Into::into);
        let connect = s.answers(Some(credentials));
        let expected = first.unwrap_or(b"fixed");
        assert!(connect.windows(expected.len()).any(|window| window == expected), "{connect:x?}");
        // While the server is to speak nobody is asked.
        assert_eq!((s.answers(None), s.aborted), (vec![], false));
        let properties = with(&[Property::AuthenticationMethod("m")]);
        let reason = ReasonCode::ContinueAuthentication;
        s.says(V5, &Packet::Auth(Auth { reason, properties: properties.as_properties() }));
        assert_eq!(s.answers(None), []);
        assert!(std::mem::take(&mut s.closed));
        s.closes();
        assert_eq!(s.cause(), Cause::NoCredentials);
        s.now = s.client.poll_timeout().expect("another attempt").at;
        s.client.handle_timeout(s.now);
        s.act();
        s.is_asked();
    }
}
