//! Which conversations somebody means.
use crate::say::{Failure, given};
use std::collections::BTreeSet;
use tidewire_conversation::{Citation, Script, scripts};

/// Names that an answer lists, at most.
const LISTED: usize = 8;

type Conversation = (&'static str, Script);

/// Those that can be held with anybody's broker in real time, and with `all` what Tidewire has decided for itself.
pub(super) fn select(only: &str, all: bool) -> Result<Vec<Conversation>, Failure> {
    let place = Citation::parse(only);
    let means = |name: &str, script: &Script| {
        let cites = |place: &Citation| script.citations().iter().any(|cited| cited.is_within(place));
        name.contains(only) || place.as_ref().is_some_and(cites)
    };
    let meant: Vec<_> = scripts::all().filter(|(name, script)| means(name, script)).collect();
    if meant.is_empty() {
        return Err(Failure::Usage(nothing_is_meant(only)));
    }
    let needs_memory = |script: &Script| script.needs_virtual_time() || script.needs_limits();
    let over_tcp: Vec<_> = meant.iter().filter(|(_, script)| !needs_memory(script)).cloned().collect();
    if over_tcp.is_empty() {
        let why = "needs time or limits that there are not over TCP; --draw NAME without HOST:PORT shows what happens";
        return Err(Failure::Usage(format!("{}: that {why}", names(&meant))));
    }
    let wanted: Vec<_> =
        over_tcp.iter().filter(|(_, script)| all || !script.needs_tidewire()).cloned().collect();
    if wanted.is_empty() {
        let why = "rests on what the specification leaves open; --all includes it";
        return Err(Failure::Usage(format!("{}: that {why}", names(&over_tcp))));
    }
    Ok(wanted)
}

/// The one of this name, or the only one with this in its name.
pub(super) fn find(name: &str) -> Result<Conversation, Failure> {
    let mut near: Vec<_> = scripts::all().filter(|(known, _)| known.contains(name)).collect();
    if let Some(at) = near.iter().position(|(known, _)| *known == name) {
        return Ok(near.swap_remove(at));
    }
    match near.len() {
        1 => Ok(near.remove(0)),
        0 => Err(Failure::Usage(format!(
            "no conversation is called `{}`; --list says which there are",
            given(name)
        ))),
        _ => Err(Failure::Usage(format!("`{}` may be {}: say which", given(name), names(&near)))),
    }
}

fn names(conversations: &[Conversation]) -> String {
    let mut names: Vec<_> = conversations.iter().map(|(name, _)| *name).collect();
    if names.len() > LISTED {
        names.truncate(LISTED);
        names.push("others");
    }
    names.join(", ")
}

fn nothing_is_meant(only: &str) -> String {
    let headings: BTreeSet<_> = scripts::all()
        .flat_map(|(_, script)| script.citations().iter().map(Citation::heading).collect::<Vec<_>>())
        .collect();
    let sections: BTreeSet<_> = headings.iter().map(|heading| heading.section()).collect();
    let sections: Vec<_> = sections.iter().map(|[major, minor]| format!("{major}.{minor}")).collect();
    format!(
        "no conversation has `{}` in its name, or cites it; --list says which there are, and they are about \
         sections {}",
        given(only),
        sections.join(", ")
    )
}
