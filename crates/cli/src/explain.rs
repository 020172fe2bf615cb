//! `tidewire explain`: what a fault means, and what to do about it.
use crate::say::{self, Failure, given};
use tidewire_core::broker::ProtocolError;
use tidewire_core::codec::catalogue::{CATALOGUE, Specimen};
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::{Role, Version};

/// What is to be explained.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of a fault, as it stands in the log or a Reason String begins with it (packet-id-zero), or a Reason Code
    /// (0x82); none lists all faults
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(code) = &arguments.code else {
        list(|_| true);
        return Ok(());
    };
    if let Some(error) = ProtocolError::ALL.into_iter().find(|error| error.code() == code) {
        explain_in_context(error);
        return Ok(());
    }
    if let Some(specimen) = CATALOGUE.iter().find(|specimen| specimen.error.code() == code) {
        explain(specimen);
        return Ok(());
    }
    let reason = number(code).and_then(ReasonCode::from_byte).ok_or_else(|| unknown(code))?;
    say::line(reason);
    list(|of_a_fault| of_a_fault == reason);
    Ok(())
}

fn list(wanted: impl Fn(ReasonCode) -> bool) {
    let malformed =
        CATALOGUE.iter().map(|Specimen { error, .. }| (error.code(), error.reason(), words(error)));
    let in_context =
        ProtocolError::ALL.into_iter().map(|error| (error.code(), error.reason(), words(&error)));
    let all: Vec<_> = malformed.chain(in_context).collect();
    let width = all.iter().map(|(code, ..)| code.len()).max().unwrap_or(0);
    for (code, reason, words) in all.iter().filter(|(_, reason, _)| wanted(*reason)) {
        say::line(format_args!("{code:width$}  {:#04x}  {words}", reason.byte()));
    }
}

/// What no packet shows by itself.
fn explain_in_context(error: ProtocolError) {
    say::line(format_args!("{}: {error}", error.code()));
    say::line(format_args!("  statement    {}", error.statement()));
    say::line(format_args!("  Reason Code  {}", error.reason()));
    say::line(format_args!("  remedy       {}", error.remedy()));
}

fn explain(specimen: &Specimen) {
    let Specimen { error, mode, bytes, remedy } = specimen;
    let reader = match mode.role {
        Role::Server => "a server",
        Role::Client => "a client",
    };
    let spoken = match mode.version {
        None => "before CONNECT",
        Some(Version::V3_1) => "in 3.1",
        Some(Version::V3_1_1) => "in 3.1.1",
        Some(Version::V5) => "in 5.0",
    };
    let shown: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    say::line(format_args!("{}: {}", error.code(), words(error)));
    say::line(format_args!("  statement    {}", error.statement()));
    say::line(format_args!("  Reason Code  {}", error.reason()));
    say::line(format_args!("  for example  what {reader} reads {spoken}: {}", shown.join(" ")));
    say::line(format_args!("  remedy       {remedy}"));
}

/// Without the details of the specimen.
fn words(error: &impl ToString) -> String {
    let words = error.to_string();
    words.split(" (").next().unwrap_or_default().to_owned()
}

/// `0x82` or `130`.
fn number(text: &str) -> Option<u8> {
    match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn unknown(code: &str) -> Failure {
    Failure::Usage(format!(
        "explain {}: neither a fault nor a Reason Code; `tidewire explain` lists the faults",
        given(code)
    ))
}
