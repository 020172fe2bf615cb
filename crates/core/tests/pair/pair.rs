//! A client, a broker, and the line between them. Nothing happens unless somebody says so.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use tidewire_core::Input;
use tidewire_core::broker::policy::{Open, Peer};
use tidewire_core::broker::{self, Broker, CloseCause};
use tidewire_core::client::{Action, Cause, Client, Config, Credentials, Stage, Withdrawn};
use tidewire_core::id::{ConnectionId, LocalId, Ticket, Token};
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::{Duration, Instant};
use tidewire_core::topic::TopicFilter;

/// How a line ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// What was on its way is lost.
    Reset,
    /// What was on its way to the server arrives, and then the end.
    Fin,
}

/// A connection and what is on its way.
pub(crate) struct Line {
    pub(crate) id: ConnectionId,
    /// To the server.
    up: VecDeque<u8>,
    /// The client sends no more.
    up_end: bool,
    /// The server has been told of the end.
    server_gone: bool,
    server_holds: bool,
    /// To the client.
    down: VecDeque<u8>,
    down_end: bool,
    client_holds: bool,
    /// The client was let in.
    greeted: bool,
    output: Output,
}

/// What the application knows of a message that it published.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) qos: u8,
    /// The stages that its ticket went through.
    pub(crate) stages: Vec<Stage>,
    /// Servers that lost their sessions, when it ended.
    pub(crate) ended: Option<usize>,
    /// How often the client had been let in when PUBREC came.
    pub(crate) received_on: usize,
    /// And when the ticket ended.
    pub(crate) ended_on: usize,
    /// The program that published it ended before it did.
    pub(crate) forgotten: bool,
    /// The application took it back.
    pub(crate) withdrawn: Option<Withdrawn>,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) broker: Broker,
    pub(crate) witness: LocalId,
    pub(crate) line: Option<Line>,
    /// The client wants a connection.
    pub(crate) wanted: bool,
    /// Nobody answers.
    pub(crate) unreachable: bool,
    /// Bytes that have passed to the server and to the client, on all lines.
    pub(crate) passed: [usize; 2],
    pub(crate) published: Vec<Published>,
    pub(crate) tickets: BTreeMap<Ticket, usize>,
    /// After a goodbye it comes back for what waits.
    pub(crate) persistent: bool,
    pub(crate) requests: BTreeMap<Ticket, bool>,
    /// The filters of each request.
    pub(crate) asked: BTreeMap<Ticket, Vec<String>>,
    /// What the application takes for subscribed; `None` if it can't know.
    pub(crate) granted: Option<BTreeSet<String>>,
    /// The SUBACK for what the server publishes has come.
    pub(crate) subscribed: bool,
    /// What the server got, by number.
    pub(crate) arrived: Vec<usize>,
    /// What the server published, by QoS.
    pub(crate) told: Vec<u8>,
    /// What the application took.
    pub(crate) heard: Vec<(usize, u8, bool)>,
    /// With the number of the message.
    pub(crate) tokens: Vec<(usize, Token)>,
    /// How often the server's messages were passed over, by number.
    pub(crate) passed_over: BTreeMap<usize, usize>,
    /// How often the program was started again.
    pub(crate) restarts: usize,
    /// How often the server lost everything.
    pub(crate) losses: usize,
    /// A server that had lost the session may have made a new one without our hearing of it: the CONNACK was lost. The
    /// next one says "present", and nobody can know that this is not the old session.
    pub(crate) blind: bool,
    pub(crate) connects: Vec<bool>,
    pub(crate) ended: usize,
    pub(crate) causes: Vec<Cause>,
    pub(crate) tale: Option<Vec<String>>,
}

pub(crate) fn new_broker(now: Instant, incarnation: u32) -> (Broker, LocalId) {
    let mut config = broker::Config::new(Box::new(Open::new()), [9; 32]);
    config.incarnation = incarnation;
    let mut broker = Broker::new(now, config);
    let witness = broker.open_local(now, "witness", Open::new().grant());
    broker.subscribe(now, witness, &TopicFilter::new("up/#").unwrap(), QoS::ExactlyOnce);
    (broker, witness)
}

/// What the message of that number is published to.
pub(crate) fn topic_of(way: &str, number: usize) -> String {
    format!("{way}/{}", ["a", "bb", "ccc"][number % 3])
}

pub(crate) fn qos(bits: u8) -> QoS {
    QoS::from_bits(bits).expect("0, 1 or 2")
}

impl Pair {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::from_secs(1_000_000_000);
        let (broker, witness) = new_broker(now, 1);
        let mut pair = Self {
            now,
            client: Client::new(config, &[3; 32]),
            broker,
            witness,
            line: None,
            wanted: false,
            unreachable: false,
            passed: [0; 2],
            published: vec![],
            tickets: BTreeMap::new(),
            persistent: false,
            requests: BTreeMap::new(),
            asked: BTreeMap::new(),
            granted: Some(BTreeSet::new()),
            subscribed: false,
            arrived: vec![],
            told: vec![],
            heard: vec![],
            tokens: vec![],
            passed_over: BTreeMap::new(),
            restarts: 0,
            losses: 0,
            blind: false,
            connects: vec![],
            ended: 0,
            causes: vec![],
            tale: None,
        };
        pair.client.connect(now);
        pair.act();
        pair
    }

    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(tale) = &mut self.tale {
            tale.push(what());
        }
    }

    pub(crate) fn has_line(&self) -> bool {
        self.line.is_some()
    }

    /// What the client asked for: a connection is made, or it fails.
    pub(crate) fn open(&mut self) {
        if !std::mem::take(&mut self.wanted) {
            return;
        }
        if self.unreachable {
            self.client.handle_close(self.now, Cause::Unreachable);
            return self.act();
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1000));
        let id = self.broker.handle_open(self.now, Peer::new(address, 0));
        self.line = Some(Line {
            id,
            up: VecDeque::new(),
            up_end: false,
            server_gone: false,
            server_holds: false,
            down: VecDeque::new(),
            down_end: false,
            client_holds: false,
            greeted: false,
            output: Output::default(),
        });
        self.tell(|| "a line opens".to_owned());
        self.client.handle_open(self.now);
        self.act();
    }

    pub(crate) fn cut(&mut self, how: Cut) {
        let Some(line) = &mut self.line else { return };
        self.blind |= self.losses > 0 && self.client.server().is_none();
        let id = line.id;
        match how {
            Cut::Fin => {
                let rest: Vec<u8> = line.up.drain(..).collect();
                if !line.server_gone && !rest.is_empty() && !line.server_holds {
                    let _ = self.broker.handle_bytes(self.now, id, &rest);
                }
            }
            Cut::Reset => {}
        }
        let Some(line) = self.line.take() else { return };
        if !line.server_gone {
            self.broker.handle_close(self.now, id, CloseCause::Reset);
        }
        self.tell(|| format!("the line is cut: {how:?}"));
        self.client.handle_close(self.now, Cause::Reset);
        self.act();
    }

    /// So many bytes arrive at the server, at most.
    pub(crate) fn up(&mut self, most: usize) -> bool {
        let Some(line) = &mut self.line else { return false };
        if line.server_holds || line.server_gone {
            return false;
        }
        let n = most.min(line.up.len());
        let bytes: Vec<u8> = line.up.drain(..n).collect();
        let (id, over) = (line.id, line.up.is_empty() && line.up_end);
        self.passed[0] += n;
        if n > 0 {
            match self.broker.handle_bytes(self.now, id, &bytes) {
                Input::Hold => self.line.as_mut().unwrap().server_holds = true,
                Input::More | Input::Done => {}
            }
            self.act();
        }
        if over && let Some(line) = self.line.as_mut().filter(|l| !l.server_gone) {
            (line.server_gone, line.down_end) = (true, true);
            self.broker.handle_close(self.now, id, CloseCause::PeerClosed);
            self.act();
        }
        n > 0 || over
    }

    /// So many bytes arrive at the client, at most.
    pub(crate) fn down(&mut self, most: usize) -> bool {
        let Some(line) = &mut self.line else { return false };
        if line.client_holds {
            return false;
        }
        let n = most.min(line.down.len());
        let bytes: Vec<u8> = line.down.drain(..n).collect();
        let over = line.down.is_empty() && line.down_end;
        self.passed[1] += n;
        if n > 0 {
            match self.client.handle_bytes(self.now, &bytes) {
                Input::Hold => self.line.as_mut().unwrap().client_holds = true,
                Input::More | Input::Done => {}
            }
            let is_in = self.client.server().is_some();
            self.line.as_mut().unwrap().greeted |= is_in;
            self.act();
        }
        let holds = self.line.as_ref().is_none_or(|line| line.client_holds);
        if over && !holds {
            let line = self.line.take().expect("it holds nothing back");
            self.blind |= self.losses > 0 && !line.greeted;
            if !line.server_gone {
                self.broker.handle_close(self.now, line.id, CloseCause::PeerClosed);
            }
            self.client.handle_close(self.now, Cause::Closed);
            self.act();
        }
        n > 0 || over
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.broker.handle_timeout(self.now);
        self.client.handle_timeout(self.now);
        self.act();
    }

    /// Does what both announce.
    pub(crate) fn act(&mut self) {
        loop {
            self.client.check();
            self.broker.check();
            let (ours, theirs) = (self.client.poll_action(), self.broker.poll_action());
            if ours.is_none() && theirs.is_none() {
                return;
            }
            if let Some(action) = ours {
                self.act_client(action);
            }
            if let Some(action) = theirs {
                self.act_broker(action);
            }
        }
    }

    fn act_client(&mut self, action: Action) {
        match action {
            Action::Open(_) => self.wanted = true,
            Action::Transmit => self.client_sends(),
            Action::Close => {
                self.client_sends();
                if let Some(line) = &mut self.line {
                    (line.up_end, line.client_holds) = (true, false);
                }
            }
            Action::Abort => {
                self.wanted = false;
                match self.line.is_some() {
                    true => self.cut(Cut::Reset),
                    false => self.client.handle_close(self.now, Cause::Reset),
                }
            }
            Action::Resume => {
                if let Some(line) = &mut self.line {
                    line.client_holds = false;
                }
            }
            Action::Credentials => {
                self.client.credentials(self.now, Some(Credentials::new("pair", b"token")));
            }
            Action::Event | Action::Message => {}
            other => panic!("an action that nobody knows: {other:?}"),
        }
    }

    fn client_sends(&mut self) {
        let Some(line) = &mut self.line else { return };
        if line.up_end {
            return;
        }
        loop {
            let more = self.client.poll_transmit(self.now, 64, &mut line.output);
            drain(&mut line.output, &mut line.up);
            if !more {
                return;
            }
        }
    }

    fn act_broker(&mut self, action: broker::Action) {
        let line = |id: ConnectionId, line: &Option<Line>| line.as_ref().is_some_and(|l| l.id == id);
        match action {
            broker::Action::Transmit(id) | broker::Action::Close(id) if line(id, &self.line) => {
                let Some(line) = &mut self.line else { return };
                while self.broker.poll_transmit(self.now, id, 64, &mut line.output) {
                    drain(&mut line.output, &mut line.down);
                }
                drain(&mut line.output, &mut line.down);
                if matches!(action, broker::Action::Close(_)) {
                    (line.down_end, line.server_holds) = (true, false);
                }
            }
            broker::Action::Abort(id) if line(id, &self.line) => self.cut(Cut::Reset),
            broker::Action::Pause(id) if line(id, &self.line) => {
                self.line.as_mut().unwrap().server_holds = true;
            }
            broker::Action::Resume(id) if line(id, &self.line) => {
                self.line.as_mut().unwrap().server_holds = false;
            }
            broker::Action::Local(id) => {
                while let Some(received) = self.broker.poll_local(self.now, id) {
                    let number = String::from_utf8(received.message.payload.to_vec()).unwrap();
                    let number = number.parse().unwrap();
                    if number < self.published.len() {
                        let topic = received.message.topic.as_str();
                        assert_eq!(topic, topic_of("up", number), "under whatever alias it came");
                    }
                    self.arrived.push(number);
                    if let Some(token) = received.token {
                        self.broker.acknowledge(self.now, id, token, ReasonCode::Success);
                    }
                }
            }
            broker::Action::Event => while self.broker.poll_event().is_some() {},
            _ => {}
        }
    }
}

fn drain(output: &mut Output, to: &mut VecDeque<u8>) {
    while !output.is_empty() {
        let mut slices: [&[u8]; 4] = [&[]; 4];
        let n = output.slices(&mut slices);
        let all = slices[..n].concat();
        to.extend(&all);
        output.advance(all.len());
    }
}
