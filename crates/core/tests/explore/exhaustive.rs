//! Small scenarios under every schedule.
//!
//! A step is one mail, one passage, one verdict, or one thing that a client does; clients see at once what is sent to
//! them, which is the most that anybody may conclude from. States are told apart by what each shard took in which
//! order, and by what each client had seen when it did something: shards are deterministic, so nothing else matters.
use crate::checker::judge;
use crate::client::{Op, Will};
use crate::history::End;
use crate::random::caught;
use crate::world::{Intake, Setup, World};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A client: where it is at home, what it does before, and what then.
pub(crate) struct Role {
    home: usize,
    /// Whether it keeps its session.
    keeps: bool,
    will: bool,
    /// The shards that its connections come to, one after the other. The first one is its home otherwise.
    accepts: &'static [usize],
    before: &'static [Op],
    script: &'static [Op],
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Schedules differ in so many steps; what is left then happens in turn.
    depth: usize,
    shards: u16,
    /// Where "a" is ordered.
    owner: usize,
    slow_verdicts: bool,
    roles: &'static [Role],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Mail {
        from: usize,
        to: usize,
    },
    Passage(usize),
    Verdict(usize, usize),
    Act(usize),
    /// The server reads what a client sent without being asked: acknowledgements, or what `Hold` kept back.
    Socket(usize),
}

/// A world, and what tells its states apart.
struct Run {
    world: World,
    accepts: Vec<Vec<usize>>,
    shards: Vec<DefaultHasher>,
    clients: Vec<DefaultHasher>,
    accepted: DefaultHasher,
}

impl Run {
    /// `placement` is where to begin to look for one that puts everybody where the scenario wants them.
    fn new(scenario: &Scenario, change: &dyn Fn(&mut Setup), placement: &mut u64) -> Self {
        let mut world = loop {
            let mut setup = Setup::new(scenario.shards);
            setup.placement = *placement;
            setup.slow_verdicts = scenario.slow_verdicts;
            change(&mut setup);
            let world = World::new(setup);
            let homes = scenario.roles.iter().enumerate();
            let fits = homes.clone().all(|(n, role)| world.home(&format!("c{n}")) == role.home);
            if fits && world.home("a") == scenario.owner {
                break world;
            }
            *placement += 1;
        };
        for (n, role) in scenario.roles.iter().enumerate() {
            let client = world.add(&format!("c{n}"), role.keeps, role.before.iter().copied());
            world.clients[client].will = role.will.then_some(WILL);
        }
        world.checks = false;
        world.settle();
        for (n, role) in scenario.roles.iter().enumerate() {
            world.clients[n].script.extend(role.script);
        }
        let (shards, clients) = (usize::from(scenario.shards), scenario.roles.len());
        Self {
            world,
            accepts: scenario.roles.iter().map(|r| r.accepts.iter().rev().copied().collect()).collect(),
            shards: vec![DefaultHasher::new(); shards],
            clients: vec![DefaultHasher::new(); clients],
            accepted: DefaultHasher::new(),
        }
    }

    fn enabled(&mut self) -> Vec<Step> {
        let mut steps = vec![];
        let world = &mut self.world;
        for client in 0..world.clients.len() {
            while matches!(world.clients[client].script.front(), Some(Op::Await | Op::Welcome))
                && world.clients[client].may_act(&world.history)
            {
                world.clients[client].script.pop_front();
            }
            if world.clients[client].may_act(&world.history) {
                steps.push(Step::Act(client));
            }
            if world.has_input(client).is_some() {
                steps.push(Step::Socket(client));
            }
        }
        for to in 0..world.shards() {
            let from = (0..world.shards()).filter(|from| !world.mail[to][*from].is_empty());
            steps.extend(from.map(|from| Step::Mail { from, to }));
            if !world.passages[to].is_empty() {
                steps.push(Step::Passage(to));
            }
            steps.extend((0..world.questions[to].len()).map(|n| Step::Verdict(to, n)));
        }
        steps
    }

    fn take(&mut self, step: Step) {
        let all = Intake { read: usize::MAX, room: usize::MAX, ..Intake::default() };
        let world = &mut self.world;
        world.history.tell(|| format!("    {step:?}"));
        match step {
            Step::Mail { from, to } => {
                let mail = (0..world.shards()).map(|f| usize::from(f == from)).collect();
                (step, world.mail[to][from].len()).hash(&mut self.shards[to]);
                world.turn(to, &Intake { mail, ..all });
            }
            Step::Passage(to) => {
                step.hash(&mut self.shards[to]);
                world.turn(to, &Intake { passages: 1, ..all });
            }
            Step::Verdict(shard, n) => {
                step.hash(&mut self.shards[shard]);
                world.turn(shard, &Intake { verdicts: vec![n], ..all });
            }
            Step::Act(client) => {
                let seen: Vec<_> = world.history.lines.iter().map(|l| (l.welcomed, l.closed)).collect();
                let seen =
                    seen.iter().filter(|(w, c)| *w != crate::history::NEVER || *c != crate::history::NEVER);
                let acked =
                    world.history.pubs.iter().map(|p| p.acked != crate::history::NEVER).collect::<Vec<_>>();
                let subs: Vec<_> = world
                    .history
                    .subs
                    .iter()
                    .map(|s| {
                        (s.client, s.acked != crate::history::NEVER, s.unsubacked != crate::history::NEVER)
                    })
                    .collect();
                (step, seen.count(), acked, subs).hash(&mut self.clients[client]);
                let connects = matches!(world.clients[client].script.front(), Some(Op::Connect { .. }));
                let home = world.home(&world.clients[client].id);
                let accept = if connects { self.accepts[client].pop().unwrap_or(home) } else { home };
                if connects {
                    client.hash(&mut self.accepted);
                }
                world.act(client, accept);
                self.socket(client);
            }
            Step::Socket(client) => self.socket(client),
        }
        for client in 0..self.world.clients.len() {
            self.world.read(client, usize::MAX);
        }
    }

    fn socket(&mut self, client: usize) {
        let Some((shard, line)) = self.world.has_input(client) else { return };
        Step::Socket(client).hash(&mut self.shards[shard]);
        let all = Intake { read: usize::MAX, room: usize::MAX, ..Intake::default() };
        self.world.turn(shard, &Intake { lines: vec![line], ..all });
    }

    fn key(&self) -> u64 {
        let mut key = DefaultHasher::new();
        for part in self.shards.iter().chain(&self.clients).chain([&self.accepted]) {
            part.finish().hash(&mut key);
        }
        for client in &self.world.clients {
            client.script.len().hash(&mut key);
        }
        key.finish()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) schedules: usize,
}

/// Enough for each of the scenarios.
const LIMIT: usize = 500_000;
const ALL: usize = usize::MAX;

/// Visits every state; the first fault ends it, told with its schedule.
pub(crate) fn explore(scenario: &Scenario, change: &dyn Fn(&mut Setup)) -> Result<Explored, String> {
    let mut explored = Explored::default();
    let (mut known, mut placement) = (HashSet::new(), 0);
    let mut todo: Vec<Vec<usize>> = vec![vec![]];
    while let Some(prefix) = todo.pop() {
        if explored.states > LIMIT {
            return Err(format!("{}: more than {LIMIT} states", scenario.name));
        }
        let mut path = prefix.clone();
        let mut steps = vec![];
        let result = caught(|| {
            let mut run = Run::new(scenario, change, &mut placement);
            for (n, &choice) in prefix.iter().enumerate() {
                // All but the last of these have been taken before, and checked.
                run.world.checks = n + 1 == prefix.len();
                let step = run.enabled()[choice];
                steps.push(step);
                run.take(step);
            }
            run.world.checks = true;
            loop {
                if !run.world.has_fault() && !known.insert(run.key()) {
                    return Ok(());
                }
                explored.states += 1;
                let enabled = run.enabled();
                let Some(&step) =
                    enabled.first().filter(|_| !run.world.has_fault() && path.len() < scenario.depth)
                else {
                    break;
                };
                todo.extend((1..enabled.len()).map(|n| path.iter().copied().chain([n]).collect()));
                path.push(0);
                steps.push(step);
                run.take(step);
            }
            explored.schedules += 1;
            // What is left happens in turn, and is checked at its end.
            run.world.checks = false;
            run.world.finish();
            judge(&run.world.history, &run.world.probes())
        });
        if let Err(fault) = result {
            return Err(format!("{}: {fault}\n    after {steps:?}", scenario.name));
        }
    }
    Ok(explored)
}

const WILL: Will = Will { topic: "a", qos: 0, retain: true };
const CONNECT: Op = Op::Connect { clean: false };
const SUBSCRIBE: Op = Op::Subscribe { filter: "a", qos: 2 };
const UNSUBSCRIBE: Op = Op::Unsubscribe { filter: "a" };
const PUBLISH: Op = Op::Publish { topic: "a", qos: 1, retain: false, empty: false };
const ONCE: Op = Op::Publish { topic: "a", qos: 0, retain: false, empty: false };
const RETAIN: Op = Op::Publish { topic: "a", qos: 1, retain: true, empty: false };
const CLEAR: Op = Op::Publish { topic: "a", qos: 1, retain: true, empty: true };
const OTHER: Op = Op::Publish { topic: "b/c", qos: 1, retain: false, empty: false };

const fn role(home: usize, before: &'static [Op], script: &'static [Op]) -> Role {
    Role { home, keeps: true, will: false, accepts: &[], before, script }
}

const fn scenario(name: &'static str, shards: u16, owner: usize, roles: &'static [Role]) -> Scenario {
    Scenario { name, depth: ALL, shards, owner, slow_verdicts: false, roles }
}

const fn long(
    depth: usize,
    name: &'static str,
    shards: u16,
    owner: usize,
    roles: &'static [Role],
) -> Scenario {
    Scenario { name, depth, shards, owner, slow_verdicts: false, roles }
}

const IN: &[Op] = &[CONNECT, Op::Welcome];
const LISTENS: &[Op] = &[CONNECT, SUBSCRIBE, Op::Await];

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("a PUBLISH after SUBACK", 3, 0, &[role(0, IN, &[SUBSCRIBE]), role(1, IN, &[PUBLISH, PUBLISH])]),
    scenario(
        "two subscribe to the same",
        2,
        0,
        &[role(0, IN, &[SUBSCRIBE]), role(0, IN, &[SUBSCRIBE]), role(1, IN, &[PUBLISH])],
    ),
    scenario(
        "subscribe, unsubscribe, subscribe",
        2,
        0,
        &[role(0, IN, &[SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE]), role(1, IN, &[PUBLISH])],
    ),
    scenario(
        "subscribe twice",
        2,
        0,
        &[role(0, IN, &[SUBSCRIBE, SUBSCRIBE]), role(1, IN, &[PUBLISH, PUBLISH])],
    ),
    scenario(
        "unsubscribe",
        3,
        0,
        &[role(0, LISTENS, &[UNSUBSCRIBE]), role(1, IN, &[PUBLISH]), role(2, IN, &[PUBLISH])],
    ),
    scenario(
        "acknowledgements of what goes to two shards",
        3,
        0,
        &[role(0, LISTENS, &[]), role(1, IN, &[PUBLISH, PUBLISH]), role(2, LISTENS, &[])],
    ),
    scenario(
        "acknowledgements of what goes here and there",
        3,
        0,
        &[
            role(0, LISTENS, &[]),
            role(1, &[CONNECT, Op::Subscribe { filter: "b/c", qos: 1 }, Op::Await], &[]),
            role(2, IN, &[PUBLISH, OTHER]),
        ],
    ),
    scenario("direct, then retained", 3, 0, &[role(1, IN, &[PUBLISH, RETAIN]), role(2, LISTENS, &[])]),
    scenario("retained, then direct", 3, 0, &[role(1, IN, &[RETAIN, PUBLISH]), role(2, LISTENS, &[])]),
    scenario(
        "direct, then a retained will",
        3,
        0,
        &[
            Role {
                home: 1,
                keeps: true,
                will: true,
                accepts: &[],
                before: IN,
                script: &[ONCE, Op::Leave(End::Reset)],
            },
            role(2, LISTENS, &[]),
        ],
    ),
    long(
        12,
        "retained twice, then direct",
        3,
        0,
        &[role(1, IN, &[RETAIN, RETAIN, PUBLISH]), role(2, LISTENS, &[])],
    ),
    long(
        12,
        "two retain, one subscribes",
        3,
        0,
        &[role(1, IN, &[RETAIN]), role(2, IN, &[RETAIN]), role(0, IN, &[SUBSCRIBE])],
    ),
    long(
        12,
        "two retain, one subscribes elsewhere",
        3,
        1,
        &[role(1, IN, &[RETAIN]), role(2, IN, &[RETAIN]), role(2, IN, &[SUBSCRIBE])],
    ),
    long(
        12,
        "retain and clear, one subscribes",
        3,
        0,
        &[
            role(1, &[CONNECT, RETAIN, Op::Await], &[CLEAR]),
            role(2, IN, &[RETAIN]),
            role(1, IN, &[SUBSCRIBE]),
        ],
    ),
    Scenario {
        name: "CONNECT, PUBLISH and FIN",
        depth: ALL,
        shards: 3,
        owner: 0,
        slow_verdicts: true,
        roles: &[
            Role {
                home: 0,
                keeps: false,
                will: false,
                accepts: &[1],
                before: &[],
                script: &[CONNECT, ONCE, Op::Leave(End::Fin)],
            },
            role(2, LISTENS, &[]),
        ],
    },
    Scenario {
        name: "one client, two connections",
        depth: ALL,
        shards: 3,
        owner: 0,
        slow_verdicts: true,
        roles: &[
            Role {
                home: 0,
                keeps: true,
                will: false,
                accepts: &[1, 2],
                before: &[],
                script: &[CONNECT, CONNECT, SUBSCRIBE],
            },
            role(1, IN, &[PUBLISH]),
        ],
    },
    Scenario {
        name: "an old CONNECT that comes late",
        depth: ALL,
        shards: 2,
        owner: 0,
        slow_verdicts: true,
        roles: &[
            Role {
                home: 0,
                keeps: true,
                will: false,
                accepts: &[0, 0],
                before: &[],
                script: &[Op::Connect { clean: true }, CONNECT, SUBSCRIBE, Op::Await, Op::Disconnect],
            },
            role(1, IN, &[PUBLISH]),
        ],
    },
    Scenario {
        name: "a session that moves on",
        depth: ALL,
        shards: 2,
        owner: 0,
        slow_verdicts: true,
        roles: &[
            Role {
                home: 0,
                keeps: true,
                will: false,
                accepts: &[1, 0],
                before: LISTENS,
                script: &[Op::Leave(End::Reset), CONNECT, Op::Welcome, CONNECT, PUBLISH],
            },
            role(1, IN, &[PUBLISH]),
        ],
    },
    scenario(
        "a connection in the place of another",
        2,
        0,
        &[
            role(0, IN, &[PUBLISH, Op::Leave(End::Reset)]),
            Role {
                home: 0,
                keeps: true,
                will: false,
                accepts: &[0],
                before: &[],
                script: &[CONNECT, Op::Subscribe { filter: "b/c", qos: 1 }],
            },
            role(1, LISTENS, &[OTHER]),
        ],
    ),
];

// verb: handle_mail, poll_mail, handle_passage, take_passage, is_settled, handle_answer
// action: Mail, Move, Ask
#[test]
fn every_schedule_of_small_scenarios_is_explained() {
    explore_all(|scenario| scenario.depth == ALL);
}

/// These have so many schedules that they are cut off; each has its test, to go on beside the others.
#[test]
fn every_schedule_of_two_retained_messages_is_explained_here() {
    explore_all(|scenario| scenario.depth < ALL && scenario.owner == 0);
}

#[test]
fn every_schedule_of_two_retained_messages_is_explained_there() {
    explore_all(|scenario| scenario.depth < ALL && scenario.owner != 0);
}
fn explore_all(of: impl Fn(&Scenario) -> bool) {
    let wanted = std::env::var("EXPLORE_SCENARIO").unwrap_or_default();
    let mut faults = vec![];
    for scenario in SCENARIOS.iter().filter(|s| of(s) && s.name.contains(&wanted)) {
        match explore(scenario, &|_| {}) {
            Ok(Explored { states, schedules }) => {
                println!("{states:6} states {schedules:6} schedules: {}", scenario.name);
            }
            Err(fault) => {
                println!("{fault}");
                faults.push(fault);
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
