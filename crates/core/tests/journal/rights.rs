//! Who may do what, over a restart and while the journal takes its time.
use crate::host::{Got, Host, config, config_of, publish};
use crate::shards::{Cluster, at_home};
use std::sync::Arc;
use tidewire_core::broker::policy::{
    ANONYMOUS, Access, AuthStep, Authentication, Grant, Open, Peer, Policy, Rights, Ruling,
};
use tidewire_core::broker::{Broker, Restore};
use tidewire_core::id::IdentityId;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;

/// Nobody is known before it connects.
struct Forgetful(Open);

impl Policy for Forgetful {
    fn authenticate(&mut self, now: Instant, peer: &Peer, step: &AuthStep) -> Authentication {
        let AuthStep::Connect { client_id, .. } = step else { return self.0.authenticate(now, peer, step) };
        let identity = IdentityId(client_id.bytes().map(u32::from).sum());
        let mut grant = self.0.grant();
        grant.identity = identity;
        Authentication::Allow(grant)
    }

    fn known(&mut self, _: Instant, _: IdentityId, _: u32) -> Option<Grant> {
        None
    }
}

fn payloads(got: Vec<Got>) -> Vec<String> {
    let payload = |got| match got {
        Got::Publish { payload, .. } => Some(payload),
        _ => None,
    };
    got.into_iter().filter_map(payload).collect()
}

/// Nothing is delivered to it until it connects; and from then on all is.
#[test]
fn who_was_not_known_until_it_came_back_gets_what_comes_then() {
    // What is published often is remembered, with who may receive it.
    for often in [0, 3] {
        let mut host = Host::new();
        let forgetful = |incarnation| {
            let mut config = config(incarnation, true);
            config.policy = Box::new(Forgetful(Open::new()));
            config
        };
        host.broker = Broker::new(host.now, forgetful(0));
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::AtLeastOnce);
        host.cut(bob);
        let mut restore = Restore::new(forgetful(1));
        restore.feed(&host.disk).expect("what was written can be read");
        host.broker = restore.finish(host.now);
        host.starts_anew();
        host.run();
        let alice = host.connect("alice", true);
        for n in 0..often {
            host.publish(alice, "t", "before", QoS::AtLeastOnce, n + 1);
        }
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::AtLeastOnce);
        host.got(bob);
        host.publish(alice, "t", "after", QoS::AtLeastOnce, 4);
        assert_eq!(payloads(host.got(bob)), ["after"], "published {often} times before");
    }
}

/// May do everything but receive.
struct Deaf;

impl Rights for Deaf {
    fn may(&self, _client_id: &str, access: Access<'_>) -> Ruling {
        if matches!(access, Access::Receive { .. }) { Ruling::deny(1) } else { Ruling::allow(0) }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        self.may("", access).allow
    }
}

/// It has its Packet Identifier, and waits for the journal; then its recipient's right ends.
#[test]
fn what_waits_for_the_journal_is_judged_again_when_rights_change() {
    let mut host = Host::new();
    let bob = host.connect("bob", false);
    host.subscribe(bob, "t", QoS::ExactlyOnce);
    let alice = host.connect("alice", true);
    host.got(bob);
    host.prompt = false;
    host.publish(alice, "t", "secret", QoS::ExactlyOnce, 7);
    assert_eq!(host.got(bob), [], "it waits");
    host.broker.handle_grant(host.now, Grant::new(ANONYMOUS, Arc::new(Deaf)));
    host.broker.check();
    host.sync();
    host.run();
    assert_eq!(payloads(host.got(bob)), Vec::<String>::new());
}

/// It was sent, perhaps it arrived, and then its recipient's right ends: it is not sent again, and its Packet Identifier is
/// released. So it is after a crash, too, although the right has come back.
#[test]
fn what_is_not_sent_again_is_released_also_after_a_crash() {
    let mut host = Host::new();
    let bob = host.connect("bob", false);
    host.subscribe(bob, "t", QoS::ExactlyOnce);
    let alice = host.connect("alice", true);
    host.publish(alice, "t", "secret", QoS::ExactlyOnce, 7);
    assert_eq!(payloads(host.got(bob)), ["secret"]);
    host.cut(bob);
    host.prompt = false;
    let bob = host.connect("bob", false);
    host.broker.handle_grant(host.now, Grant::new(ANONYMOUS, Arc::new(Deaf)));
    host.sync();
    host.run();
    assert_eq!(host.got(bob), [Got::Connack { present: true }], "that it is over is not durable yet");
    host.sync();
    host.run();
    assert_eq!(host.got(bob), [Got::Pubrel(1)]);
    host.crash(0);
    host.prompt = true;
    let bob = host.connect("bob", false);
    assert_eq!(host.got(bob), [Got::Connack { present: true }, Got::Pubrel(1)]);
}

/// What was journaled is read by a server without a store.
#[test]
fn a_journal_is_restored_into_a_shard_that_keeps_none() {
    let mut cluster = Cluster::new(2);
    let (alice, _) = at_home(&mut cluster, 0, "alice");
    let (reader, _) = at_home(&mut cluster, 1, "reader");
    cluster.subscribe(reader, "t");
    cluster.rest();
    let now = cluster.now;
    cluster.send(alice, &publish("t", "first", QoS::ExactlyOnce, 7, false));
    cluster.shards[0].sync(now);
    let mut config = config_of(0, 2, 1);
    config.durable = false;
    let mut restore = Restore::new(config);
    restore.feed(cluster.shards[0].disk()).expect("what was written can be read");
    restore.finish(now).check();
}
