//! What a local subscriber is told of its messages rests on the journal, too.
use crate::host::{Got, Host};
use crate::shards::{Cluster, at_home};
use tidewire_core::broker::policy::Open;
use tidewire_core::broker::{Broker, Event};
use tidewire_core::id::Ticket;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicName;

fn say(broker: &mut Broker, now: Instant, topic: &str, qos: QoS) -> Ticket {
    let local = broker.open_local(now, "rule", Open::new().grant());
    let publication = Publication::new(TopicName::new(topic).expect("a name"), "said").qos(qos);
    broker.publish(now, local, &publication).expect("it may")
}

/// What was told of it so far.
fn told(broker: &mut Broker, ticket: Ticket) -> Option<ReasonCode> {
    let mut told = None;
    while let Some(event) = broker.poll_event() {
        if let Event::Acknowledged { ticket: of, reason, .. } = event
            && of == ticket
        {
            told = Some(reason);
        }
    }
    told
}

fn said(got: &[Got]) -> usize {
    got.iter().filter(|got| matches!(got, Got::Publish { payload, .. } if payload == "said")).count()
}

#[test]
fn a_local_message_is_acknowledged_when_it_is_durable() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut host = Host::new();
        let bob = host.connect("bob", false);
        host.subscribe(bob, "t", QoS::ExactlyOnce);
        host.cut(bob);
        host.prompt = false;
        let ticket = say(&mut host.broker, host.now, "t", qos);
        host.run();
        assert_eq!(told(&mut host.broker, ticket), None, "it stands in bob's queue, and not on the disk");
        host.sync();
        host.run();
        assert_eq!(told(&mut host.broker, ticket), Some(ReasonCode::Success));
    }
}

/// The same where another shard has it durably, and this one has not.
#[test]
fn a_local_message_that_was_mailed_is_acknowledged_when_it_is_durable_here_as_well() {
    let mut cluster = Cluster::new(2);
    let (here, name) = at_home(&mut cluster, 0, "here");
    let (there, _) = at_home(&mut cluster, 1, "there");
    [here, there].iter().for_each(|reader| cluster.subscribe(*reader, "t"));
    cluster.rest();
    [here, there].iter().for_each(|reader| cluster.cut(*reader));
    cluster.rest();
    let now = cluster.now;
    let ticket = say(&mut cluster.shards[0].broker, now, "t", QoS::AtLeastOnce);
    cluster.turn(0);
    cluster.turn(1);
    cluster.shards[1].sync(now);
    cluster.turn(1);
    cluster.turn(0);
    let early = told(&mut cluster.shards[0].broker, ticket);
    cluster.crash(|| 0);
    let here = cluster.open(&name);
    cluster.rest();
    let arrived = said(&cluster.got(here));
    assert_eq!((early, arrived), (None, 0), "what was acknowledged is there after the crash");
}

/// No socket is read before all shards know who wants what again. A local subscriber needs no socket.
#[test]
fn what_a_local_subscriber_says_after_a_restart_reaches_other_shards() {
    let mut cluster = Cluster::new(2);
    let (there, name) = at_home(&mut cluster, 1, "there");
    cluster.subscribe(there, "t");
    cluster.rest();
    cluster.crash(|| 0);
    let now = cluster.now;
    let ticket = say(&mut cluster.shards[0].broker, now, "t", QoS::AtLeastOnce);
    cluster.rest();
    let there = cluster.open(&name);
    cluster.rest();
    assert_eq!(told(&mut cluster.shards[0].broker, ticket), Some(ReasonCode::Success));
    assert_eq!(said(&cluster.got(there)), 1);
}
