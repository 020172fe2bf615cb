//! What can be told without a schedule: faults that were found, and rules whose breach needs more than scripts.
use crate::checker::judge;
use crate::client::Op;
use crate::history::{NEVER, Pub};
use crate::random::caught;
use crate::world::{Intake, Setup, World, anybody};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicName;

const CONNECT: Op = Op::Connect { clean: false };
const SUBSCRIBE: Op = Op::Subscribe { filter: "a", qos: 2 };
const RETAIN: Op = Op::Publish { topic: "a", qos: 1, retain: true, empty: false };
const TWICE: Op = Op::Publish { topic: "a", qos: 2, retain: false, empty: false };

/// Two shards, a client at home on each, and "a" ordered by the first.
fn two_shards(change: &dyn Fn(&mut Setup)) -> World {
    for placement in 0.. {
        let mut setup = Setup::new(2);
        setup.placement = placement;
        change(&mut setup);
        let mut world = World::new(setup);
        if (world.home("c0"), world.home("c1"), world.home("a")) == (0, 1, 0) {
            for id in ["c0", "c1"] {
                world.add(id, true, [CONNECT]);
            }
            world.settle();
            return world;
        }
    }
    unreachable!("one in eight fits")
}

fn does(world: &mut World, client: usize, script: &[Op]) {
    world.clients[client].script.extend(script);
    world.settle();
}

fn judged(world: &mut World) -> Result<(), String> {
    world.finish();
    judge(&world.history, &world.probes())
}

/// A value that was to expire is replaced by one that is not, and its time comes.
pub(crate) fn a_value_outlives_the_time_of_the_one_before(change: &dyn Fn(&mut Setup)) -> Result<(), String> {
    caught(|| {
        let mut world = two_shards(change);
        world.clients[0].expiry = Some(5);
        does(&mut world, 0, &[RETAIN, Op::Await]);
        world.clients[0].expiry = None;
        does(&mut world, 0, &[RETAIN, Op::Await]);
        world.micros += 10_000_000;
        judged(&mut world)
    })
}

/// Who subscribes again, and wants Retained Messages for new subscriptions only, gets none.
pub(crate) fn a_subscription_that_is_replaced_is_not_new(change: &dyn Fn(&mut Setup)) -> Result<(), String> {
    caught(|| {
        let mut world = two_shards(change);
        world.clients[1].if_new = true;
        does(&mut world, 0, &[RETAIN, Op::Await]);
        does(&mut world, 1, &[SUBSCRIBE, Op::Await, SUBSCRIBE, Op::Await]);
        match world.history.gots.len() {
            1 => Ok(()),
            n => Err(format!("the value came {n} times")),
        }
    })
}

// verb: handle_timeout, poll_timeout
#[test]
fn rules_hold() {
    a_value_outlives_the_time_of_the_one_before(&|_| {}).expect("10");
    a_subscription_that_is_replaced_is_not_new(&|_| {}).expect("6");
}

#[test]
fn no_local_holds_for_what_another_shard_orders() {
    let mut world = two_shards(&|_| {});
    world.clients[1].no_local = true;
    does(&mut world, 1, &[SUBSCRIBE, Op::Await, RETAIN, Op::Await]);
    assert!(world.history.gots.is_empty(), "its own message took the road and came back");
    judged(&mut world).expect("explained");
}

// action: Pause, Resume
#[test]
fn a_full_window_pauses_those_who_take_the_road_too() {
    let mut world = two_shards(&|setup| setup.limits.push(("mail_notes", "2")));
    for (client, shard) in [(1, 1), (0, 0)] {
        world.clients[client]
            .script
            .extend([Op::Publish { topic: "a", qos: 0, retain: true, empty: false }; 5]);
        for _ in 0..5 {
            world.act(client, shard);
            let lines = world.lines_at(shard);
            world.turn(shard, &Intake { lines, read: usize::MAX, room: usize::MAX, ..Intake::default() });
        }
        assert!(world.is_paused(client), "nothing was settled, and more than two notes are under way");
        world.settle();
        assert!(!world.is_paused(client));
    }
    judged(&mut world).expect("explained");
}

#[test]
fn mailed_and_settled_count_the_same() {
    let mut world = two_shards(&|_| {});
    does(&mut world, 0, &[SUBSCRIBE, Op::Await]);
    let ledger = world.brokers[0].stats().ledger;
    assert_eq!((ledger.mailed, ledger.settled), (1, 1), "interest is mail, too");
}

#[test]
fn a_message_that_every_queue_refuses_leaves_nothing_behind() {
    let mut world = two_shards(&|setup| setup.limits.push(("queued_messages", "1")));
    world.clients[0].receive_maximum = Some(1);
    does(&mut world, 0, &[CONNECT, Op::Welcome, SUBSCRIBE, Op::Await]);
    world.clients[1].script.extend([TWICE; 5]);
    for _ in 0..20 {
        // The subscriber reads nothing meanwhile.
        world.act(1, 1);
        world.read(1, usize::MAX);
        (0..2).for_each(|shard| world.whole_turn(shard));
    }
    let reasons: Vec<_> = world.history.pubs.iter().map(|p| p.reason).collect();
    assert_eq!(reasons, [0, 0, 0x97, 0x97, 0x97]);
    world.finish();
    assert_eq!(world.history.fault, None);
    assert_eq!(world.history.gots.len(), 2);
}

/// A local subscriber has no socket that could be held back: its message with RETAIN waits inside.
// verb: open_local, publish
#[test]
fn what_a_local_subscriber_retains_comes_behind_what_it_said_before() {
    let mut world = (0..)
        .map(|placement| {
            let mut setup = Setup::new(3);
            setup.placement = placement;
            World::new(setup)
        })
        .find(|world| (world.home("c0"), world.home("a")) == (2, 0))
        .expect("one in nine fits");
    world.add("c0", true, [CONNECT, SUBSCRIBE, Op::Await]);
    world.settle();
    let now = world.now();
    let local = world.brokers[1].open_local(now, "host", anybody());
    let now = world.now();
    for message in 0..2_u8 {
        let topic = TopicName::new("a").expect("a Topic Name");
        // Correlation Data, by which the client knows them.
        let publication = Publication::new(topic, "x").qos(QoS::AtLeastOnce).retain(message == 1);
        let publication = publication.correlation_data(&[0, 0, 0, message]).expect("it is short");
        world.history.pubs.push(Pub {
            client: 1,
            line: 0,
            topic: "a",
            qos: 1,
            retain: message == 1,
            empty: false,
            will: false,
            sent: 0,
            sends: 1,
            acked: NEVER,
            reason: 0,
        });
        world.brokers[1].publish(now, local, &publication).expect("it may");
    }
    world.turn(1, &Intake::default());
    // The first message is slow.
    let first = std::mem::take(&mut world.mail[2][1]);
    assert_eq!(first.len(), 1);
    world.settle();
    world.mail[2][1].extend(first);
    world.settle();
    let came: Vec<_> = world.history.gots.iter().map(|g| g.message).collect();
    assert_eq!(came, [0, 1]);
    let stats = world.brokers[1].stats();
    assert_eq!((stats.ledger.mailed, world.brokers[1].is_settled()), (stats.ledger.settled, true));
}

/// Direct messages of others are always under way: without an end to that, one with RETAIN would never be taken up.
#[test]
fn a_message_with_retain_is_not_put_off_for_ever_by_direct_ones() {
    const DIRECT: Op = Op::Publish { topic: "a", qos: 0, retain: false, empty: false };
    let mut world = two_shards(&|_| {});
    let other = (2..).map(|n| format!("c{n}")).find(|id| world.home(id) == 1).expect("one in two");
    let talker = world.add(&other, true, [CONNECT]);
    world.settle();
    does(&mut world, 0, &[SUBSCRIBE, Op::Await]);
    let busy = |world: &mut World| {
        world.clients[talker].script.push_back(DIRECT);
        world.act(talker, 1);
        let lines = world.lines_at(1);
        // One mail each way: the talker is always one message ahead of what is settled.
        world.turn(
            1,
            &Intake { mail: vec![1, 0], lines, read: usize::MAX, room: usize::MAX, ..Intake::default() },
        );
    };
    busy(&mut world);
    busy(&mut world);
    world.clients[1].script.push_back(RETAIN);
    world.act(1, 1);
    let mut rounds = 0;
    while world.history.pubs.iter().all(|p| p.client != 1 || p.acked == NEVER) {
        rounds += 1;
        assert!(rounds < 50, "it waits for ever");
        busy(&mut world);
        let intake = Intake { mail: vec![0, 1], room: usize::MAX, ..Intake::default() };
        world.turn(0, &intake);
        world.read(1, usize::MAX);
    }
    judged(&mut world).expect("explained");
}
