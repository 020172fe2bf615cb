//! What the client's machine costs, without a socket: for each message that it publishes, or that comes.
use crate::jobs::{Job, Run, warmed as job};
use crate::packets::TOPIC;
use crate::wire::{self, EPOCH, Heard, TRANSMIT_BYTES, take};
use tidewire_core::client::{Client, Config, Event, Stage};
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;

/// Messages that go or come together.
const BATCH: u16 = 20;
/// In a run.
const TURNS: usize = 100;

/// Always in the same order.
pub fn jobs() -> Vec<Job> {
    vec![
        job("publish-0", "a message published, QoS 0", || Publishing::begin(QoS::AtMostOnce)),
        job("publish-1", "a message published, QoS 1", || Publishing::begin(QoS::AtLeastOnce)),
        job("publish-2", "a message published, QoS 2", || Publishing::begin(QoS::ExactlyOnce)),
        job("receive-0", "a message that comes, QoS 0", || Receiving::begin(QoS::AtMostOnce)),
        job("receive-1", "a message that comes, QoS 1", || Receiving::begin(QoS::AtLeastOnce)),
        job("receive-2", "a message that comes, QoS 2", || Receiving::begin(QoS::ExactlyOnce)),
    ]
}

/// A client with a connection on which everything gets out, and a server that acknowledges it.
struct Connected {
    client: Client,
    output: Output,
    heard: Heard,
    answer: Vec<u8>,
}

impl Connected {
    fn new() -> Self {
        let mut config = Config::default();
        config.client_id = "client".into();
        (config.version, config.keep_alive_seconds) = (Some(Version::V3_1_1), 0);
        let mut client = Client::new(config, &[0; 32]);
        client.connect(EPOCH);
        while client.poll_action().is_some() {}
        client.handle_open(EPOCH);
        let mut connected =
            Self { client, output: Output::default(), heard: Heard::default(), answer: vec![] };
        connected.settle();
        connected.hears(&[0x20, 2, 0, 0]);
        assert!(matches!(connected.client.poll_event(), Some(Event::Connected { .. })));
        connected
    }

    fn hears(&mut self, bytes: &[u8]) {
        let _ = self.client.handle_bytes(EPOCH, bytes);
    }

    /// All leaves and is answered, until there is nothing to say.
    fn settle(&mut self) {
        loop {
            while self.client.poll_action().is_some() {}
            self.client.poll_transmit(EPOCH, TRANSMIT_BYTES, &mut self.output);
            take(&mut self.output, |bytes| self.heard.hear(bytes, &mut self.answer));
            if self.answer.is_empty() {
                break;
            }
            let _ = self.client.handle_bytes(EPOCH, &self.answer);
            self.answer.clear();
        }
    }
}

struct Publishing {
    connected: Connected,
    publication: Publication,
}

impl Publishing {
    fn begin(qos: QoS) -> Box<dyn Run> {
        let topic = TopicName::new(TOPIC).expect("a Topic Name");
        let publication = Publication::new(topic, vec![b'x'; 64]).qos(qos);
        Box::new(Self { connected: Connected::new(), publication })
    }
}

impl Run for Publishing {
    fn run(&mut self) -> usize {
        let Self { connected, publication } = self;
        let mut ended = 0;
        for _ in 0..TURNS {
            for _ in 0..BATCH {
                connected.client.publish(EPOCH, publication.clone()).expect("there is room");
            }
            connected.settle();
            while let Some(event) = connected.client.poll_event() {
                let Event::Progress(_, stage) = event else { panic!("nothing else happens: {event:?}") };
                let is_end = match stage {
                    Stage::Acknowledged(_) => publication.qos == QoS::AtLeastOnce,
                    stage => matches!(stage, Stage::Sent | Stage::Released(_)),
                };
                ended += usize::from(is_end);
            }
        }
        assert_eq!(ended, TURNS * usize::from(BATCH));
        ended
    }
}

struct Receiving {
    connected: Connected,
    /// What the server says.
    says: Vec<u8>,
}

impl Receiving {
    fn begin(qos: QoS) -> Box<dyn Run> {
        let says = wire::publishes(BATCH, TOPIC, qos.bits());
        Box::new(Self { connected: Connected::new(), says })
    }
}

impl Run for Receiving {
    fn run(&mut self) -> usize {
        let mut came = 0;
        for _ in 0..TURNS {
            self.connected.hears(&self.says);
            while self.connected.client.poll_message(EPOCH).is_some() {
                came += 1;
            }
            self.connected.settle();
        }
        assert_eq!(came, TURNS * usize::from(BATCH));
        came
    }
}
