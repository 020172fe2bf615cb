//! Shared Subscriptions: who of a group gets what, and what becomes of it when members come and go.
use crate::support::{Client, Hello, Kind, Shards, ack, delivery, publish_with, subscribe, unsubscribe};
use std::collections::{BTreeMap, BTreeSet};
use tidewire_core::broker::Event;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::version::Version;

const SHARE: &str = "$share/g/t";

/// A client with that CONNECT, in the group.
fn member(s: &mut Shards, hello: &Hello, qos: u8) -> Client {
    let member = s.greet(hello);
    s.hear(member);
    s.subscribe(member, SHARE, qos);
    member
}

/// Clients that are in the group.
fn members(s: &mut Shards, names: &[&str], qos: u8) -> Vec<Client> {
    names.iter().map(|name| s.subscriber(name, SHARE, qos)).collect()
}

/// Payloads of what came, in order.
fn payloads(heard: &[String]) -> Vec<&str> {
    heard.iter().filter_map(|line| line.strip_prefix("PUBLISH t ")?.split(' ').next()).collect()
}

/// Answers all that was heard with QoS 1 or 2 to its end. Returns the payloads.
fn take_all(s: &mut Shards, member: Client) -> Vec<String> {
    let mut taken = vec![];
    loop {
        let heard = s.hear(member);
        if heard.is_empty() {
            return taken;
        }
        for line in &heard {
            let words: Vec<&str> = line.split(' ').collect();
            let id = |at: usize| words[at].trim_start_matches('#').parse().expect("an identifier");
            match words[..] {
                ["PUBLISH", _, payload, "q1", ..] => {
                    taken.push(payload.to_owned());
                    s.acknowledge(member, 4, id(4));
                }
                ["PUBLISH", _, payload, "q2", ..] => {
                    taken.push(payload.to_owned());
                    s.acknowledge(member, 5, id(4));
                }
                ["PUBLISH", _, payload, ..] => taken.push(payload.to_owned()),
                ["PUBREL", ..] => s.acknowledge(member, 7, id(1)),
                _ => {}
            }
        }
    }
}

#[test]
fn each_message_goes_to_one_member_in_turn() {
    for (shards, qos) in [1, 2, 4].into_iter().flat_map(|shards| [0, 1, 2].map(|qos| (shards, qos))) {
        let mut s = Shards::new(shards);
        let all = members(&mut s, &["a", "b", "c"], qos);
        let alone = s.subscriber("alone", "t", qos);
        let publisher = s.connect("p");
        for n in 1..=30_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), qos, n);
        }
        let answers: BTreeSet<String> = s.hear(publisher).into_iter().collect();
        assert!(answers.iter().all(|answer| !answer.contains("0x")), "somebody gets it: {answers:?}");
        let taken: Vec<Vec<String>> = all.iter().map(|member| take_all(&mut s, *member)).collect();
        assert!(taken.iter().all(|taken| taken.len() == 10), "{shards} shards, QoS {qos}: {taken:?}");
        let mut numbers: Vec<u16> = taken.concat().iter().map(|n| n.parse().expect("a number")).collect();
        for taken in &taken {
            assert!(taken.iter().map(|n| n.parse::<u16>().expect("a number")).is_sorted(), "in order");
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1..=30), "each once");
        assert_eq!(take_all(&mut s, alone).len(), 30, "a plain subscription gets all");
        assert_eq!(s.stats().ledger.queued + s.stats().ledger.in_flight, 0);
    }
}

#[test]
fn a_plain_and_a_shared_subscription_of_one_client_are_two() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let a = s.subscriber("a", "t", 0);
        s.subscribe(a, SHARE, 1);
        s.publish(a, "t", b"x", 1, 1);
        let mut heard = s.hear(a);
        heard.sort();
        assert_eq!(heard, ["PUBACK 1", "PUBLISH t x", "PUBLISH t x q1 #1"]);
        s.acknowledge(a, 4, 1);
        s.send(a, &unsubscribe(Version::V5, 2, "t"));
        s.publish(a, "t", b"y", 0, 0);
        assert_eq!(s.hear(a), ["UNSUBACK 2 [0]", "PUBLISH t y"], "the shared one is still there");
        s.send(a, &unsubscribe(Version::V5, 3, SHARE));
        s.send(a, &unsubscribe(Version::V5, 4, SHARE));
        s.publish(a, "t", b"z", 1, 5);
        assert_eq!(s.hear(a), ["UNSUBACK 3 [0]", "UNSUBACK 4 [17]", "PUBACK 5 0x10"]);
    }
}

#[test]
fn groups_of_other_names_and_filters_each_get_a_copy() {
    for shards in [1, 4] {
        let mut s = Shards::new(shards);
        let a = s.subscriber("a", "$share/one/t", 1);
        let b = s.subscriber("b", "$share/two/t", 1);
        let c = s.subscriber("c", "$share/one/#", 1);
        let publisher = s.connect("p");
        s.publish(publisher, "t", b"x", 1, 1);
        for member in [a, b, c] {
            assert_eq!(take_all(&mut s, member), ["x"]);
        }
    }
}

#[test]
fn a_member_gets_no_more_than_its_quota_and_others_get_the_rest() {
    for shards in [1, 2, 4] {
        let mut s = Shards::new(shards);
        let slow = member(&mut s, &Hello::new("slow").receive_maximum(2), 1);
        let quick = s.subscriber("quick", SHARE, 1);
        let publisher = s.connect("p");
        let mut taken = vec![];
        for n in 1..=20_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), 1, n);
            taken.extend(take_all(&mut s, quick));
        }
        let heard = s.hear(slow);
        assert_eq!(payloads(&heard).len(), 2, "{shards} shards: {heard:?}");
        assert_eq!(taken.len(), 18, "nothing waits for who is slow");
        s.acknowledge(slow, 4, 1);
        s.acknowledge(slow, 4, 2);
        s.publish(publisher, "t", b"21", 1, 21);
        s.publish(publisher, "t", b"22", 1, 22);
        taken.extend(take_all(&mut s, quick));
        let heard = s.hear(slow);
        assert_eq!(payloads(&heard).len() + taken.len(), 20, "it is served again");
        assert_eq!(payloads(&heard).len(), 1, "in turn");
    }
}

#[test]
fn what_a_member_has_not_acknowledged_goes_to_another_when_its_line_is_lost() {
    for (shards, goodbye) in [1, 2, 4].into_iter().flat_map(|shards| [false, true].map(|bye| (shards, bye))) {
        let mut s = Shards::new(shards);
        let hello = Hello::new("a").resume().expiry(1000);
        let a = member(&mut s, &hello, 1);
        let publisher = s.connect("p");
        for n in 1..=5_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), 1, n);
        }
        assert_eq!(payloads(&s.hear(a)), ["1", "2", "3", "4", "5"]);
        s.acknowledge(a, 4, 2);
        let b = s.subscriber("b", SHARE, 1);
        assert_eq!(s.hear(b), [""; 0], "a has them");
        if goodbye {
            s.leave(a);
        } else {
            s.cut(a);
        }
        assert_eq!(take_all(&mut s, b), ["1", "3", "4", "5"], "{shards} shards");
        let a = s.greet(&hello);
        assert_eq!(s.hear(a), ["CONNACK present 0x00"], "it is sent nothing again");
        s.publish(publisher, "t", b"6", 1, 6);
        s.publish(publisher, "t", b"7", 1, 7);
        let (mine, others) = (take_all(&mut s, a), take_all(&mut s, b));
        assert_eq!((mine.len(), others.len()), (1, 1), "it is a member still");
        assert_eq!(s.stats().ledger.queued + s.stats().ledger.in_flight, 0);
    }
}

#[test]
fn while_nobody_is_there_the_group_keeps_qos_1_and_2_and_nothing_else() {
    for shards in [1, 2, 4] {
        let mut s = Shards::new(shards);
        let hellos = ["a", "b"].map(|name| s.sleeper(name, SHARE));
        let publisher = s.connect("p");
        for qos in [0, 1, 2] {
            s.publish(publisher, "t", format!("q{qos}").as_bytes(), qos, qos.into());
        }
        assert_eq!(s.hear(publisher), ["PUBACK 1", "PUBREC 2"]);
        assert_eq!(s.stats().ledger.dropped[Reason::Offline as usize], 1);
        let a = s.greet(&hellos[0]);
        assert_eq!(take_all(&mut s, a), ["q1", "q2"], "{shards} shards");
        let b = s.greet(&hellos[1]);
        assert_eq!(s.hear(b), ["CONNACK present 0x00"]);
    }
}

#[test]
fn what_was_begun_with_qos_2_stays_with_its_member() {
    for (shards, received) in [1, 2, 4].into_iter().flat_map(|shards| [false, true].map(|r| (shards, r))) {
        let mut s = Shards::new(shards);
        let hello = Hello::new("a").resume().expiry(1000);
        let a = member(&mut s, &hello, 2);
        let publisher = s.connect("p");
        s.publish(publisher, "t", b"x", 2, 1);
        assert_eq!(s.hear(a), ["PUBLISH t x q2 #1"]);
        let b = s.subscriber("b", SHARE, 2);
        if received {
            s.acknowledge(a, 5, 1);
            assert_eq!(s.hear(a), ["PUBREL 1"]);
        }
        s.cut(a);
        assert_eq!(s.hear(b), [""; 0], "nobody else gets it [MQTT-4.8.2-4]");
        let a = s.greet(&hello);
        let again = if received { "PUBREL 1" } else { "PUBLISH t x q2 #1 dup" };
        assert_eq!(s.hear(a), ["CONNACK present 0x00", again]);
        s.cut(a);
        s.wait(1001);
        assert_eq!(s.hear(b), [""; 0], "also when its session has ended [MQTT-4.8.2-5]");
        let ledger = s.stats().ledger;
        assert_eq!(ledger.queued + ledger.in_flight, 0);
    }
}

#[test]
fn what_a_member_refuses_is_offered_to_nobody_else() {
    for (shards, qos) in [1, 3].into_iter().flat_map(|shards| [1, 2].map(|qos| (shards, qos))) {
        let mut s = Shards::new(shards);
        let all = members(&mut s, &["a", "b"], qos);
        let publisher = s.connect("p");
        s.publish(publisher, "t", b"x", qos, 1);
        let [heard, others] = [all[0], all[1]].map(|member| s.hear(member));
        let (who, other) = if heard.is_empty() { (all[1], all[0]) } else { (all[0], all[1]) };
        assert_eq!(heard.len() + others.len(), 1);
        s.send(who, &ack(Version::V5, if qos == 1 { 4 } else { 5 }, 1, 0x83));
        assert_eq!((s.hear(who), s.hear(other)), (vec![], vec![]), "[MQTT-4.8.2-6]");
        assert_eq!(s.stats().ledger.dropped[Reason::Refused as usize], 1);
    }
}

#[test]
fn a_takeover_is_no_death() {
    for shards in [1, 2, 4] {
        let mut s = Shards::new(shards);
        let hello = Hello::new("a").resume().expiry(1000);
        let a = member(&mut s, &hello, 1);
        let publisher = s.connect("p");
        s.publish(publisher, "t", b"x", 1, 1);
        let b = s.subscriber("b", SHARE, 1);
        assert_eq!(s.hear(a), ["PUBLISH t x q1 #1"]);
        let again = s.greet(&hello);
        assert_eq!(s.hear(again), ["CONNACK present 0x00", "PUBLISH t x q1 #1 dup"]);
        assert_eq!(s.hear(b), [""; 0]);
        s.publish(publisher, "t", b"y", 1, 2);
        s.publish(publisher, "t", b"z", 1, 3);
        assert_eq!((take_all(&mut s, again).len(), take_all(&mut s, b).len()), (1, 1), "{shards} shards");
    }
}

#[test]
fn with_a_clean_start_the_others_get_what_it_had() {
    for shards in [1, 2, 4] {
        let mut s = Shards::new(shards);
        member(&mut s, &Hello::new("a").resume().expiry(1000), 1);
        let publisher = s.connect("p");
        s.publish(publisher, "t", b"x", 1, 1);
        let b = s.subscriber("b", SHARE, 1);
        let again = s.greet(&Hello::new("a"));
        assert_eq!(s.hear(again), ["CONNACK new 0x00"]);
        assert_eq!(take_all(&mut s, b), ["x"], "{shards} shards");
    }
}

#[test]
fn who_unsubscribes_ends_what_it_has_begun_and_the_last_takes_the_group_along() {
    for shards in [1, 2, 4] {
        let mut s = Shards::new(shards);
        let a = member(&mut s, &Hello::new("a").receive_maximum(1), 1);
        let publisher = s.connect("p");
        for n in 1..=3_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), 1, n);
        }
        assert_eq!(s.hear(a), ["PUBLISH t 1 q1 #1"]);
        s.send(a, &unsubscribe(Version::V5, 9, SHARE));
        assert_eq!(s.hear(a), ["UNSUBACK 9 [0]"]);
        assert_eq!(s.stats().ledger.dropped[Reason::SessionEnded as usize], 2, "nobody is there for it");
        s.acknowledge(a, 4, 1);
        assert_eq!(s.hear(a), [""; 0]);
        let ledger = s.stats().ledger;
        assert_eq!((ledger.delivered, ledger.queued, ledger.in_flight), (1, 0, 0));
        let told = s
            .events
            .iter()
            .any(|event| matches!(event, Event::Dropped { client_id, .. } if **client_id == *SHARE));
        assert!(told, "an operator hears of it");
        s.subscribe(a, SHARE, 1);
        s.publish(publisher, "t", b"4", 1, 4);
        assert_eq!(take_all(&mut s, a), ["4"], "a new group");
        s.cut(a);
        assert_eq!(s.stats().subscriptions, 0);
    }
}

#[test]
fn no_retained_message_comes_for_a_group_and_none_of_its_options_is_lost() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let publisher = s.connect("p");
        s.send(publisher, &publish_with(Version::V5, "t", b"kept", delivery(1, 1, false), true, None));
        s.hear(publisher);
        let a = s.subscriber("a", SHARE, 0);
        assert_eq!(s.hear(a), [""; 0], "(Section 4.8.2)");
        s.publish(publisher, "t", b"x", 2, 2);
        assert_eq!(s.hear(a), ["PUBLISH t x"], "no more than was granted");
        s.subscribe(a, SHARE, 2);
        s.publish(publisher, "t", b"y", 2, 3);
        assert_eq!(s.hear(a), ["PUBLISH t y q2 #1"], "until it asks for more");
    }
}

#[test]
fn before_5_0_a_group_is_the_same_and_what_is_none_is_refused() {
    let mut s = Shards::new(2);
    let mut all = vec![];
    for name in ["a", "b"] {
        all.push(member(&mut s, &Hello::new(name).v3(), 1));
    }
    s.send(all[0], &[0x82, 13, 0, 2, 0, 8, b'$', b's', b'h', b'a', b'r', b'e', b'/', b'+', 1]);
    assert_eq!(s.hear(all[0]), ["SUBACK 2 [128]"]);
    let publisher = s.connect("p");
    s.publish(publisher, "t", b"x", 1, 1);
    s.publish(publisher, "t", b"y", 1, 2);
    assert_eq!((take_all(&mut s, all[0]).len(), take_all(&mut s, all[1]).len()), (1, 1));
}

#[test]
fn who_may_not_subscribe_is_no_member_and_counts_against_its_limit() {
    let mut s = Shards::with(2, &[("subscriptions", "1")]);
    s.authority().deny("a", Kind::Subscribe, "secret");
    let a = s.connect("a");
    let filters = [("$share/g/secret", 1), ("$share/g/t", 1), ("$share/h/t", 1), ("t", 1)];
    s.send(a, &subscribe(Version::V5, 1, &filters));
    assert_eq!(s.hear(a), ["SUBACK 1 [135, 1, 151, 151]"]);
}

#[test]
fn a_group_is_bounded_and_its_publishers_hear_of_it() {
    for shards in [1, 3] {
        let mut s = Shards::with(shards, &[("queued_messages", "3")]);
        let hello = s.sleeper("a", SHARE);
        let publisher = s.connect("p");
        for n in 1..=5_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), 1, n);
        }
        let refused = s.hear(publisher).iter().filter(|line| line.ends_with("0x97")).count();
        assert_eq!(refused, 2, "{shards} shards");
        let a = s.greet(&hello);
        assert_eq!(take_all(&mut s, a), ["1", "2", "3"]);
    }
}

#[test]
fn what_is_too_old_is_given_to_nobody() {
    for shards in [1, 3] {
        let mut s = Shards::new(shards);
        let hello = s.sleeper("a", SHARE);
        let publisher = s.connect("p");
        for (n, expiry) in [(1, 5), (2, 500)] {
            let payload = n.to_string();
            let delivery = delivery(1, n, false);
            s.send(
                publisher,
                &publish_with(Version::V5, "t", payload.as_bytes(), delivery, false, Some(expiry)),
            );
        }
        s.wait(6);
        let a = s.greet(&hello);
        assert_eq!(take_all(&mut s, a), ["2"]);
        assert_eq!(s.stats().ledger.expired, 1);
    }
}

/// Members die and come back all the time, with QoS 1 and 2: nothing is lost, nothing is stranded, and order holds within a
/// member but for what another had before.
#[test]
fn a_storm_of_deaths_strands_nothing() {
    for (shards, qos) in [1, 2, 4].into_iter().flat_map(|shards| [1, 2].map(|qos| (shards, qos))) {
        let mut s = Shards::new(shards);
        let hello = |n: usize| Hello::new(&format!("m{n}")).resume().expiry(100_000).receive_maximum(5);
        let mut all: Vec<Option<Client>> = vec![];
        for n in 0..3 {
            all.push(Some(member(&mut s, &hello(n), qos)));
        }
        let publisher = s.connect("p");
        let mut came: BTreeMap<String, usize> = BTreeMap::new();
        for n in 1..=300_u16 {
            s.publish(publisher, "t", n.to_string().as_bytes(), qos, n);
            for answer in s.hear(publisher) {
                if answer.starts_with("PUBREC") {
                    s.acknowledge(publisher, 6, n);
                }
            }
            let who = usize::from(n) % 3;
            match (n % 7, all[who]) {
                (0, Some(member)) => {
                    s.cut(member);
                    all[who] = None;
                }
                (3, None) => all[who] = Some(s.greet(&hello(who))),
                (5, Some(member)) => {
                    for payload in take_all(&mut s, member) {
                        *came.entry(payload).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        for (n, member) in all.iter_mut().enumerate() {
            member.get_or_insert_with(|| s.greet(&hello(n)));
        }
        for _ in 0..3 {
            for member in all.iter().flatten() {
                for payload in take_all(&mut s, *member) {
                    *came.entry(payload).or_default() += 1;
                }
            }
        }
        assert_eq!(came.len(), 300, "{shards} shards, QoS {qos}: all came");
        let ledger = s.stats().ledger;
        assert_eq!((ledger.queued, ledger.in_flight), (0, 0));
    }
}
