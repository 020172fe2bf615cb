//! A queue against a list of what ought to stand in it.
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(QoS),
    PutReplay,
    /// The head waits, or does no longer.
    Stall(bool),
    /// Takes what is next, if that is a message.
    Pop,
    /// What the replay at the head has come to stands before it.
    Replay(QoS),
    EndReplay,
    TakeOldest,
    TakeOnce,
    TakeReplays,
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    prop_oneof![
        6 => qos.clone().prop_map(Step::Push),
        1 => Just(Step::PutReplay),
        2 => any::<bool>().prop_map(Step::Stall),
        4 => Just(Step::Pop),
        2 => qos.prop_map(Step::Replay),
        1 => Just(Step::EndReplay),
        1 => Just(Step::TakeOldest),
        1 => Just(Step::TakeOnce),
        1 => Just(Step::TakeReplays),
    ]
}

/// One of those that wait.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Waiting {
    entry: Entry,
    /// QoS 0 that need not wait for the head.
    overtakes: bool,
}

#[derive(Default)]
struct List {
    waiting: Vec<Waiting>,
    stalled: bool,
}

impl List {
    fn has_replays(&self) -> bool {
        self.waiting.iter().any(|w| !w.entry.is_message())
    }

    fn next(&self) -> Option<usize> {
        let overtaking = self.waiting.iter().position(|w| w.overtakes);
        overtaking.or(if self.waiting.is_empty() { None } else { Some(0) })
    }

    fn oldest(&self) -> Option<usize> {
        let in_line = self.waiting.iter().position(|w| w.entry.is_message() && !w.overtakes);
        in_line.or_else(|| self.waiting.iter().position(|w| w.overtakes))
    }

    fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        if stalled && !self.has_replays() {
            // Those that pass already go first.
            let (overtaking, rest): (Vec<_>, Vec<_>) = self.waiting.iter().partition(|w| w.overtakes);
            self.waiting = overtaking;
            self.waiting.extend(rest);
            self.waiting.iter_mut().for_each(|w| w.overtakes |= w.entry.is_once());
        }
    }
}

/// What a message is charged with.
fn size(message: MessageRef) -> usize {
    100 + message.0 as usize
}

fn entry(number: usize, qos: QoS) -> Entry {
    Entry::message(MessageRef(u32::try_from(number).expect("few")), qos, false, Identifiers::None)
}

fn apply(queue: &mut Queue, list: &mut List, number: usize, step: Step) {
    let charge = |entry: Entry| size(entry.message_ref());
    match step {
        Step::Push(qos) => {
            let entry = entry(number, qos);
            queue.push(entry, charge(entry));
            let overtakes = entry.is_once() && list.stalled && !list.has_replays();
            list.waiting.push(Waiting { entry, overtakes });
        }
        Step::PutReplay => {
            queue.put_replay(7, true);
            list.waiting.push(Waiting { entry: Entry::replay(7), overtakes: false });
        }
        Step::Stall(stalled) => {
            queue.stall(stalled);
            list.stall(stalled);
        }
        Step::Pop => {
            if let Some(entry) = queue.next().filter(|entry| entry.is_message()) {
                queue.pop(charge(entry));
                let at = list.next().expect("the list has one, too");
                assert_eq!(list.waiting.remove(at).entry, entry, "what was shown is taken");
            }
        }
        Step::Replay(qos) => {
            if queue.next().is_some_and(|entry| !entry.is_message()) {
                let entry = entry(number, qos);
                queue.push_first(entry, charge(entry));
                let at = list.next().expect("the list has one, too");
                list.waiting.insert(at, Waiting { entry, overtakes: false });
            }
        }
        Step::EndReplay => {
            if queue.next().is_some_and(|entry| !entry.is_message()) {
                queue.end_replay();
                let at = list.next().expect("the list has one, too");
                list.waiting.remove(at);
            }
        }
        Step::TakeOldest => {
            let taken = queue.take_oldest();
            if let Some(entry) = taken {
                queue.refund(charge(entry));
            }
            assert_eq!(taken, list.oldest().map(|at| list.waiting.remove(at).entry));
        }
        Step::TakeOnce => {
            assert_eq!(queue.has_once(), list.waiting.iter().any(|w| w.entry.is_once()));
            let gone = queue.take_unless(|entry| !entry.is_once());
            gone.into_iter().for_each(|entry| queue.refund(charge(entry)));
            list.waiting.retain(|w| !w.entry.is_once());
        }
        Step::TakeReplays => {
            let before = list.waiting.len();
            let taken = queue.take_replays(|place| assert_eq!(place, 7));
            list.waiting.retain(|w| w.entry.is_message());
            assert_eq!(taken as usize, before - list.waiting.len());
        }
    }
}

proptest! {
    #[test]
    fn a_queue_holds_what_a_plain_list_would(steps in prop::collection::vec(step(), 0..60)) {
        let (mut queue, mut list) = (Queue::default(), List::default());
        for (number, step) in steps.into_iter().enumerate() {
            apply(&mut queue, &mut list, number, step);
            queue.check(size);
            prop_assert_eq!(queue.next(), list.next().map(|at| list.waiting[at].entry));
            prop_assert_eq!(queue.next_overtaking(), list.waiting.iter().find(|w| w.overtakes).map(|w| w.entry));
            let messages = list.waiting.iter().filter(|w| w.entry.is_message());
            prop_assert_eq!(queue.len(), messages.count());
            prop_assert_eq!(queue.is_empty(), list.waiting.is_empty());
            prop_assert_eq!(queue.iter().count(), list.waiting.len());
        }
    }
}
