//! `-D PACKET PROPERTY VALUE`: properties of 5.0.
use crate::say::{Failure, given};
use std::ffi::{OsStr, OsString};
use tidewire_core::codec::Property;
use tidewire_core::topic::check_name;

/// Stands between the words of one `-D`. No argument contains it.
const BETWEEN: char = '\0';

/// Which packet a property is for, or the Will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Connect,
    Publish,
    Subscribe,
    Will,
}

use Packet::{Connect, Publish, Subscribe, Will};

const PACKETS: [(&str, Packet); 4] =
    [("connect", Connect), ("publish", Publish), ("subscribe", Subscribe), ("will", Will)];

struct Row {
    name: &'static str,
    packets: &'static [Packet],
    property: Kind,
    /// What its value is.
    value: &'static str,
}

/// What becomes of a value.
enum Kind {
    Text(for<'a> fn(&'a str) -> Option<Property<'a>>),
    Bytes(for<'a> fn(&'a [u8]) -> Property<'a>),
}

use Kind::{Bytes, Text};

const BYTE: &str = "0 or 1";
const NUMBER: &str = "a number";
const TEXT: &str = "a text";
const BYTES: &str = "any bytes, or 0x and two hexadecimal digits for each";

/// What may be given, in the order of the specification.
const ROWS: [Row; 16] = [
    Row {
        name: "payload-format-indicator",
        packets: &[Publish, Will],
        property: Text(|text| flag(text).map(Property::PayloadFormatIndicator)),
        value: BYTE,
    },
    Row {
        name: "message-expiry-interval",
        packets: &[Publish, Will],
        property: Text(|text| text.parse().ok().map(Property::MessageExpiryInterval)),
        value: NUMBER,
    },
    Row {
        name: "content-type",
        packets: &[Publish, Will],
        property: Text(|text| Some(Property::ContentType(text))),
        value: TEXT,
    },
    Row {
        name: "response-topic",
        packets: &[Publish, Will],
        property: Text(|text| check_name(text.as_bytes()).ok().map(|_| Property::ResponseTopic(text))),
        value: "a topic without wildcards",
    },
    Row {
        name: "correlation-data",
        packets: &[Publish, Will],
        property: Bytes(|data| Property::CorrelationData(data)),
        value: BYTES,
    },
    Row {
        name: "subscription-identifier",
        packets: &[Subscribe],
        property: Text(|text| identifier(text).map(Property::SubscriptionIdentifier)),
        value: "a number from 1 to 268435455",
    },
    Row {
        name: "session-expiry-interval",
        packets: &[Connect],
        property: Text(|text| text.parse().ok().map(Property::SessionExpiryInterval)),
        value: NUMBER,
    },
    Row {
        name: "authentication-method",
        packets: &[Connect],
        property: Text(|text| Some(Property::AuthenticationMethod(text))),
        value: TEXT,
    },
    Row {
        name: "authentication-data",
        packets: &[Connect],
        property: Bytes(|data| Property::AuthenticationData(data)),
        value: BYTES,
    },
    Row {
        name: "request-problem-information",
        packets: &[Connect],
        property: Text(|text| flag(text).map(Property::RequestProblemInformation)),
        value: BYTE,
    },
    Row {
        name: "will-delay-interval",
        packets: &[Will],
        property: Text(|text| text.parse().ok().map(Property::WillDelayInterval)),
        value: NUMBER,
    },
    Row {
        name: "request-response-information",
        packets: &[Connect],
        property: Text(|text| flag(text).map(Property::RequestResponseInformation)),
        value: BYTE,
    },
    Row {
        name: "receive-maximum",
        packets: &[Connect],
        property: Text(|text| text.parse().ok().filter(|n| *n > 0).map(Property::ReceiveMaximum)),
        value: "a number from 1 to 65535",
    },
    Row {
        name: "topic-alias-maximum",
        packets: &[Connect],
        property: Text(|text| text.parse().ok().map(Property::TopicAliasMaximum)),
        value: "a number from 0 to 65535",
    },
    Row {
        name: "maximum-packet-size",
        packets: &[Connect],
        property: Text(|text| text.parse().ok().filter(|n| *n > 0).map(Property::MaximumPacketSize)),
        value: "a number from 1 on",
    },
    Row {
        name: "user-property",
        packets: &[Connect, Publish, Will],
        property: Text(|text| text.split_once(BETWEEN).map(Property::UserProperty)),
        value: "a name and a value",
    },
];

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn identifier(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| (1..=268_435_455).contains(n))
}

/// Makes one argument of each `-D` and the three words behind it, or four for a User Property, so that the parser of
/// arguments sees an option like any other.
pub(crate) fn join(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument != "-D" && argument != "--property" {
            joined.push(argument);
            continue;
        }
        let mut words: Vec<OsString> = arguments.by_ref().take(2).collect();
        let values = if words.get(1).is_some_and(|name| name == "user-property") { 2 } else { 1 };
        words.extend(arguments.by_ref().take(values));
        let mut whole = OsString::from("--property=");
        whole.push(words.join(OsStr::new("\0")));
        joined.push(whole);
    }
    joined
}

/// A property as it was understood.
pub(crate) struct Given {
    pub(crate) packet: Packet,
    row: &'static Row,
    value: Vec<u8>,
}

impl Given {
    /// What one `-D` says.
    pub(crate) fn read(option: &OsStr) -> Result<Self, Failure> {
        let refused = |why: String| Err(Failure::Usage(format!("-D {}: {why}", shown(option))));
        let mut words = option.as_encoded_bytes().splitn(3, |byte| *byte == BETWEEN as u8);
        let (Some(packet), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
            return refused(
                "it takes a packet, a property and a value, as in -D publish content-type text/plain".into(),
            );
        };
        let is_packet = |(known, _): &&(&str, Packet)| known.as_bytes().eq_ignore_ascii_case(packet);
        let Some((_, packet)) = PACKETS.iter().find(is_packet) else {
            let all: Vec<_> = PACKETS.iter().map(|(name, _)| *name).collect();
            return refused(format!("properties can be given to {}", all.join(", ")));
        };
        let mut of_packet = ROWS.iter().filter(|row| row.packets.contains(packet));
        let Some(row) = of_packet.clone().find(|row| row.name.as_bytes() == name) else {
            let all: Vec<_> = of_packet.by_ref().map(|row| row.name).collect();
            return refused(format!("properties of that are {}", all.join(", ")));
        };
        let value = match row.property {
            Text(_) => Some(value.to_vec()),
            Bytes(_) => bytes(value),
        };
        match value.map(|value| Self { packet: *packet, row, value }) {
            Some(given) if given.parse().is_some() => Ok(given),
            _ => refused(format!("its value is {}", row.value)),
        }
    }

    pub(crate) fn property(&self) -> Property<'_> {
        self.parse().expect("it was parsed when it was read")
    }

    fn parse(&self) -> Option<Property<'_>> {
        match self.row.property {
            Text(property) => property(str::from_utf8(&self.value).ok()?),
            Bytes(property) => Some(property(&self.value)),
        }
    }
}

/// What was said, in a line.
pub(crate) fn shown(option: &OsStr) -> String {
    given(&option.to_string_lossy().replace(BETWEEN, " "))
}

/// Behind `0x` in hexadecimal, otherwise as they stand there.
fn bytes(value: &[u8]) -> Option<Vec<u8>> {
    let Some(digits) = value.strip_prefix(b"0x") else { return Some(value.to_vec()) };
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &[&str]) -> Vec<String> {
        let joined = join(words.iter().map(OsString::from));
        joined.into_iter().map(|word| word.into_string().expect("text")).collect()
    }

    #[test]
    fn a_property_and_its_value_become_one_argument() {
        assert_eq!(joined(&["pub", "-m", "x"]), ["pub", "-m", "x"]);
        let given = ["-D", "publish", "content-type", "-x", "-D", "will", "user-property", "a", "b", "-r"];
        let expected = ["--property=publish\0content-type\0-x", "--property=will\0user-property\0a\0b", "-r"];
        assert_eq!(joined(&given), expected);
        assert_eq!(joined(&["-D", "publish"]), ["--property=publish"]);
    }

    #[test]
    fn what_is_given_is_understood() {
        for (option, packet, property) in [
            ("publish\0content-type\0text/x", Publish, Property::ContentType("text/x")),
            ("CONNECT\0receive-maximum\x0012", Connect, Property::ReceiveMaximum(12)),
            ("connect\0topic-alias-maximum\x000", Connect, Property::TopicAliasMaximum(0)),
            ("will\0user-property\0a\0b c", Will, Property::UserProperty(("a", "b c"))),
            ("subscribe\0subscription-identifier\x007", Subscribe, Property::SubscriptionIdentifier(7)),
            ("publish\0correlation-data\x000x00fF", Publish, Property::CorrelationData(&[0, 0xff])),
            ("will\0correlation-data\x000x", Will, Property::CorrelationData(b"")),
            ("connect\0authentication-data\0x", Connect, Property::AuthenticationData(b"x")),
        ] {
            let given = Given::read(option.as_ref()).expect("valid");
            assert_eq!((given.packet, given.property()), (packet, property));
        }
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_what_does() {
        for (given, word) in [
            ("publish", "as in"),
            ("publish\0content-type", "as in"),
            ("puback\0reason-string\0x", "connect, publish"),
            ("publish\0colour\0red", "content-type"),
            ("publish\0receive-maximum\x005", "content-type"),
            ("connect\0receive-maximum\x000", "65535"),
            ("publish\0payload-format-indicator\x002", "0 or 1"),
            ("publish\0response-topic\0a/#", "without wildcards"),
            ("publish\0correlation-data\x000x0", "two hexadecimal digits"),
            ("publish\0correlation-data\x000xgg", "two hexadecimal digits"),
            ("publish\0correlation-data\x000x+1", "two hexadecimal digits"),
        ] {
            let Err(Failure::Usage(said)) = Given::read(given.as_ref()) else {
                panic!("{given} was understood")
            };
            assert!(said.contains(word) && !said.contains('\0'), "{given}: {said}");
        }
    }
}
