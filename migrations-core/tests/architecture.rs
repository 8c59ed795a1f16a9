//! The order of the modules, as the crate's documentation draws it, is the order of their dependencies.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The modules in the order of the table in `lib.rs`; those in one row may not import each other backwards either.
fn order(lib: &str) -> Vec<String> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.map(|row| format!("`{}", row.split(" | ").next().unwrap()));
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()).collect()
}

/// The text of a module without its tests, sub-modules included.
fn text(source: &Path, module: &str) -> String {
    let file = source.join(format!("{module}.rs"));
    let files = if file.exists() {
        vec![file]
    } else {
        fs::read_dir(source.join(module)).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let read = |file| fs::read_to_string(file).unwrap().split("#[cfg(test)]").next().unwrap().to_owned();
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).map(read).collect()
}

#[test]
fn nothing_imports_what_is_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // What is compiled for tests only stands above everything.
    let lib = fs::read_to_string(source.join("lib.rs")).unwrap().replace("#[cfg(test)]\nmod races;\n", "");
    let order = order(&lib);
    let mut declared: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    declared.sort_unstable();
    let mut drawn: Vec<_> = order.iter().map(String::as_str).collect();
    drawn.sort_unstable();
    assert_eq!(drawn, declared, "every module is in the table, once");

    for (place, module) in order.iter().enumerate() {
        let text = text(&source, module).replace("use crate::{", "use crate::");
        for above in &order[place + 1..] {
            let grouped = text.lines().any(|line| {
                line.starts_with("use crate::") && line.contains(", ") && line.contains(&format!("{above}, "))
            });
            let imported = text.contains(&format!("crate::{above}::")) || text.contains(&format!("crate::{above};"));
            assert!(!imported && !grouped, "{module} imports {above}, which is above it");
        }
    }
}
