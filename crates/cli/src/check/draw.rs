//! `tidewire check --draw`: a conversation as a ladder.
use super::{Arguments, does_not_keep, reach, select, spoken};
use crate::say::{self, Failure, given};
use tidewire_conversation::ladder::Recorder;
use tidewire_conversation::{Script, Tcp, Wire, World, run};
use tidewire_core::broker::policy::Open;
use tidewire_core::version::Version;

pub(super) fn draw(name: &str, arguments: &Arguments) -> Result<(), Failure> {
    let (name, script) = select::find(name)?;
    let version = version(name, &script, arguments.version)?;
    let Some(broker) = &arguments.broker else {
        let went =
            on(&mut World::limited(1, script.limits(), || Box::new(Open::new())), name, &script, version);
        return if went { Ok(()) } else { Err(does_not_keep("Tidewire's own broker")) };
    };
    if script.needs_virtual_time() || script.needs_limits() {
        let why = "needs time or limits that there are not over TCP; without HOST:PORT it is drawn in memory";
        return Err(Failure::Usage(format!("{name} {why}")));
    }
    let address = reach(broker, arguments.patience)?;
    let went = on(&mut Tcp::new(address, arguments.patience), name, &script, version);
    if went { Ok(()) } else { Err(does_not_keep(broker)) }
}

/// The newest that it is for, if none is asked for.
fn version(name: &str, script: &Script, wanted: Option<Version>) -> Result<Version, Failure> {
    let all = script.versions();
    match wanted {
        Some(version) if all.contains(&version) => Ok(version),
        Some(_) => {
            let all: Vec<_> = all.iter().map(|version| spoken(*version)).collect();
            Err(Failure::Usage(format!("{} is for {} only", given(name), all.join(" and "))))
        }
        None => Ok(all.iter().copied().max().unwrap_or(Version::V5)),
    }
}

/// Draws what went over this wire. Did it go as the script says?
fn on(wire: &mut dyn Wire, name: &str, script: &Script, version: Version) -> bool {
    let mut recorder = Recorder::new(wire);
    let result = run(script, version, &mut recorder);
    say::line(format_args!("{name}, {}", spoken(version)));
    say::line(recorder.ladder(script, version));
    result.is_ok()
}
