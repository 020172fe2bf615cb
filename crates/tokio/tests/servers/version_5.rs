//! What only 5.0 has.
use crate::{goodbye, heard, next, shown, with_server_of_5};
use std::collections::BTreeSet;
use tidewire_tokio::{Cause, Duration, Error, Event, Publication, ReasonCode, TopicName};

#[test]
fn properties_arrive() {
    with_server_of_5(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut messages = bob.subscribe(line.topic("t")).await?;
        let publish = alice.publish(line.topic("t"), "hello").content_type("text/plain");
        let publish = publish.response_topic(line.topic("answers")).correlation_data([1, 2, 3]);
        publish.user_property("colour", "blue").expiry(Duration::from_secs(3600)).await?;
        let message = next(&mut messages).await;
        assert_eq!(message.content_type(), Some("text/plain"));
        assert_eq!(message.response_topic(), Some(&*line.topic("answers")));
        assert_eq!(message.correlation_data(), Some(&[1, 2, 3][..]));
        assert_eq!(message.user_property("colour"), Some("blue"));
        assert!(message.expiry().is_some_and(|left| left <= Duration::from_secs(3600)));
        goodbye([alice, bob]).await
    });
}

#[test]
fn a_request_is_answered() {
    with_server_of_5(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut questions = bob.subscribe(line.topic("double")).await?;
        let service = tokio::spawn(async move {
            let question = next(&mut questions).await;
            bob.reply(&question, "42").await?;
            goodbye([bob]).await
        });
        assert_eq!(alice.request(line.topic("double"), "21").await?.text()?, "42");
        service.await.expect("it does not panic")?;
        goodbye([alice]).await
    });
}

#[test]
fn a_request_to_nobody_fails_at_once() {
    with_server_of_5(async |line| {
        let client = line.connect().await?;
        let asked = client.request(line.topic("nobody"), "21").await;
        let Err(Error::Refused(refusal)) = asked else { panic!("{asked:?}") };
        assert_eq!(refusal.reason, ReasonCode::NoMatchingSubscribers);
        goodbye([client]).await
    });
}

#[test]
fn one_of_a_group_gets_each() {
    with_server_of_5(async |line| {
        let (alice, bob, carol) = (line.connect().await?, line.connect().await?, line.connect().await?);
        let mut first = bob.subscribe(line.topic("jobs")).shared("workers").await?;
        let mut second = carol.subscribe(line.topic("jobs")).shared("workers").await?;
        for n in 0..20 {
            alice.publish(line.topic("jobs"), n.to_string()).await?;
        }
        let (mut jobs, mut of_bob) = (BTreeSet::new(), 0);
        for _ in 0..20 {
            tokio::select! {
                job = next(&mut first) => {
                    of_bob += 1;
                    jobs.insert(shown(&job));
                }
                job = next(&mut second) => drop(jobs.insert(shown(&job))),
            }
        }
        assert_eq!(jobs.len(), 20, "each once: {jobs:?}");
        assert!((1..20).contains(&of_bob), "bob gets {of_bob} of 20");
        goodbye([alice, bob, carol]).await
    });
}

#[test]
fn what_it_said_itself_is_left_out() {
    with_server_of_5(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut messages = bob.subscribe(line.topic("t")).no_local().await?;
        bob.publish(line.topic("t"), "mine").await?;
        alice.publish(line.topic("t"), "yours").await?;
        assert_eq!(heard(&mut messages).await, "1 yours");
        goodbye([alice, bob]).await
    });
}

const TAKEN_OVER: Cause = Cause::Disconnected(ReasonCode::SessionTakenOver);

#[test]
fn who_loses_its_session_to_another_ends() {
    with_server_of_5(async |line| {
        let first = line.connect().client_id(line.name("twin")).await?;
        let (mut messages, mut events) = (first.subscribe(line.topic("t")).await?, first.events());
        let second = line.connect().client_id(line.name("twin")).await?;
        loop {
            match events.next().await {
                Some(Event::Disconnected { cause, .. }) => {
                    break assert_eq!(cause, TAKEN_OVER, "it hears why");
                }
                Some(_) => {}
                None => panic!("it was not disconnected"),
            }
        }
        assert!(messages.next().await.is_none(), "it has ended");
        assert_eq!(messages.end(), Some(Error::Ended(TAKEN_OVER)));
        goodbye([second]).await
    });
}

#[test]
fn a_goodbye_may_leave_the_will() {
    with_server_of_5(async |line| {
        let (bob, topic) = (line.connect().await?, line.topic("will"));
        let mut wills = bob.subscribe(&*topic).await?;
        let alice = line.connect().will(Publication::new(TopicName::new(&topic)?, "gone")).await?;
        alice.disconnect().reason(ReasonCode::DisconnectWithWill).await?;
        assert_eq!(heard(&mut wills).await, "0 gone");
        goodbye([bob]).await
    });
}
