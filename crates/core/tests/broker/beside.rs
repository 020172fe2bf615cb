//! Whoever is slow costs others nothing, and the server no more than was said.
use crate::support::{Client, Hello, Shards};

const READERS: usize = 100;
const MESSAGES: u32 = 3000;
const KIB: u64 = 1024;
/// What may wait for one session, and what a slow reader may have unsent.
const QUEUED: u64 = 256 * KIB;
const UNSENT: u64 = 64 * KIB;
/// What is under way to one: a hundred messages.
const IN_FLIGHT: u64 = 100 * 1200;

fn readers(s: &mut Shards) -> Vec<Client> {
    (0..READERS).map(|n| s.subscriber(&format!("reader {n}"), "t", 1)).collect()
}

/// One that never reads, one that reads and acknowledges nothing, one that is away.
fn slow(s: &mut Shards) -> [Client; 2] {
    let deaf = s.greet(&Hello::new("deaf").resume().expiry(10_000));
    s.hear(deaf);
    s.subscribe(deaf, "t", 1);
    s.window(deaf, 0);
    let mute = s.subscriber("mute", "t", 1);
    s.sleeper("away", "t");
    [deaf, mute]
}

/// Each reader has each message when the turn is over in which it was published.
fn load(s: &mut Shards, readers: &[Client], mute: Option<Client>) {
    let publisher = s.connect("publisher");
    let payload = vec![b'x'; 1000];
    for n in 0..MESSAGES {
        let id = u16::try_from(n + 1).expect("they are few");
        s.publish(publisher, "t", &payload, 1, id);
        assert_eq!(s.hear(publisher), [format!("PUBACK {id}")]);
        for reader in readers {
            let heard = s.hear(*reader);
            let [one] = heard.as_slice() else { panic!("message {n}: {heard:?}") };
            let id = one.strip_prefix("PUBLISH t <1000> q1 #").and_then(|id| id.parse().ok());
            s.acknowledge(*reader, 4, id.expect("it comes as it was published, and only once"));
        }
        if let Some(mute) = mute {
            s.hear(mute);
        }
    }
}

fn heap(shards: u16, with_slow: bool) -> u64 {
    let limits = [("queued_bytes", "256KiB"), ("unsent_bytes", "64KiB"), ("in_flight", "100")];
    let mut s = Shards::with(shards, &limits);
    s.checking = false;
    let readers = readers(&mut s);
    let remembered = s.stats().remembered_bytes;
    let taken = allocation_counter::measure(|| {
        let mute = with_slow.then(|| slow(&mut s)[1]);
        load(&mut s, &readers, mute);
    });
    if with_slow {
        let ledger = s.stats().ledger;
        assert!(ledger.queued + ledger.in_flight > 500, "they have a backlog: {ledger:?}");
    }
    taken.bytes_max - (s.stats().remembered_bytes - remembered)
}

#[test]
fn whoever_is_slow_or_away_delays_nobody_and_takes_no_more_than_it_may() {
    for shards in [1, 2] {
        let alone = heap(shards, false);
        let together = heap(shards, true);
        // Messages are shared by those who wait for them; each session has its own queue.
        let bound = 3 * (QUEUED + IN_FLIGHT) + UNSENT;
        let more = together.saturating_sub(alone);
        assert!(more < bound, "{more} bytes of {bound}, with {shards} shards");
        assert!(more > QUEUED / 2, "they have something that waits: {more} bytes");
    }
}
