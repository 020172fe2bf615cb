//! `cargo xtask bench codec`: what packets cost, in one table; and that they cost no more than was recorded.
//! `cargo xtask bench log`: what a log costs.
pub(crate) mod log;
mod measure;
mod record;
mod table;

use crate::Result;
use crate::packages::VALGRIND;
use crate::shell::step;
use record::Record;

/// Times, instructions and allocations, ours and those of others, on the same bytes.
pub(crate) fn codec() -> Result {
    let mut measured = counted(true)?;
    step("time, by criterion", || measure::times(&mut measured))?;
    println!("{}", table::of(&measured));
    Ok(())
}

/// Ours only, and only what does not depend on what else the machine does.
pub(crate) fn check() -> Result {
    let verdict = Record::read()?.compare(&counted(false)?, &measure::compiler()?);
    println!("{}", verdict.said);
    if verdict.is_good { Ok(()) } else { Err("the codec costs more than is recorded".into()) }
}

/// What `check` compares with from now on.
pub(crate) fn record() -> Result {
    let measured = counted(false)?;
    Record::of(&measured, measure::compiler()?).write()
}

fn counted(with_peers: bool) -> Result<Vec<measure::Measured>> {
    if !VALGRIND.is_met() {
        return Err(format!("callgrind counts: install {}", VALGRIND.packages.join(" and ")).into());
    }
    let runner = step("the runner of callgrind", measure::runner)?;
    let mut measured = step("allocations", || measure::allocations(with_peers))?;
    step("instructions, by callgrind", || measure::instructions(&mut measured, with_peers, &runner))?;
    Ok(measured)
}
