//! The disagreements that are known. docs/DIFFERENTIAL.md has a row for each, with an example and who is right.
use super::Verdicts;
use mqtt_proto::Error;
use mqtt_proto::v5::{ErrorV5, PacketType, PropertyId};
use tidewire_core::codec::DecodeError;
use tidewire_core::text::TextError;
use tidewire_core::topic::TopicError;
use tidewire_core::version::Version;

/// Writes down the classes once, with all of them in a list.
macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why the two decoders disagree.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Class {
            $($(#[$doc])* $name,)*
        }

        impl Class {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

classes! {
    /// The peer does not look at what follows the last field.
    TrailingBytes,
    /// The remaining length of 5.0 has bytes that it does not need.
    LengthNotMinimal,
    /// Another Variable Byte Integer has.
    IntegerNotMinimal,
    /// U+0000 in a text.
    Nul,
    /// Another control character in a name, or what is no character; a receiver may refuse both.
    ControlCharacter,
    /// A Topic Name without a character.
    EmptyTopicName,
    /// Neither Topic Name nor Topic Alias.
    NoTopicNorAlias,
    /// SUBACK or UNSUBACK without a Reason Code.
    NoReasonCodes,
    /// Session Present with a refusal.
    SessionPresentAndRefused,
    /// 3.1: the byte that later became Session Present.
    ReservedByteOfConnack,
    /// 3.1: flags of a CONNECT that later had to be zero: the reserved one, and those of a Will that is not there.
    FlagsOfConnect,
    /// 3.1: bits beside the QoS of a SUBSCRIBE, which are not used there.
    BitsBesideQoS,
    /// 3.1: flags of the fixed header that are not used there.
    UnusedFlags,
    /// 3.1: the flags of a CONNECT promise more than its remaining length has room for.
    NothingBehindTheFlags,
    /// 3.x: the failure of a subscription is written as a QoS of 3.
    FailureWrittenAsQoS3,
    /// AUTH without an Authentication Method.
    NoAuthenticationMethod,
    /// Authentication Data without an Authentication Method.
    DataWithoutMethod,
    /// Will Retain without a Will.
    WillRetainWithoutWill,
    /// 3.1.1: a password without a user name.
    PasswordWithoutUserName,
    /// DUP with QoS 0.
    DupWithoutQoS,
    /// No Local on a Shared Subscription.
    SharedNoLocal,
    /// A property whose value must not be zero is.
    ZeroProperty,
    /// A DISCONNECT with what only a client sends and what only a server does.
    OfBothSides,
    /// A `+` beside a character that is not ASCII.
    WildcardBesideCharacter,
    /// Before 5.0: `$share` is a level like any other.
    ShareBefore5,
    /// Several Subscription Identifiers in a PUBLISH.
    SeveralSubscriptionIdentifiers,
    /// The payload is not UTF-8, and was said to be; a receiver may look.
    PayloadNotUtf8,
    /// Bad authentication method, in a DISCONNECT.
    BadAuthenticationMethodInDisconnect,
}

impl Class {
    /// What explains a disagreement, if anything does.
    pub(super) fn of(version: Version, packet: &[u8], verdicts: &Verdicts) -> Option<Self> {
        match (&verdicts.ours, &verdicts.peers) {
            (Err(error), Ok(peers)) => Self::of_refusal(version, packet, *error, peers),
            (Ok(_), Err(error)) => Self::of_peers_refusal(version, packet, error),
            (Ok(_), Ok(_)) => Self::of_reading(version, packet),
            (Err(_), Err(_)) => None,
        }
    }

    /// We refuse what the peer has read as `peers`.
    fn of_refusal(version: Version, packet: &[u8], error: DecodeError, peers: &[u8]) -> Option<Self> {
        use DecodeError as E;
        let packet_type = packet[0] >> 4;
        Some(match error {
            E::TrailingBytes if peers.len() < packet.len() => Self::TrailingBytes,
            E::RemainingLength if version.is_v5() && peers.len() <= packet.len() => Self::LengthNotMinimal,
            E::VariableByteInteger if peers.len() < packet.len() => Self::IntegerNotMinimal,
            E::Text(TextError::Nul) | E::ClientId(TextError::Nul) if packet.contains(&0) => Self::Nul,
            E::Text(TextError::ControlCharacter | TextError::NonCharacter)
            | E::ClientId(TextError::ControlCharacter | TextError::NonCharacter)
            | E::TopicName(TopicError::ControlCharacter | TopicError::NonCharacter)
            | E::TopicFilter(TopicError::ControlCharacter | TopicError::NonCharacter)
            | E::ResponseTopic(TopicError::ControlCharacter | TopicError::NonCharacter) => {
                Self::ControlCharacter
            }
            E::TopicName(TopicError::Empty) | E::ResponseTopic(TopicError::Empty) => Self::EmptyTopicName,
            E::TopicMissing if packet_type == 3 => Self::NoTopicNorAlias,
            E::Truncated if matches!(packet_type, 9 | 11) => Self::NoReasonCodes,
            E::ConnackFlags => Self::SessionPresentAndRefused,
            E::AuthenticationMethodMissing => Self::NoAuthenticationMethod,
            E::AuthenticationDataWithoutMethod => Self::DataWithoutMethod,
            E::WillFlags if packet_type == 1 => Self::WillRetainWithoutWill,
            E::PasswordWithoutUserName => Self::PasswordWithoutUserName,
            E::DupWithoutQoS => Self::DupWithoutQoS,
            E::SharedNoLocal => Self::SharedNoLocal,
            E::PropertyValue(0x0b | 0x21 | 0x23 | 0x27) => Self::ZeroProperty,
            E::MisplacedProperty(_) | E::ReasonCode(_) if packet_type == 14 => Self::OfBothSides,
            E::TopicFilter(TopicError::MisplacedWildcard) => Self::WildcardBesideCharacter,
            _ => return None,
        })
    }

    /// The peer refuses what we read.
    fn of_peers_refusal(version: Version, packet: &[u8], error: &ErrorV5) -> Option<Self> {
        Some(match error {
            ErrorV5::Common(Error::InvalidTopicFilter(filter))
                if !version.is_v5() && filter.starts_with("$share/") =>
            {
                Self::ShareBefore5
            }
            ErrorV5::DuplicatedProperty(PropertyId::SubscriptionIdentifier) if packet[0] >> 4 == 3 => {
                Self::SeveralSubscriptionIdentifiers
            }
            ErrorV5::Common(Error::InvalidConnectFlags(_)) if is_3_1(version, packet) => Self::FlagsOfConnect,
            ErrorV5::Common(Error::InvalidQos(_)) if is_3_1(version, packet) && packet[0] >> 4 == 8 => {
                Self::BitsBesideQoS
            }
            ErrorV5::Common(Error::InvalidHeader) if is_3_1(version, packet) && packet[0] >> 4 != 3 => {
                Self::UnusedFlags
            }
            ErrorV5::Common(Error::InvalidConnackFlags(_)) if is_3_1(version, packet) => {
                Self::ReservedByteOfConnack
            }
            ErrorV5::Common(Error::IoError(_)) if is_3_1(version, packet) && packet[0] >> 4 == 1 => {
                Self::NothingBehindTheFlags
            }
            ErrorV5::InvalidPayloadFormat => Self::PayloadNotUtf8,
            ErrorV5::InvalidReasonCode(PacketType::Disconnect, 0x8c) => {
                Self::BadAuthenticationMethodInDisconnect
            }
            _ => return None,
        })
    }

    /// Both read it, but not the same.
    fn of_reading(version: Version, packet: &[u8]) -> Option<Self> {
        match packet[0] >> 4 {
            2 if version == Version::V3_1 => Some(Self::ReservedByteOfConnack),
            9 if !version.is_v5() && packet.contains(&0x80) => Some(Self::FailureWrittenAsQoS3),
            _ => None,
        }
    }
}

/// A CONNECT says itself of which version it is.
fn is_3_1(version: Version, packet: &[u8]) -> bool {
    match packet[0] >> 4 {
        1 => packet.windows(6).any(|name| name == b"MQIsdp"),
        _ => version == Version::V3_1,
    }
}
