//! Each rule of the specification that can be left out is missed by a conversation.
#![cfg(feature = "_rules")]
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use tidewire_conversation::{World, run, scripts};
use tidewire_core::broker::Rule;
use tidewire_core::broker::policy::Open;

/// The first conversation that cites this statement and goes another way without the rule, and where it does.
fn missed_by(rule: Rule, statement: &str) -> Option<String> {
    let cite =
        scripts::all().filter(|(_, script)| script.statements().any(|cited| cited.to_string() == statement));
    cite.into_iter().find_map(|(name, script)| {
        script.versions().iter().find_map(|version| {
            let mut world = World::limited(1, script.limits(), || Box::new(Open::new())).without_rule(rule);
            match catch_unwind(AssertUnwindSafe(|| run(&script, *version, &mut world))) {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(format!("{name}.conv, line {}", failure.line)),
                Err(_) => Some(format!("{name}.conv, where the broker finds itself in disorder")),
            }
        })
    })
}

#[test]
fn each_rule_of_the_specification_is_missed_when_it_is_left_out() {
    let mut unnoticed = vec![];
    for rule in Rule::ALL {
        println!("rule {}: {rule:?}", rule as u8 + 1);
        let Some(statement) = rule.statement() else { continue };
        match missed_by(rule, statement) {
            Some(by) => println!("without {rule:?}: {statement}, {by}"),
            None => unnoticed.push(rule),
        }
    }
    assert!(unnoticed.is_empty(), "without {unnoticed:?} no conversation that cites it goes another way");
}
