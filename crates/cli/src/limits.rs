//! `--limit NAME=VALUE`.
use crate::say::{self, Failure, given};
use tidewire_server::Limits;

/// Sets one limit as it was given on the command line.
pub(crate) fn set(limits: &mut Limits, limit: &str) -> Result<(), Failure> {
    let Some((name, value)) = limit.split_once('=') else {
        return Err(Failure::Usage(format!(
            "--limit {}: a limit needs a value, as in --limit packet_bytes=1MiB; --limit help lists them",
            given(limit)
        )));
    };
    limits.set(name, value).map_err(|error| {
        Failure::Usage(format!("--limit {}: {error} (--limit help lists them all)", given(limit)))
    })
}

/// The table.
pub(crate) fn print_table() {
    let width = Limits::table().iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in Limits::table() {
        say::line(format_args!("{:width$}  {:>12}  {} ({})", row.name, row.default, row.doc, row.unit));
    }
}
