//! The units of a migration that runs outside a transaction. Each is done exactly once.
//!
//! A statement that can run inside a transaction runs in one of its own, which also records that it is done. A
//! statement that PostgreSQL refuses inside a transaction is sent alone, and must be safe to repeat, either by its
//! nature or by its author's word. `SET` holds for the units after it. In a new schema a lock disturbs nobody, so
//! nearly everything runs in the transaction that creates the schema.

mod action;
mod recovery;

use std::ops::Range;

pub(crate) use action::Action;
pub(crate) use recovery::drop_index;

use super::blocks::{self, Blocks, Part};
use super::problem::Problem;
use super::session;
use super::statement::Statement;
use super::targets::{Reader, Temporary};
use crate::set::running_hash::running_hashes;

/// The units of a migration, and the settings for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    units: Vec<Unit>,
    /// The ranges of its `SET` and `RESET` statements.
    settings: Vec<Range<usize>>,
    /// `hashes[n]`: the hash of the first `n` units.
    hashes: Vec<i64>,
    /// Whether the effect of a statement ends with its transaction, so that a single transaction for the whole
    /// migration would do something else.
    is_divided: bool,
}

/// A part of a migration that is sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its range in the migration's text.
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One statement, or those between `BEGIN` and `COMMIT`, in a transaction of their own.
    InTransaction,
    /// One statement, without a transaction.
    Alone(Action),
}

impl Outside {
    /// Reads a migration's statements. `is_idempotent` is the author's word that they are safe to repeat.
    pub(super) fn read(text: &str, blocks: &Blocks<'_>, is_idempotent: bool) -> Result<Self, (Problem, usize)> {
        let mut reader = UnitReader { text, is_idempotent, ..UnitReader::default() };
        for part in blocks.parts() {
            match part {
                Part::Statement(statement) => reader.statement(statement)?,
                Part::Begin(_) if reader.shares_a_session => {}
                Part::Begin(_) => {
                    reader.close();
                    reader.is_block = true;
                }
                Part::Commit(_) => {
                    reader.is_block = false;
                    if !reader.shares_a_session {
                        reader.close();
                    }
                }
                Part::Redundant(_) => {}
            }
        }
        reader.close();
        let mut outside = reader.outside;
        // A setting after the last unit changes nothing, but runs once, so that the server checks it.
        let last = outside.units.last().map_or(0, |unit| unit.range.end);
        let trailing: Vec<_> = outside.settings.iter().filter(|setting| setting.start >= last).cloned().collect();
        outside.units.extend(trailing.into_iter().map(|range| Unit { range, kind: Kind::InTransaction }));
        outside.hashes = running_hashes(outside.units.iter().map(|unit| &text[unit.range.clone()]));
        Ok(outside)
    }

    /// The hash of the units before the one with this number.
    pub(crate) fn hash_before(&self, number: usize) -> Option<i64> {
        self.hashes.get(number).copied()
    }

    pub(crate) fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The settings before a unit.
    pub(crate) fn settings_for<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = &'a Range<usize>> {
        self.settings.iter().take_while(|setting| setting.end <= unit.range.start)
    }

    /// Whether it has a unit whose completion the schema does not show.
    pub(crate) fn has_transactions(&self) -> bool {
        self.units.iter().any(|unit| unit.kind == Kind::InTransaction)
    }

    /// Whether a transaction would refuse a part of it, or do something else, even in a new schema.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        self.is_divided || self.actions().any(|(action, _)| action.is_apart_for_a_new_schema())
    }

    /// The ranges to blank out of the migration's text so that it can run inside a transaction.
    pub(super) fn blanks(&self) -> impl Iterator<Item = Range<usize>> {
        self.actions().filter_map(|(action, range)| action.blank_in_a_transaction(range))
    }

    fn actions(&self) -> impl Iterator<Item = (&Action, &Range<usize>)> {
        self.units.iter().filter_map(|unit| match &unit.kind {
            Kind::InTransaction => None,
            Kind::Alone(action) => Some((action, &unit.range)),
        })
    }
}

/// Reads a migration statement by statement, and collects its units.
#[derive(Default)]
struct UnitReader<'a> {
    text: &'a str,
    is_idempotent: bool,
    outside: Outside,
    /// The unit to which the next statement belongs.
    open: Option<Range<usize>>,
    /// Whether a block is open.
    is_block: bool,
    /// Whether the open unit has created something that lasts only as long as its session, so that the statements after
    /// it belong to the same unit.
    shares_a_session: bool,
    temporary: Temporary,
}

impl UnitReader<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<(), (Problem, usize)> {
        let text = self.text;
        let fail = |problem| Err((problem, statement.range.start));
        let is_setting = session::is_setting(text, statement);
        let action = match Action::read(text, statement) {
            None if self.is_idempotent && !self.is_block && Action::is_call(text, statement) => Some(Action::Call),
            action => action,
        };
        match action {
            Some(Action::UnknownForm) => return fail(Problem::UnknownForm),
            Some(Action::EveryTable) => {
                return fail(Problem::WaitsForOwnLocks { statement: text[statement.range.clone()].to_owned() });
            }
            Some(_) if self.is_block => return fail(Problem::NonTransactionalInBlock),
            Some(action) if !action.is_repeatable() && !self.is_idempotent => return fail(Problem::NotIdempotent),
            Some(action) => {
                self.close();
                self.outside.units.push(Unit { range: statement.range.clone(), kind: Kind::Alone(action) });
                return Ok(());
            }
            None => {}
        }
        if session::is_mixed_setting(text, statement) && !self.is_idempotent {
            return fail(Problem::MixedSetting);
        }
        if is_setting || session::is_mixed_setting(text, statement) {
            self.outside.settings.push(statement.range.clone());
            if self.open.is_none() && !self.is_block {
                return Ok(());
            }
        }
        self.extend(statement);
        Ok(())
    }

    fn extend(&mut self, statement: &Statement) {
        let text = self.text;
        self.outside.is_divided |= blocks::ends_at_commit(text, statement);
        let before = self.temporary.len();
        let mut reader = Reader::new(text, &statement.words, &mut self.temporary);
        let _ = reader.statement();
        statement.words.iter().for_each(|word| self.temporary.look_into(text, word));
        let is_cleared = self.is_block && blocks::is_cleared_on_commit(text, statement);
        let creates_something = self.temporary.len() > before && !is_cleared
            || ["prepare", "declare"].iter().any(|word| statement.starts_with(text, &[word]))
            || statement.starts_with(text, &["create"]) && statement.contains(text, "pg_temp");
        // Only the session that drew a number from a sequence knows it.
        if statement.contains(text, "currval") || statement.contains(text, "lastval") {
            while let Some(last) = self.outside.units.pop_if(|unit| unit.kind == Kind::InTransaction) {
                let end = self.open.as_ref().map_or(last.range.end, |open| open.end);
                self.open = Some(last.range.start..end);
            }
        }
        let start = self.open.take().map_or(statement.range.start, |open| open.start);
        self.open = Some(start..statement.range.end);
        self.shares_a_session |= creates_something;
        if !self.is_block && !self.shares_a_session {
            self.close();
        }
    }

    fn close(&mut self) {
        self.shares_a_session = false;
        if let Some(range) = self.open.take() {
            self.outside.units.push(Unit { range, kind: Kind::InTransaction });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn read(text: &str, is_idempotent: bool) -> Result<Outside, Problem> {
        let statements = split(text).unwrap_or_default();
        let read = Blocks::read(text, &statements).and_then(|blocks| Outside::read(text, &blocks, is_idempotent));
        read.map_err(|(problem, _)| problem)
    }

    fn units(text: &str) -> Vec<(&str, bool)> {
        let outside = read(text, false).unwrap_or_default();
        let unit = |unit: &Unit| (&text[unit.range.clone()], unit.kind == Kind::InTransaction);
        outside.units().iter().map(unit).collect()
    }

    #[test]
    fn every_statement_is_a_unit() {
        let text =
            "ALTER TABLE t ADD a int; CREATE INDEX CONCURRENTLY ON t (a); UPDATE t SET a = 1; VACUUM t; CALL p()";
        assert_eq!(
            units(text),
            [
                ("ALTER TABLE t ADD a int", true),
                ("CREATE INDEX CONCURRENTLY ON t (a)", false),
                ("UPDATE t SET a = 1", true),
                ("VACUUM t", false),
                ("CALL p()", true),
            ]
        );
    }

    #[test]
    fn a_block_is_one_unit_and_so_are_statements_that_share_a_session() {
        let text = "BEGIN; UPDATE a SET b = 1; UPDATE c SET d = 1; COMMIT; UPDATE e SET f = 1; COMMIT; \
                    CREATE TEMP TABLE g (h int); INSERT INTO g VALUES (1); VACUUM; SELECT 1";
        assert_eq!(
            units(text),
            [
                ("UPDATE a SET b = 1; UPDATE c SET d = 1", true),
                ("UPDATE e SET f = 1", true),
                ("CREATE TEMP TABLE g (h int); INSERT INTO g VALUES (1)", true),
                ("VACUUM", false),
                ("SELECT 1", true),
            ]
        );
        let text = "CREATE TEMP TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); COMMIT; SELECT 1; VACUUM; \
                    DO $$ BEGIN CREATE TEMP TABLE t (n int); END $$; DELETE FROM t; ANALYZE; VACUUM; \
                    INSERT INTO c VALUES (1); SELECT currval('c_id_seq'); \
                    BEGIN; INSERT INTO d VALUES (1); BEGIN; SELECT 2; END";
        let ranges: Vec<_> = units(text).into_iter().map(|(unit, _)| unit).collect();
        assert_eq!(
            ranges,
            [
                "CREATE TEMP TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); COMMIT; SELECT 1",
                "VACUUM",
                "DO $$ BEGIN CREATE TEMP TABLE t (n int); END $$; DELETE FROM t; ANALYZE",
                "VACUUM",
                "INSERT INTO c VALUES (1); SELECT currval('c_id_seq')",
                "INSERT INTO d VALUES (1); BEGIN; SELECT 2",
            ]
        );
        assert_eq!(read("BEGIN; SELECT 1", false), Err(Problem::NeverCommitted));
        for text in ["VACUUM FULL", "REINDEX DATABASE d"] {
            assert!(matches!(read(text, true), Err(Problem::WaitsForOwnLocks { .. })), "{text}");
        }
        assert_eq!(read("BEGIN; VACUUM; COMMIT", false), Err(Problem::NonTransactionalInBlock));
    }

    #[test]
    fn a_setting_holds_for_the_units_after_it() {
        let beside = "SELECT set_config('a.b', lower('X'), false), f()";
        assert_eq!(read(beside, false), Err(Problem::MixedSetting));
        assert_eq!(read(&format!("{beside}; VACUUM"), true).map(|outside| outside.settings.len()), Ok(1));
        assert_eq!(units("SELECT 1; SET a.b = 2"), [("SELECT 1", true), ("SET a.b = 2", true)]);
        let text = "SET lock_timeout = 1; SELECT 1; SET a.b = 2; RESET lock_timeout; VACUUM";
        let outside = read(text, false).unwrap_or_default();
        let settings: Vec<Vec<&str>> = outside
            .units()
            .iter()
            .map(|unit| outside.settings_for(unit).map(|range| &text[range.clone()]).collect())
            .collect();
        assert_eq!(
            settings,
            [vec!["SET lock_timeout = 1"], vec!["SET lock_timeout = 1", "SET a.b = 2", "RESET lock_timeout"]]
        );
    }

    #[test]
    fn an_unrepeatable_statement_needs_the_authors_word() {
        for text in ["CREATE DATABASE x", "DROP TABLESPACE x", "COMMIT PREPARED 'x'"] {
            assert_eq!(read(text, false), Err(Problem::NotIdempotent), "{text}");
            assert_eq!(read(text, true).map(|outside| outside.units.len()), Ok(1), "{text}");
        }
        for text in ["DO $$ BEGIN COMMIT; END $$", "CALL p()"] {
            let kind = |is_idempotent| read(text, is_idempotent).map(|outside| outside.units[0].kind.clone());
            assert_eq!(kind(false), Ok(Kind::InTransaction), "only the server knows whether it commits");
            assert_eq!(kind(true), Ok(Kind::Alone(Action::Call)));
        }
    }
}
