use super::*;
use proptest::prelude::*;

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

#[test]
fn only_the_acknowledgement_that_is_awaited_counts() {
    // 4 acknowledgements × 4 states, as far as each exists.
    let mut sender = Sender::default();
    sender.bind_sent('a', QoS::AtLeastOnce);
    sender.bind_sent('b', QoS::ExactlyOnce);
    sender.bind_sent('c', QoS::ExactlyOnce);
    assert_eq!(sender.on_pubrec(id(3), false), Received::First('c'));
    assert_eq!(sender.on_pubcomp(id(1)), Acknowledged::Misplaced);
    assert_eq!(sender.on_pubrec(id(1), false), Received::Misplaced);
    assert_eq!(sender.on_puback(id(2)), Acknowledged::Misplaced);
    assert_eq!(sender.on_pubcomp(id(2)), Acknowledged::Misplaced);
    assert_eq!(sender.on_puback(id(3)), Acknowledged::Misplaced);
    assert_eq!(sender.on_pubrec(id(3), false), Received::Again);
    assert_eq!(sender.on_puback(id(9)), Acknowledged::Unknown);
    assert_eq!(sender.unacknowledged(), 3);
    assert_eq!(sender.on_puback(id(1)), Acknowledged::Done('a'));
    assert_eq!(sender.on_puback(id(1)), Acknowledged::Unknown, "a stray one adds no quota");
    assert_eq!(sender.on_pubcomp(id(3)), Acknowledged::Done('c'));
    assert_eq!(sender.on_pubrec(id(2), true), Received::Refused('b'));
    assert!(sender.is_empty());
    sender.check();
}

#[test]
fn the_oldest_is_the_first_that_was_sent_on_this_connection_and_is_not_received() {
    let mut sender = Sender::default();
    assert_eq!(sender.oldest_sent(), None);
    sender.bind_sent('a', QoS::AtLeastOnce);
    sender.bind_sent('b', QoS::ExactlyOnce);
    sender.reserve('r');
    sender.bind_sent('c', QoS::AtLeastOnce);
    assert_eq!(sender.oldest_sent(), Some(('a', id(1))));
    sender.replace(id(1), 'z');
    assert_eq!(sender.oldest_sent(), Some(('z', id(1))));
    assert_eq!(sender.on_puback(id(1)), Acknowledged::Done('z'));
    assert_eq!(sender.oldest_sent(), Some(('b', id(2))));
    sender.on_pubrec(id(2), false);
    assert_eq!(sender.oldest_sent(), None, "the receiver has it");
    sender.on_pubcomp(id(2));
    assert_eq!(sender.oldest_sent(), Some(('c', id(4))));
    sender.resume(u16::MAX);
    assert_eq!(sender.oldest_sent(), None, "nothing was sent on this one");
    sender.check();
}

#[test]
fn a_new_connection_gets_everything_again_in_order() {
    let mut sender = Sender::default();
    sender.bind_sent('a', QoS::ExactlyOnce);
    sender.bind_sent('b', QoS::AtLeastOnce);
    sender.bind_sent('c', QoS::AtLeastOnce);
    sender.on_pubrec(id(1), false);
    sender.on_puback(id(2));
    for _twice_in_a_row in 0..2 {
        sender.resume(u16::MAX);
        assert_eq!(sender.unsent(), Some(Unsent::Pubrel { packet_id: id(1) }));
        sender.sent();
        let again = Unsent::Publish { message: 'c', packet_id: id(3), qos: QoS::AtLeastOnce, dup: true };
        assert_eq!(sender.unsent(), Some(again));
        sender.sent();
        assert_eq!(sender.unsent(), None);
        sender.check();
    }
}

#[test]
fn a_packet_that_is_no_message_takes_an_identifier_and_no_quota() {
    let mut sender = Sender::default();
    let asked = sender.reserve('s');
    assert_eq!((sender.all_sent(), sender.len()), (true, 0));
    sender.bind('a', QoS::AtLeastOnce);
    let again = sender.reserve('u');
    assert_eq!((asked, again), (id(1), id(3)));
    assert!(matches!(sender.unsent(), Some(Unsent::Publish { message: 'a', .. })));
    sender.sent();
    assert_eq!((sender.unsent(), sender.unacknowledged()), (None, 1));
    assert_eq!(sender.on_puback(id(3)), Acknowledged::Misplaced);
    assert_eq!(sender.on_answer(id(2)), Acknowledged::Misplaced);
    assert_eq!(sender.on_answer(id(1)), Acknowledged::Done('s'));
    assert_eq!(sender.on_answer(id(1)), Acknowledged::Unknown);
    sender.check();
    sender.resume(u16::MAX);
    assert_eq!(sender.on_answer(id(3)), Acknowledged::Unknown, "it will not come any more");
    assert!(sender.drain().eq([('a', QoS::AtLeastOnce, Progress::Sent)]));
    sender.check();
}

#[test]
fn what_was_never_sent_is_no_duplicate() {
    let mut sender = Sender::default();
    sender.bind('a', QoS::ExactlyOnce);
    sender.resume(u16::MAX);
    assert!(matches!(sender.unsent(), Some(Unsent::Publish { dup: false, .. })));
}

#[test]
fn what_was_sent_with_qos_2_is_released_before_its_identifier_is_free() {
    let mut sender = Sender::default();
    for (message, qos) in [('a', QoS::ExactlyOnce), ('b', QoS::AtLeastOnce)] {
        sender.bind_sent(message, qos);
    }
    sender.bind('c', QoS::ExactlyOnce);
    sender.resume(u16::MAX);
    assert!(matches!(sender.unsent(), Some(Unsent::Publish { message: 'a', dup: true, .. })));
    assert!(sender.release());
    assert_eq!(sender.unsent(), Some(Unsent::Pubrel { packet_id: id(1) }));
    sender.sent();
    for message in ['b', 'c'] {
        assert!(matches!(sender.unsent(), Some(Unsent::Publish { message: m, .. }) if m == message));
        assert!(!sender.release(), "{message}: nobody has taken it for anything");
        sender.give_up();
    }
    sender.check();
    assert_eq!(sender.on_pubcomp(id(1)), Acknowledged::Done('a'));
    assert!(sender.is_empty());
}

#[test]
fn what_was_never_sent_can_be_given_up_wherever_it_stands() {
    let mut sender = Sender::default();
    sender.bind_sent('a', QoS::ExactlyOnce);
    for message in ['b', 'c', 'd'] {
        sender.bind(message, QoS::ExactlyOnce);
    }
    sender.resume(u16::MAX);
    assert_eq!(sender.give_up_unsent(|message| message == 'c'), ['b', 'd'], "a was sent");
    sender.check();
    let left: Vec<_> = sender.iter().map(|(message, id, ..)| (message, id.get())).collect();
    assert_eq!(left, [('a', 1), ('c', 3)]);
    sender.sent();
    assert_eq!(sender.give_up_unsent(|_| false), ['c']);
    assert!(sender.all_sent(), "nothing is left to be sent");
}

#[test]
fn after_a_break_the_window_opens_by_one_with_each_that_ends() {
    let mut sender = Sender::default();
    for n in 0..20 {
        sender.bind_sent(n, QoS::AtLeastOnce);
    }
    sender.resume(2);
    let (mut next, mut rounds) = (1, Vec::new());
    while next <= 20 {
        let before = sender.unacknowledged();
        while sender.has_room(6) && sender.unsent().is_some() {
            sender.sent();
        }
        let sent = sender.unacknowledged() - before;
        rounds.push(sent);
        for _ in 0..sent {
            assert!(matches!(sender.on_puback(id(next)), Acknowledged::Done(_)));
            next += 1;
        }
    }
    assert_eq!(rounds, [2, 4, 6, 6, 2], "up to the Receive Maximum");
    // Nobody was cut off in between.
    sender.resume(2);
    for n in 0..20 {
        sender.bind_sent(n, QoS::AtLeastOnce);
    }
    assert!(sender.has_room(21));
}

#[test]
fn ids_wrap_past_those_in_use() {
    let mut sender = Sender::default();
    for n in 0..200_000_u32 {
        let bound = sender.bind_sent(n, QoS::AtLeastOnce);
        assert_ne!(bound.get(), 0);
        if n >= 10 {
            let oldest = sender.iter().next().unwrap();
            assert_eq!(sender.on_puback(oldest.1), Acknowledged::Done(n - 10));
        }
    }
    assert_eq!(sender.len(), 10);
    sender.check();
}

proptest! {
    #[test]
    fn books_balance_whatever_comes(steps in proptest::collection::vec((0_u8..8, 1_u16..12), 0..200)) {
        let mut sender = Sender::default();
        let (mut bound, mut done) = (0_usize, Vec::new());
        for (step, n) in steps {
            match step {
                0 => { sender.bind(bound, QoS::AtLeastOnce); bound += 1; }
                1 => { sender.bind(bound, QoS::ExactlyOnce); bound += 1; }
                2 => if sender.unsent().is_some() { sender.sent() },
                3 => if let Acknowledged::Done(m) = sender.on_puback(id(n)) { done.push(m) },
                4 => if let Received::Refused(m) = sender.on_pubrec(id(n), n % 3 == 0) { done.push(m) },
                5 => if let Acknowledged::Done(m) = sender.on_pubcomp(id(n)) { done.push(m) },
                6 => drop(sender.release()),
                _ => sender.resume(u16::MAX),
            }
            sender.check();
            prop_assert_eq!(sender.len() + done.len(), bound);
        }
        done.sort_unstable();
        done.dedup();
        prop_assert_eq!(sender.len() + done.len(), bound, "nothing ends twice");
    }
}
