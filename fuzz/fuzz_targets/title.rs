//! A migration's name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use migrations_core::MigrationSet;

fuzz_target!(|title: &str| {
    let Ok(set) = MigrationSet::new("tenant") else { return };
    let Ok(set) = set.with_migration(title, || "SELECT 1".to_owned()) else { return };
    let migration = &set.migrations()[0];
    // `V007__a` and `V7__a` are one migration; nothing else is changed.
    let (version, name) = title[1..].split_once("__").expect("it has been split before");
    assert_eq!(version.parse(), Ok(migration.version()));
    assert_eq!(migration.title(), format!("V{}__{name}", migration.version()));
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
});
