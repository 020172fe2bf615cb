//! Takeover, and how long a session lives.
use crate::support::{EPOCH, Hello, Shards, subscribe};
use tidewire_core::Input;
use tidewire_core::broker::{Action, CloseCause, Event};
use tidewire_core::output::Output;
use tidewire_core::time::{Duration, Instant};
use tidewire_core::version::Version;

/// What still happens to a connection that has lost its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    Bytes,
    Close,
    Timeout,
}

fn permutations(all: &[Late]) -> Vec<Vec<Late>> {
    let Some((first, rest)) = all.split_first() else { return vec![vec![]] };
    let mut found = vec![];
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut one = shorter.clone();
            one.insert(at, *first);
            found.push(one);
        }
    }
    found
}

#[test]
fn late_events_of_a_connection_that_was_taken_over_touch_nobody() {
    for order in permutations(&[Late::Bytes, Late::Close, Late::Timeout]) {
        for shards in [1, 3] {
            let mut s = Shards::new(shards);
            let hello = Hello::new("twice").expiry(100).keep_alive(2).resume();
            let old = s.greet(&hello);
            assert_eq!(s.hear(old), ["CONNACK new 0x00"]);
            s.subscribe(old, "mine", 0);
            s.linger(old);
            let (shard, id) = s.place(old);
            let new = s.greet(&Hello::new("twice").expiry(100).resume());
            assert_eq!(s.hear(new), ["CONNACK present 0x00"]);
            assert_eq!(s.hear(old), ["DISCONNECT 0x8e", "closed"]);
            for late in &order {
                match late {
                    Late::Bytes => {
                        let unheard = subscribe(Version::V5, 9, &[("never", 0)]);
                        let _ = s.brokers[shard].handle_bytes(s.now, id, &unheard);
                    }
                    Late::Close => s.brokers[shard].handle_close(s.now, id, CloseCause::Reset),
                    Late::Timeout => s.wait(4),
                }
                s.settle();
                s.check();
            }
            assert!(s.is_open(new), "{order:?}");
            let sender = s.connect("sender");
            s.publish(sender, "mine", b"after all", 0, 0);
            s.publish(sender, "never", b"?", 0, 0);
            assert_eq!(s.hear(new), ["PUBLISH mine after all"], "{order:?}");
        }
    }
}

#[test]
fn a_newcomer_that_is_still_on_its_way_home_takes_over_when_it_arrives() {
    let mut s = Shards::new(3);
    let old = s.greet(&Hello::new("mover").expiry(100));
    assert_eq!(s.hear(old), ["CONNACK new 0x00"]);
    let home = s.place(old).0;
    s.accept_at((home + 1) % 3);
    s.hold_passages();
    let new = s.greet(&Hello::new("mover").expiry(100).resume());
    assert!(s.hear(new).is_empty() && s.is_open(old), "nothing happens before it is at home");
    s.wait(1);
    s.let_passages_go();
    assert_eq!(s.hear(new), ["CONNACK present 0x00"]);
    assert_eq!(s.hear(old), ["DISCONNECT 0x8e", "closed"]);
}

#[test]
fn two_clients_with_one_id_throw_each_other_out_a_limited_number_of_times() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut s = Shards::with(1, &[("takeovers_per_minute", "5")]);
        let hello = Hello::new("both").version(version);
        let mut holder = s.greet(&hello);
        s.hear(holder);
        let (mut taken, mut refused) = (0, 0);
        for second in 0..120 {
            let newcomer = s.greet(&hello);
            match s.hear(newcomer)[0].as_str() {
                "CONNACK new 0x00" => {
                    taken += 1;
                    assert!(!s.is_open(holder));
                    holder = newcomer;
                }
                "CONNACK new 0x97" | "CONNACK new 0x88" => refused += 1,
                other => panic!("{other}"),
            }
            assert!(s.is_open(holder), "second {second}");
            s.wait(1);
        }
        assert_eq!((taken, refused), (10, 110), "five in each minute");
    }
}

/// How the first connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    TakenOver,
    Goodbye,
    Cut,
}

#[test]
fn the_old_sessions_expiry_decides_whether_there_is_anything_to_hand_on() {
    for version in [Version::V3_1_1, Version::V5] {
        for expiry in [0, 50, u32::MAX] {
            for (clean, end) in [false, true]
                .into_iter()
                .flat_map(|c| [End::TakenOver, End::Goodbye, End::Cut].map(|e| (c, e)))
            {
                if !version.is_v5() && expiry == 50 {
                    continue; // Before 5.0 a session is clean or lasts.
                }
                let case = format!("{version:?} expiry {expiry} clean {clean} {end:?}");
                let mut s = Shards::new(1);
                let hello = |clean: bool| {
                    let hello = Hello::new("c").version(version).clean(clean);
                    if version.is_v5() { hello.expiry(expiry) } else { hello.clean(clean || expiry == 0) }
                };
                let first = s.greet(&hello(!version.is_v5() && expiry == 0));
                assert_eq!(s.hear(first), ["CONNACK new 0x00"], "{case}");
                s.subscribe(first, "kept", 1);
                let sender = s.connect("sender");
                match end {
                    End::TakenOver => {}
                    End::Goodbye => s.send(first, &[0xe0, 0]),
                    End::Cut => s.cut(first),
                }
                if end != End::TakenOver {
                    s.publish(sender, "kept", b"meanwhile", 1, 1);
                }
                let second =
                    s.greet(&if version.is_v5() { hello(clean) } else { Hello::new("c").v3().clean(clean) });
                let kept = expiry > 0 && !clean;
                let mut expected = vec![if kept { "CONNACK present 0x00" } else { "CONNACK new 0x00" }];
                if kept && end != End::TakenOver {
                    expected.push("PUBLISH kept meanwhile q1 #1");
                }
                assert_eq!(s.hear(second), expected, "{case}");
                assert_eq!(s.stats().subscriptions, u64::from(kept), "{case}");
                assert_eq!(s.stats().sessions, 2, "{case}");
            }
        }
    }
}

#[test]
fn a_session_expires_at_its_time_and_not_before_wherever_the_clock_stands() {
    let near_the_end = Instant::from_micros(u64::MAX - 200_000_000);
    for start in [Instant::from_secs(0), EPOCH, near_the_end] {
        for expiry in [1, 60, 1 << 31, u32::MAX - 1, u32::MAX] {
            let mut s = Shards::since(start, 1, &[("session_expiry_seconds", "unlimited")]);
            let sleeper = s.greet(&Hello::new("sleeper").expiry(expiry));
            assert_eq!(s.hear(sleeper), ["CONNACK new 0x00"]);
            s.cut(sleeper);
            assert_eq!(s.stats().sessions, 1);
            s.wait(u64::from(expiry.min(60)) - 1);
            assert_eq!(s.stats().sessions, 1, "expiry {expiry}, not yet");
            s.wait(3);
            assert_eq!(s.stats().sessions, u64::from(expiry > 60), "expiry {expiry} since {start:?}");
        }
    }
}

#[test]
fn an_unlimited_session_outlives_a_century_and_a_long_one_does_not() {
    for (expiry, years, left) in [(u32::MAX, 200, 1), (u32::MAX - 1, 137, 0), (u32::MAX - 1, 136, 1)] {
        let mut s = Shards::with(1, &[("session_expiry_seconds", "unlimited")]);
        let sleeper = s.greet(&Hello::new("sleeper").expiry(expiry));
        s.cut(sleeper);
        // As after a very long sleep: nobody looked at a clock meanwhile.
        s.now = s.now.after_secs(years * 365 * 86_400);
        s.brokers[0].handle_timeout(s.now);
        assert_eq!(s.stats().sessions, left, "{expiry} s after {years} years");
    }
}

#[test]
fn the_servers_limit_of_session_expiry_is_told_and_holds() {
    let mut s = Shards::with(1, &[("session_expiry_seconds", "100")]);
    let clients =
        [Hello::new("v5").expiry(1000), Hello::new("v3").v3().clean(false)].map(|hello| s.greet(&hello));
    for client in clients {
        s.cut(client);
    }
    s.wait(99);
    assert_eq!(s.stats().sessions, 2);
    s.wait(2);
    assert_eq!(s.stats().sessions, 0);
}

#[test]
fn everything_holds_where_time_is_about_to_end() {
    let mut s = Shards::since(Instant::FAR_FUTURE, 1, &[]);
    let one = s.greet(&Hello::new("one").keep_alive(10).expiry(10).will("w", 5));
    assert_eq!(s.hear(one), ["CONNACK new 0x00"]);
    s.subscribe(one, "#", 1);
    s.publish(one, "a", b"b", 1, 1);
    assert_eq!(s.hear(one), ["PUBLISH a b q1 #1", "PUBACK 1"]);
    assert!(s.is_open(one));
    s.cut(one);
    s.check();
}

// verb: disconnect
#[test]
fn a_connection_that_is_ended_by_order_hears_why_and_its_session_stays() {
    for (version, heard) in
        [(Version::V5, vec!["DISCONNECT 0x98", "closed"]), (Version::V3_1_1, vec!["closed"])]
    {
        let mut s = Shards::new(1);
        let hello = Hello::new("c").version(version).resume().expiry(100);
        let client = s.greet(&hello);
        s.hear(client);
        let (shard, id) = s.place(client);
        for _ in 0..2 {
            s.brokers[shard].disconnect(s.now, id, tidewire_core::reason::ReasonCode::AdministrativeAction);
            s.settle();
        }
        assert_eq!(s.hear(client), heard);
        let gone = s.events.iter().filter(|e| matches!(e, Event::Disconnected { .. })).count();
        assert_eq!(gone, 1, "told once");
        let again = s.greet(&hello);
        assert_eq!(s.hear(again), ["CONNACK present 0x00"]);
    }
}

// action: Abort
#[test]
fn a_peer_that_never_reads_its_goodbye_is_dropped_after_the_linger_time() {
    let mut s = Shards::with(1, &[("linger_seconds", "3")]);
    let deaf = s.connect("deaf");
    s.window(deaf, 0);
    s.linger(deaf);
    let (shard, id) = s.place(deaf);
    s.brokers[shard].disconnect(s.now, id, tidewire_core::reason::ReasonCode::AdministrativeAction);
    s.settle();
    s.wait(2);
    assert_eq!(s.stats().connections, 1);
    s.wait(2);
    assert_eq!(s.hear(deaf), ["aborted"]);
    assert_eq!(s.stats().connections, 0);
}

#[test]
fn a_keep_alive_runs_from_the_last_packet_and_a_trickle_does_not_count() {
    let mut s = Shards::new(1);
    let quiet = s.greet(&Hello::new("quiet").keep_alive(10));
    let trickle = s.greet(&Hello::new("trickle").keep_alive(10));
    let steady = s.greet(&Hello::new("steady").keep_alive(10));
    let large = crate::support::publish(Version::V5, "t", &[7; 300_000], 0, 0);
    let mut rest = large.chunks(2_000);
    let mut slow = large.iter();
    for second in 0..120 {
        if second % 7 == 0 {
            s.send(quiet, &[0xc0, 0]);
        }
        if second % 9 == 0 && s.is_open(trickle) {
            s.send(trickle, &[*slow.next().unwrap()]);
        }
        s.send(steady, rest.next().unwrap());
        s.wait(1);
    }
    assert!(s.is_open(quiet) && s.is_open(steady));
    assert_eq!(s.hear(trickle).last().map(String::as_str), Some("closed"));
    s.now = s.now.after(Duration::from_millis(1));
    s.wait(16);
    assert!(!s.is_open(quiet) && !s.is_open(steady));
}

#[test]
fn the_next_deadline_says_what_it_is_for() {
    let timer = |s: &Shards| s.brokers[0].poll_timeout().map(|deadline| deadline.timer);
    let mut s = Shards::new(1);
    assert_eq!(timer(&s), None, "nothing waits for anything");
    let c = s.dial();
    assert_eq!(timer(&s), Some(tidewire_core::broker::Timer::Connect));
    s.cut(c);
    let sleeper = s.greet(&Hello::new("sleeper").expiry(5));
    s.cut(sleeper);
    assert_eq!(timer(&s), Some(tidewire_core::broker::Timer::Session));
    s.wait(20);
    assert_eq!((timer(&s), s.stats().sessions), (None, 0));
}

#[test]
fn packets_that_come_with_the_end_of_a_connection_count() {
    let mut s = Shards::new(1);
    let witness = s.subscriber("witness", "wills", 0);
    let hello = Hello::new("c").resume().expiry(100).will("wills", 0);
    let c = s.greet(&hello);
    s.subscribe(c, "t", 1);
    let sender = s.connect("sender");
    s.publish(sender, "t", b"x", 1, 1);
    let bytes = [crate::support::ack(Version::V5, 4, 1, 0), vec![0xe0, 0]].concat();
    s.send(c, &bytes);
    s.leave(c);
    assert!(s.hear(witness).is_empty(), "it has said goodbye");
    let back = s.greet(&hello);
    assert_eq!(s.hear(back), ["CONNACK present 0x00"], "what it acknowledged does not come again");
}

// action: Transmit
#[test]
fn output_that_is_polled_unasked_is_not_announced_any_more() {
    let mut s = Shards::new(1);
    let c = s.subscriber("c", "t", 0);
    let (shard, id) = s.place(c);
    let broker = &mut s.brokers[shard];
    let mut output = Output::default();
    for _ in 0..3 {
        assert_eq!(broker.handle_bytes(s.now, id, &[0xc0, 0]), Input::More);
        broker.check();
        assert!(!broker.poll_transmit(s.now, id, 1000, &mut output));
        broker.check();
    }
    assert_eq!((output.unsent(), broker.poll_action()), (6, None));
    assert_eq!(broker.handle_bytes(s.now, id, &[0xc0, 0]), Input::More);
    assert_eq!(broker.poll_action(), Some(Action::Transmit(id)));
    broker.check();
    assert_eq!(broker.poll_action(), None, "once, until it is polled");
}

#[test]
fn a_session_can_be_taken_over_however_long_it_has_been_connected() {
    for days in [1, 24, 25, 30, 49, 50, 75, 400] {
        let mut s = Shards::new(1);
        let old = s.greet(&Hello::new("c").resume().expiry(100));
        s.now = s.now.after_secs(days * 86_400);
        s.brokers[0].handle_timeout(s.now);
        let new = s.greet(&Hello::new("c").resume().expiry(100));
        assert_eq!(s.hear(new), ["CONNACK present 0x00"], "after {days} days");
        assert_eq!(s.hear(old).last().map(String::as_str), Some("closed"), "after {days} days");
    }
}

/// Who asks for more, or for none, is held to it in every version, and the longest is no wrap-around. [MQTT-3.1.2-22]
#[test]
fn the_servers_limit_of_keep_alive_holds_for_whoever_asks_for_more_or_for_none() {
    let longest = u16::MAX;
    let cases = [
        ("30", 0, 30),
        ("30", 60, 30),
        ("30", longest, 30),
        ("30", 10, 10),
        ("65534", 0, longest - 1),
        ("unlimited", longest, longest),
    ];
    for (version, (limit, asked, seconds)) in
        [Version::V3_1_1, Version::V5].into_iter().flat_map(|version| cases.map(|case| (version, case)))
    {
        let case = format!("{version:?}: {asked} of {limit}");
        let mut s = Shards::with(1, &[("keep_alive_seconds", limit)]);
        let c = s.greet(&Hello::new("c").version(version).keep_alive(asked));
        assert_eq!(s.hear(c), ["CONNACK new 0x00"], "{case}");
        let patience = u64::from(seconds) * 3 / 2;
        s.wait(patience - 1);
        assert!(s.is_open(c), "{case}: not yet");
        s.wait(3);
        assert!(!s.is_open(c), "{case}: it was silent for {patience} s and more");
    }
    let mut s = Shards::with(1, &[("keep_alive_seconds", "unlimited")]);
    let silent = s.connect("silent");
    s.wait(1_000_000);
    assert!(s.is_open(silent), "where there is no limit it may ask for none");
}
