//! A migration's text: directives, splitting, what is refused, and the place in it that an error names. The target is
//! `Migrator::new` and all that it looks at, `set/isolation.rs` included.

#![no_main]

use libfuzzer_sys::fuzz_target;
use migrations_core::{Error, MigrationSet, Migrator};

fuzz_target!(|sql: &str| {
    let empty = |name| MigrationSet::new(name).expect("the name is one");
    match empty("tenant").with_migration("V1__fuzzed", || sql.to_owned()) {
        Ok(set) => {
            let migration = &set.migrations()[0];
            assert_eq!(migration.sql(), sql.replace("\r\n", "\n"));
            let again = empty("tenant").with_migration("V1__fuzzed", || migration.sql().to_owned());
            assert_eq!(again.expect("it was one before").digest(), set.digest());
            let _ = Migrator::new(empty("shared"), set);
        }
        Err(Error::Set(error)) => {
            assert!(!error.to_string().is_empty());
            if let Some(at) = error.excerpt() {
                let text = sql.replace("\r\n", "\n");
                let line = text.split('\n').nth(at.line() - 1).expect("the line is one of the text's");
                assert!((1..=line.chars().count() + 1).contains(&at.column()));
            }
        }
        Err(other) => panic!("{other}"),
    }
});
