//! `tidewire check` with Debian's mosquitto: what goes another way with it is what is known to.
use super::mosquitto_faults::{FAULTS, Fault};
use crate::Result;
use crate::count::Count;
use crate::servers::Mosquitto;
use crate::shell::command;
use serde_json::Value;
use std::path::Path;

pub(super) const NAME: &str = "mosquitto checked";
/// In seconds: a machine that has much to do is no fault of mosquitto's.
const PATIENCE: &str = "5";

/// Each conversation counts, and so does each fault that is not there any more.
pub(super) fn all(program: &Path) -> Result<Count> {
    let mosquitto = Mosquitto::start("allow_anonymous true")?;
    let mut check = command(program);
    check.args(["check", "--json", "--patience", PATIENCE, &mosquitto.address.to_string()]);
    let report = check.output()?;
    let report: Value = serde_json::from_slice(&report.stdout).map_err(|error| {
        format!("tidewire check prints no report ({error}): {}", String::from_utf8_lossy(&report.stderr))
    })?;
    let conversations = report["conversations"].as_array().ok_or("the report has no conversations")?;
    let (count, complaints) = judge(conversations, FAULTS);
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    Ok(count)
}

fn judge(conversations: &[Value], faults: &[Fault]) -> (Count, Vec<String>) {
    let mut complaints = vec![];
    let mut went = 0;
    for conversation in conversations {
        let text = |field: &str| conversation[field].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        let known = faults.iter().find(|fault| fault.name == name && fault.versions.contains(&version));
        match (text("result"), known) {
            ("held", None) | ("failed", Some(_)) => went += 1,
            ("held", Some(Fault { why, .. })) => {
                complaints
                    .push(format!("{name}, {version}: it did not fail, which is known otherwise: {why}"));
            }
            _ => complaints.push(format!(
                "{name}, {version}: line {}: {}\n    came: {}",
                conversation["line"],
                text("step"),
                text("came")
            )),
        }
    }
    for Fault { name, versions, .. } in faults {
        for version in *versions {
            if !conversations.iter().any(|held| held["name"] == *name && held["version"] == *version) {
                complaints.push(format!("{name}, {version}: there is no such conversation any more"));
            }
        }
    }
    let failed = complaints.len().try_into().unwrap_or(u32::MAX);
    (Count { passed: went, failed, skipped: 0 }, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_complained_of_and_so_is_what_is_not_true_any_more() {
        let held = |name: &str| json!({ "name": name, "version": "5.0", "result": "held" });
        let failed = |name: &str| {
            json!({
                "name": name, "version": "5.0", "result": "failed",
                "line": 7, "step": "a gets nothing", "came": "PINGRESP",
            })
        };
        let fault = |name| Fault { name, versions: &["5.0"], why: "it is old" };
        let conversations = [held("good"), failed("known"), failed("new"), held("mended")];
        let (count, complaints) = judge(&conversations, &[fault("known"), fault("mended"), fault("gone")]);
        assert_eq!(count, Count { passed: 2, failed: 3, skipped: 0 });
        assert_eq!(
            complaints,
            [
                "new, 5.0: line 7: a gets nothing\n    came: PINGRESP",
                "mended, 5.0: it did not fail, which is known otherwise: it is old",
                "gone, 5.0: there is no such conversation any more",
            ]
        );
    }
}
