//! `-D PACKET PROPERTY VALUE`: properties of 5.0.
use crate::say::Failure;
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
    property: for<'a> fn(&'a str) -> Option<Property<'a>>,
    /// What its value is.
    value: &'static str,
}

const BYTE: &str = "0 or 1";
const NUMBER: &str = "a number";
const TEXT: &str = "a text";

/// What may be given, in the order of the specification.
const ROWS: [Row; 15] = [
    Row {
        name: "payload-format-indicator",
        packets: &[Publish, Will],
        property: |text| flag(text).map(Property::PayloadFormatIndicator),
        value: BYTE,
    },
    Row {
        name: "message-expiry-interval",
        packets: &[Publish, Will],
        property: |text| text.parse().ok().map(Property::MessageExpiryInterval),
        value: NUMBER,
    },
    Row {
        name: "content-type",
        packets: &[Publish, Will],
        property: |text| Some(Property::ContentType(text)),
        value: TEXT,
    },
    Row {
        name: "response-topic",
        packets: &[Publish, Will],
        property: |text| check_name(text.as_bytes()).ok().map(|_| Property::ResponseTopic(text)),
        value: "a topic without wildcards",
    },
    Row {
        name: "correlation-data",
        packets: &[Publish, Will],
        property: |text| Some(Property::CorrelationData(text.as_bytes())),
        value: TEXT,
    },
    Row {
        name: "subscription-identifier",
        packets: &[Subscribe],
        property: |text| identifier(text).map(Property::SubscriptionIdentifier),
        value: "a number from 1 to 268435455",
    },
    Row {
        name: "session-expiry-interval",
        packets: &[Connect],
        property: |text| text.parse().ok().map(Property::SessionExpiryInterval),
        value: NUMBER,
    },
    Row {
        name: "authentication-method",
        packets: &[Connect],
        property: |text| Some(Property::AuthenticationMethod(text)),
        value: TEXT,
    },
    Row {
        name: "authentication-data",
        packets: &[Connect],
        property: |text| Some(Property::AuthenticationData(text.as_bytes())),
        value: TEXT,
    },
    Row {
        name: "request-problem-information",
        packets: &[Connect],
        property: |text| flag(text).map(Property::RequestProblemInformation),
        value: BYTE,
    },
    Row {
        name: "will-delay-interval",
        packets: &[Will],
        property: |text| text.parse().ok().map(Property::WillDelayInterval),
        value: NUMBER,
    },
    Row {
        name: "request-response-information",
        packets: &[Connect],
        property: |text| flag(text).map(Property::RequestResponseInformation),
        value: BYTE,
    },
    Row {
        name: "receive-maximum",
        packets: &[Connect],
        property: |text| text.parse().ok().filter(|n| *n > 0).map(Property::ReceiveMaximum),
        value: "a number from 1 to 65535",
    },
    Row {
        name: "maximum-packet-size",
        packets: &[Connect],
        property: |text| text.parse().ok().filter(|n| *n > 0).map(Property::MaximumPacketSize),
        value: "a number from 1 on",
    },
    Row {
        name: "user-property",
        packets: &[Connect, Publish, Will],
        property: |text| text.split_once(BETWEEN).map(Property::UserProperty),
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

/// What one `-D` says.
pub(crate) fn parse(given: &str) -> Result<(Packet, Property<'_>), Failure> {
    let refused = |why: String| {
        Err(Failure::Usage(format!("-D {}: {why}", given.replace(BETWEEN, " ").escape_debug())))
    };
    let mut words = given.splitn(3, BETWEEN);
    let (Some(packet), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
        return refused(
            "it takes a packet, a property and a value, as in -D publish content-type text/plain".into(),
        );
    };
    let Some((_, packet)) = PACKETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(packet)) else {
        let all: Vec<_> = PACKETS.iter().map(|(name, _)| *name).collect();
        return refused(format!("properties can be given to {}", all.join(", ")));
    };
    let Some(row) = ROWS.iter().find(|row| row.name == name && row.packets.contains(packet)) else {
        let of_packet = ROWS.iter().filter(|row| row.packets.contains(packet));
        let all: Vec<_> = of_packet.map(|row| row.name).collect();
        return refused(format!("properties of that are {}", all.join(", ")));
    };
    match (row.property)(text) {
        Some(property) => Ok((*packet, property)),
        None => refused(format!("its value is {}", row.value)),
    }
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
        let read = |given: &'static str| parse(given).expect("valid");
        assert_eq!(read("publish\0content-type\0text/x"), (Publish, Property::ContentType("text/x")));
        assert_eq!(read("CONNECT\0receive-maximum\x0012"), (Connect, Property::ReceiveMaximum(12)));
        assert_eq!(read("will\0user-property\0a\0b c"), (Will, Property::UserProperty(("a", "b c"))));
        assert_eq!(read("subscribe\0subscription-identifier\x007").0, Subscribe);
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
        ] {
            let Err(Failure::Usage(said)) = parse(given) else { panic!("{given} was understood") };
            assert!(said.contains(word) && !said.contains('\0'), "{given}: {said}");
        }
    }
}
