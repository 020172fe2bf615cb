//! A member of a group dies ten times a second, under load: nothing is lost, nothing is left lying, and each member has
//! what it gets in order.
use crate::support::{Client, Hello, Member, Shards, release};
use tidewire_core::time::Duration;

const SHARE: &str = "$share/g/t";
const MEMBERS: usize = 5;
const STEP: Duration = Duration::from_millis(10);
/// So many steps from one death to the next, and from a death to the next connection.
const DEATH: u64 = 10;
const AWAY: u64 = 25;

/// Minutes of virtual time; `GROUP_MINUTES=60` takes a minute.
fn minutes() -> u64 {
    std::env::var("GROUP_MINUTES").map_or(1, |minutes| minutes.parse().expect("a number"))
}

fn hello(n: usize) -> Hello {
    Hello::new(&format!("m{n}")).resume().expiry(100_000).receive_maximum(20)
}

struct Load {
    s: Shards,
    qos: u8,
    publisher: Client,
    members: Vec<Member>,
    /// How often each message came, by its number.
    came: Vec<u8>,
    /// The first message after the last death: those before it may have been given back.
    since_death: usize,
    /// The last of those that each member had.
    latest: Vec<usize>,
}

impl Load {
    fn new(shards: u16, qos: u8) -> Self {
        let mut s = Shards::new(shards);
        s.checking = false;
        let publisher = s.connect("publisher");
        let mut members: Vec<Member> = (0..MEMBERS).map(|_| Member::default()).collect();
        for (n, member) in members.iter_mut().enumerate() {
            member.connect(&mut s, &hello(n));
            s.subscribe(member.client.expect("it is connected"), SHARE, 2);
        }
        Self { s, qos, publisher, members, came: vec![], since_death: 0, latest: vec![0; MEMBERS] }
    }

    fn publish(&mut self) {
        let number = self.came.len();
        self.came.push(0);
        let id = u16::try_from(number % 60_000).expect("it is less") + 1;
        self.s.publish(self.publisher, "t", number.to_string().as_bytes(), self.qos, id);
        release(&mut self.s, self.publisher);
        assert!(self.s.stats().ledger.queued < 5000, "members keep up with the publisher");
    }

    fn hear(&mut self, n: usize) {
        for number in self.members[n].hear(&mut self.s) {
            let number = number as usize;
            self.came[number] = self.came[number].saturating_add(1);
            assert!(self.qos == 1 || self.came[number] == 1, "{number} came twice, with QoS 2");
            if number >= self.since_death {
                assert!(self.latest[n] <= number, "{number} came to {n} behind {}", self.latest[n]);
                self.latest[n] = number;
            }
        }
    }

    /// Every member that is there hears, and answers some of what it has heard.
    fn answer(&mut self) {
        for n in 0..MEMBERS {
            self.hear(n);
            for _ in 0..4 {
                self.members[n].answer(&mut self.s);
            }
        }
    }

    fn run(&mut self, steps: u64) {
        for step in 0..steps {
            self.publish();
            if step % 3 == 0 {
                self.answer();
            }
            let turn = step / DEATH;
            let member = |turn: u64| usize::try_from(turn % MEMBERS as u64).expect("few");
            if step % DEATH == 0 {
                self.hear(member(turn));
                self.members[member(turn)].cut(&mut self.s);
                self.since_death = self.came.len();
            }
            if step >= AWAY && (step - AWAY).is_multiple_of(DEATH) {
                let back = member((step - AWAY) / DEATH);
                self.members[back].connect(&mut self.s, &hello(back));
            }
            self.s.pass(STEP);
        }
    }

    /// All are back but one, for whom nothing waits with QoS 1; and everything comes to its end.
    fn end(&mut self) {
        (0..50).for_each(|_| self.publish());
        (0..MEMBERS).for_each(|n| self.hear(n));
        let gone = usize::from(self.qos == 1);
        self.members[..gone].iter_mut().for_each(|member| member.cut(&mut self.s));
        self.since_death = self.came.len();
        for n in gone..MEMBERS {
            if self.members[n].client.is_none() {
                self.members[n].connect(&mut self.s, &hello(n));
            }
        }
        let waits = |s: &Shards| s.stats().ledger.queued + s.stats().ledger.in_flight;
        for _ in 0..10_000 {
            self.answer();
            if waits(&self.s) == 0 {
                break;
            }
        }
        assert_eq!(waits(&self.s), 0, "nothing is left lying");
        let lost = self.came.iter().position(|times| *times == 0);
        assert_eq!(lost, None, "of {} messages", self.came.len());
    }
}

#[test]
fn whoever_dies_ten_times_a_second_loses_and_strands_nothing() {
    for shards in [1, 4] {
        for qos in [1, 2] {
            let mut load = Load::new(shards, qos);
            load.run(minutes() * 6000);
            load.end();
        }
    }
}
