//! What came of the conversations with a broker.
use super::spoken;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tidewire_conversation::{Citation, Failure, Heading, Script};
use tidewire_core::version::Version;

/// Of the object's form: another number, if what somebody reads today means something else.
const FORM: u32 = 1;

/// What there is to say at the end.
#[derive(Default)]
pub(super) struct Report {
    held: u32,
    failed: u32,
    /// How many went as they should, and another way, of those that cite something there.
    sections: BTreeMap<Heading, (u32, u32)>,
    conversations: Vec<Value>,
}

impl Report {
    /// Takes note of one; what there is to say of it, if it went another way.
    pub(super) fn add(
        &mut self,
        name: &str,
        script: &Script,
        version: Version,
        result: Result<(), Failure>,
    ) -> Option<String> {
        let (held, failed) = if result.is_ok() { (1, 0) } else { (0, 1) };
        self.held += held;
        self.failed += failed;
        let headings: BTreeSet<_> = script.citations().iter().map(Citation::heading).collect();
        for heading in headings {
            let counts = self.sections.entry(heading).or_default();
            *counts = (counts.0 + held, counts.1 + failed);
        }
        let statements: Vec<_> = script.statements().map(Citation::to_string).collect();
        let mut object = json!({
            "name": name,
            "title": script.title(),
            "version": spoken(version),
            "statements": statements,
            "result": "held",
        });
        let told = result.err().map(|failure| {
            object["result"] = "failed".into();
            object["line"] = failure.line.into();
            object["step"] = failure.step.clone().into();
            object["came"] = failure.fault.to_string().into();
            told(name, script, version, &failure)
        });
        self.conversations.push(object);
        told
    }

    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// How many went as they should, section by section, and all together.
    pub(super) fn summary(&self) -> String {
        let mut summary = String::new();
        for (heading, (held, failed)) in &self.sections {
            add(&mut summary, format_args!("{heading}: held {held}, failed {failed}\n"));
        }
        let all = self.held + self.failed;
        add(&mut summary, format_args!("{all} conversations, {} went another way", self.failed));
        summary
    }

    /// All of it, for programs.
    pub(super) fn object(&self, broker: &str) -> Value {
        json!({
            "version": FORM,
            "broker": broker,
            "held": self.held,
            "failed": self.failed,
            "conversations": self.conversations,
        })
    }
}

fn told(name: &str, script: &Script, version: Version, failure: &Failure) -> String {
    let Failure { line, step, fault, .. } = failure;
    let mut told = format!(
        "FAILED {name}, {}: {}\n    line {line}: {step}\n    came: {fault}",
        spoken(version),
        script.title()
    );
    let cited: Vec<_> = script.citations().iter().map(Citation::to_string).collect();
    add(&mut told, format_args!("\n    cites: {}", cited.join(", ")));
    told
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a String takes any text");
}
