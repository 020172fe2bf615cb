//! Why somebody was not let in, or is gone.
use super::authority::policy::Peer;
use super::base::limits::Limit;
use crate::codec::DecodeError;
use crate::reason::ReasonCode;
use core::fmt;

/// Why somebody was not let in, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It said so itself, by DISCONNECT.
    Disconnect,
    /// It closed the connection without DISCONNECT.
    PeerClosed,
    /// The connection broke.
    Reset,
    /// The system has heard nothing of it for too long.
    Vanished,
    /// Nothing came for one and a half times the Keep Alive. [MQTT-3.1.2-22]
    KeepAlive {
        /// The Keep Alive that was agreed on.
        seconds: u16,
    },
    /// Another connection has come with its Client Identifier. [MQTT-3.1.4-3]
    TakenOver {
        /// From there.
        by: Peer,
    },
    /// What it sent is not MQTT.
    Malformed(DecodeError),
    /// What it sent is MQTT, and may not come like that.
    Protocol(ProtocolError),
    /// A limit of this server.
    Limit(Limit),
    /// The policy said no.
    Denied,
    /// Its will may not be published by it.
    WillDenied,
    /// The session under its Client Identifier is somebody else's.
    OthersSession,
    /// A connection that was accepted later has, or had, its session.
    Outdated,
    /// What let it in has ended.
    Revoked,
    /// It does not take as much as is sent to it, and its policy ends who is too slow.
    TooSlow,
    /// The journal can take no more, so nothing can be promised.
    JournalFailed,
    /// The program around the broker decided so.
    Ordered,
    /// The server ends.
    Shutdown,
}

impl Cause {
    /// What kind it is, for logs and counts; of a fault, [`DecodeError::code`] and [`ProtocolError::code`] say more.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::PeerClosed => "peer-closed",
            Self::Reset => "reset",
            Self::Vanished => "vanished",
            Self::KeepAlive { .. } => "keep-alive",
            Self::TakenOver { .. } => "taken-over",
            Self::Malformed(_) => "malformed",
            Self::Protocol(_) => "protocol",
            Self::Limit(_) => "limit",
            Self::Denied => "denied",
            Self::WillDenied => "will-denied",
            Self::OthersSession => "others-session",
            Self::Outdated => "outdated",
            Self::Revoked => "revoked",
            Self::TooSlow => "too-slow",
            Self::JournalFailed => "journal-failed",
            Self::Ordered => "ordered",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What a client did that may not be done now, although each packet by itself is well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A packet that may not come now: AUTH without a method, PUBREC for a message of QoS 1.
    OutOfPlace,
    /// No Client Identifier, where the version wants one. [MQTT-3.1.3-8 of 3.1.1]
    ClientIdMissing,
    /// AUTH with another method than CONNECT, or with a wrong Reason Code. [MQTT-4.12.0-5]
    AuthenticationMethod,
    /// More QoS 1 and 2 messages than the Receive Maximum allows. [MQTT-3.3.4-7]
    ReceiveMaximum,
    /// A Topic Alias above the Topic Alias Maximum of this server. [MQTT-3.2.2-17]
    TopicAlias,
    /// A Topic Alias in place of a Topic Name, on a connection on which it stands for none. (Section 3.3.4)
    TopicAliasUnbound,
    /// A session that was to end with the connection can't be prolonged at its end. (Section 3.14.2.2.2)
    SessionExpiry,
    /// PUBLISH or a will with a greater QoS than may be published with. [MQTT-3.2.2-11] [MQTT-3.2.2-12]
    MaximumQos,
    /// PUBLISH or a will with RETAIN, where it may not be set. [MQTT-3.2.2-13] [MQTT-3.2.2-14]
    RetainNotAvailable,
    /// Its Maximum Packet Size leaves no room for an answer. [MQTT-3.1.2-24]
    AnswerTooLarge,
}

struct Row {
    code: &'static str,
    reason: ReasonCode,
    statement: &'static str,
    words: &'static str,
    remedy: &'static str,
}

/// In the order of [`ProtocolError::ALL`].
const ROWS: [Row; ProtocolError::ALL.len()] = [
    Row {
        code: "packet-out-of-place",
        reason: ReasonCode::ProtocolError,
        statement: "4.13",
        words: "this packet may not come at this point",
        remedy: "Acknowledge QoS 1 with PUBACK and QoS 2 with PUBREC and PUBCOMP, and send AUTH only where \
                 CONNECT named a method.",
    },
    Row {
        code: "client-id-missing",
        reason: ReasonCode::ClientIdentifierNotValid,
        statement: "MQTT-3.1.3-8 of 3.1.1",
        words: "there is no Client Identifier, and the session is to be kept or the version is 3.1",
        remedy: "Choose a Client Identifier, or set Clean Session with 3.1.1.",
    },
    Row {
        code: "authentication-method-changed",
        reason: ReasonCode::BadAuthenticationMethod,
        statement: "MQTT-4.12.0-5",
        words: "AUTH has another method than CONNECT, or a Reason Code that does not continue",
        remedy: "Repeat CONNECT's Authentication Method in each AUTH, with Reason Code 0x18.",
    },
    Row {
        code: "receive-maximum-exceeded",
        reason: ReasonCode::ReceiveMaximumExceeded,
        statement: "MQTT-3.3.4-7",
        words: "more messages with QoS 1 and 2 are under way than the Receive Maximum allows",
        remedy: "Wait for acknowledgements before sending more, or raise the limit `receive_maximum`.",
    },
    Row {
        code: "topic-alias-not-allowed",
        reason: ReasonCode::TopicAliasInvalid,
        statement: "MQTT-3.2.2-17",
        words: "the Topic Alias is above the Topic Alias Maximum of CONNACK, which is 0 where it is absent",
        remedy: "Send Topic Names, or aliases up to what CONNACK allows; or raise the limit `topic_aliases`.",
    },
    Row {
        code: "topic-alias-unbound",
        reason: ReasonCode::ProtocolError,
        statement: "3.3.4",
        words: "there is no Topic Name, and its Topic Alias stands for none on this connection",
        remedy: "Send Topic Name and Topic Alias together first, anew on each connection.",
    },
    Row {
        code: "session-expiry-from-zero",
        reason: ReasonCode::ProtocolError,
        statement: "3.14.2.2.2",
        words: "DISCONNECT prolongs a session that CONNECT said was to end with the connection",
        remedy: "Set a Session Expiry Interval above 0 in CONNECT already.",
    },
    Row {
        code: "qos-not-supported",
        reason: ReasonCode::QoSNotSupported,
        statement: "MQTT-3.2.2-11",
        words: "the QoS is above the Maximum QoS of CONNACK",
        remedy: "Publish, and leave a will, with a QoS up to what CONNACK allows; or raise the limit \
                 `maximum_qos`.",
    },
    Row {
        code: "retain-not-available",
        reason: ReasonCode::RetainNotSupported,
        statement: "MQTT-3.2.2-14",
        words: "RETAIN is set, and CONNACK said that nothing is retained",
        remedy: "Publish, and leave a will, without RETAIN; or set the limit `retain_available` to `yes`.",
    },
    Row {
        code: "answer-too-large",
        reason: ReasonCode::PacketTooLarge,
        statement: "MQTT-3.1.2-24",
        words: "the Maximum Packet Size leaves no room for the answer",
        remedy: "Raise the client's Maximum Packet Size, or ask for less in one packet.",
    },
];

const _: () = {
    let mut at = 0;
    while at < ROWS.len() {
        assert!(ProtocolError::ALL[at] as usize == at, "each has its own row");
        at += 1;
    }
};

impl ProtocolError {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::OutOfPlace,
        Self::ClientIdMissing,
        Self::AuthenticationMethod,
        Self::ReceiveMaximum,
        Self::TopicAlias,
        Self::TopicAliasUnbound,
        Self::SessionExpiry,
        Self::MaximumQos,
        Self::RetainNotAvailable,
        Self::AnswerTooLarge,
    ];

    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name of the fault, such as `receive-maximum-exceeded`: what `tidewire explain` is asked for.
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    /// The Reason Code to close the connection with.
    pub const fn reason(self) -> ReasonCode {
        self.row().reason
    }

    /// The statement that it violates, such as `MQTT-3.3.4-7`; or the section, where none is numbered.
    pub const fn statement(self) -> &'static str {
        self.row().statement
    }

    /// What whoever sent it should do.
    pub const fn remedy(self) -> &'static str {
        self.row().remedy
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().words)
    }
}

impl core::error::Error for ProtocolError {}
