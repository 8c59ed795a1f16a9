//! `BEGIN` and `COMMIT` in a migration. The framework sends a migration in a transaction of its own, so a block in it
//! changes nothing, and its key words are left out. A statement that rolls a transaction back, sets a savepoint or asks
//! for another transaction mode is refused.

use std::ops::Range;

use super::problem::Problem;
use super::statement::Statement;

/// A migration's statements, and the key words that begin and end blocks.
pub(super) struct Blocks<'a> {
    parts: Vec<Part<'a>>,
}

/// A statement, or the beginning or end of a block.
pub(super) enum Part<'a> {
    Statement(&'a Statement),
    /// The parts after this one are one transaction, up to the next `Commit`.
    Begin(&'a Statement),
    Commit(&'a Statement),
    /// A key word without effect.
    Redundant(&'a Statement),
}

/// A statement that begins or ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Begin,
    Commit,
}

impl<'a> Blocks<'a> {
    pub(super) fn read(text: &str, statements: &'a [Statement]) -> Result<Self, (Problem, usize)> {
        let mut parts = Vec::new();
        let (mut begun, mut expects_outer_transaction) = (None, false);
        for statement in statements {
            parts.push(match control(text, statement)? {
                // The server only warns of a second `BEGIN`.
                Some(Control::Begin) if begun.is_some() => Part::Redundant(statement),
                Some(Control::Begin) => {
                    begun = Some(parts.len());
                    Part::Begin(statement)
                }
                Some(Control::Commit) => {
                    // A file with a `COMMIT` before any `BEGIN` was written for a tool that opens a transaction around
                    // it.
                    expects_outer_transaction |= begun.take().is_none();
                    Part::Commit(statement)
                }
                None => Part::Statement(statement),
            });
        }
        let open = begun.filter(|begun| !expects_outer_transaction && begun + 1 < parts.len());
        match open.map(|begun| &parts[begun]) {
            Some(Part::Begin(statement)) => Err((Problem::NeverCommitted, statement.range.start)),
            _ => Ok(Self { parts }),
        }
    }

    pub(super) fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The ranges of the key words.
    pub(super) fn key_words(&self) -> impl Iterator<Item = Range<usize>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Begin(statement) | Part::Commit(statement) | Part::Redundant(statement) => {
                Some(statement.range.clone())
            }
            Part::Statement(_) => None,
        })
    }

    /// Whether the file commits one of these statements before it goes on with another statement.
    pub(super) fn commit_midway_after(&self, is_one: impl Fn(&Statement) -> bool) -> bool {
        let (mut is_open, mut is_committed) = (false, false);
        for part in &self.parts {
            match part {
                Part::Statement(_) if is_committed => return true,
                Part::Statement(statement) => is_open |= is_one(statement),
                Part::Commit(_) => is_committed |= is_open,
                Part::Begin(_) | Part::Redundant(_) => {}
            }
        }
        false
    }

    /// A statement whose effect ends at the `COMMIT` of its block, when the file continues after that.
    pub(super) fn outliving_effect(&self, text: &str) -> Option<(Problem, usize)> {
        let mut ends_at_next_commit = None;
        for part in &self.parts {
            match part {
                Part::Begin(_) => ends_at_next_commit = None,
                Part::Statement(statement) if ends_at_commit(text, statement) => {
                    ends_at_next_commit.get_or_insert(*statement);
                }
                _ => {}
            }
            if let (Part::Commit(commit), Some(statement)) = (part, ends_at_next_commit)
                && self.continue_after(commit)
            {
                let problem = Problem::OutlivesItsBlock { statement: statement.opening(text, 3) };
                return Some((problem, statement.range.start));
            }
        }
        None
    }

    fn continue_after(&self, commit: &Statement) -> bool {
        let is_after = |statement: &Statement| statement.range.start > commit.range.start;
        self.parts.iter().any(|part| matches!(part, Part::Statement(statement) if is_after(statement)))
    }
}

/// Settings that change how long a statement may take or what the server reports of it, but not what it does.
const HARMLESS: &[&str] = &[
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "client_min_messages",
    "work_mem",
    "maintenance_work_mem",
];

/// Whether what the statement sets or creates ends with its transaction.
pub(super) fn ends_at_commit(text: &str, statement: &Statement) -> bool {
    let is_local = statement.words.iter().any(|word| word.is_name() && word.name(text) == "set_config")
        && statement.contains(text, "true");
    let is_harmless = || {
        let name = statement.words.get(2).map(|word| word.name(text)).unwrap_or_default();
        HARMLESS.contains(&name.as_str())
    };
    statement.starts_with(text, &["set", "local"]) && !is_harmless()
        || statement.starts_with(text, &["declare"])
        || is_cleared_on_commit(text, statement)
        || is_local
}

/// Whether the statement creates a temporary table that the `COMMIT` drops or empties.
pub(super) fn is_cleared_on_commit(text: &str, statement: &Statement) -> bool {
    statement.words.windows(2).any(|pair| pair[0].is(text, "on") && pair[1].is(text, "commit"))
}

/// The first words of statements that no migration can hold.
const REFUSED: &[&[&str]] = &[
    &["rollback"],
    &["abort"],
    &["savepoint"],
    &["release"],
    &["prepare", "transaction"],
    &["set", "transaction"],
    &["discard", "all"],
];

/// What the statement does to the transaction in which it stands.
fn control(text: &str, statement: &Statement) -> Result<Option<Control>, (Problem, usize)> {
    let start = statement.range.start;
    let is = |index: usize, want: &str| statement.words.get(index).is_some_and(|word| word.is(text, want));
    let rest = |index: usize| &statement.words[index + usize::from(is(index, "work") || is(index, "transaction"))..];
    let refused = |words| Err((Problem::TransactionControl { statement: statement.opening(text, words) }, start));

    if is(0, "begin") || is(0, "start") && is(1, "transaction") {
        let modes: Vec<String> = rest(1)
            .iter()
            .map(|word| text[word.range.clone()].to_ascii_lowercase())
            .filter(|word| word != ",")
            .collect();
        return if are_the_frameworks(&modes) {
            Ok(Some(Control::Begin))
        } else {
            Err((Problem::TransactionMode { statement: text[statement.range.clone()].to_owned() }, start))
        };
    }
    let is_prepared = is(1, "prepared");
    if (is(0, "commit") && !is_prepared) || is(0, "end") {
        let chains =
            rest(1).iter().any(|word| word.is(text, "chain")) && !rest(1).iter().any(|word| word.is(text, "no"));
        return if chains { refused(3) } else { Ok(Some(Control::Commit)) };
    }
    match REFUSED.iter().find(|words| statement.starts_with(text, words)) {
        Some(_) if is_prepared => Ok(None),
        Some(words) => refused(words.len()),
        None => Ok(None),
    }
}

/// Whether these modes are those of every transaction of the framework.
fn are_the_frameworks(modes: &[String]) -> bool {
    let modes = modes.join(" ");
    ["isolation level read committed", "read write", "not deferrable"]
        .iter()
        .fold(modes, |left, mode| left.replacen(mode, "", 1))
        .trim()
        .is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn found(text: &str) -> Result<Option<Control>, Problem> {
        control(text, &split(text).unwrap_or_default()[0]).map_err(|(problem, _)| problem)
    }

    #[test]
    fn a_block_with_the_frameworks_own_modes_is_understood() {
        for text in
            ["BEGIN", "begin work", "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE", "START TRANSACTION"]
        {
            assert_eq!(found(text), Ok(Some(Control::Begin)), "{text}");
        }
        for text in ["COMMIT", "commit transaction", "END", "END WORK", "COMMIT AND NO CHAIN"] {
            assert_eq!(found(text), Ok(Some(Control::Commit)), "{text}");
        }
    }

    #[test]
    fn other_transaction_control_is_refused() {
        for text in [
            "ROLLBACK",
            "ROLLBACK TO x",
            "ABORT",
            "savepoint a",
            "RELEASE a",
            "COMMIT AND CHAIN",
            "SET TRANSACTION READ ONLY",
            "PREPARE TRANSACTION 'x'",
            "DISCARD ALL",
        ] {
            assert!(matches!(found(text), Err(Problem::TransactionControl { .. })), "{text}");
        }
        for text in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY", "BEGIN DEFERRABLE"] {
            assert!(matches!(found(text), Err(Problem::TransactionMode { .. })), "{text}");
        }
    }

    #[test]
    fn text_that_only_looks_like_transaction_control_is_let_through() {
        for text in ["UPDATE t SET begin = 1", "SELECT 'COMMIT'", "DO $$ BEGIN NULL; END $$", "COMMIT PREPARED 'x'"] {
            assert_eq!(found(text), Ok(None), "{text}");
        }
    }
}
