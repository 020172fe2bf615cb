//! Who is not read, why, and for how long: windows, mail, output that nobody takes, and each of them beside the others.
use crate::support::{
    Client, EPOCH, Hello, Shards, ack, delivery, open_broker, publish, publish_with, subscribe,
};
use tidewire_core::Input;
use tidewire_core::broker::policy::Peer;
use tidewire_core::broker::{Action, Broker, Limits};
use tidewire_core::id::{ConnectionId, Position};
use tidewire_core::output::Output;
use tidewire_core::time::Instant;
use tidewire_core::version::Version;

const V3: Version = Version::V3_1_1;
/// What one read gets at most.
const READ: usize = 128 * 1024;

/// A client whose home is this shard.
fn at_home(s: &mut Shards, shard: usize, version: Version) -> Client {
    for n in 0.. {
        let c = s.greet(&Hello::new(&format!("{shard}-{n}-{version:?}")).version(version));
        if s.hear(c) == ["CONNACK new 0x00"] && s.place(c).0 == shard {
            return c;
        }
        s.cut(c);
    }
    unreachable!("there are as many names as it takes")
}

/// A loop reads several times before it looks at what was announced.
#[test]
fn more_acknowledgements_may_wait_than_sixteen_bits_count() {
    let mut s = Shards::new(2);
    s.checking = false;
    let reader = at_home(&mut s, 1, Version::V5);
    s.subscribe(reader, "t", 0);
    let publisher = at_home(&mut s, 0, V3);
    s.hold_mail();
    let (shard, id) = s.place(publisher);
    let all = publish(V3, "t", b"", 1, 1).repeat(4 * READ / 7);
    let reads: Vec<Input> =
        all.chunks(READ).map(|read| s.brokers[shard].handle_bytes(s.now, id, read)).collect();
    assert!(reads.iter().all(|input| *input == Input::Hold), "and says after the first that it is too much");
}

/// Its recipients drain, and the shard whose window is full has settled nothing.
#[test]
fn a_queue_that_drains_does_not_open_a_full_mail_window() {
    let mut s = Shards::with(2, &[("mail_notes", "10"), ("queued_messages", "40")]);
    let far = at_home(&mut s, 1, Version::V5);
    s.subscribe(far, "far", 0);
    let near = at_home(&mut s, 0, Version::V5);
    s.subscribe(near, "near", 1);
    let (publisher, filler) = (at_home(&mut s, 0, V3), s.connect("filler"));
    s.hold_mail();
    let read =
        [publish(V3, "near", b"x", 0, 0).repeat(30), publish(V3, "far", b"x", 0, 0).repeat(100)].concat();
    for _ in 0..3 {
        s.window(near, 0);
        s.publish(filler, "near", b"blocks it", 0, 0);
        s.send(publisher, &read);
        s.window(near, usize::MAX);
        s.hear_bytes(near);
        assert!(!s.reads(publisher));
    }
    s.let_mail_go();
    assert!(s.reads(publisher));
}

/// Acknowledgements leave, and another shard's window is full.
#[test]
fn acknowledgements_do_not_open_a_full_mail_window() {
    let mut s = Shards::with(3, &[("mail_notes", "10"), ("receive_maximum", "10")]);
    let near = at_home(&mut s, 1, Version::V5);
    s.subscribe(near, "near", 1);
    let far = at_home(&mut s, 2, Version::V5);
    s.subscribe(far, "far", 0);
    let publisher = at_home(&mut s, 0, V3);
    s.hold_mail();
    let mut read = publish(V3, "far", b"x", 0, 0).repeat(100);
    (1..=30).for_each(|id| read.extend(publish(V3, "near", b"x", 1, id)));
    for _ in 0..3 {
        s.send(publisher, &read);
        s.let_mail_go_between(0, 1);
        assert!(!s.reads(publisher), "shard 2 has settled nothing");
    }
    s.let_mail_go();
    assert!(s.reads(publisher));
}

/// A window that opens does not end a pause for a queue that refuses.
#[test]
fn who_has_filled_its_window_is_paused_for_those_who_are_behind_all_the_same() {
    for n in [5, 12, 40] {
        let mut s = Shards::with(3, &[("receive_maximum", "10"), ("queued_messages", "4")]);
        let far = at_home(&mut s, 1, Version::V5);
        s.subscribe(far, "far", 1);
        let fine = at_home(&mut s, 2, Version::V5);
        s.subscribe(fine, "fine", 0);
        let filler = at_home(&mut s, 1, V3);
        s.window(far, 0);
        s.publish(filler, "far", b"blocks it", 0, 0);
        s.send(filler, &publish(V3, "far", b"x", 0, 0).repeat(100));
        let publisher = at_home(&mut s, 0, V3);
        s.hold_mail();
        // The last four are refused.
        let topic = |id: u16| if id + 4 > n { "far" } else { "fine" };
        let read: Vec<u8> = (1..=n).flat_map(|id| publish(V3, topic(id), b"x", 1, id)).collect();
        s.send(publisher, &read);
        s.let_mail_go_between(0, 1);
        s.let_mail_go();
        assert_eq!(s.hear(publisher).len(), usize::from(n) - 4, "{n}");
        assert!(!s.reads(publisher), "{n}: they are behind");
        s.wait(2);
        assert!(s.reads(publisher), "{n}");
        assert_eq!(s.hear(publisher).len(), 4, "{n}: not before the pause is over");
    }
}

/// Who asks, and does not read: it is read no further, and by and by it is dead.
#[test]
fn what_waits_for_somebody_who_reads_nothing_is_limited() {
    for one in [vec![0xc0, 0], publish(V3, "t", b"", 1, 1), ack(V3, 6, 1, 0)] {
        let mut s = Shards::new(1);
        let c = s.greet(&Hello::new("c").v3().keep_alive(10));
        s.hear(c);
        s.window(c, 0);
        let read = one.repeat(READ / one.len());
        let mut reads = 0;
        while s.reads(c) {
            s.send(c, &read);
            reads += 1;
            assert!(reads < 100, "it is read for ever");
        }
        s.wait(9);
        assert!(s.is_open(c) && !s.reads(c));
        s.window(c, usize::MAX);
        let waited = s.hear_bytes(c).len();
        assert!((1 << 20..3 << 20).contains(&waited), "{waited} bytes waited; unsent_bytes is 1 MiB");
        assert!(s.reads(c), "and then it is served on");
        s.window(c, 0);
        while s.reads(c) {
            s.send(c, &read);
        }
        s.wait(16);
        assert!(!s.is_open(c), "that nothing is read of it is its own doing");
    }
}

/// A durable broker whose journal is synced when the test says so.
struct Lagging {
    broker: Broker,
    now: Instant,
    written: Vec<Position>,
    paused: usize,
}

impl Lagging {
    fn new(limits: &[(&str, &str)]) -> Self {
        let mut all = Limits::default();
        limits.iter().for_each(|(name, value)| all.set(name, value).expect("a limit"));
        Self { broker: open_broker(0, 1, true, all), now: EPOCH, written: vec![], paused: 0 }
    }

    fn act(&mut self) {
        let mut bytes = vec![];
        while let Some(action) = self.broker.poll_action() {
            match action {
                Action::Journal => self.written.extend(self.broker.poll_journal(&mut bytes)),
                Action::Event => while self.broker.poll_event().is_some() {},
                Action::Pause(_) => self.paused += 1,
                _ => {}
            }
        }
        self.broker.check();
    }

    fn sync(&mut self) {
        for position in core::mem::take(&mut self.written) {
            self.broker.handle_durable(self.now, position);
        }
        self.act();
    }

    fn open(&mut self, hello: &Hello) -> ConnectionId {
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), 0);
        let id = self.broker.handle_open(self.now, peer);
        let _ = self.send(id, &hello.bytes());
        self.sync();
        self.hear(id);
        id
    }

    fn send(&mut self, id: ConnectionId, bytes: &[u8]) -> Input {
        let input = self.broker.handle_bytes(self.now, id, bytes);
        self.act();
        input
    }

    fn hear(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut out = Output::default();
        while self.broker.poll_transmit(self.now, id, 1 << 20, &mut out) {}
        let mut heard = vec![];
        while !out.is_empty() {
            let mut slices: [&[u8]; 4] = [&[]; 4];
            let n = out.slices(&mut slices);
            let bytes = slices[..n].concat();
            heard.extend_from_slice(&bytes);
            out.advance(bytes.len());
        }
        heard
    }
}

/// What is durable is acknowledged; it does not wait for what was journaled behind it.
#[test]
fn an_acknowledgement_that_waited_for_a_pause_goes_when_it_is_durable() {
    let mut lagging = Lagging::new(&[("queued_messages", "4"), ("pause_seconds", "1")]);
    let reader = lagging.open(&Hello::new("r").receive_maximum(1));
    let _ = lagging.send(reader, &subscribe(Version::V5, 1, &[("t", 2)]));
    lagging.sync();
    let filler = lagging.open(&Hello::new("f"));
    for id in 1..=12 {
        let _ = lagging.send(filler, &publish(Version::V5, "t", b"x", 2, id));
        lagging.sync();
        lagging.hear(reader);
    }
    let publisher = lagging.open(&Hello::new("p").v3().clean(false));
    let _ = lagging.send(publisher, &publish(V3, "t", b"1", 2, 1));
    let first = core::mem::take(&mut lagging.written);
    let _ = lagging.send(publisher, &publish(V3, "t", b"2", 2, 2));
    assert!(!first.is_empty() && !lagging.written.is_empty(), "a record each");
    lagging.now = lagging.now.after_secs(2);
    lagging.broker.handle_timeout(lagging.now);
    lagging.act();
    assert_eq!(lagging.hear(publisher), b"", "nothing is durable yet");
    for position in first {
        lagging.broker.handle_durable(lagging.now, position);
        lagging.act();
    }
    assert_eq!(lagging.hear(publisher), ack(V3, 5, 1, 0));
    lagging.sync();
    assert_eq!(lagging.hear(publisher), ack(V3, 5, 2, 0));
}

/// Exchanges that end before they are answered are held by no Receive Maximum.
#[test]
fn answers_that_wait_for_the_journal_are_limited() {
    let mut lagging = Lagging::new(&[]);
    let c = lagging.open(&Hello::new("c").v3().clean(false));
    let one = [publish_with(V3, "t", b"", delivery(2, 1, false), false, None), ack(V3, 6, 1, 0)].concat();
    assert_eq!(lagging.send(c, &one.repeat(READ / one.len())), Input::Hold);
    lagging.sync();
    assert_eq!(lagging.hear(c).len(), 2 * 4 * (READ / one.len()));
    assert_eq!(lagging.send(c, &[0xc0, 0]), Input::More);
}
