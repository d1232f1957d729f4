//! Rules about the source that the compiler does not know: who imports whom, and what has a single owner.
//!
//! It reads `src/` as text, comments and tests left out, and what else names its parts; it must not judge style.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What may stand in one place alone: a piece of code, and the files (or folders) that may hold it.
const OWNERS: &[(&str, &[&str])] = &[
    ("std::env", &["config/environment.rs"]),
    ("SystemTime", &["time.rs"]),
    ("Instant", &["time.rs"]),
    ("thread::sleep", &["time.rs"]),
    ("stderr()", &["diag.rs"]),
    ("eprint", &[]),
    ("println", &[]),
    ("stdout", &["main.rs"]),
    ("crossbeam_channel", &["link/"]),
    ("mpsc", &[]),
    ("Condvar", &[]),
    ("ureq", &["http/"]),
    ("use ring::", &["digest.rs", "http/provider.rs"]),
    ("rustls", &["http/tls.rs", "http/provider.rs"]),
    ("tiny_http", &["receive.rs"]),
    ("TcpListener", &["receive.rs"]),
    ("TcpStream", &["http/socket.rs"]),
    ("Mutex", &[]),
    ("RwLock", &[]),
    ("unsafe", &[]),
    ("process::exit", &[]),
    ("process::abort", &[]),
    (".unwrap()", &[]),
];

/// Lines of code, tests and comments left out, above which a file must say why.
const LINES_MAX: usize = 400;

/// The text of a file by its path from the root.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every source file, as its path below `src/` and its text.
fn sources() -> Vec<(String, String)> {
    rust("src")
}

/// Every file of Rust below a folder, as its path there and its text.
fn rust(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the root") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(&root).expect("below it");
                let text = fs::read_to_string(&path).expect("text");
                files.push((name.to_string_lossy().into_owned(), text));
            }
        }
    }
    assert!(files.len() > 20, "{folder} was not found");
    files.sort();
    files
}

/// A file's code: without its comments and its unit tests.
fn code(text: &str) -> String {
    let product = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .expect("a first part");
    let lines = product.lines().map(|line| {
        let line = line.trim_start();
        if line.starts_with("//") { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules in the order of `lib.rs`.
fn order() -> BTreeMap<String, usize> {
    let lib = sources()
        .into_iter()
        .find(|(name, _)| name == "lib.rs")
        .expect("lib.rs")
        .1;
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .enumerate()
        .map(|(at, name)| (name.to_owned(), at))
        .collect()
}

/// The modules of this crate that a piece of code names.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` is the macro of diag.rs, expanded elsewhere.
        let rest = code[at + "crate::".len()..].trim_start();
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let whole = names.split(';').next().unwrap_or_default();
        let parts = if rest.starts_with('{') {
            whole.split(',').collect()
        } else {
            vec![whole]
        };
        for part in parts {
            let name: String = part
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn a_module_imports_only_what_stands_above_it() {
    let order = order();
    assert!(order.len() > 15, "lib.rs was not understood");
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let module = name.split(['/', '.']).next().expect("a module").to_owned();
        let Some(own) = order.get(&module) else {
            continue;
        };
        for other in imports(&code(&text)) {
            match order.get(&other) {
                Some(at) if at <= own => {}
                Some(_) => wrong.push(format!("{name} imports {other}, which stands below it")),
                // Macros of the crate have no module.
                None if other == "say" || other == "say_once" => {}
                None => wrong.push(format!(
                    "{name} imports {other}, which lib.rs does not list"
                )),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn imports_are_read_in_all_their_forms() {
    let code = "use crate::a::B;\nuse crate::{c, d::E};\nlet x = crate::f::g();";
    assert_eq!(imports(code), ["a", "c", "d", "f"]);
}

#[test]
fn what_has_one_owner_stands_nowhere_else() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = code(&text);
        for (word, owners) in OWNERS {
            let owned = owners
                .iter()
                .any(|owner| name == *owner || (owner.ends_with('/') && name.starts_with(owner)));
            if !owned && code.contains(word) {
                wrong.push(format!("{name} holds {word}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_owner_still_owns_what_it_is_said_to() {
    let sources = sources();
    for (word, owners) in OWNERS {
        for owner in *owners {
            let held = sources
                .iter()
                .any(|(name, text)| name.starts_with(owner) && code(text).contains(word));
            assert!(held, "{owner} no longer holds {word}");
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for_and_stays_short() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name} has no module doc");
        let lines = code(&text).lines().filter(|line| !line.is_empty()).count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines of code");
    }
}

#[test]
fn every_dependency_carries_its_reason_and_no_default_features() {
    let manifest = read("Cargo.toml");
    let (mut inside, mut before, mut seen) = (false, "", 0);
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains(" = ") {
            assert!(before.starts_with('#'), "no reason above: {line}");
            assert!(line.contains("default-features = false"), "{line}");
            seen += 1;
        }
        before = line;
    }
    assert!(seen >= 10, "Cargo.toml was not understood");
}

#[test]
fn every_test_that_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = read("README.md");
    let mut seen = 0;
    for line in readme.lines().filter(|line| line.starts_with('|')) {
        for word in line.split('`').filter(|word| word.ends_with(".rs")) {
            let path = if word.contains('/') {
                root.join(word)
            } else {
                root.join("tests/scenario").join(word)
            };
            assert!(path.is_file(), "{word} is not there: {line}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} names");
}

/// The modules that a program of the tests has.
fn modules(program: &str) -> Vec<String> {
    let lines = program.lines();
    lines
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_fuzz_target_has_all_that_the_tests_modules_need() {
    // It is built by hand alone, so nothing else would say what it lacks.
    const OF_THE_TESTS_ALONE: [&str; 2] = ["options", "tidy"];
    let target = modules(&read("fuzz/fuzz_targets/formats.rs"));
    let mut wanted = modules(&read("tests/main.rs"));
    wanted.retain(|name| !OF_THE_TESTS_ALONE.contains(&name.as_str()));
    assert_eq!(target, wanted);

    let (ours, its) = (read("Cargo.toml"), read("fuzz/Cargo.toml"));
    let files = rust("tests");
    let crates = ours.lines().filter_map(|line| line.split_once(" = {"));
    let mut seen = 0;
    for (name, _) in crates {
        let word = format!("{}::", name.replace('-', "_"));
        let needed = files.iter().any(|(path, text)| {
            let alone = OF_THE_TESTS_ALONE.contains(&path.trim_end_matches(".rs"));
            !alone
                && code(text)
                    .split([' ', '(', '&', '<'])
                    .any(|part| part.starts_with(&word))
        });
        if needed {
            assert!(its.contains(&format!("\n{name} = ")), "it lacks {name}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} crates");
}
