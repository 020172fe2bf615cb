//! What the parser of arguments says, in one line.
use crate::say;
use clap::error::ErrorKind;
use std::io::Write;
use std::process::ExitCode;

/// Help goes to whom it was asked by; a mistake is answered in one line.
pub(crate) fn answer(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = write!(std::io::stdout(), "{}", error.render());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stderr(), "{}", error.render());
            ExitCode::from(2)
        }
        _ => {
            say::error_line(one_line(&error.render().to_string()));
            ExitCode::from(2)
        }
    }
}

/// The mistake and the tips about it, without the repeated usage.
fn one_line(rendered: &str) -> String {
    let paragraphs = rendered.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut said: Vec<&str> = Vec::new();
    for line in paragraphs {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line.strip_prefix("error: ").unwrap_or(line);
        said.push(line.strip_prefix("tip: ").unwrap_or(line).trim_end_matches(':'));
    }
    said.push("--help lists what there is");
    said.join("; ")
}
