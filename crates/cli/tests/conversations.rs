//! The ladders in docs/guide/conversations.md are those that are drawn today.
use std::path::Path;
use std::process::Command;

const PAGE: &str = "../../docs/guide/conversations.md";
const PROMPT: &str = "```text\n$ tidewire ";
const END: &str = "\n```";

/// The page as it should be: behind each command what it prints.
fn renewed(page: &str) -> String {
    let mut renewed = String::new();
    let mut rest = page;
    while let Some(at) = rest.find(PROMPT) {
        let (before, shown) = rest.split_at(at + PROMPT.len());
        let end = shown.find(END).expect("the block ends");
        let command = shown[..end].lines().next().expect("a command");
        renewed += &format!("{before}{command}\n{}", printed(command).trim_end());
        rest = &shown[end..];
    }
    renewed + rest
}

fn printed(command: &str) -> String {
    let tidewire = Command::new(env!("CARGO_BIN_EXE_tidewire")).args(command.split(' ')).output();
    let output = tidewire.expect("it can be started");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// `LADDERS=write` renews them.
#[test]
fn the_ladders_of_the_page_are_those_that_are_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the page is there");
    assert_eq!(page.matches(PROMPT).count(), 3);
    let renewed = renewed(&page);
    if std::env::var("LADDERS").is_ok_and(|what| what == "write") {
        std::fs::write(&path, renewed).expect("the page can be written");
    } else {
        assert!(page == renewed, "another ladder is drawn; LADDERS=write renews the page:\n{renewed}");
    }
}
