//! The statements of one transaction, and the step that each belongs to, so that an error's place leads back to a
//! migration.

#[cfg(any(test, fuzzing))]
use crate::server::place;
use crate::server::{Delivery, Place, message};
use crate::set::{MigrationSet, Qualified};

/// The purpose of a statement. Migrations are numbered by their places in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take the locks, or raise; compare the plan with the present state, or raise.
    Guard,
    /// Register the tenant, create its schema and its history table.
    Create,
    /// Set the path and the role of a migration.
    Prepare(usize),
    /// The migration's own text.
    Migrate(usize),
    /// Undo what the migration left in the session, and write its history row.
    CleanUp(usize),
    /// Inspect what was written, and raise if something of it is outside the tenant.
    Inspect,
    /// Write the registry's row.
    Record,
    /// Give a schema that was created in several transactions the tenant's name, or renew its lease.
    Rename,
}

/// The statements of one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Vec<Statement>);

#[derive(Clone, Debug)]
struct Statement {
    sent: Qualified,
    step: Step,
}

/// A piece of text that is sent on its own.
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    statement: usize,
    /// Where the piece starts in the statement, in bytes.
    start: usize,
}

impl Script {
    pub(crate) fn push(&mut self, step: Step, sql: impl Into<String>) {
        self.0.push(Statement { sent: Qualified::from(sql.into()), step });
    }

    pub(crate) fn extend<T: Into<String>>(&mut self, step: Step, statements: impl IntoIterator<Item = T>) {
        statements.into_iter().for_each(|sql| self.push(step, sql));
    }

    /// Adds a migration's text, or a part of it.
    pub(crate) fn push_text(&mut self, migration: usize, sent: Qualified) {
        self.0.push(Statement { sent, step: Step::Migrate(migration) });
    }

    /// Adds the statements of another script.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The script with `BEGIN` before it.
    pub(crate) fn after_begin(mut self) -> Self {
        self.0.insert(0, Statement { sent: Qualified::from("BEGIN".to_owned()), step: Step::Guard });
        self
    }

    /// Splits the script into the part before the migrations, the migrations with their inspection, and the part after
    /// them.
    pub(crate) fn around_migrations(&self) -> [Self; 3] {
        let is_opening = |step| matches!(step, Step::Guard | Step::Create);
        let is_closing = |step| matches!(step, Step::Record | Step::Rename);
        let only = |is: &dyn Fn(Step) -> bool| Self(self.0.iter().filter(|found| is(found.step)).cloned().collect());
        [only(&is_opening), only(&|step| !is_opening(step) && !is_closing(step)), only(&is_closing)]
    }

    /// The pieces to send. In a message, a migration's text is one piece; otherwise every statement of it is a piece.
    pub(crate) fn pieces(&self, set: &MigrationSet, delivery: Delivery) -> Vec<Piece<'_>> {
        let mut pieces = Vec::with_capacity(self.0.len());
        for (number, statement) in self.0.iter().enumerate() {
            let text = statement.sent.text.as_str();
            match statement.step {
                Step::Migrate(index) if delivery != Delivery::OneMessage => {
                    for range in set.migrations()[index].statements() {
                        // The statement belongs to another part of the migration, or is left out because it cannot run
                        // in a transaction.
                        let Some(there) = statement.sent.sent(range) else { continue };
                        if !text[there.clone()].trim().is_empty() {
                            pieces.push(Piece { text: &text[there.clone()], statement: number, start: there.start });
                        }
                    }
                }
                _ => pieces.push(Piece { text, statement: number, start: 0 }),
            }
        }
        pieces
    }

    /// The whole message.
    pub(crate) fn message(&self) -> String {
        message(&self.texts())
    }

    fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|statement| statement.sent.text.as_str()).collect()
    }

    /// The migration that an error is about, and the offset in its text, in bytes. There is no offset if the error
    /// comes from the end of the migration and not from one of its statements: from a check that it deferred.
    pub(crate) fn source(&self, pieces: &[Piece<'_>], place: Place) -> Option<(usize, Option<usize>)> {
        let piece = pieces.get(place.statement)?;
        let Statement { sent, step } = self.0.get(piece.statement)?;
        match (*step, place.offset) {
            (Step::Migrate(index), offset) => Some((index, Some(sent.original(piece.start + offset.unwrap_or(0))))),
            (Step::CleanUp(index), None) => Some((index, None)),
            _ => None,
        }
    }

    /// The migration and the offset in its text, in bytes, for a position in the message in characters, from 1.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn source_in_message(&self, position: u32) -> Option<(usize, usize)> {
        let place = place(&self.texts(), position)?;
        let whole = |number| Piece { text: "", statement: number, start: 0 };
        let pieces: Vec<_> = (0..self.0.len()).map(whole).collect();
        let (migration, offset) = self.source(&pieces, place)?;
        offset.map(|offset| (migration, offset))
    }
}
