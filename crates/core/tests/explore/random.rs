//! Random scenarios under random schedules, each from a seed.
use crate::checker::judge;
use crate::client::{Op, Will};
use crate::draw::Random;
use crate::history::End;
use crate::world::{Intake, Setup, World};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// What a scenario is mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Plain,
    Retained,
    Churn,
    Cuts,
    Takeover,
    /// Queues are full, windows small.
    Narrow,
}

pub(crate) const THEMES: [Theme; 6] =
    [Theme::Plain, Theme::Retained, Theme::Churn, Theme::Cuts, Theme::Takeover, Theme::Narrow];

const TOPICS: [&str; 2] = ["a", "b/c"];
const FILTERS: [&str; 4] = ["a", "#", "b/+", "b/c"];

fn publication(random: &mut Random, theme: Theme) -> Op {
    let retain = random.chance(if theme == Theme::Retained { 60 } else { 15 });
    // A topic per theme, so that messages meet.
    let topic = if theme == Theme::Retained { "a" } else { random.of(&TOPICS) };
    Op::Publish { topic, qos: random.of(&[0, 1, 1, 2]), retain, empty: retain && random.chance(20) }
}

fn subscription(random: &mut Random, qos: u8) -> Op {
    Op::Subscribe { filter: random.of(&FILTERS), qos }
}

fn connect(random: &mut Random, theme: Theme) -> Op {
    let clean = random.chance(if theme == Theme::Takeover { 15 } else { 5 });
    Op::Connect { clean }
}

fn leave(random: &mut Random) -> Op {
    match random.below(4) {
        0 => Op::Leave(End::Fin),
        1 => Op::Disconnect,
        _ => Op::Leave(End::Reset),
    }
}

/// What one client does, publisher or subscriber or both.
fn script(random: &mut Random, theme: Theme, publishes: bool, subscribes: bool) -> Vec<Op> {
    let mut script = vec![Op::Connect { clean: false }];
    let qos = random.of(&[0, 1, 2, 2]);
    if random.chance(70) {
        script.push(Op::Welcome);
    }
    let steps = 2 + random.below(5);
    for _ in 0..steps {
        let restless = match theme {
            Theme::Cuts => 25,
            Theme::Takeover => 30,
            _ => 2,
        };
        if random.chance(restless) {
            if theme != Theme::Takeover || random.chance(30) {
                script.push(leave(random));
            }
            script.push(connect(random, theme));
        }
        if subscribes && random.chance(if publishes { 30 } else { 60 }) {
            script.push(subscription(random, qos));
        }
        if subscribes && theme == Theme::Churn && random.chance(50) {
            script.push(Op::Unsubscribe { filter: random.of(&FILTERS) });
        }
        if publishes {
            script.push(publication(random, theme));
        }
        if random.chance(30) {
            script.push(Op::Await);
        }
    }
    script
}

/// The scenario of a seed, before its first step.
pub(crate) fn world(random: &mut Random, shards: u16, theme: Theme, change: &dyn Fn(&mut Setup)) -> World {
    let mut setup = Setup::new(shards);
    setup.placement = random.below(1 << 20) as u64;
    setup.slow_verdicts = random.chance(if theme == Theme::Takeover { 60 } else { 15 });
    setup.slow_admissions = random.chance(10);
    if theme == Theme::Narrow {
        setup.limits.push(("mail_notes", "1"));
    }
    change(&mut setup);
    let mut world = World::new(setup);
    let (publishers, subscribers) = (2 + random.below(2), 1 + random.below(3));
    for n in 0..publishers {
        let both = random.chance(30);
        let script = script(random, theme, true, both);
        let id = format!("p{n}");
        let client = world.add(&id, random.chance(80), script);
        world.clients[client].no_local = random.chance(30);
        if random.chance(30) {
            let retain = random.chance(50);
            let will = Will { topic: random.of(&TOPICS), qos: random.of(&[0, 1, 2]), retain };
            world.clients[client].will = Some(will);
        }
    }
    for n in 0..subscribers {
        let script = script(random, theme, false, true);
        let id = format!("s{n}");
        let client = world.add(&id, random.chance(80), script);
        if theme == Theme::Narrow && random.chance(50) {
            world.clients[client].receive_maximum = Some(1);
            world.history.narrow.push(client);
        }
    }
    world
}

/// Lets the schedule of a seed do some steps.
pub(crate) fn run(world: &mut World, random: &mut Random) {
    let steps = 20 + random.below(60);
    let slow_mail = random.of(&[0, 50, 95]);
    for _ in 0..steps {
        if world.has_fault() {
            return;
        }
        let (shards, clients) = (world.shards(), world.clients.len());
        match random.below(10) {
            0..4 => {
                let shard = random.below(shards);
                let intake = intake(world, random, shard, slow_mail);
                world.turn(shard, &intake);
            }
            4..6 => {
                let most = if random.chance(80) { usize::MAX } else { 1 + random.below(6) };
                world.read(random.below(clients), most);
            }
            _ => {
                let accept = random.below(shards);
                world.act(random.below(clients), accept);
            }
        }
    }
}

fn intake(world: &World, random: &mut Random, shard: usize, slow_mail: usize) -> Intake {
    let mut intake =
        Intake { passages: usize::from(random.chance(80)), read: usize::MAX, ..Intake::default() };
    for from in 0..world.shards() {
        let waits = world.mail[shard][from].len();
        let all = if random.chance(slow_mail) { random.below(waits + 1) / 2 } else { waits };
        intake.mail.push(all);
    }
    if random.chance(50) {
        let asked = world.questions[shard].len();
        intake.verdicts = (0..asked).map(|_| random.below(asked)).collect();
    }
    intake.lines = world.lines_at(shard);
    intake.lines.retain(|_| random.chance(70));
    if random.chance(10) {
        intake.read = 1 + random.below(40);
    }
    intake.room = if random.chance(85) { usize::MAX } else { random.below(60) };
    intake
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Turns a panic of the broker into a fault, without a word.
pub(crate) fn caught<T>(what: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(what));
    QUIET.set(false);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// One scenario under one schedule; what is wrong with what was seen, if anything is.
pub(crate) fn explore(
    seed: u64,
    tale: bool,
    change: &dyn Fn(&mut Setup),
) -> (Result<(), String>, Vec<String>) {
    let mut random = Random::new(seed);
    let shards = random.of(&[1, 2, 2, 4]);
    let theme = random.of(&THEMES);
    let mut world = world(&mut random, shards, theme, &|setup| {
        setup.tale = tale;
        change(setup);
    });
    let result = caught(|| {
        run(&mut world, &mut random);
        world.finish();
        Ok(())
    });
    let probes = world.probes();
    let result = result.and_then(|()| judge(&world.history, &probes));
    let result = result.map_err(|fault| format!("seed {seed}, {shards} shards, {theme:?}: {fault}"));
    (result, world.history.tale.take().unwrap_or_default())
}

const SCHEDULES: u64 = 10_000;

// verb: handle_open, handle_bytes, handle_close, handle_mail, poll_mail, handle_passage, take_passage, handle_answer
// verb: handle_blocked, poll_transmit, poll_action, check, is_settled, stats
// action: Mail, Move, Transmit, Close, Pause, Resume, Ask
#[test]
fn random_schedules_are_explained_by_one_plain_broker() {
    if let Ok(seed) = std::env::var("EXPLORE_SEED") {
        let (result, tale) = explore(seed.parse().expect("a number"), true, &|_| {});
        println!("{}", tale.join("\n"));
        return result.expect("explained");
    }
    let threads = 2;
    let faults: Vec<String> = std::thread::scope(|scope| {
        let run = |first| {
            move || (first..SCHEDULES).step_by(2).filter_map(|seed| explore(seed, false, &|_| {}).0.err())
        };
        let handles: Vec<_> =
            (0..threads).map(|first| scope.spawn(move || run(first)().collect::<Vec<_>>())).collect();
        handles.into_iter().flat_map(|h| h.join().expect("panics are caught")).collect()
    });
    let some = faults.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} of {SCHEDULES}: rerun one with EXPLORE_SEED=n\n{some}", faults.len());
}
