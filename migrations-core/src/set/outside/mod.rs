//! What a `-- migrate: no-transaction` migration is made of: units, each of which is done exactly once.
//!
//! A statement that can run in a transaction runs in one of its own, together with the note that it is done. What
//! PostgreSQL refuses inside of a transaction is sent alone: it has to be safe to repeat, known to be or said to be.
//! `SET` holds for the units behind it. On a schema that is new nobody can be disturbed, and nearly all of it runs in the
//! transaction that creates the schema.

mod action;
mod recovery;

use std::ops::Range;

pub(crate) use action::Action;
use action::Safety;
pub(crate) use recovery::drop_index;

use super::blocks::{Blocks, Part};
use super::error::Problem;
use super::session;
use super::statement::Statement;

/// The units of a migration, and what is set for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    units: Vec<Unit>,
    /// Where its `SET` and `RESET` stand.
    settings: Vec<Range<usize>>,
}

/// What is done in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Where it stands in the migration's text.
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One statement, or several between `BEGIN` and `COMMIT`, in a transaction of their own.
    InTransaction,
    /// One statement, without a transaction.
    Alone(Action),
}

impl Outside {
    /// Reads a migration's statements. `is_idempotent` is its author's word that they are safe to repeat.
    pub(super) fn read(text: &str, blocks: &Blocks<'_>, is_idempotent: bool) -> Result<Self, (Problem, usize)> {
        let mut outside = Self::default();
        let mut group: Option<Group> = None;
        for part in blocks.parts() {
            let statement = match part {
                Part::Statement(statement) => *statement,
                Part::Begin(_) => {
                    outside.close(group.replace(Group { range: None, is_block: true }));
                    continue;
                }
                Part::Commit(_) => {
                    outside.close(group.take());
                    continue;
                }
            };
            let is_setting = session::is_setting(text, statement);
            let action = Action::read(text, statement);
            let is_block = group.as_ref().is_some_and(|group| group.is_block);
            match action {
                Some(_) if is_block => return Err((Problem::AloneInBlock, statement.range.start)),
                Some(action) if action.safety() == Safety::Unknown && !is_idempotent => {
                    return Err((Problem::NotIdempotent, statement.range.start));
                }
                Some(action) => {
                    outside.close(group.take());
                    outside.units.push(Unit { range: statement.range.clone(), kind: Kind::Alone(action) });
                }
                None if is_idempotent && !is_block && Action::is_call(text, statement) => {
                    outside.close(group.take());
                    outside.units.push(Unit { range: statement.range.clone(), kind: Kind::Alone(Action::Call) });
                }
                None if is_setting && group.is_none() => {}
                None => {
                    let stays_open = group.is_some() || leaves_something(text, statement);
                    let mut open = group.take().unwrap_or_default();
                    let start = open.range.take().map_or(statement.range.start, |range| range.start);
                    open.range = Some(start..statement.range.end);
                    if stays_open {
                        group = Some(open);
                    } else {
                        outside.close(Some(open));
                    }
                }
            }
            if is_setting {
                outside.settings.push(statement.range.clone());
            }
        }
        outside.close(group);
        Ok(outside)
    }

    pub(crate) fn units(&self) -> &[Unit] {
        &self.units
    }

    /// What is set in front of a unit.
    pub(crate) fn settings_for<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = &'a Range<usize>> {
        self.settings.iter().filter(|setting| setting.end <= unit.range.start)
    }

    /// Whether a part of it cannot be known to be done by a look at the schema.
    pub(crate) fn has_transactions(&self) -> bool {
        self.units.iter().any(|unit| unit.kind == Kind::InTransaction)
    }

    /// Whether a transaction would refuse a part of it, or do something else, also on a schema that is new.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        self.actions().any(|(action, _)| action.is_apart_for_a_new_schema())
    }

    /// What has to be blanked out of the migration's text for it to run inside a transaction.
    pub(super) fn blanks(&self) -> impl Iterator<Item = Range<usize>> {
        self.actions().filter_map(|(action, range)| action.blanked_in_a_transaction(range))
    }

    fn actions(&self) -> impl Iterator<Item = (&Action, &Range<usize>)> {
        self.units.iter().filter_map(|unit| match &unit.kind {
            Kind::InTransaction => None,
            Kind::Alone(action) => Some((action, &unit.range)),
        })
    }

    fn close(&mut self, group: Option<Group>) {
        if let Some(range) = group.and_then(|group| group.range) {
            self.units.push(Unit { range, kind: Kind::InTransaction });
        }
    }
}

/// Statements that become one unit.
#[derive(Default)]
struct Group {
    range: Option<Range<usize>>,
    /// Whether it stands behind a `BEGIN`.
    is_block: bool,
}

/// Whether the statement makes something that is gone with its transaction or session, for the statements behind it: they
/// belong into the same transaction.
fn leaves_something(text: &str, statement: &Statement) -> bool {
    let is_temporary = |word: &super::statement::Word| word.is(text, "temp") || word.is(text, "temporary");
    let makes = |word| statement.starts_with(text, &[word]);
    makes("prepare")
        || makes("declare")
        || makes("create") && statement.words.iter().take(5).any(is_temporary)
        || makes("select") && statement.words.windows(2).any(|pair| pair[0].is(text, "into") && is_temporary(&pair[1]))
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
    fn a_block_is_one_unit_and_so_is_what_shares_a_session() {
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
        assert_eq!(read("BEGIN; SELECT 1", false), Err(Problem::NeverCommitted));
        assert_eq!(read("BEGIN; VACUUM; COMMIT", false), Err(Problem::AloneInBlock));
    }

    #[test]
    fn what_is_set_holds_for_the_units_behind_it() {
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
    fn what_may_not_be_repeated_has_to_say_that_it_may() {
        for text in ["CREATE DATABASE x", "DROP TABLESPACE x", "COMMIT PREPARED 'x'"] {
            assert_eq!(read(text, false), Err(Problem::NotIdempotent), "{text}");
            assert_eq!(read(text, true).map(|outside| outside.units.len()), Ok(1), "{text}");
        }
        for text in ["DO $$ BEGIN COMMIT; END $$", "CALL p()"] {
            let kind = |is_idempotent| read(text, is_idempotent).map(|outside| outside.units[0].kind.clone());
            assert_eq!(kind(false), Ok(Kind::InTransaction), "whether it commits is known to the server only");
            assert_eq!(kind(true), Ok(Kind::Alone(Action::Call)));
        }
    }
}
