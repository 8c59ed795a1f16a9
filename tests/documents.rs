//! The documents name tests that exist.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("target"))
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_guarantee_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code: String = sources(root).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let document = fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let named: Vec<_> = rows.map(|(_, test)| test).collect();
    assert!(named.len() > 30, "the table is read");
    let missing: Vec<_> = named
        .iter()
        .filter(|test| {
            !code.contains(&format!("#[test]\nfn {test}()")) && !code.contains(&format!("#[test]\n    fn {test}()"))
        })
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
