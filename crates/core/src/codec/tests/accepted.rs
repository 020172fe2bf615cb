//! What looks unusual and is valid.
use super::support::{bytes, read_whole};
use crate::codec::{Item, Limits};
use crate::version::Role::{self, Client, Server};
use crate::version::Version::{self, V3_1, V3_1_1, V5};
use std::string::String;

fn accepted(notation: &str, version: impl Into<Option<Version>>, role: Role) -> String {
    let transcript = read_whole(&bytes(notation), version, role);
    assert_eq!(transcript.error, None, "{notation}");
    assert_eq!(transcript.items.len(), 1, "{notation}");
    transcript.items.into_iter().next().unwrap()
}

#[test]
fn publish() {
    accepted("30 03 s:a", V3_1_1, Server);
    accepted("30 05 0003 efbbbf", V3_1, Server); // U+FEFF
    accepted("30 0a s:$share/a", V3_1_1, Server);
    accepted("30 09 s:a 05 0200000000", V5, Server); // Message Expiry Interval 0
    accepted("32 08 0000 0001 03 230001", V5, Server); // a Topic Alias alone
    accepted("30 08 s:a 04 0b010b02", V5, Client); // two Subscription Identifiers
    accepted("3d 06 s:a 0001 07", V3_1_1, Server); // QoS 2, DUP, RETAIN
    let pair = "26 0000 0000";
    accepted(&std::format!("30 0e s:a 0a {pair} {pair}"), V5, Server); // empty and twice the same
}

#[test]
fn connect() {
    accepted("10 0c s:MQTT 04 00 0000 0000", None, Server); // no name: whether that is fine is not told by the packet
    accepted("10 10 s:MQIsdp 03 01 000a s:pp", None, Server); // 3.1 has no reserved flag
    accepted("10 13 s:MQTT 05 42 0000 00 0000 s:pass", None, Server); // 5.0: no user name
    accepted("10 10 s:MQTT 05 02 0000 03 220000 0000", None, Server); // Topic Alias Maximum 0
    accepted("10 13 s:MQTT 04 c2 0000 0000 s:u 0002 0000", None, Server); // a password is any bytes
    accepted("10 8d00 s:MQTT 04 02 0000 s:p", None, Server); // before 5.0 the length may be longer than needed
}

#[test]
fn what_3_1_does_not_use_may_be_anything() {
    let connect = "s:MQIsdp 03 02 000a s:pp";
    let name = accepted(&std::format!("10 10 {connect}"), None, Server);
    for first in ["11", "12", "1c", "1f"] {
        assert_eq!(accepted(&std::format!("{first} 10 {connect}"), None, Server), name); // librabbitmq has QoS 1
    }
    for first in ["62", "63", "6a", "6b"] {
        accepted(&std::format!("{first} 02 0001"), V3_1, Server);
    }
    accepted("8a 06 0001 s:a 00", V3_1, Server); // sent again
    accepted("ab 05 0001 s:a", V3_1, Server);
    accepted("cf 00", V3_1, Server);
    accepted("41 02 0001", V3_1, Client);
    accepted("20 02 ff 00", V3_1, Client);
    assert!(!accepted("2f 02 01 00", V3_1, Client).contains("session_present: true"));
}

#[test]
fn in_3_1_the_length_counts_where_the_flags_promise_more() {
    let shown = accepted("10 10 s:MQIsdp 03 c2 000a s:pp", None, Server);
    assert!(shown.contains("username: None, password: None"), "{shown}");
    let shown = accepted("10 13 s:MQIsdp 03 c2 000a s:pp s:u", None, Server);
    assert!(shown.contains("username: Some(\"u\"), password: None"), "{shown}");
}

/// "If the Will flag is set, the Will QoS field is mandatory, otherwise its value is disregarded", and so for Will
/// Retain. (Section 3.1 of 3.1)
#[test]
fn in_3_1_what_is_said_of_no_will_is_disregarded() {
    for flags in ["0a", "12", "1a", "22", "3a"] {
        accepted(&std::format!("10 10 s:MQIsdp 03 {flags} 000a s:pp"), None, Server);
    }
}

/// "The upper 6 bits of this byte are not used in the current version of the protocol." (Section 3.8 of 3.1)
#[test]
fn in_3_1_only_the_qos_of_the_subscription_options_is_used() {
    for options in ["04", "fd", "fe"] {
        accepted(&std::format!("82 06 0001 s:a {options}"), V3_1, Server);
    }
    let mut decoder = super::support::decoder(V3_1, Server);
    let mut input = &bytes("82 06 0001 s:a fd")[..];
    let Ok(Some(Item::Packet(packet))) = decoder.next(&Limits::NONE, &mut input) else {
        panic!("it is valid")
    };
    let mut out = std::vec::Vec::new();
    packet.encode(V3_1, u32::MAX, &mut out).unwrap();
    assert_eq!(out, bytes("82 06 0001 s:a 01"), "and is sent as it should be");
}

#[test]
fn a_version_is_known_from_connect_on() {
    let stream = bytes("10 0d s:MQTT 05 02 0000 00 0000 30 04 s:a 00 e0 00");
    assert_eq!(read_whole(&stream, None, Server).items.len(), 3);
}

#[test]
fn short_forms() {
    for version in [V3_1, V3_1_1, V5] {
        for first in ["40", "50", "62", "70"] {
            accepted(&std::format!("{first} 02 0001"), version, Server);
        }
        accepted("e0 00", version, Server);
    }
    accepted("40 03 0001 10", V5, Client);
    accepted("40 04 0001 10 00", V5, Client);
    accepted("62 03 0001 92", V5, Client);
    accepted("e0 01 04", V5, Server);
    accepted("e0 02 00 00", V5, Client);
    accepted("f0 00", V5, Client);
}

#[test]
fn subscribe() {
    accepted("82 0d 0001 s:$share/+ 00", V3_1_1, Server); // an ordinary filter before 5.0
    accepted("82 14 0001 00 s:$share/g/a 2a s:# 04", V5, Server);
    accepted("82 0c 0001 05 0bffffff7f s:# 00", V5, Server);
}

#[test]
fn return_codes_before_5() {
    let connack = |code: u8| accepted(&std::format!("20 02 00 {code:02x}"), V3_1_1, Client);
    for (code, reason) in [
        (0, "Success"),
        (1, "UnsupportedProtocolVersion"),
        (2, "ClientIdentifierNotValid"),
        (3, "ServerUnavailable"),
        (4, "BadUserNameOrPassword"),
        (5, "NotAuthorized"),
    ] {
        assert!(connack(code).contains(reason));
    }
    accepted("90 06 0001 00010280", V3_1_1, Client);
    accepted("b0 02 0001", V3_1_1, Client);
}
