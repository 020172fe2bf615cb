//! Wills: one value with exactly one exit.
use crate::support::{Client, Hello, Kind, Shards};
use tidewire_core::broker::CloseCause;
use tidewire_core::version::Version;

/// How the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Goodbye,
    GoodbyeWithWill,
    Cut,
    TakenOver,
    TakenOverClean,
    KeepAlive,
    Malformed,
    Ordered,
}

const ENDS: [End; 8] = [
    End::Goodbye,
    End::GoodbyeWithWill,
    End::Cut,
    End::TakenOver,
    End::TakenOverClean,
    End::KeepAlive,
    End::Malformed,
    End::Ordered,
];

fn end(s: &mut Shards, client: Client, end: End, expiry: u32) {
    let again = Hello::new("mortal").expiry(expiry);
    match end {
        End::Goodbye => s.send(client, &[0xe0, 0]),
        End::GoodbyeWithWill => s.send(client, &[0xe0, 1, 4]),
        End::Cut => s.cut(client),
        End::TakenOver => drop(s.greet(&again.resume())),
        End::TakenOverClean => drop(s.greet(&again)),
        End::KeepAlive => s.wait(16),
        End::Malformed => s.send(client, &[0x30, 0]),
        End::Ordered => {
            let (shard, id) = s.place(client);
            s.brokers[shard].disconnect(s.now, id, tidewire_core::reason::ReasonCode::AdministrativeAction);
            s.settle();
        }
    }
}

#[test]
fn a_will_has_exactly_one_exit() {
    for (delay, expiry) in
        [(0, 0), (0, 100), (10, 0), (10, 100), (100, 10), (u32::MAX, u32::MAX - 1), (10, u32::MAX)]
    {
        for how in ENDS {
            let case = format!("delay {delay}, expiry {expiry}, {how:?}");
            let mut s = Shards::new(1);
            let witness = s.subscriber("witness", "wills", 0);
            let mortal = s.greet(&Hello::new("mortal").keep_alive(10).expiry(expiry).will("wills", delay));
            assert_eq!(s.hear(mortal), ["CONNACK new 0x00"], "{case}");
            end(&mut s, mortal, how, expiry);
            s.cut(mortal);
            let at_once = s.hear(witness).len();
            // Limited to the server's seven days, as the session is.
            let waits = delay.min(expiry).min(604_800);
            let published = match how {
                End::Goodbye => false,
                // Back within the delay, nobody is to hear of it; without a delay there is no "within".
                End::TakenOver => waits == 0,
                _ => true,
            };
            let now = published && (waits == 0 || how == End::TakenOverClean);
            assert_eq!(at_once, usize::from(now), "{case}: at once");
            s.wait(u64::from(waits) + 1);
            assert_eq!(at_once + s.hear(witness).len(), usize::from(published), "{case}: within its delay");
            s.wait(2_000_000);
            assert!(s.hear(witness).is_empty(), "{case}: never twice");
        }
    }
}

#[test]
fn a_will_waits_for_its_delay_and_is_forgotten_when_its_client_is_back() {
    for (back_after, heard) in [(5, 0), (15, 1)] {
        for version in [Version::V5, Version::V3_1_1] {
            let mut s = Shards::new(1);
            let witness = s.subscriber("witness", "wills", 0);
            let mortal = s.greet(&Hello::new("mortal").expiry(100).will("wills", 10));
            s.cut(mortal);
            s.wait(back_after);
            s.greet(&Hello::new("mortal").version(version).resume().expiry(100));
            s.wait(200);
            assert_eq!(s.hear(witness).len(), heard, "back after {back_after} s with {version:?}");
        }
    }
}

#[test]
fn a_will_needs_the_right_to_be_published_when_it_is_left_and_when_it_is_due() {
    let mut s = Shards::new(1);
    let witness = s.subscriber("witness", "#", 0);
    s.authority().deny("barred", Kind::Publish, "wills");
    let barred = s.greet(&Hello::new("barred").will("wills", 0));
    assert_eq!(s.hear(barred), ["CONNACK new 0x87", "closed"]);
    let reserved = s.greet(&Hello::new("reserved").will("$SYS/x", 0));
    assert_eq!(s.hear(reserved), ["CONNACK new 0x87", "closed"]);
    for online in [true, false] {
        let name = if online { "connected" } else { "away" };
        let c = s.greet(&Hello::new(name).expiry(100).will("wills", 10));
        assert_eq!(s.hear(c), ["CONNACK new 0x00"]);
        if !online {
            s.cut(c);
        }
        s.authority().deny(name, Kind::Publish, "wills");
        let grant = s.grant(name);
        s.brokers[0].handle_grant(s.now, grant);
        s.settle();
        s.cut(c);
        s.wait(200);
        assert!(s.hear(witness).is_empty(), "{name}");
    }
}

#[test]
fn a_will_goes_where_any_message_goes_from_every_shard() {
    let mut s = Shards::new(4);
    let witness = s.subscriber("witness", "wills", 0);
    for n in 0..12 {
        let mortal = s.greet(&Hello::new(&format!("mortal {n}")).will("wills", 0));
        s.hear(mortal);
        s.cut(mortal);
        assert_eq!(s.hear(witness), ["PUBLISH wills gone"]);
    }
}

#[test]
fn a_close_that_comes_twice_publishes_no_will_twice() {
    let mut s = Shards::new(1);
    let witness = s.subscriber("witness", "wills", 0);
    let mortal = s.greet(&Hello::new("mortal").will("wills", 0));
    let (shard, id) = s.place(mortal);
    s.cut(mortal);
    s.brokers[shard].handle_close(s.now, id, CloseCause::Reset);
    s.settle();
    assert_eq!(s.hear(witness).len(), 1);
}

/// A will is published like any message, so what binds a PUBLISH binds it.
#[test]
fn what_limits_a_message_limits_a_will() {
    let limits = [("retained_messages", "1"), ("queued_messages", "2")];
    let mut s = Shards::with(1, &limits);
    let witness = s.subscriber("witness", "#", 0);
    let narrow = s.greet(&Hello::new("narrow").maximum_packet_size(40));
    s.subscribe(narrow, "#", 0);
    let too_deep = s.greet(&Hello::new("too deep").will(&"/".repeat(200), 0));
    assert!(!s.is_open(too_deep));
    assert!(s.hear(witness).is_empty(), "who is refused leaves no will");

    let large = s.greet(&Hello::new("large").will_of("w", &[b'x'; 100]));
    s.cut(large);
    assert_eq!(s.hear(witness), ["PUBLISH w <100>"]);
    assert!(s.hear(narrow).is_empty() && s.is_open(narrow), "it takes no packet of that size");

    for topic in ["w/1", "w/2"] {
        let retaining = s.greet(&Hello::new("retaining").will_with(topic, 0, true));
        s.cut(retaining);
    }
    assert_eq!(s.stats().retained, 1, "there is room for one");

    let away = s.sleeper("away", "w");
    for _ in 0..5 {
        let mortal = s.greet(&Hello::new("mortal").will_with("w", 1, false));
        s.cut(mortal);
    }
    let back = s.greet(&away);
    assert_eq!(s.hear(back).len(), 1 + 2, "what waits for it is limited");
}
