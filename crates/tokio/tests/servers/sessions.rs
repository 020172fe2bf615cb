//! What outlives a connection.
use crate::proxy::Proxy;
use crate::{HOUR, Line, goodbye, heard, heard_before, next, with_server};
use std::collections::BTreeSet;
use tidewire_tokio::{Client, Event, Publication, QoS, Result, TopicName};

fn will(topic: &str) -> Result<Publication> {
    Ok(Publication::new(TopicName::new(topic)?, "gone").qos(QoS::AtLeastOnce))
}

#[test]
fn a_will_is_published_when_the_line_is_cut() {
    with_server(async |line| {
        let bob = line.connect().await?;
        let mut wills = bob.subscribe(line.topic("will")).await?;
        let proxy = Proxy::start(line.server);
        let alice = line.connect_to(proxy.address).will(will(&line.topic("will"))?).await?;
        assert!(proxy.cut());
        assert_eq!(heard(&mut wills).await, "1 gone");
        alice.connected().await?;
        goodbye([alice, bob]).await
    });
}

#[test]
fn a_will_may_be_retained() {
    with_server(async |line| {
        let bob = line.connect().await?;
        let mut wills = bob.subscribe(line.topic("will")).await?;
        let proxy = Proxy::start(line.server);
        let kept = will(&line.topic("will"))?.retain(true);
        let alice = line.connect_to(proxy.address).will(kept).await?;
        assert!(proxy.cut());
        assert_eq!(heard(&mut wills).await, "1 gone");
        let carol = line.connect().await?;
        assert_eq!(heard(&mut carol.subscribe(line.topic("will")).await?).await, "1 gone retained");
        goodbye([alice, bob, carol]).await
    });
}

#[test]
fn after_a_goodbye_there_is_no_will() {
    with_server(async |line| {
        let bob = line.connect().await?;
        let mut wills = bob.subscribe(line.topic("will")).await?;
        let alice = line.connect().will(will(&line.topic("will"))?).await?;
        goodbye([alice]).await?;
        bob.publish(line.topic("will"), "last").await?;
        assert_eq!(heard(&mut wills).await, "1 last");
        goodbye([bob]).await
    });
}

#[test]
fn what_came_while_it_was_away_comes_when_it_is_back() {
    with_server(async |line| {
        let alice = line.connect().await?;
        let topic = line.topic("t");
        let bob = async || line.connect().client_id(line.name("bob")).session_expiry(HOUR).await;
        let away = bob().await?;
        let mut before = away.subscribe(&*topic).await?;
        alice.publish(&*topic, "before").await?;
        assert_eq!(heard(&mut before).await, "1 before");
        goodbye([away]).await?;
        for n in 0..20 {
            alice.publish(&*topic, n.to_string()).await?;
        }
        let back = bob().await?;
        let mut events = back.events();
        let present = matches!(events.next().await, Some(Event::Connected { session_present: true, .. }));
        assert!(present, "the session is there");
        let mut messages = back.subscribe(&*topic).await?;
        alice.publish(&*topic, "last").await?;
        let all: Vec<_> = (0..20).map(|n| format!("1 {n}")).collect();
        assert_eq!(heard_before("last", &mut messages).await, all);
        goodbye([alice, back]).await
    });
}

#[test]
fn a_session_is_forgotten_with_its_connection() {
    with_server(async |line| {
        let alice = line.connect().await?;
        let bob = line.connect().client_id(line.name("bob")).await?;
        let _messages = bob.subscribe(line.topic("t")).await?;
        goodbye([bob]).await?;
        alice.publish(line.topic("t"), "to nobody").await?;
        let bob = line.connect().client_id(line.name("bob")).await?;
        let mut messages = bob.subscribe(line.topic("t")).await?;
        alice.publish(line.topic("t"), "last").await?;
        assert_eq!(heard(&mut messages).await, "1 last");
        goodbye([alice, bob]).await
    });
}

/// Without a session that lives on, what was subscribed to is again.
#[test]
fn a_stream_goes_on_after_a_cut() {
    with_server(async |line| {
        let (alice, proxy) = (line.connect().await?, Proxy::start(line.server));
        let bob = line.connect_to(proxy.address).await?;
        let mut messages = bob.subscribe_all([line.topic("a"), line.topic("b")]).await?;
        let mut events = bob.events();
        assert!(proxy.cut());
        loop {
            match events.next().await {
                Some(Event::Disconnected { .. }) => break,
                Some(_) => {}
                None => panic!("it ended"),
            }
        }
        bob.connected().await?;
        // Its subscriptions are asked for before anything else.
        let _behind_them = bob.subscribe(line.topic("c")).await?;
        for name in ["a", "b"] {
            alice.publish(line.topic(name), name).await?;
            assert_eq!(heard(&mut messages).await, format!("1 {name}"));
        }
        goodbye([alice, bob]).await
    });
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    with_server(async |line| {
        let alice = line.connect().await?;
        let bob = line.connect().client_id(line.name("bob")).session_expiry(HOUR).await?;
        let mut jobs = bob.subscribe(line.topic("jobs")).manual_ack().await?;
        alice.publish(line.topic("jobs"), "job").await?;
        assert_eq!(heard(&mut jobs).await, "1 job", "the first time");
        bob.reconnect().await?;
        let again = next(&mut jobs).await;
        assert!(again.dup && again.text()? == "job", "{again:?}");
        again.ack();
        bob.reconnect().await?;
        alice.publish(line.topic("jobs"), "last").await?;
        let last = next(&mut jobs).await;
        assert_eq!(last.text()?, "last", "the third time");
        last.ack();
        goodbye([alice, bob]).await
    });
}

const NUMBERS: usize = 500;
/// Another cut after so many.
const BETWEEN_CUTS: usize = 50;

/// What comes of so many, over two lines that are cut now and then: until the last was published, and each has come.
async fn over_cuts(line: &Line, qos: QoS) -> Result<Vec<usize>> {
    let (here, there) = (Proxy::start(line.server), Proxy::start(line.server));
    let bob = line.connect_to(there.address).client_id(line.name("bob")).session_expiry(HOUR).await?;
    let mut messages = bob.subscribe(line.topic("t")).qos(qos).await?;
    assert_eq!(messages.granted()[0].1, qos, "granted");
    let alice = line.connect_to(here.address).client_id(line.name("alice")).session_expiry(HOUR);
    let alice = alice.in_flight(10).outbox(20, 1 << 20).await?;
    let published = tokio::spawn(publish_numbers(alice.clone(), line.topic("t"), qos));
    let (mut numbers, mut missing) = (Vec::new(), BTreeSet::from_iter(0..NUMBERS));
    let (mut is_last, mut cuts) = (false, 0);
    while !is_last || !missing.is_empty() {
        let message = next(&mut messages).await;
        let Ok(number) = message.text()?.parse() else {
            is_last = true;
            continue;
        };
        numbers.push(number);
        missing.remove(&number);
        if !is_last && numbers.len().is_multiple_of(BETWEEN_CUTS) {
            cuts += usize::from(here.cut()) + usize::from(there.cut());
        }
    }
    assert!(cuts >= NUMBERS / BETWEEN_CUTS, "{cuts} cuts prove nothing");
    published.await.expect("it does not panic")?;
    goodbye([alice, bob]).await?;
    Ok(numbers)
}

async fn publish_numbers(client: Client, topic: String, qos: QoS) -> Result<()> {
    let mut receipts = Vec::new();
    for n in 0..NUMBERS {
        receipts.push(client.publish(&*topic, n.to_string()).qos(qos).enqueue().await?);
    }
    for receipt in receipts {
        receipt.await?;
    }
    client.publish(&*topic, "last").qos(qos).await.map(drop)
}

#[test]
fn over_cuts_qos_1_loses_nothing() {
    with_server(async |line| over_cuts(line, QoS::AtLeastOnce).await.map(drop));
}

/// What comes for the first time: some come again.
#[test]
fn over_cuts_qos_1_keeps_its_order() {
    with_server(async |line| {
        let mut seen = BTreeSet::new();
        let mut numbers = over_cuts(line, QoS::AtLeastOnce).await?;
        numbers.retain(|number| seen.insert(*number));
        assert_eq!(first_out_of_order(&numbers), None, "out of order");
        Ok(())
    });
}

#[test]
fn over_cuts_qos_2_comes_once() {
    with_server(async |line| {
        let numbers = over_cuts(line, QoS::ExactlyOnce).await?;
        assert_eq!(first_out_of_order(&numbers), None, "out of order, or not once");
        assert_eq!(numbers.len(), NUMBERS);
        Ok(())
    });
}

fn first_out_of_order(numbers: &[usize]) -> Option<(usize, usize)> {
    numbers.iter().copied().enumerate().find(|(place, number)| place != number)
}
