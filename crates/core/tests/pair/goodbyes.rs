//! What a goodbye says besides its reason.
use super::*;
use tidewire_core::client::Goodbye;
use tidewire_core::codec::{Decoder, Item, Limits, Mode};
use tidewire_core::version::Role;

const WORDS: &str = "the pump is dismantled";

fn wordy() -> Goodbye {
    let goodbye = Goodbye::new(ReasonCode::DisconnectWithWill).session_expiry_seconds(7);
    goodbye.reason_string(WORDS).and_then(|g| g.user_property("site", "north")).expect("it can be said")
}

impl Scripted {
    fn leaves(&mut self, goodbye: impl Into<Goodbye>) -> Vec<u8> {
        self.client.disconnect(self.now, self.now.after_secs(5), goodbye).expect("it may be said");
        self.act();
        self.sent()
    }
}

/// Reason, Session Expiry Interval, Reason String and the number of User Properties.
fn of(bytes: &[u8]) -> (ReasonCode, Option<u32>, Option<String>, usize) {
    let mut decoder = Decoder::new(Mode { role: Role::Server, version: Some(V5) });
    let mut rest = bytes;
    let Ok(Some(Item::Packet(Packet::Disconnect(said)))) = decoder.next(&Limits::NONE, &mut rest) else {
        panic!("it is a DISCONNECT: {bytes:x?}")
    };
    let properties = said.properties;
    let words = properties.reason_string().map(str::to_owned);
    (said.reason, properties.session_expiry_interval(), words, properties.user_properties().count())
}

#[test]
fn in_5_0_all_of_it_is_said() {
    let mut s = Scripted::lasting(V5, |_| {});
    let will = ReasonCode::DisconnectWithWill;
    assert_eq!(of(&s.leaves(wordy())), (will, Some(7), Some(WORDS.to_owned()), 1));
    let mut s = Scripted::lasting(V5, |_| {});
    assert_eq!(of(&s.leaves(Goodbye::new(will).session_expiry_seconds(0))), (will, Some(0), None, 0));
    let mut s = Scripted::lasting(V5, |_| {});
    assert_eq!(s.leaves(ReasonCode::Success), [0xe0, 0], "in the shortest form there is");
}

/// [MQTT-3.14.4-1] [MQTT-3.14.4-2]
#[test]
fn behind_a_goodbye_nothing_is_sent_and_the_connection_is_closed() {
    for version in [Version::V3_1_1, V5] {
        let mut s = Scripted::lasting(version, |_| {});
        assert_eq!(s.leaves(ReasonCode::Success), [0xe0, 0]);
        assert!(s.closed, "it closes, and does not wait for the server");
        let _refused = s.publish(0);
        s.now = s.now.after_secs(3600);
        s.client.handle_timeout(s.now);
        s.act();
        assert_eq!(s.sent(), []);
    }
}

#[test]
fn before_5_0_there_is_only_the_goodbye_itself() {
    let mut s = Scripted::lasting(Version::V3_1_1, |_| {});
    let goodbye = Goodbye::new(ReasonCode::Success).session_expiry_seconds(7).reason_string(WORDS);
    assert_eq!(s.leaves(goodbye.expect("it can be said")), [0xe0, 0]);
    let mut s = Scripted::lasting(Version::V3_1_1, |_| {});
    assert!(s.leaves(wordy()).is_empty() && s.closed, "only an end without a word has the will published");
}

/// A Protocol Error. (Section 3.14.2.2.2)
#[test]
fn a_session_that_ends_with_its_connection_is_not_made_to_outlive_it() {
    let mut s = Scripted::up(V5, &PropertiesBuf::new(), |_| {});
    let longer = Goodbye::new(ReasonCode::Success).session_expiry_seconds(1);
    assert_eq!(s.client.disconnect(s.now, s.now.after_secs(5), longer), Err(Misuse::SessionExpiry));
    assert_eq!((s.sent(), s.publish(0)), (vec![], Ok(())), "a call that fails has done nothing");
    assert!(!s.leaves(Goodbye::new(ReasonCode::Success).session_expiry_seconds(0)).is_empty());
}

/// [MQTT-3.14.2-3] [MQTT-3.14.2-4]
#[test]
fn what_the_server_does_not_take_is_left_out() {
    for (limit, words, expiry) in [(60, Some(WORDS), Some(7)), (40, None, Some(7)), (5, None, None)] {
        let small = with(&[Property::MaximumPacketSize(limit)]);
        let mut s = Scripted::up(V5, &small, |config| config.session_expiry_seconds = 3600);
        let said = s.leaves(wordy());
        assert!(said.len() <= limit as usize, "{} of {limit} bytes", said.len());
        let (reason, interval, string, _) = of(&said);
        assert_eq!(
            (reason, interval, string.as_deref()),
            (ReasonCode::DisconnectWithWill, expiry, words),
            "{limit}"
        );
    }
}
