//! A host that is wrong: what it does harms nobody, and makes nothing panic.
use crate::support::{EPOCH, Hello, Shards, open_broker};
use std::sync::Arc;
use tidewire_core::broker::policy::{Everything, Grant, Open, Peer};
use tidewire_core::broker::{Action, Broker, Config, Limits};
use tidewire_core::id::{IdentityId, ShardId};
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicFilter;

fn shard(shard: u16, shards: u16) -> Broker {
    open_broker(shard, shards, false, Limits::default())
}

/// One of two, that has mail for the other.
fn writer(me: u16) -> Broker {
    let mut broker = shard(me, 2);
    let local = broker.open_local(EPOCH, "local", Grant::new(IdentityId(1), Arc::new(Everything)));
    for filter in ["a", "b"] {
        broker.subscribe(EPOCH, local, &TopicFilter::new(filter).expect("a filter"), QoS::AtMostOnce);
    }
    broker
}

#[test]
fn mail_that_is_not_what_it_is_said_to_be_does_nothing() {
    let (mut a, mut b) = (writer(0), writer(1));
    for nobody in [2, 9, u16::MAX] {
        assert!(a.poll_mail(ShardId(nobody)).is_none());
    }
    assert!(a.poll_mail(ShardId(0)).is_none(), "nobody writes to itself");
    let (to_b, to_a) =
        (a.poll_mail(ShardId(1)).expect("interest"), b.poll_mail(ShardId(0)).expect("interest"));
    let before = (a.stats().subscriptions, b.stats().subscriptions);
    // Back to where it comes from; from a shard that there isn't; and what comes behind it, without it.
    a.handle_mail(EPOCH, ShardId(1), to_b);
    b.handle_mail(EPOCH, ShardId(9), to_a);
    let local = b.open_local(EPOCH, "local", Grant::new(IdentityId(1), Arc::new(Everything)));
    b.subscribe(EPOCH, local, &TopicFilter::new("c").expect("a filter"), QoS::AtMostOnce);
    a.handle_mail(EPOCH, ShardId(1), b.poll_mail(ShardId(0)).expect("interest"));
    a.check();
    b.check();
    assert_eq!((a.stats().subscriptions, b.stats().subscriptions), (before.0, before.1 + 1));
    assert_eq!((a.stats().misdelivered, b.stats().misdelivered), (2, 1), "it is counted");
}

/// A shard is one of those that there are, whatever its host says of that.
#[test]
fn a_shard_of_none_is_one() {
    for (me, shards) in [(0, 0), (3, 2), (u16::MAX, 1)] {
        let broker = shard(me, shards);
        broker.check();
    }
}

/// "It takes no more", and nothing is unsent: then nobody would come back to ask for what waits.
#[test]
fn a_socket_that_is_blocked_by_nothing_is_not_blocked() {
    let mut s = Shards::new(1);
    let reader = s.subscriber("reader", "t", 1);
    let (shard, id) = s.place(reader);
    let now = s.now;
    s.brokers[shard].handle_blocked(now, id, 0);
    s.check();
    let publisher = s.connect("publisher");
    s.publish(publisher, "t", b"x", 1, 1);
    assert_eq!(s.hear(reader), ["PUBLISH t x q1 #1"]);
}

/// Nobody who doesn't know the key can choose names that all live on one shard.
#[test]
fn where_a_client_lives_depends_on_a_key() {
    let homes = |key: u8| {
        let mut broker = {
            let config = Config::new(Box::new(Open::new()), [2; 32]);
            Broker::new(EPOCH, config.one_of(4, ShardId(0), [key; 16]))
        };
        let mut home = |name: String| {
            let peer = Peer::new("127.0.0.1:1".parse().expect("an address"), 0);
            let id = broker.handle_open(EPOCH, peer);
            let _ = broker.handle_bytes(EPOCH, id, &Hello::new(&name).bytes());
            let to = core::iter::from_fn(|| broker.poll_action()).find_map(|action| match action {
                Action::Move { to, .. } => Some(to.index()),
                _ => None,
            });
            to.unwrap_or(0)
        };
        (0..100).map(|n| home(format!("client-{n}"))).collect::<Vec<_>>()
    };
    assert_eq!(homes(1), homes(1));
    let (one, other) = (homes(1), homes(2));
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!((10..45).contains(&same), "by chance a quarter: {same}");
    for shard in 0..4 {
        assert!(one.iter().filter(|home| **home == shard).count() > 10, "spread over all: {one:?}");
    }
}
