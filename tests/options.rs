//! README's option table and `--help` against the one table in the code.

use std::fs;
use std::path::Path;
use std::process::Command;

use brooklet::config::{OPTIONS, PREFIX, destinations_help};

/// README.
fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("README.md")
}

/// README's rows: variable, default, meaning.
fn readme_rows() -> Vec<String> {
    readme()
        .lines()
        .filter(|line| line.starts_with(&format!("| `{PREFIX}")))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn readme_has_every_option_and_no_other() {
    let rows: Vec<String> = OPTIONS
        .iter()
        .map(|option| {
            format!(
                "| `{PREFIX}{}` | {} | {} |",
                option.name, option.default, option.help
            )
        })
        .collect();
    assert_eq!(
        readme_rows(),
        rows,
        "README's option table is to be:\n{}",
        rows.join("\n")
    );
}

#[test]
fn readme_says_which_options_a_destination_has() {
    let readme = readme();
    let lines: Vec<&str> = readme.lines().collect();
    for sentence in destinations_help() {
        assert!(lines.contains(&&*sentence), "no such line: {sentence}");
    }
}

#[test]
fn help_of_the_real_binary_has_every_option() {
    let told = Command::new(crate::harness::binary())
        .arg("--help")
        .output()
        .expect("the binary runs");
    assert!(told.status.success());
    let help = String::from_utf8(told.stdout).expect("text");
    for option in OPTIONS {
        assert!(help.contains(&format!("{PREFIX}{} ", option.name)));
    }
}
