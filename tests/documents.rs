//! The documents name tests and files that exist.

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

#[test]
fn every_link_to_a_file_leads_to_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = [root.to_owned(), root.join("docs")].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    });
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            links += 1;
            let file = document.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(file.exists(), "{} links to {link}, which is not there", document.display());
        }
    }
    assert!(links > 10, "links are found: {links}");
}
