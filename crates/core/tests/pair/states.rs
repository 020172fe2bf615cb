//! What a server sends, cut at each byte, in every state of a connection.
use super::*;
use crate::packets::PACKETS;
use tidewire_core::codec::catalogue::CATALOGUE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BeforeConnack,
    Authenticating,
    Up,
    /// DISCONNECT was sent.
    Leaving,
}

fn in_state(state: State, version: Version) -> Scripted {
    match state {
        State::BeforeConnack => {
            let mut s = Scripted::new(|config| config.version = Some(version));
            s.open();
            s
        }
        State::Authenticating => {
            let mut s = Scripted::new(|config| {
                config.version = Some(V5);
                config.authentication = Some(Authentication { method: "m".into(), data: None });
            });
            s.open();
            s
        }
        State::Up => Scripted::up(version, &PropertiesBuf::new(), |_| {}),
        State::Leaving => {
            let mut s = Scripted::up(version, &PropertiesBuf::new(), |_| {});
            s.client.disconnect(s.now, s.now, ReasonCode::Success).unwrap();
            s.act();
            s.sent();
            s
        }
    }
}

const STATES: [State; 4] = [State::BeforeConnack, State::Authenticating, State::Up, State::Leaving];

#[test]
fn packets_that_end_anywhere_do_no_harm_in_any_state() {
    let vectors = PACKETS.iter().map(|(_, bytes)| *bytes).chain(CATALOGUE.iter().map(|s| s.bytes));
    for bytes in vectors {
        for state in STATES {
            for version in [Version::V3_1_1, V5] {
                for end in 0..=bytes.len() {
                    let mut s = in_state(state, version);
                    s.says_bytes(&bytes[..end]);
                    s.sent();
                    s.closes();
                    while s.event().is_some() {}
                    while s.message().is_some() {}
                }
            }
        }
    }
}

/// All sixteen types, from a server.
#[test]
fn each_type_of_packet_is_taken_or_ends_the_connection() {
    for version in [Version::V3_1_1, V5] {
        for kind in 0..16_u8 {
            let mut s = in_state(State::Up, version);
            s.says_bytes(&[kind << 4 | if matches!(kind, 6 | 8 | 10) { 2 } else { 0 }]);
            let is_sent_by_servers = matches!(kind, 2 | 3..=7 | 9 | 11 | 13) || (kind >= 14 && version == V5);
            assert_eq!(!s.closed, is_sent_by_servers, "{kind} of {version:?}");
        }
    }
}
