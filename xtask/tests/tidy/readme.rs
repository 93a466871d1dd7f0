//! The README promises two commands to set up; a third one would mean that something needs preparing.

use crate::source::{Finding, Source};

/// The two commands, in their order.
const COMMANDS: &[&str] = &["cargo run --release -- dev", "cargo test --workspace"];
/// The heading that they stand under.
const HEADING: &str = "set up";

/// Finds a README whose set-up is not those two commands.
pub fn setup_commands(source: &Source) -> Vec<Finding> {
    if source.path != "README.md" {
        return Vec::new();
    }
    let found = commands(&source.text);
    if found == COMMANDS {
        return Vec::new();
    }
    let advice = format!(
        "expected the commands {COMMANDS:?} in code blocks under a heading \"Set up\", found {found:?}"
    );
    vec![source.finding(0, advice)]
}

/// Lines of code blocks in the section of the set-up, without prompt and remark.
fn commands(text: &str) -> Vec<&str> {
    let (mut inside_section, mut inside_block) = (false, false);
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside_block = !inside_block;
        } else if !inside_block && line.starts_with('#') {
            inside_section = line.to_lowercase().replace('-', " ").contains(HEADING);
        } else if inside_section && inside_block {
            let command = line.split(" # ").next().unwrap_or_default().trim().trim_start_matches("$ ");
            commands.extend(Some(command).filter(|command| !command.is_empty()));
        }
    }
    commands
}

#[test]
fn other_commands_are_found() {
    let of = |lines: &str| {
        setup_commands(&Source::new("README.md", &format!("# A\n## Set up\n```sh\n{lines}\n```\n"))).len()
    };
    assert_eq!(of("cargo run --release -- dev   # a cluster\n\n$ cargo test --workspace"), 0);
    assert_eq!(of("cargo run --release -- dev"), 1);
    assert_eq!(of("make\ncargo run --release -- dev\ncargo test --workspace"), 1);
    assert_eq!(setup_commands(&Source::new("README.md", "# nothing")).len(), 1);
}
