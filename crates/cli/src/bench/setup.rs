//! What the options come to.
use super::pattern::Pattern;
use super::{Load, Publishers, Traffic, What, stamp};
use crate::client::{Plan, filters, name};
use crate::say::Failure;
use std::net::IpAddr;
use std::time::Duration;
use tidewire_core::client::Config;
use tidewire_core::qos::QoS;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::clients::{Endpoint, seed};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Conn,
    Pub,
    Sub,
    Pubsub,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Conn => "conn",
            Self::Pub => "pub",
            Self::Sub => "sub",
            Self::Pubsub => "pubsub",
        }
    }
}

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To be there.
    Idle,
    Publisher,
    Subscriber,
}

/// What the options come to.
pub(super) struct Setup {
    pub(super) kind: Kind,
    pub(super) plan: Plan,
    /// Tells this process's messages, and its clients, from those of others.
    pub(super) run: u16,
    /// Those that only connect.
    pub(super) idle: u32,
    pub(super) publishers: u32,
    pub(super) subscribers: u32,
    pub(super) ramp: f64,
    pub(super) sources: Vec<IpAddr>,
    pub(super) seconds: Option<Duration>,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) qos: QoS,
    pub(super) rate: Option<f64>,
    pub(super) count: Option<u64>,
    pub(super) size: usize,
    pub(super) in_flight: u16,
    ids: Pattern,
    topic: Pattern,
    filter: Pattern,
}

impl Setup {
    pub(super) fn of(what: &What) -> Result<Self, Failure> {
        let setup = match what {
            What::Conn(connections) => {
                let mut setup = Self::new(Kind::Conn, &connections.load)?;
                setup.idle = connections.load.clients;
                setup.ramp = connections.rate.unwrap_or(setup.ramp);
                setup
            }
            What::Pub(publishers) => Self::publishing(Kind::Pub, publishers)?,
            What::Sub(subscribers) => {
                let mut setup = Self::new(Kind::Sub, &subscribers.load)?;
                setup.subscribers = subscribers.load.clients;
                setup.filter = Pattern::new(&subscribers.topic);
                (setup.qos, setup.count) = (subscribers.qos, subscribers.count);
                setup
            }
            What::Pubsub(both) => {
                let mut setup = Self::publishing(Kind::Pubsub, &both.publishers)?;
                setup.subscribers = both.subscribers.unwrap_or(setup.publishers);
                setup.filter = Pattern::new(both.filter.as_ref().unwrap_or(&both.publishers.topic));
                setup
            }
        };
        setup.check()?;
        Ok(setup)
    }

    fn new(kind: Kind, load: &Load) -> Result<Self, Failure> {
        let mut plan = load.options.plan()?;
        // How much is under way is bounded by who publishes.
        (plan.config.outbox_messages, plan.config.outbox_bytes) = (usize::MAX, usize::MAX);
        plan.config.acknowledge = tidewire_core::client::Acknowledge::WhenTaken;
        plan.config.receive_maximum = Config::default().receive_maximum;
        let seed = seed();
        let run = u16::from_be_bytes([seed[0], seed[1]]);
        let ids = Pattern::of_ids(&plan.config.client_id, load.clients, run);
        Ok(Self {
            kind,
            plan,
            run,
            idle: 0,
            publishers: 0,
            subscribers: 0,
            ramp: load.ramp,
            sources: load.sources.clone(),
            seconds: load.seconds,
            json: load.json,
            quiet: load.options.quiet,
            qos: QoS::AtMostOnce,
            rate: None,
            count: None,
            size: stamp::LENGTH,
            in_flight: 1,
            ids,
            topic: Pattern::new(""),
            filter: Pattern::new(""),
        })
    }

    fn publishing(kind: Kind, publishers: &Publishers) -> Result<Self, Failure> {
        let Traffic { rate, count, size, in_flight } = publishers.traffic;
        let mut setup = Self::new(kind, &publishers.load)?;
        (setup.plan.config.in_flight, setup.plan.config.in_flight_v3) = (in_flight, in_flight);
        setup.publishers = publishers.load.clients;
        setup.topic = Pattern::new(&publishers.topic);
        setup.qos = publishers.qos;
        (setup.rate, setup.count, setup.size, setup.in_flight) = (rate, count, size, in_flight);
        Ok(setup)
    }

    /// Whatever is wrong with the topic of one is wrong with that of all.
    fn check(&self) -> Result<(), Failure> {
        if self.publishers > 0 {
            self.topic_of(0)?;
        }
        if self.subscribers > 0 && self.filter_of(0)?.share().is_some() {
            return Err(Failure::Usage(
                "bench: nobody knows which member of a group gets what, and so what is lost: leave out $share/NAME/"
                    .into(),
            ));
        }
        Ok(())
    }

    pub(super) fn clients(&self) -> u32 {
        self.idle.saturating_add(self.publishers).saturating_add(self.subscribers)
    }

    /// What the `nth` client is for, and its number among those of its kind: subscribers are there first.
    pub(super) fn role_of(&self, nth: u32) -> (Role, u32) {
        let others = nth.saturating_sub(self.subscribers);
        match nth {
            nth if nth < self.subscribers => (Role::Subscriber, nth),
            _ if others < self.publishers => (Role::Publisher, others),
            _ => (Role::Idle, others - self.publishers),
        }
    }

    /// What a client of that role and number is called.
    pub(super) fn id_of(&self, role: Role, number: u32) -> String {
        let id = self.ids.of(number, "");
        match (self.kind, role) {
            (Kind::Pubsub, Role::Subscriber) => id + "-sub",
            (Kind::Pubsub, Role::Publisher) => id + "-pub",
            _ => id,
        }
    }

    pub(super) fn topic_of(&self, number: u32) -> Result<TopicName, Failure> {
        name("-t", &self.topic.of(number, &self.id_of(Role::Publisher, number)))
    }

    pub(super) fn filter_of(&self, number: u32) -> Result<TopicFilter, Failure> {
        let filter = self.filter.of(number, &self.id_of(Role::Subscriber, number));
        Ok(filters("-t", &[filter])?.remove(0))
    }

    /// With what a client connects.
    pub(super) fn config(&self, role: Role, number: u32) -> Config {
        let mut config = self.plan.config.clone();
        config.client_id = self.id_of(role, number).into();
        config
    }

    /// And where to, from which address.
    pub(super) fn server(&self, nth: u32) -> Endpoint {
        let server = self.plan.server.clone();
        match self.sources.as_slice() {
            [] => server,
            sources => server.from(sources[nth as usize % sources.len()]),
        }
    }
}
