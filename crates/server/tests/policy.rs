//! A program that embeds the server, with a policy and a host of its own.
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidewire_core::broker::policy::{
    Access, Answer, AuthStep, Authentication, Denial, Everything, Grant, Peer, Policy, Rights, Ruling,
};
use tidewire_core::broker::{Broker, Event};
use tidewire_core::client::{Cause, Config};
use tidewire_core::id::{IdentityId, LocalId, QuestionId};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::Asked;
use tidewire_driver::clients::{Client, Endpoint, Error, Maker, Notice, seed};
use tidewire_driver::suite::PATIENCE;
use tidewire_mio::{Wait, launch};
use tidewire_server::{Host, Options, Post, Server, ShardId};

/// `alice` may come in at once, `bob` when the program says so, and nobody else. None of them may publish to `no`.
struct Doorkeeper;

fn grant() -> Grant {
    Grant::new(IdentityId(1), Arc::new(Doorkeeper))
}

impl Policy for Doorkeeper {
    fn authenticate(&mut self, _: Instant, _: &Peer, step: &AuthStep) -> Authentication {
        match step {
            AuthStep::Connect { username: Some(name), .. } if **name == *"alice" => {
                Authentication::Allow(grant())
            }
            AuthStep::Connect { username: Some(name), .. } if **name == *"bob" => Authentication::Later,
            _ => Authentication::Deny(Denial::new(ReasonCode::BadUserNameOrPassword)),
        }
    }

    fn known(&mut self, _: Instant, identity: IdentityId, _: u32) -> Option<Grant> {
        (identity == IdentityId(1)).then(grant)
    }
}

impl Rights for Doorkeeper {
    fn may(&self, _client_id: &str, access: Access<'_>) -> Ruling {
        match access {
            Access::Publish { topic, .. } if topic == "no" => Ruling::deny(1),
            _ => Ruling::allow(0),
        }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        self.may("", access).allow
    }
}

/// What a host hears, and on which shard.
#[derive(Debug)]
enum Heard {
    Question(ShardId, QuestionId),
    Denied(Box<str>),
    Subscribed,
    Message(TopicName),
}

struct Program {
    shard: ShardId,
    tell: Sender<Heard>,
}

impl Host for Program {
    fn ask(&mut self, _: Instant, id: QuestionId, question: Asked) {
        assert!(matches!(question, Asked::Authenticate { .. }));
        self.tell.send(Heard::Question(self.shard, id)).expect("the test listens");
    }

    fn event(&mut self, _: Instant, event: Event) {
        let heard = match event {
            Event::PublishDenied { topic, .. } => Heard::Denied(topic),
            Event::Subscribed { .. } => Heard::Subscribed,
            _ => return,
        };
        self.tell.send(heard).expect("the test listens");
    }

    fn local(&mut self, now: Instant, broker: &mut Broker, id: LocalId) {
        while let Some(received) = broker.poll_local(now, id) {
            self.tell.send(Heard::Message(received.message.topic)).expect("the test listens");
        }
    }
}

fn client(clients: &Maker, server: &Server, name: &str) -> Client {
    let mut config = Config::default();
    config.username = Some(name.into());
    config.reconnect_at_first = false;
    let port = server.addresses().next().expect("it has one listener").port();
    clients.client(config, vec![Endpoint::new("127.0.0.1", port)], seed())
}

fn next(client: &Client) -> Notice {
    client.recv().wait_for(PATIENCE).expect("it comes in time").expect("it goes on")
}

fn to(topic: &str) -> Publication {
    Publication::new(TopicName::new(topic).expect("a Topic Name"), "hello").qos(QoS::AtLeastOnce)
}

#[test]
fn a_program_decides_who_comes_in_answers_what_it_put_off_and_hears_what_it_subscribed_to() {
    let (tell, heard) = channel();
    let hear = || heard.recv_timeout(PATIENCE).expect("the program hears in time");
    let tell = Mutex::new(tell);
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.broker.shards = Some(2);
    options.broker.policy = Some(Arc::new(|_| Box::new(Doorkeeper)));
    options.broker.host = Some(Arc::new(move |shard| {
        let tell = tell.lock().expect("nothing panics while it is held").clone();
        Box::new(Program { shard, tell })
    }));
    let server = Server::start(&options).expect("a free port on loopback");
    assert!(server.listeners().iter().all(|listener| !listener.anonymous));
    let clients = launch().expect("a poll");

    let stranger = client(&clients, &server, "eve");
    let refused = Cause::Refused(ReasonCode::BadUserNameOrPassword);
    assert!(matches!(next(&stranger), Notice::Disconnected { cause, .. } if cause == refused));

    let bob = client(&clients, &server, "bob");
    let Heard::Question(shard, id) = hear() else { panic!("nothing else has happened") };
    server.mailboxes()[shard.index()].post(Post::Answer(id, Answer::Allow(grant())));
    assert!(matches!(next(&bob), Notice::Connected { .. }));

    server.mailboxes()[0].post(Post::Call(Box::new(move |broker, now| {
        let id = broker.open_local(now, "watch", Grant::new(IdentityId(2), Arc::new(Everything)));
        broker.subscribe(now, id, &TopicFilter::new("#").expect("a Topic Filter"), QoS::AtMostOnce);
    })));
    assert!(matches!(hear(), Heard::Subscribed));

    let alice = client(&clients, &server, "alice");
    assert!(matches!(next(&alice), Notice::Connected { .. }));
    let denied = alice.publish(to("no")).wait().expect("it is accepted").wait();
    assert_eq!(denied, Err(Error::Refused(ReasonCode::NotAuthorized.into())));
    assert!(matches!(hear(), Heard::Denied(topic) if *topic == *"no"));
    assert_eq!(alice.publish(to("yes")).wait().expect("it is accepted").wait(), Ok(ReasonCode::Success));
    assert!(matches!(hear(), Heard::Message(topic) if topic.as_str() == "yes"));

    server.shutdown(Duration::ZERO);
    server.join();
}
