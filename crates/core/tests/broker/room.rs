//! Room for unfinished packets: who comes last waits, and whoever does nothing with it loses it.
use crate::support::{Client, Hello, Shards, publish};
use tidewire_core::broker::Event;
use tidewire_core::broker::policy::{Admission, Answer};
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// As much as one read gets.
const PIECE: usize = 64 * 1024;
/// A quarter of what may be incomplete.
const LARGE: usize = 4 * 1024 * 1024 - 100;

fn room() -> Shards {
    let mut s = Shards::with(1, &[("incomplete_bytes", "16MiB"), ("packet_bytes", "4MiB")]);
    s.checking = false;
    s
}

/// What is still to be sent on a connection.
struct Upload {
    client: Client,
    bytes: Vec<u8>,
    sent: usize,
}

impl Upload {
    fn new(s: &mut Shards, name: &str) -> Self {
        let client = s.greet(&Hello::new(name).version(Version::V3_1_1).keep_alive(4));
        s.hear(client);
        Self { client, bytes: publish(Version::V3_1_1, "t", &vec![7; LARGE], 1, 1), sent: 0 }
    }

    /// Sends a piece, if it is read; false if not, or if there is nothing left.
    fn go_on(&mut self, s: &mut Shards) -> bool {
        let more = self.sent < self.bytes.len() && s.is_open(self.client) && s.reads(self.client);
        if more {
            let end = self.bytes.len().min(self.sent + PIECE);
            s.send(self.client, &self.bytes[self.sent..end]);
            self.sent = end;
        }
        more
    }
}

fn uploads(s: &mut Shards, n: usize) -> Vec<Upload> {
    (0..n).map(|n| Upload::new(s, &format!("u{n}"))).collect()
}

/// A piece of each in turn until nobody gets on.
fn in_turns(s: &mut Shards, uploads: &mut [Upload]) {
    while uploads.iter_mut().fold(false, |any, upload| upload.go_on(s) | any) {
        assert!(s.stats().incomplete_bytes <= 16 << 20);
        s.check_now();
    }
}

#[test]
fn more_large_packets_at_once_than_there_is_room_for_arrive_one_after_the_other() {
    let mut s = room();
    let reader = s.subscriber("reader", "t", 0);
    let mut all = uploads(&mut s, 20);
    in_turns(&mut s, &mut all);
    assert!(s.events.iter().any(|e| matches!(e, Event::Paused { .. })), "that they wait is told");
    for upload in &all {
        assert_eq!(s.hear(upload.client), ["PUBACK 1"], "nobody is closed");
        assert!(s.is_open(upload.client) && s.reads(upload.client));
    }
    assert_eq!(s.hear_bytes(reader).len() / LARGE, 20);
    assert_eq!(s.stats().incomplete_bytes, 0);
}

#[test]
fn who_waits_for_room_is_not_taken_for_dead_and_who_does_nothing_with_it_goes() {
    let mut s = room();
    let mut all = uploads(&mut s, 12);
    // Half of each, as far as there is room; then silence.
    while all.iter_mut().fold(false, |any, u| (u.sent < LARGE / 2 && u.go_on(&mut s)) | any) {}
    let waiting: Vec<bool> = all.iter().map(|u| !s.reads(u.client)).collect();
    assert!(waiting.contains(&true) && waiting.contains(&false), "{waiting:?}");
    for _ in 1..=29 {
        // The others are silent; whoever waits goes on as soon as it may.
        s.wait(1);
        for (upload, _) in all.iter_mut().zip(&waiting).filter(|(_, waits)| **waits) {
            assert!(
                s.is_open(upload.client),
                "its Keep Alive of 4 s is over, and that it is silent is not its doing"
            );
            upload.go_on(&mut s);
        }
    }
    assert!(
        all.iter().zip(&waiting).all(|(u, waits)| *waits || !s.is_open(u.client)),
        "their Keep Alive ended them"
    );
    all.retain(|upload| s.is_open(upload.client));
    in_turns(&mut s, &mut all);
    assert!(all.iter().all(|u| s.hear(u.client) == ["PUBACK 1"]), "and then there is room");
}

/// Without a Keep Alive, too; but only where somebody wants the room.
#[test]
fn an_unfinished_packet_that_stalls_ends_its_connection_when_others_wait() {
    let mut s = room();
    let without_keep_alive = |s: &mut Shards, name: &str| {
        let client = s.greet(&Hello::new(name));
        s.hear(client);
        Upload { client, bytes: publish(Version::V5, "t", &vec![7; LARGE], 1, 1), sent: 0 }
    };
    let mut stalled: Vec<_> = (0..2).map(|n| without_keep_alive(&mut s, &format!("s{n}"))).collect();
    while stalled.iter_mut().fold(false, |any, u| (u.sent < LARGE - PIECE && u.go_on(&mut s)) | any) {}
    s.wait(100);
    assert!(stalled.iter().all(|u| s.is_open(u.client)), "nobody wants their room");
    // One is let pass, and stalls as well.
    stalled.push(without_keep_alive(&mut s, "late"));
    for _ in 0..8 {
        stalled[2].go_on(&mut s);
    }
    let mut waits = without_keep_alive(&mut s, "waits");
    while waits.go_on(&mut s) {}
    assert!(!s.reads(waits.client) && s.reads(stalled[2].client));
    s.wait(29);
    assert!(stalled.iter().all(|u| s.is_open(u.client)));
    s.wait(2);
    assert!(stalled.iter().all(|u| s.hear(u.client) == ["DISCONNECT 0x97", "closed"]));
    while waits.go_on(&mut s) {}
    assert_eq!(s.hear(waits.client), ["PUBACK 1 0x10"]);
    let told =
        |event: &&Event| matches!(event, Event::Disconnected { reason: ReasonCode::QuotaExceeded, .. });
    assert_eq!(s.events.iter().filter(told).count(), 3);
    s.check_now();
}

/// So much of each is there that nobody else may keep more; they go on slowly, so that they are never stalled.
struct Tricklers(Vec<Client>);

impl Tricklers {
    fn new(s: &mut Shards) -> Self {
        let mut all = uploads(s, 30);
        for upload in &mut all {
            upload.client = s.greet(&Hello::new(&format!("t{:p}", &upload.bytes[0])).v3());
            s.hear(upload.client);
            while upload.sent < LARGE - 5 * PIECE && upload.go_on(s) {}
        }
        Self(all.into_iter().map(|upload| upload.client).collect())
    }

    /// How long something takes beside them, in seconds.
    fn beside(&self, s: &mut Shards, mut is_done: impl FnMut(&mut Shards) -> bool) -> u64 {
        let mut seconds = 0;
        while !is_done(s) {
            for client in &self.0 {
                if s.is_open(*client) && s.reads(*client) {
                    s.send(*client, &[7; 1024]);
                }
            }
            s.wait(5);
            seconds += 5;
            assert!(seconds < 600);
        }
        seconds
    }
}

#[test]
fn a_small_packet_in_two_pieces_does_not_wait_for_those_who_trickle() {
    let mut s = room();
    let tricklers = Tricklers::new(&mut s);
    let c = s.greet(&Hello::new("c").v3().keep_alive(30));
    s.hear(c);
    let small = publish(Version::V3_1_1, "x", b"twenty bytes of news", 1, 1);
    s.send(c, &small[..10]);
    s.send(c, &small[10..]);
    let mut heard = vec![];
    let seconds = tricklers.beside(&mut s, |s| {
        heard.extend(s.hear(c));
        !heard.is_empty()
    });
    assert_eq!(heard, ["PUBACK 1"]);
    assert!(seconds <= 30, "{seconds} s: when it is looked who holds up others, at the latest");
}

#[test]
fn who_keeps_nothing_any_more_does_not_wait_for_room() {
    let mut s = room();
    s.authority().admit("later", Admission::Later);
    let tricklers = Tricklers::new(&mut s);
    let c = s.greet(&Hello::new("c").v3());
    s.hear(c);
    let read = [publish(Version::V3_1_1, "later", b"x", 1, 1), [0xc0, 0].repeat(40_000)].concat();
    s.send(c, &read);
    s.answer(Answer::Admit);
    assert_eq!(tricklers.beside(&mut s, |s| s.reads(c)), 0);
    assert!(s.is_open(c) && s.hear(c).len() > 40_000);
}
