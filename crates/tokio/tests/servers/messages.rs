//! Messages, from a publisher to a subscriber that is there.
use crate::{Line, goodbye, heard, heard_before, heard_sorted, lacking, next, with_server};
use std::collections::BTreeSet;
use tidewire_tokio::{Error, QoS, ReasonCode, Result, Version, connect};

async fn comes_at(line: &Line, qos: QoS) -> Result<()> {
    let (alice, bob) = (line.connect().await?, line.connect().await?);
    let topic = line.topic("t");
    let mut messages = bob.subscribe(&*topic).qos(qos).await?;
    assert_eq!(messages.granted()[0].1, qos, "granted");
    for n in 0..10 {
        alice.publish(&*topic, format!("hello {n}")).qos(qos).await?;
    }
    for n in 0..10 {
        assert_eq!(heard(&mut messages).await, format!("{} hello {n}", qos as u8));
    }
    goodbye([alice, bob]).await
}

#[test]
fn qos_0_arrives() {
    with_server(async |line| comes_at(line, QoS::AtMostOnce).await);
}

#[test]
fn qos_1_arrives() {
    with_server(async |line| comes_at(line, QoS::AtLeastOnce).await);
}

#[test]
fn qos_2_arrives() {
    with_server(async |line| comes_at(line, QoS::ExactlyOnce).await);
}

/// Whatever a server does that knows none, the publisher hears of it, and goes on.
#[test]
fn qos_2_is_published() {
    with_server(async |line| {
        let client = line.connect().await?;
        let published = client.publish(line.topic("t"), "once").qos(QoS::ExactlyOnce).await;
        client.publish(line.topic("t"), "again").await.expect("it goes on");
        goodbye([client]).await?;
        published.map(drop)
    });
}

#[test]
fn a_wrong_password_is_refused() {
    with_server(async |line| {
        let known = |password: &str| line.connect().credentials("guest", password.as_bytes());
        goodbye([known("guest").await?]).await?;
        match known("wrong").await {
            Err(Error::Refused(refusal)) => {
                let reasons = [ReasonCode::BadUserNameOrPassword, ReasonCode::NotAuthorized];
                assert!(reasons.contains(&refusal.reason), "{refusal}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => lacking("anybody is let in"),
        }
        Ok(())
    });
}

/// It is the client that tries both.
#[test]
fn a_plain_connect_finds_a_version() {
    with_server(async |line| {
        let client = connect(format!("mqtt://{}", line.server)).await?;
        let spoken = client.server().expect("it has let us in").version;
        assert!(spoken >= line.version, "{spoken:?} is spoken");
        assert!([Version::V3_1_1, Version::V5].contains(&spoken));
        let mut messages = client.subscribe(line.topic("t")).await?;
        client.publish(line.topic("t"), "hello").await?;
        assert_eq!(heard(&mut messages).await, "1 hello");
        goodbye([client]).await
    });
}

#[test]
fn what_is_retained_comes_later() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let topic = line.topic("t");
        let mut live = bob.subscribe(&*topic).await?;
        alice.publish(&*topic, "kept").retain(true).await?;
        assert_eq!(heard(&mut live).await, "1 kept");
        let carol = line.connect().await?;
        assert_eq!(heard(&mut carol.subscribe(&*topic).await?).await, "1 kept retained");
        goodbye([alice, bob, carol]).await
    });
}

#[test]
fn what_is_retained_is_cleared_by_nothing() {
    with_server(async |line| {
        let alice = line.connect().await?;
        let topic = line.topic("t");
        alice.publish(&*topic, "kept").retain(true).await?;
        alice.publish(&*topic, "").retain(true).await?;
        let bob = line.connect().await?;
        let mut messages = bob.subscribe(&*topic).await?;
        alice.publish(&*topic, "live").await?;
        assert_eq!(heard(&mut messages).await, "1 live");
        goodbye([alice, bob]).await
    });
}

#[test]
fn wildcards_match_levels() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut one = bob.subscribe(line.topic("+/bar")).await?;
        let mut all = bob.subscribe(line.topic("deep/#")).await?;
        for topic in ["7/bar", "7/8/bar", "deep", "deep/7", "deep/7/8", "deeper"] {
            alice.publish(line.topic(topic), topic).await?;
        }
        for topic in ["last/bar", "deep/last"] {
            alice.publish(line.topic(topic), topic).await?;
        }
        // In no order: one filter may be several subscriptions to a server.
        assert_eq!(heard_sorted(2, &mut one).await, ["1 7/bar", "1 last/bar"]);
        assert_eq!(heard_sorted(4, &mut all).await, ["1 deep", "1 deep/7", "1 deep/7/8", "1 deep/last"]);
        goodbye([alice, bob]).await
    });
}

#[test]
fn two_streams_that_match_have_it_once_each() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut exact = bob.subscribe(line.topic("a/b")).await?;
        let mut wide = bob.subscribe(line.topic("a/+")).await?;
        // A second copy of the last would come behind it.
        for n in 0..10 {
            alice.publish(line.topic("a/b"), n.to_string()).await?;
        }
        alice.publish(line.topic("a/b"), "last").await?;
        let all: Vec<_> = (0..10).map(|n| format!("1 {n}")).collect();
        // Neither waits for the other: each message is acknowledged once both streams have taken it.
        let heard = async |messages| {
            let mut heard = heard_before("last", messages).await;
            heard.sort();
            let copies = heard.len();
            heard.dedup();
            assert!(heard == all, "{heard:?}");
            assert_eq!(copies, all.len(), "copies of each");
        };
        tokio::join!(heard(&mut exact), heard(&mut wide));
        goodbye([alice, bob]).await
    });
}

/// To who wants just that, and to who wants all: if it comes elsewhere, that shows.
async fn topic_arrives(line: &Line, name: &str) -> Result<()> {
    let (alice, bob, carol) = (line.connect().await?, line.connect().await?, line.connect().await?);
    let mut exact = carol.subscribe(line.topic(name)).await?;
    let mut all = bob.subscribe(line.topic("#")).await?;
    alice.publish(line.topic(name), "hello").await?;
    assert_eq!(next(&mut all).await.topic.as_str(), line.topic(name));
    assert_eq!(heard(&mut exact).await, "1 hello");
    goodbye([alice, bob, carol]).await
}

#[test]
fn a_level_may_have_dots() {
    with_server(async |line| topic_arrives(line, "pump.7/bar").await);
}

#[test]
fn a_level_may_have_spaces() {
    with_server(async |line| topic_arrives(line, "pump 7/bar").await);
}

#[test]
fn a_level_may_be_empty() {
    with_server(async |line| topic_arrives(line, "a//b/").await);
}

#[test]
fn a_level_may_be_of_any_script() {
    with_server(async |line| topic_arrives(line, "насос/圧力/°").await);
}

#[test]
fn a_payload_of_100_kb_arrives_whole() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let payload: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut messages = bob.subscribe(line.topic("t")).await?;
        alice.publish(line.topic("t"), payload.clone()).await?;
        assert!(next(&mut messages).await.bytes() == payload, "it is another");
        goodbye([alice, bob]).await
    });
}

#[test]
fn a_burst_arrives_in_its_order() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let mut messages = bob.subscribe(line.topic("t")).await?;
        let mut receipts = Vec::new();
        for n in 0..1000 {
            receipts.push(alice.publish(line.topic("t"), n.to_string()).enqueue().await?);
        }
        for n in 0..1000 {
            assert_eq!(heard(&mut messages).await, format!("1 {n}"));
        }
        for receipt in receipts {
            receipt.await?;
        }
        goodbye([alice, bob]).await
    });
}

#[test]
fn a_client_has_1500_subscriptions() {
    with_server(async |line| {
        let (alice, bob) = (line.connect().await?, line.connect().await?);
        let filters: BTreeSet<_> = (0..1500).map(|n| line.topic(&n.to_string())).collect();
        let mut messages = bob.subscribe_all(filters.iter().map(String::as_str)).await?;
        let mut receipts = Vec::new();
        for topic in &filters {
            receipts.push(alice.publish(topic.as_str(), "hello").enqueue().await?);
        }
        let mut topics = BTreeSet::new();
        for _ in 0..1500 {
            topics.insert(next(&mut messages).await.topic.as_str().to_owned());
        }
        assert!(topics == filters, "each of them once");
        for receipt in receipts {
            receipt.await?;
        }
        goodbye([alice, bob]).await
    });
}

#[test]
fn after_unsubscribing_nothing_comes() {
    with_server(async |line| {
        let client = line.connect().await?;
        let mut messages = client.subscribe_all([line.topic("a"), line.topic("b")]).await?;
        messages.remove(line.topic("a")).await?;
        client.publish(line.topic("a"), "no more").await?;
        client.publish(line.topic("b"), "last").await?;
        assert_eq!(heard(&mut messages).await, "1 last");
        messages.unsubscribe().await?;
        assert!(messages.next().await.is_none() && messages.end().is_none());
        goodbye([client]).await
    });
}
