//! What a fuzz target and a property test assert about the place of an error. Compiled only for them.

use super::unit::{Origin, Unit};
use crate::engine::{Engine, Sets, Setup};
use crate::names::{Member, SchemaName};
use crate::server::Database;
use crate::set::{MigrationSet, Whose};
use crate::store::{Claim, Owner, registry_set};
use crate::{Error, Migration};

/// Every position in the script for a new tenant leads back to the migration's character at that position, or to none;
/// and some position leads to each character of the migrations.
///
/// # Panics
///
/// If that is not so.
#[allow(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn check_places(first: &str, second: &str) {
    let set = || -> Result<_, Error> {
        let set = MigrationSet::new("tenant")?.with_migration("V1__first", || first.to_owned())?;
        Ok((set.with_migration("V2__second", || second.to_owned())?, Member::of(SchemaName::literal("acme"))))
    };
    // A migration that is refused is never sent.
    let Ok((set, member)) = set() else { return };
    if set.problem().is_some() {
        return;
    }
    let (setup, Ok(registry)) = (Setup::default(), registry_set()) else { return };
    let Ok(database) = Database::from_url("postgres://localhost/app") else { return };
    let engine = Engine::new(&setup, Sets { registry, shared: registry, tenant: &set }, &database);
    let unit =
        Unit { origin: Origin::Created { id: None }, ..Unit::new(&engine, Owner::Tenant(&member), Claim::default()) };
    let script = unit.script(0..2);
    let message: Vec<char> = script.message().chars().collect();
    let mut reached = [0, 0];
    let mut inserted = [0, 0];
    for (position, &there) in (1..).zip(&message) {
        let Some((index, offset)) = script.source_in_message(position) else { continue };
        let migration: &Migration = &set.migrations()[index];
        let text = migration.sql();
        // Blanks replace what is left out.
        let is_text = there == ' ' || text.get(offset..).is_some_and(|rest| rest.starts_with(there));
        // An added schema leads to the name that follows it.
        let is_schema = "\"acme\".pg_temp.".contains(there);
        // A position between two parts leads to the end of the first.
        let qualified = migration.qualified(member.schema.as_str(), None, Whose::Tenant);
        let is_behind = offset == qualified.original(qualified.text.trim_end().len()) && matches!(there, '\n' | ';');
        assert!(
            is_text || is_behind || is_schema,
            "{position} is {there:?}, and byte {offset} of {} is not",
            migration.title()
        );
        reached[index] += usize::from(is_text);
        inserted[index] += usize::from(!is_text && !is_behind);
        let excerpt = migration.excerpt(offset);
        let line = migration.sql().split('\n').nth(excerpt.line() - 1).map_or(0, |line| line.chars().count());
        assert!((1..=line + 1).contains(&excerpt.column()), "{excerpt:?}");
    }
    for ((migration, reached), inserted) in set.migrations().iter().zip(reached).zip(inserted) {
        let length = migration.qualified(member.schema.as_str(), None, Whose::Tenant).text.chars().count();
        assert!(inserted <= length - migration.sql().chars().count(), "{}", migration.title());
        assert!(reached >= migration.sql().trim_end().chars().count(), "{}", migration.title());
    }
    for nowhere in [0, u32::MAX] {
        assert!(script.source_in_message(nowhere).is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> impl proptest::strategy::Strategy<Value = String> {
        let piece = "SELECT 1|;|\n|\r\n| |ä|漢|'x''y'|\\$\\$;\\$\\$|\"q\"|-- c\n|/\\* ; \\*/|SET LOCAL lock_timeout = 0|VACUUM t|\
                     -- migrate: no-transaction\n|BEGIN;|COMMIT;|CREATE EXTENSION hstore;|CREATE INDEX CONCURRENTLY i ON t \\(a\\)|\
                     DROP TABLE IF EXISTS a, ä, \"q\"|CREATE TEMP TABLE t \\(a int\\)|INSERT INTO t |SELECT setval\\('s', 1\\)";
        proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
    }

    use proptest::strategy::Strategy;

    proptest::proptest! {
        #[test]
        fn every_position_leads_back_to_its_character(first in text(), second in text()) {
            check_places(&first, &second);
        }
    }
}
