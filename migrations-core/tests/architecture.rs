//! The order of the folders, and of the files in each, as the tables in the code draw it, is the order of their
//! dependencies.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The names in the table of a module's documentation, from the bottom to the top.
fn drawn(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap().to_owned());
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()).collect()
}

/// The modules that a module declares, without those that exist for tests only.
fn declared(text: &str) -> Vec<String> {
    let mut is_for_tests = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let name = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ");
        if let Some(name) = name.and_then(|rest| rest.strip_suffix(';')).filter(|_| !is_for_tests) {
            found.push(name.to_owned());
        }
        is_for_tests = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(any(test");
    }
    found
}

/// Every path that a `use` declaration brings in, with its groups taken apart, and every path that is written out.
fn uses(text: &str) -> Vec<String> {
    let text = text.split("\nmod tests {").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let text = text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    let written = text.match_indices("crate::").map(|(at, _)| &text[at..]);
    let is_path = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    let mut found: Vec<String> = written.map(|path| path.chars().take_while(|c| is_path(*c)).collect()).collect();
    for declaration in text.split("use ").skip(1) {
        let Some((path, _)) = declaration.split_once(';') else { continue };
        let path: String = path.split_whitespace().collect();
        take_apart("", &path, &mut found);
    }
    found
}

fn take_apart(prefix: &str, path: &str, found: &mut Vec<String>) {
    let Some((before, group)) = path.split_once('{') else {
        found.push(format!("{prefix}{path}"));
        return;
    };
    let (mut depth, mut item) = (0, String::new());
    for character in group.trim_end_matches('}').chars().chain([',']) {
        match character {
            ',' if depth == 0 => take_apart(&format!("{prefix}{before}"), &std::mem::take(&mut item), found),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                item.push(character);
            }
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The Rust files of a module, whose tests stand in files of their own.
fn files(path: &Path) -> Vec<PathBuf> {
    let file = path.with_extension("rs");
    if file.exists() {
        return vec![file];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
        let is_for_tests = ["tests.rs", "races.rs", "fuzzing.rs"].iter().any(|name| entry.ends_with(name));
        match entry.extension() {
            _ if is_for_tests => {}
            Some(extension) if extension == "rs" => found.push(entry),
            None if entry.is_dir() => found.extend(files(&entry)),
            _ => {}
        }
    }
    found
}

/// The folders whose `mod.rs` has a table, the crate's own first.
fn tables() -> Vec<(PathBuf, String)> {
    let mut found = vec![(source(), read(&source().join("lib.rs")))];
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            let file = entry.join("mod.rs");
            if file.exists() && !drawn(&read(&file)).is_empty() {
                found.push((entry.clone(), read(&file)));
            }
            folders.push(entry);
        }
    }
    found
}

#[test]
fn every_table_has_every_module_once() {
    for (folder, text) in tables() {
        let (mut drawn, mut declared) = (drawn(&text), declared(&text));
        drawn.sort_unstable();
        declared.sort_unstable();
        assert_eq!(drawn, declared, "{}", folder.display());
    }
}

#[test]
fn every_folder_at_the_top_has_a_table() {
    let with_table: BTreeSet<PathBuf> = tables().into_iter().map(|(folder, _)| folder).collect();
    for name in declared(&read(&source().join("lib.rs"))) {
        assert!(with_table.contains(&source().join(&name)), "{name}");
    }
}

#[test]
fn nothing_imports_what_stands_below_it_in_its_table() {
    for (folder, text) in tables() {
        let order = drawn(&text);
        let inside = folder.strip_prefix(source()).unwrap();
        let here = inside
            .components()
            .fold("crate::".to_owned(), |path, part| format!("{path}{}::", part.as_os_str().to_string_lossy()));
        for (place, module) in order.iter().enumerate() {
            for file in files(&folder.join(module)) {
                let depth = file.strip_prefix(&folder).unwrap().components().count()
                    - usize::from(file.file_name().is_some_and(|name| name == "mod.rs"));
                let supers = "super::".repeat(depth);
                for used in uses(&read(&file)) {
                    let name = used.strip_prefix(&here).or_else(|| used.strip_prefix(&supers));
                    let name = name.and_then(|rest| rest.split("::").next()).unwrap_or_default();
                    let above = order.iter().position(|known| known == name);
                    assert!(
                        above.is_none_or(|above| above <= place),
                        "{} imports {used}, which stands below {module} in the table of {}",
                        file.display(),
                        folder.display()
                    );
                }
            }
        }
    }
}

/// `crate::Error` says nothing of the folder that it comes from, so a folder could reach above itself by it.
#[test]
fn nothing_is_imported_by_way_of_the_root() {
    for name in declared(&read(&source().join("lib.rs"))) {
        for file in files(&source().join(name)) {
            let root = |path: &String| {
                let rest = path.strip_prefix("crate::").unwrap_or_default();
                rest.starts_with(|character: char| character.is_ascii_uppercase())
            };
            let found: Vec<String> = uses(&read(&file)).into_iter().filter(root).collect();
            assert!(found.is_empty(), "{} imports {found:?}", file.display());
        }
    }
}

#[test]
fn a_group_is_taken_apart_to_its_last_name() {
    let found =
        uses("use crate::{a::{b, c}, d};\nlet e = crate::e::E; // crate::x\n#[cfg(test)]\nmod tests { use crate::f; }");
    for name in ["crate::a::b", "crate::a::c", "crate::d", "crate::e::E"] {
        assert!(found.iter().any(|path| path == name), "{name}: {found:?}");
    }
    assert!(!found.iter().any(|path| path == "crate::f"));
}

/// The names of the functions that begin so and take a database.
fn calls(text: &str, begin: &str) -> Vec<String> {
    let named = text.split(begin).skip(1).filter_map(|rest| rest.split_once('{')).filter_map(|(signature, _)| {
        let takes_a_database = signature.contains("database: &Database");
        takes_a_database.then(|| signature.split(['(', '<']).next().unwrap_or_default().to_owned())
    });
    named.collect()
}

#[test]
fn every_call_of_the_migrator_has_an_async_twin() {
    let folder = source().join("migrator");
    let blocking: Vec<String> = files(&folder).iter().flat_map(|file| calls(&read(file), "pub fn ")).collect();
    let twins: Vec<String> = files(&folder).iter().flat_map(|file| calls(&read(file), "pub async fn ")).collect();
    assert!(blocking.len() > 15, "{blocking:?}");
    let missing: Vec<&String> = blocking.iter().filter(|name| !twins.contains(name)).collect();
    assert!(missing.is_empty(), "without an async twin: {missing:?}");
}

#[test]
fn the_top_has_few_entries() {
    assert!(fs::read_dir(source()).unwrap().count() <= 13);
}
