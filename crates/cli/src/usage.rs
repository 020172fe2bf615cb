//! What the parser of arguments says, in one line.
use crate::say;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::io::Write;
use std::process::ExitCode;

/// Options of mosquitto's tools that people may expect, and what they would need.
const NOT_YET: [(&str, &[&str]); 5] = [
    (
        "TLS is not there yet: leave it out, or put a proxy that speaks TLS in between",
        &[
            "--cafile",
            "--capath",
            "--cert",
            "--key",
            "--keyform",
            "--ciphers",
            "--insecure",
            "--psk",
            "--psk-identity",
            "--tls-version",
            "--tls-alpn",
            "--tls-engine",
            "--tls-engine-kpass-sha1",
            "--tls-use-os-certs",
        ],
    ),
    ("proxies are not there yet: connect to the server itself", &["--proxy"]),
    ("Unix sockets are not there yet: connect by TCP", &["--unix"]),
    ("the system chooses the address and the server: say the server with -h", &["-A", "-S"]),
    ("it is not there yet: pipe the output through another program", &["--pretty", "--random-filter"]),
];

/// Help goes to whom it was asked by; a mistake is answered in one line.
pub(crate) fn answer(mut error: clap::Error) -> ExitCode {
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
            shorten(&mut error);
            match not_yet(&error) {
                Some(said) => say::error_line(said),
                None => say::error_line(one_line(&error.render().to_string())),
            }
            ExitCode::from(2)
        }
    }
}

/// What was given is repeated as in other lines.
fn shorten(error: &mut clap::Error) {
    let given = |(kind, value): (ContextKind, &ContextValue)| match value {
        ContextValue::String(text) => Some((kind, ContextValue::String(say::given(text)))),
        _ => None,
    };
    let all: Vec<_> = error.context().filter_map(given).collect();
    for (kind, value) in all {
        error.insert(kind, value);
    }
}

/// A wish that is understood, and can't be fulfilled.
fn not_yet(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    let (why, _) = NOT_YET.iter().find(|(_, options)| options.contains(&given.as_str()))?;
    (error.kind() == ErrorKind::UnknownArgument).then(|| format!("{given}: {why}"))
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
