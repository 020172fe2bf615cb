//! Why it came to nothing, in one line: where, why, and what to do.
use crate::say::{Failure, given};
use std::time::Duration;
use tidewire_core::client::{Cause, Misuse};
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;
use tidewire_driver::clients::{Endpoint, Error};

/// The time is up.
const TIMED_OUT: u8 = 27;

/// A connection, or the attempt to make one, has ended.
pub(crate) fn lost(
    server: &Endpoint,
    version: Version,
    connected: bool,
    cause: Cause,
    error: Option<&str>,
) -> Failure {
    let server = place(server);
    match cause {
        Cause::Unreachable => Failure::Machine(format!(
            "{server}: {}; is a broker listening there? -h and -p say where it is",
            error.unwrap_or("it could not be reached")
        )),
        Cause::Refused(reason) => {
            Failure::Code(code(reason, version), format!("{server}: {cause}; {}", remedy_at_connect(reason)))
        }
        Cause::Disconnected(reason) => {
            Failure::Code(reason.byte().max(1), format!("{server}: {cause}; {}", remedy_later(reason)))
        }
        Cause::Malformed(_) | Cause::Violation(_) if version.is_v5() => Failure::Machine(format!(
            "{server}: {cause}; is it an MQTT server, and does it know 5.0? -V 311 speaks 3.1.1"
        )),
        Cause::Malformed(_) | Cause::Violation(_) => {
            Failure::Machine(format!("{server}: {cause}; is it an MQTT server?"))
        }
        Cause::Closed | Cause::Reset if connected => Failure::Machine(format!(
            "{server}: {cause} without a word; something may be too large, or not allowed: its log may say what"
        )),
        Cause::Closed | Cause::Reset => Failure::Machine(format!(
            "{server}: {cause} without a word; is it an MQTT server, and does it know the version? -V chooses one"
        )),
        cause => Failure::Machine(format!("{server}: {cause}; is it an MQTT server, and well?")),
    }
}

/// The same, for somebody who will try again.
pub(super) fn brief(server: &Endpoint, cause: Cause, error: Option<&str>) -> String {
    match (cause, error) {
        (Cause::Unreachable, Some(error)) => format!("{}: {error}", place(server)),
        _ => format!("{}: {cause}", place(server)),
    }
}

/// A server's host and port.
pub(super) fn place(server: &Endpoint) -> String {
    given(&server.to_string())
}

/// Before 5.0 the codes of CONNACK were others. (Section 3.2.2.3 of 3.1.1)
fn code(reason: ReasonCode, version: Version) -> u8 {
    if version.is_v5() {
        return reason.byte();
    }
    match reason {
        ReasonCode::UnsupportedProtocolVersion => 1,
        ReasonCode::ClientIdentifierNotValid => 2,
        ReasonCode::BadUserNameOrPassword => 4,
        ReasonCode::NotAuthorized => 5,
        _ => 3,
    }
}

fn remedy_at_connect(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized => "-u and -P say who you are",
        ReasonCode::ClientIdentifierNotValid => "-i chooses another Client Identifier",
        ReasonCode::UnsupportedProtocolVersion => "-V chooses another version: 5, 311 or 31",
        ReasonCode::TopicNameInvalid => "--will-topic chooses another topic for the Will",
        ReasonCode::PacketTooLarge => "make the Will, or the properties, smaller",
        ReasonCode::RetainNotSupported => "leave out --will-retain",
        ReasonCode::QoSNotSupported => "choose a lower --will-qos",
        ReasonCode::BadAuthenticationMethod => "its operator knows which methods there are",
        ReasonCode::Banned => "ask its operator",
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => "-h and -p choose another server",
        _ => "try again later, or ask its operator",
    }
}

fn remedy_later(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::SessionTakenOver => "another client has the same Client Identifier: -i chooses another",
        ReasonCode::PacketTooLarge => "it takes no packet of that size: send less at a time",
        ReasonCode::RetainNotSupported => "it keeps no Retained Messages: leave out -r",
        ReasonCode::QoSNotSupported => "-q chooses a lower QoS",
        ReasonCode::NotAuthorized => "-u and -P say who you are",
        _ => "try again later, or ask its operator",
    }
}

/// A message has ended otherwise than it should.
pub(crate) fn not_published(topic: &str, payload: usize, limit: u32, error: &Error) -> Failure {
    let is_reserved = topic.starts_with('$');
    let topic = given(topic);
    match error {
        Error::Refused(refusal) => {
            let why = match refusal.reason {
                ReasonCode::NotAuthorized if is_reserved => {
                    "what begins with `$` is the server's own: publish to another topic"
                }
                ReasonCode::NotAuthorized => "this client may not publish there: -u and -P say who you are",
                ReasonCode::TopicNameInvalid => "the server takes no such topic: choose another",
                ReasonCode::QuotaExceeded => "a limit of the server is reached: try again later",
                ReasonCode::PayloadFormatInvalid => {
                    "the payload is not UTF-8: leave out payload-format-indicator"
                }
                _ => "the server's log may say why",
            };
            Failure::Code(refusal.reason.byte(), format!("{topic}: {error}; {why}"))
        }
        Error::TooLarge { .. } | Error::Failed(Cause::TooLarge) => Failure::Machine(format!(
            "{topic}: a payload of {payload} bytes is too large: the server takes packets of {limit} bytes at most; \
             send less at a time, or raise its limit"
        )),
        Error::Misuse(Misuse::QoSNotSupported) => {
            Failure::Machine(format!("{topic}: {error}; choose a lower one with -q"))
        }
        Error::Misuse(Misuse::RetainNotSupported) => {
            Failure::Machine(format!("{topic}: {error}; leave out -r"))
        }
        error => Failure::Machine(format!("{topic}: it was not published: {error}; try again")),
    }
}

/// The server did not grant a subscription.
pub(crate) fn not_subscribed(filter: &str, reason: ReasonCode) -> Failure {
    let why = match reason {
        ReasonCode::NotAuthorized => "this client may not subscribe to that: -u and -P say who you are",
        ReasonCode::SharedSubscriptionsNotSupported => {
            "it has no Shared Subscriptions: leave out $share/NAME/"
        }
        ReasonCode::WildcardSubscriptionsNotSupported => "it has no wildcards: name the topic",
        ReasonCode::SubscriptionIdentifiersNotSupported => "it has no Subscription Identifiers: leave it out",
        ReasonCode::TopicFilterInvalid => "it takes no such filter: choose another",
        _ => "its log may say why",
    };
    let filter = given(filter);
    Failure::Code(reason.byte(), format!("{filter}: the server refused the subscription: {reason}; {why}"))
}

/// There is a connection, and nothing comes of it.
pub(crate) fn silent(server: &Endpoint) -> Failure {
    Failure::Machine(format!("{}: connected, and no answer", place(server)))
}

/// The time that it was given is up.
pub(crate) fn timed_out(time: Duration) -> Failure {
    Failure::Code(TIMED_OUT, format!("the time is up: {} s (-W)", time.as_secs_f64()))
}
