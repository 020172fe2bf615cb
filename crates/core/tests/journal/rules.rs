//! Each rule about durability, left out in turn: somebody notices.
use crate::again;
use crate::between;
use crate::crashes::Crashes;
use crate::groups;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidewire_core::broker::Rule;
use tidewire_core::qos::QoS;

thread_local! {
    static LEFT_OUT: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// The rule that the brokers of this thread break.
pub(crate) fn left_out() -> Option<Rule> {
    LEFT_OUT.get()
}

/// How many seeds it may take until somebody notices.
const PATIENCE: u64 = 3000;

/// Between how many shards a seed runs.
fn shards(seed: u64) -> u16 {
    if seed.is_multiple_of(2) { 2 } else { 3 }
}

/// Some seed has a run that fails without the rule.
fn is_noticed(rule: Rule, what: &str, run: impl Fn(u64)) {
    LEFT_OUT.set(Some(rule));
    let first = (0..PATIENCE).find(|seed| catch_unwind(AssertUnwindSafe(|| run(*seed))).is_err());
    LEFT_OUT.set(None);
    let seed = first.unwrap_or_else(|| panic!("without {rule:?} nobody notices anything"));
    println!("without {rule:?}: {what}, seed {seed}");
}

#[test]
fn on_one_shard_each_rule_is_missed() {
    for rule in [Rule::AssertsWhatIsDurable, Rule::OneRecord, Rule::BoundFirst] {
        is_noticed(rule, "crashes of one shard", |seed| Crashes::new(1, seed).run());
    }
}

#[test]
fn between_shards_each_rule_is_missed() {
    let rules = [
        Rule::AssertsWhatIsDurable,
        Rule::OneRecord,
        Rule::BoundFirst,
        Rule::ReceiptBeforeMail,
        Rule::MailedAgain,
        Rule::KnownIsDropped,
        Rule::ForgottenLast,
        Rule::InterestFirst,
    ];
    for rule in rules {
        is_noticed(rule, "crashes of several shards", |seed| Crashes::new(shards(seed), seed).run());
    }
}

#[test]
fn the_rule_about_what_a_group_lends_is_missed() {
    let storm = |seed| groups::storm(seed, shards(seed), QoS::ExactlyOnce);
    is_noticed(Rule::LentFirst, "a group over crashes", storm);
}

#[test]
fn each_rule_about_mailing_again_is_missed() {
    let rules: [(Rule, fn()); 4] = [
        (Rule::SameWayAgain, again::mailed_again_nothing_passes_a_retained_message_on_its_topic),
        (Rule::RoadIsClearAgain, again::mailed_again_a_retained_message_passes_nothing_on_its_topic),
        (Rule::OrderedAgain, again::mailed_again_a_retained_message_is_retained_everywhere),
        (Rule::AllForgotten, between::an_id_that_will_not_come_again_is_forgotten_also_after_a_crash),
    ];
    for (rule, test) in rules {
        LEFT_OUT.set(Some(rule));
        let result = catch_unwind(test);
        LEFT_OUT.set(None);
        assert!(result.is_err(), "without {rule:?} nobody notices anything");
        println!("without {rule:?}: its test fails");
    }
}
