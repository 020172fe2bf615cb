//! Each rule between shards is there for a reason: without it somebody sees what one plain broker can't have done.
use crate::exhaustive::{self, SCENARIOS};
use crate::random::explore;
use crate::stories;
use crate::world::Setup;
use tidewire_core::broker::Rule;

type Story = fn(&dyn Fn(&mut Setup)) -> Result<(), String>;

/// Where it is noticed that a rule is broken.
enum By {
    /// Every schedule of the scenario of this name.
    Scenario(&'static str),
    /// Random schedules, of which this many are tried.
    Random(u64),
    Story(Story),
}

fn noticed(by: &By, change: &dyn Fn(&mut Setup)) -> Option<String> {
    match by {
        By::Scenario(name) => {
            let scenario = SCENARIOS.iter().find(|s| s.name == *name).expect("it is in the list");
            exhaustive::explore(scenario, change).err()
        }
        By::Random(most) => (0..*most).find_map(|seed| explore(seed, false, change).0.err()),
        By::Story(story) => story(change).err(),
    }
}

fn found_by(rule: Rule) -> By {
    match rule {
        Rule::OrderedWaitsForAll => By::Scenario("retained, then direct"),
        Rule::AnswersInOrder => By::Scenario("acknowledgements of what goes here and there"),
        Rule::SubackWaits => By::Scenario("a PUBLISH after SUBACK"),
        Rule::LaterOnesWait => By::Scenario("two subscribe to the same"),
        Rule::LastNoteCounts => By::Scenario("subscribe, unsubscribe, subscribe"),
        Rule::ReplacedInPlace => By::Story(stories::a_subscription_that_is_replaced_is_not_new),
        Rule::OwnerOrders => By::Scenario("two retain, one subscribes"),
        Rule::RoadIsClear => By::Scenario("direct, then retained"),
        Rule::LaterOnesFollow => By::Scenario("retained, then direct"),
        Rule::RoadIsCounted => By::Scenario("retained twice, then direct"),
        Rule::ExpiryByIdentity => By::Story(stories::a_value_outlives_the_time_of_the_one_before),
        Rule::LatestKeeps => By::Scenario("an old CONNECT that comes late"),
        Rule::AnswersDieWithTheirConnection => By::Scenario("a connection in the place of another"),
        _ => By::Random(2000),
    }
}

#[test]
fn every_rule_is_missed_when_it_is_left_out() {
    // Those of groups are shown with these, and those of the journal with it.
    let of_groups = |rule: &Rule| {
        *rule == Rule::JoinedWaits || (Rule::RefusedNamesTheFirst..=Rule::TakeoverIsNoDeath).contains(rule)
    };
    let rules = Rule::ALL.into_iter().take_while(|rule| *rule < Rule::AssertsWhatIsDurable);
    for rule in rules.filter(|rule| !of_groups(rule)) {
        let fault = noticed(&found_by(rule), &|setup| setup.without = Some(rule));
        let fault = fault.unwrap_or_else(|| panic!("without {rule:?} nobody noticed anything"));
        println!("without {rule:?}: {fault}");
    }
}

/// Rules that the driver obeys: order per pair of shards (1), and a close that waits as long as `Hold` (11).
#[test]
fn what_the_driver_owes_is_missed_too() {
    noticed(&By::Random(2000), &|setup| setup.pair_order = false).expect("order per pair");
    let fin = By::Scenario("CONNECT, PUBLISH and FIN");
    noticed(&fin, &|setup| setup.close_waits = false).expect("a close waits, too");
}
