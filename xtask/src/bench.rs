//! `cargo xtask bench codec`: what packets cost, in one table; and that they cost no more than was recorded.
//! `cargo xtask bench core`: the same of what the broker's core delivers.
//! `cargo xtask bench client`: and of the messages that a client's machine publishes or gets.
//! `cargo xtask bench log`: what a log costs.
pub(crate) mod log;
mod measure;
mod record;
mod table;

use crate::Result;
use crate::packages::VALGRIND;
use crate::shell::step;
use record::Record;

/// What is measured together, and recorded in one file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    Codec,
    Core,
    Client,
}

impl Family {
    /// As the programs in `benches/` know it.
    fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Core => "core",
            Self::Client => "client",
        }
    }

    fn file(self) -> String {
        format!("benches/{}.json", self.name())
    }
}

/// Times, instructions and allocations, ours and those of others, on the same bytes.
pub(crate) fn codec() -> Result {
    let mut measured = counted(Family::Codec, true)?;
    step("time, by criterion", || measure::times(&mut measured))?;
    println!("{}", table::of(&measured));
    Ok(())
}

/// Instructions and allocations.
pub(crate) fn alone(family: Family) -> Result {
    println!("{}", table::alone(&counted(family, false)?));
    Ok(())
}

/// Ours only, and only what does not depend on what else the machine does.
pub(crate) fn check(family: Family) -> Result {
    let record = Record::read(family)?;
    let verdict = record.compare(&counted(family, false)?, &measure::compiler()?);
    println!("{}", verdict.said);
    if verdict.is_good {
        Ok(())
    } else {
        Err(format!("the {} costs more than is recorded", family.name()).into())
    }
}

/// What `check` compares with from now on.
pub(crate) fn record(family: Family) -> Result {
    let measured = counted(family, false)?;
    Record::of(family, &measured, measure::compiler()?).write()
}

fn counted(family: Family, with_peers: bool) -> Result<Vec<measure::Measured>> {
    if !VALGRIND.is_met() {
        return Err(format!("callgrind counts: install {}", VALGRIND.packages.join(" and ")).into());
    }
    let runner = step("the runner of callgrind", measure::runner)?;
    let mut measured = step("allocations", || measure::allocations(family, with_peers))?;
    step("instructions, by callgrind", || measure::instructions(&mut measured, family, with_peers, &runner))?;
    Ok(measured)
}
