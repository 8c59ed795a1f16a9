//! What a migration's text means: its statements, and what is sent, left out or refused.

use std::ops::Range;

use super::blocks::Blocks;
use super::check;
use super::directives::Directives;
use super::extension::Extension;
use super::outside::{Action, Outside};
use super::problem::Problem;
use super::session::{self, PathOrRoleChange};
use super::statement::{Statement, Word};
use super::targets::Targets;

/// What a text means, given its directives and what code adds to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) statements: Vec<Range<usize>>,
    pub(super) targets: Targets,
    /// The units, if the migration does not run in one transaction.
    pub(super) outside: Option<Outside>,
    pub(super) extensions: Vec<Extension>,
    /// `BEGIN` and `COMMIT`, which are left out.
    pub(super) key_words: Vec<Range<usize>>,
    /// Whatever else is left out inside a transaction, such as `CONCURRENTLY`.
    pub(super) blanks: Vec<Range<usize>>,
    /// Where it changes the path or the role that it runs with.
    pub(super) path_or_role_changes: Vec<PathOrRoleChange>,
    /// Why the migration cannot run, and where. An exception in code may remove the problem.
    pub(super) problem: Option<(Problem, usize)>,
}

impl Reading {
    pub(super) fn new(sql: &str, statements: &[Statement], directives: &Directives) -> Self {
        let mut reading = Self {
            statements: statements.iter().map(|statement| statement.range.clone()).collect(),
            targets: Targets::of(sql, statements, |statement| runs_alone(sql, statement)),
            extensions: statements.iter().filter_map(|statement| Extension::read(sql, statement)).collect(),
            path_or_role_changes: statements
                .iter()
                .filter_map(|statement| session::path_or_role_change(sql, statement))
                .collect(),
            problem: directives.problem.clone(),
            ..Self::default()
        };
        if let Err(problem) = reading.read_blocks(sql, statements, directives) {
            reading.problem.get_or_insert(problem);
        }
        reading
    }

    fn read_blocks(
        &mut self,
        sql: &str,
        statements: &[Statement],
        directives: &Directives,
    ) -> Result<(), (Problem, usize)> {
        let problem = statements.iter().find_map(|statement| {
            check::ambiguous(sql, statement)
                .or_else(|| check::copy_stream(sql, statement))
                .or_else(|| check::psql_command(sql, statement))
                .or_else(|| session::refused(sql, statement))
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        let blocks = Blocks::read(sql, statements)?;
        self.key_words = blocks.key_words().collect();
        let alone = |statement: &&Statement| runs_alone(sql, statement);
        // The author divides the file because of a statement that cannot run inside a transaction, or to commit a value
        // of an enumeration before the statements that use it.
        let is_divided = blocks.commit_midway_after(|statement| adds_enum_value(sql, statement))
            || blocks.commit_midway_after(|_| true) && statements.iter().any(|statement| alone(&statement));
        if directives.no_transaction || is_divided {
            let outside = Outside::read(sql, &blocks, directives.idempotent)?;
            self.blanks = outside.blanks().collect();
            self.outside = Some(outside);
        } else if let Some(alone) = statements.iter().find(alone) {
            let words = if alone.starts_with(sql, &["vacuum"]) { 1 } else { 2 };
            let is_concurrent = alone.contains(sql, "concurrently");
            let statement = if is_concurrent { "CONCURRENTLY".to_owned() } else { alone.opening(sql, words) };
            return Err((Problem::NeedsNoTransaction { statement }, alone.range.start));
        } else if let Some(problem) = blocks.outliving_effect(sql) {
            return Err(problem);
        }
        Ok(())
    }
}

/// Whether the statement cannot run inside a transaction. `DETACH PARTITION … FINALIZE` can.
fn runs_alone(sql: &str, statement: &Statement) -> bool {
    Action::read(sql, statement).is_some_and(|action| !matches!(action, Action::Finalize { .. }))
}

fn adds_enum_value(sql: &str, statement: &Statement) -> bool {
    let is_add_value = |pair: &[Word]| pair[0].is(sql, "add") && pair[1].is(sql, "value");
    statement.starts_with(sql, &["alter", "type"]) && statement.words.windows(2).any(is_add_value)
}
