//! One message for many: what one recipient's copy says of it is no other's.
use crate::support::{Client, Hello, Shards, delivery, publish_with};
use tidewire_core::version::Version;

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

/// Somebody who was granted that QoS, and who publishes with none of it.
struct Reader {
    version: Version,
    qos: u8,
    client: Client,
}

fn readers(s: &mut Shards, when: &str) -> Vec<Reader> {
    let all = VERSIONS.into_iter().flat_map(|version| [0, 1, 2].map(|qos| (version, qos)));
    let reader = |(version, qos): (Version, u8)| {
        let client = s.greet(&Hello::new(&format!("{when}-{version:?}-{qos}")).version(version));
        s.hear(client);
        s.send(client, &crate::support::subscribe(version, 1, &[("t", qos)]));
        Reader { version, qos, client }
    };
    all.map(reader).collect()
}

/// What comes to each: the lower QoS of the two, never the publisher's DUP and identifier, RETAIN only in a replay.
fn heard(s: &mut Shards, readers: &[Reader], published: u8, replayed: bool, case: &str) {
    for Reader { version, qos, client } in readers {
        let copy = match (qos.min(&published), replayed) {
            (0, false) => "PUBLISH t x".to_owned(),
            (0, true) => "PUBLISH t x retain".to_owned(),
            (qos, false) => format!("PUBLISH t x q{qos} #1"),
            (qos, true) => format!("PUBLISH t x q{qos} #1 retain"),
        };
        let said = s.hear(*client);
        let said: Vec<_> = said.iter().filter(|line| line.starts_with("PUBLISH")).collect();
        assert_eq!(said, [&copy], "{case}, to {version:?} with QoS {qos}");
    }
}

#[test]
fn each_copy_of_a_message_has_its_own_qos_and_nobody_elses_bits() {
    for (version, qos, retain, dup, shards) in VERSIONS.into_iter().flat_map(|version| {
        (0..24).map(move |n: u8| (version, n % 3, n / 3 % 2 == 1, n / 6 % 2 == 1, u16::from(n / 12) * 2 + 1))
    }) {
        if dup && qos == 0 {
            continue; // There is no such packet. [MQTT-3.3.1-2]
        }
        let case = format!("{version:?} QoS {qos} RETAIN {retain} DUP {dup}, {shards} shards");
        let mut s = Shards::new(shards);
        let live = readers(&mut s, "live");
        for reader in &live {
            s.hear(reader.client);
        }
        let sender = s.greet(&Hello::new("sender").version(version));
        s.send(sender, &publish_with(version, "t", b"x", delivery(qos, 77, dup), retain, None));
        heard(&mut s, &live, qos, false, &case);
        if retain {
            let late = readers(&mut s, "late");
            heard(&mut s, &late, qos, true, &case);
        }
    }
}
