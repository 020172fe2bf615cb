//! Packets cut at each byte, in every state of a connection: an error, or a wait for more; never a panic, and never
//! a word of what comes behind the end.
use crate::packets::PACKETS;
use crate::support::{Client, Hello, Shards, Verdict};
use tidewire_core::codec::catalogue::CATALOGUE;
use tidewire_core::version::Version;

/// Where a connection may stand when something comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BeforeConnect,
    /// The policy has been asked and has not answered.
    Waiting,
    /// A step of an authentication is expected.
    Authenticating,
    Up,
    /// DISCONNECT has come.
    Ending,
}

const STATES: [State; 5] =
    [State::BeforeConnect, State::Waiting, State::Authenticating, State::Up, State::Ending];

fn in_state(s: &mut Shards, state: State, version: Version) -> Client {
    let hello = Hello::new("c").version(version);
    match state {
        State::BeforeConnect => s.dial(),
        State::Waiting => {
            s.authority().says("c", Verdict::Later);
            s.greet(&hello)
        }
        State::Authenticating => {
            s.authority().says("c", Verdict::Continue);
            s.greet(&hello.version(Version::V5).method("STEPS"))
        }
        State::Up => s.greet(&hello),
        State::Ending => {
            let c = s.greet(&hello);
            s.send(c, b"\xe0\0");
            c
        }
    }
}

#[test]
fn packets_that_end_anywhere_do_no_harm_in_any_state() {
    let vectors = PACKETS.iter().map(|(_, bytes)| *bytes).chain(CATALOGUE.iter().map(|s| s.bytes));
    for bytes in vectors {
        for state in STATES {
            for version in [Version::V3_1_1, Version::V5] {
                for end in 0..=bytes.len() {
                    let mut s = Shards::new(1);
                    let c = in_state(&mut s, state, version);
                    s.hear_bytes(c);
                    s.send(c, &bytes[..end]);
                    let said = s.hear_bytes(c);
                    if state == State::Ending {
                        assert!(said.is_empty(), "{said:?} after DISCONNECT");
                    }
                    let open = s.is_open(c);
                    assert!(open || !s.reads(c), "what is closed is not read on: {bytes:x?}");
                    s.cut(c);
                    s.check();
                    assert_eq!(s.stats().connections, 0, "{bytes:x?} cut at {end}, {state:?}");
                }
            }
        }
    }
}

/// All sixteen types, from a client: those that may come now, and those that end the connection.
#[test]
fn each_type_of_packet_is_taken_or_refused_by_the_state() {
    for version in [Version::V3_1_1, Version::V5] {
        for state in STATES {
            for kind in 0..16_u8 {
                let mut s = Shards::new(1);
                let c = in_state(&mut s, state, version);
                s.hear(c);
                let flags = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
                s.send(c, &[kind << 4 | flags]);
                let is_sent_by_clients =
                    matches!(kind, 1 | 3..=8 | 10 | 12 | 14) || (kind == 15 && version == Version::V5);
                let may_begin = match state {
                    State::BeforeConnect => kind == 1,
                    State::Waiting => true, // nothing is looked at before the verdict
                    State::Authenticating => (is_sent_by_clients || kind == 15) && kind != 1,
                    State::Up => is_sent_by_clients && kind != 1,
                    State::Ending => false,
                };
                assert_eq!(s.is_open(c), may_begin, "{kind} in {state:?} of {version:?}");
                s.check();
            }
        }
    }
}
