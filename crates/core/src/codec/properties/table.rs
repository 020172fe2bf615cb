//! The one table of properties: decoder, encoder and tests read it.
use super::{PropertyFault, value};
use crate::qos::QoS;
use alloc::vec::Vec;

/// Where a property may stand: a set of places.
pub(crate) type Places = u16;

/// One place each, and the sets of them that the table needs.
pub(crate) mod place {
    use super::Places;

    pub(crate) const CONNECT: Places = 1 << 0;
    pub(crate) const WILL: Places = 1 << 1;
    pub(crate) const CONNACK: Places = 1 << 2;
    /// PUBLISH from a client.
    pub(crate) const PUBLISH_IN: Places = 1 << 3;
    /// PUBLISH from a server.
    pub(crate) const PUBLISH_OUT: Places = 1 << 4;
    pub(crate) const PUBLISH: Places = PUBLISH_IN | PUBLISH_OUT;
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    pub(crate) const ACK: Places = 1 << 5;
    pub(crate) const SUBSCRIBE: Places = 1 << 6;
    pub(crate) const UNSUBSCRIBE: Places = 1 << 7;
    /// SUBACK, UNSUBACK.
    pub(crate) const SUBACK: Places = 1 << 8;
    /// DISCONNECT from a client.
    pub(crate) const DISCONNECT_IN: Places = 1 << 9;
    /// DISCONNECT from a server.
    pub(crate) const DISCONNECT_OUT: Places = 1 << 10;
    pub(crate) const DISCONNECT: Places = DISCONNECT_IN | DISCONNECT_OUT;
    pub(crate) const AUTH: Places = 1 << 11;

    pub(crate) const NOWHERE: Places = 0;
    pub(crate) const EVERYWHERE: Places = (1 << 12) - 1;
    /// Where a Reason String explains something.
    pub(crate) const ANSWERS: Places = CONNACK | ACK | SUBACK | DISCONNECT | AUTH;
}

/// The data type of a property and the values it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No property.
    None,
    /// A byte that is 0 or 1.
    Bool,
    /// A byte that is 0 or 1 and stands for a QoS.
    MaximumQoS,
    TwoByte,
    TwoByteNotZero,
    FourByte,
    FourByteNotZero,
    /// A Variable Byte Integer.
    VariableNotZero,
    String,
    /// A string that is a Topic Name.
    TopicName,
    Binary,
    StringPair,
}

/// What the standard says of one property.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) places: Places,
    /// Where it may stand more than once.
    pub(crate) repeats: Places,
}

/// Writes down the table once and derives from it what needs all properties: the rows by identifier, the
/// `Property` of the public interface, and how that is read and written.
macro_rules! properties {
    ($(
        $(#[$doc:meta])*
        $name:ident($type:ty) = $id:literal, $kind:ident, $places:expr, repeats $repeats:expr;
    )*) => {
        use place::*;

        /// Rows by identifier.
        pub(crate) static ROWS: [Row; 0x2b] = {
            let mut rows = [Row { kind: Kind::None, places: 0, repeats: 0 }; 0x2b];
            $(rows[$id] = Row { kind: Kind::$kind, places: $places, repeats: $repeats };)*
            rows
        };

        pub(super) const fn name(id: u8) -> &'static str {
            match id {
                $($id => stringify!($name),)*
                _ => "no property",
            }
        }

        /// A property of MQTT 5.0. (Section 2.2.2.2)
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Property<'a> {
            $($(#[$doc])* $name($type),)*
        }

        impl<'a> Property<'a> {
            /// The Property Identifier.
            pub const fn id(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $id,)*
                }
            }

            pub(super) fn read(id: u8, input: &mut &'a [u8]) -> Option<Self> {
                match id {
                    $($id => value::$kind::read(input).map(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name, as the standard writes it but for the spaces: `ContentType`.
            pub const fn name(&self) -> &'static str {
                name(self.id())
            }

            /// Can it be sent?
            pub(super) fn check(&self) -> Result<(), PropertyFault> {
                match self {
                    $(Self::$name(value) => value::Checked::check(*value, Kind::$kind),)*
                }
            }

            /// It has been checked.
            pub(super) fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(value) => value::$kind::write(*value, out),)*
                }
            }
        }
    };
}

properties! {
    /// UTF-8 text (true) or unspecified bytes.
    PayloadFormatIndicator(bool) = 0x01, Bool, PUBLISH | WILL, repeats NOWHERE;
    /// In seconds. Zero is allowed.
    MessageExpiryInterval(u32) = 0x02, FourByte, PUBLISH | WILL, repeats NOWHERE;
    /// What the payload is, often a MIME type.
    ContentType(&'a str) = 0x03, String, PUBLISH | WILL, repeats NOWHERE;
    /// Where an answer is expected.
    ResponseTopic(&'a str) = 0x08, TopicName, PUBLISH | WILL, repeats NOWHERE;
    /// What an answer is to carry.
    CorrelationData(&'a [u8]) = 0x09, Binary, PUBLISH | WILL, repeats NOWHERE;
    /// A number the subscriber gave. A client does not publish with it. [MQTT-3.3.4-6]
    SubscriptionIdentifier(u32) = 0x0b, VariableNotZero,
        PUBLISH_OUT | SUBSCRIBE, repeats PUBLISH_OUT;
    /// In seconds; 0xFFFF_FFFF is for ever. A server does not send it with DISCONNECT. [MQTT-3.14.2-2]
    SessionExpiryInterval(u32) = 0x11, FourByte, CONNECT | CONNACK | DISCONNECT_IN, repeats NOWHERE;
    /// What the server named a client that came without a name.
    AssignedClientIdentifier(&'a str) = 0x12, String, CONNACK, repeats NOWHERE;
    /// In seconds, instead of what the client wished for.
    ServerKeepAlive(u16) = 0x13, TwoByte, CONNACK, repeats NOWHERE;
    /// The name of an authentication that takes several steps.
    AuthenticationMethod(&'a str) = 0x15, String, CONNECT | CONNACK | AUTH, repeats NOWHERE;
    /// What that method exchanges.
    AuthenticationData(&'a [u8]) = 0x16, Binary, CONNECT | CONNACK | AUTH, repeats NOWHERE;
    /// Reason Strings and User Properties are welcome in all packets.
    RequestProblemInformation(bool) = 0x17, Bool, CONNECT, repeats NOWHERE;
    /// In seconds.
    WillDelayInterval(u32) = 0x18, FourByte, WILL, repeats NOWHERE;
    /// Response Information is wished for.
    RequestResponseInformation(bool) = 0x19, Bool, CONNECT, repeats NOWHERE;
    /// A basis for Response Topics.
    ResponseInformation(&'a str) = 0x1a, String, CONNACK, repeats NOWHERE;
    /// Another server.
    ServerReference(&'a str) = 0x1c, String, CONNACK | DISCONNECT, repeats NOWHERE;
    /// For people to read.
    ReasonString(&'a str) = 0x1f, String, ANSWERS, repeats NOWHERE;
    /// How many QoS 1 and 2 messages may be in flight; never zero.
    ReceiveMaximum(u16) = 0x21, TwoByteNotZero, CONNECT | CONNACK, repeats NOWHERE;
    /// The greatest Topic Alias; zero for none.
    TopicAliasMaximum(u16) = 0x22, TwoByte, CONNECT | CONNACK, repeats NOWHERE;
    /// Stands for a Topic Name; never zero. [MQTT-3.3.2-8]
    TopicAlias(u16) = 0x23, TwoByteNotZero, PUBLISH, repeats NOWHERE;
    /// The greatest QoS the server accepts, which is then 0 or 1.
    MaximumQoS(QoS) = 0x24, MaximumQoS, CONNACK, repeats NOWHERE;
    /// Are there Retained Messages?
    RetainAvailable(bool) = 0x25, Bool, CONNACK, repeats NOWHERE;
    /// A name and a value: whatever the sides have agreed on.
    UserProperty((&'a str, &'a str)) = 0x26, StringPair, EVERYWHERE, repeats EVERYWHERE;
    /// The longest packet accepted; never zero.
    MaximumPacketSize(u32) = 0x27, FourByteNotZero, CONNECT | CONNACK, repeats NOWHERE;
    /// Are there wildcards in Topic Filters?
    WildcardSubscriptionAvailable(bool) = 0x28, Bool, CONNACK, repeats NOWHERE;
    /// Are there Subscription Identifiers?
    SubscriptionIdentifierAvailable(bool) = 0x29, Bool, CONNACK, repeats NOWHERE;
    /// Are there Shared Subscriptions?
    SharedSubscriptionAvailable(bool) = 0x2a, Bool, CONNACK, repeats NOWHERE;
}
