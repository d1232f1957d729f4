//! README's tables of options and formats, and `--help`, against the tables in the code.

use std::fs;
use std::path::Path;
use std::process::Command;

use brooklet::config::{OPTIONS, PREFIX, destinations_help};
use brooklet::encode::{FORMATS, Format};

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

/// A number, its thousands apart.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The hosts that tell a format.
fn hosts(format: &Format) -> String {
    let hosts = format.hosts.iter().map(|host| format!("`{host}`"));
    let hosts: Vec<String> = hosts.collect();
    match &*hosts {
        [] => "none".to_owned(),
        hosts => hosts.join(", "),
    }
}

#[test]
fn readme_has_every_format_and_no_other() {
    let row = |format: &Format| {
        let (header, before) = format.key_header;
        let code = |text: &str| match text {
            "" => "none".to_owned(),
            text => format!("`{text}`"),
        };
        let record = limit(format.record_bytes);
        format!(
            "| `{}` | {} | `{header}: {before}…` | {} | {} | {} | {record} |",
            format.name,
            hosts(format),
            code(format.path),
            thousands(format.batch_bytes),
            thousands(format.batch_records),
        )
    };
    let expected: Vec<String> = FORMATS
        .iter()
        .filter(|format| !format.scheme)
        .map(row)
        .collect();
    let readme = readme();
    let (_, section) = readme.split_once("## Destinations").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(rows, expected, "it is to be:\n{}", expected.join("\n"));
}

/// A number, its thousands apart, or that there is none.
fn limit(bytes: usize) -> String {
    match bytes {
        usize::MAX => "no limit".to_owned(),
        bytes => thousands(bytes),
    }
}

#[test]
fn readme_has_every_place_in_aws_with_its_limits() {
    let readme = readme();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("://"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 6)
        .collect();
    let told = rows.iter().map(|cells| {
        let scheme = cells[0].trim_matches('`').split("://").next().unwrap();
        (scheme.to_owned(), cells[3].to_owned(), cells[4].to_owned())
    });
    let places = FORMATS.iter().filter(|format| format.scheme);
    let expected = places.map(|format| {
        let (bytes, record) = (format.batch_bytes, format.record_bytes);
        (format.name.to_owned(), limit(bytes), limit(record))
    });
    assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
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
