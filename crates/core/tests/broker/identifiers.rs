//! Packet Identifiers of what goes out: none means two messages to whoever keeps the rules.
use crate::support::{Hello, Kind, Shards, subscribe};
use tidewire_core::version::Version;

/// Why a message that was sent with QoS 2, and perhaps arrived, is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotAuthorized,
    TooLarge,
}

#[test]
fn a_packet_identifier_whose_message_may_not_be_sent_again_is_not_used_for_another() {
    is_not_used_for_another(Why::NotAuthorized);
}

#[test]
fn a_packet_identifier_whose_message_is_too_large_by_now_is_not_used_for_another() {
    is_not_used_for_another(Why::TooLarge);
}

/// Whoever has said PUBREC takes all that comes under that Packet Identifier for the same message, until PUBREL.
/// [MQTT-4.3.3-10]
fn is_not_used_for_another(why: Why) {
    let mut s = Shards::new(1);
    let hello = Hello::new("reader").resume().expiry(100);
    let reader = s.greet(&hello);
    s.send(reader, &subscribe(Version::V5, 1, &[("t/#", 2), ("u", 2)]));
    s.hear(reader);
    let sender = s.connect("sender");
    s.publish(sender, "t/x", &[b'x'; 30], 2, 1);
    assert_eq!(s.hear(reader), [format!("PUBLISH t/x {} q2 #1", "x".repeat(30))]);
    // Its PUBREC is lost with the connection.
    s.cut(reader);
    let hello = match why {
        Why::NotAuthorized => {
            s.authority().deny("reader", Kind::Receive, "t/#");
            let grant = s.grant("reader");
            s.brokers[0].handle_grant(s.now, grant);
            s.settle();
            hello
        }
        Why::TooLarge => hello.maximum_packet_size(30),
    };
    let reader = s.greet(&hello);
    s.acknowledge(sender, 6, 1);
    s.publish(sender, "u", b"other", 2, 2);
    let heard = s.hear(reader);
    let released = heard.iter().position(|line| line == "PUBREL 1");
    let used = heard.iter().position(|line| line == "PUBLISH u other q2 #1");
    assert!(used.is_none() || released.is_some_and(|at| Some(at) < used), "{why:?}: {heard:?}");
}
