//! `BEGIN` and `COMMIT` in a migration. The framework has a transaction of its own around what it sends, so a block that is
//! begun and committed means what happens anyway, and its key words are left out. What a file takes back, divides or asks
//! of its transaction is refused.

use std::ops::Range;

use super::error::Problem;
use super::statement::Statement;

/// A migration's statements, with what begins and ends a block between them.
pub(super) struct Blocks<'a> {
    parts: Vec<Part<'a>>,
}

/// A statement, or the end of one transaction and the beginning of another.
pub(super) enum Part<'a> {
    Statement(&'a Statement),
    /// What follows is one transaction, up to the next boundary.
    Begin(&'a Statement),
    Commit(&'a Statement),
    /// A key word that changes nothing.
    Nothing(&'a Statement),
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
        let (mut begun, mut is_from_within) = (None, false);
        for statement in statements {
            parts.push(match control(text, statement)? {
                // For the server, a second one is a warning.
                Some(Control::Begin) if begun.is_some() => Part::Nothing(statement),
                Some(Control::Begin) => {
                    begun = Some(parts.len());
                    Part::Begin(statement)
                }
                Some(Control::Commit) => {
                    // A file that begins by ending a transaction is written for a tool which has one around it.
                    is_from_within |= begun.take().is_none();
                    Part::Commit(statement)
                }
                None => Part::Statement(statement),
            });
        }
        let open = begun.filter(|begun| !is_from_within && begun + 1 < parts.len());
        match open.map(|begun| &parts[begun]) {
            Some(Part::Begin(statement)) => Err((Problem::NeverCommitted, statement.range.start)),
            _ => Ok(Self { parts }),
        }
    }

    pub(super) fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Where the key words stand.
    pub(super) fn key_words(&self) -> impl Iterator<Item = Range<usize>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Begin(statement) | Part::Commit(statement) | Part::Nothing(statement) => {
                Some(statement.range.clone())
            }
            Part::Statement(_) => None,
        })
    }

    /// Whether one of these statements is committed before something else begins.
    pub(super) fn divide_behind(&self, is_meant: impl Fn(&Statement) -> bool) -> bool {
        let (mut is_open, mut is_committed) = (false, false);
        for part in &self.parts {
            match part {
                Part::Statement(_) if is_committed => return true,
                Part::Statement(statement) => is_open |= is_meant(statement),
                Part::Commit(_) => is_committed |= is_open,
                Part::Begin(_) | Part::Nothing(_) => {}
            }
        }
        false
    }

    /// A statement whose effect ends with its block, when the file goes on behind that.
    pub(super) fn ends_too_early(&self, text: &str) -> Option<(Problem, usize)> {
        let mut ends_with_it = None;
        for part in &self.parts {
            match part {
                Part::Begin(_) => ends_with_it = None,
                Part::Statement(statement) if ends_with_its_block(text, statement) => {
                    ends_with_it.get_or_insert(*statement);
                }
                _ => {}
            }
            if let (Part::Commit(commit), Some(statement)) = (part, ends_with_it)
                && self.goes_on_behind(commit)
            {
                let problem = Problem::EndsWithItsBlock { statement: statement.opening(text, 3) };
                return Some((problem, statement.range.start));
            }
        }
        None
    }

    fn goes_on_behind(&self, commit: &Statement) -> bool {
        let behind = |statement: &Statement| statement.range.start > commit.range.start;
        self.parts.iter().any(|part| matches!(part, Part::Statement(statement) if behind(statement)))
    }
}

/// Settings that change how long something takes or what is told of it, and not what it does.
const HARMLESS: &[&str] = &[
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "client_min_messages",
    "work_mem",
    "maintenance_work_mem",
];

/// Whether what the statement sets or makes is gone with its transaction.
pub(super) fn ends_with_its_block(text: &str, statement: &Statement) -> bool {
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

/// Whether it makes a temporary table that its `COMMIT` drops or empties.
pub(super) fn is_cleared_on_commit(text: &str, statement: &Statement) -> bool {
    statement.words.windows(2).any(|pair| pair[0].is(text, "on") && pair[1].is(text, "commit"))
}

/// Key words that begin a statement which no migration can hold.
const REFUSED: &[&[&str]] = &[
    &["rollback"],
    &["abort"],
    &["savepoint"],
    &["release"],
    &["prepare", "transaction"],
    &["set", "transaction"],
    &["discard", "all"],
];

/// What the statement does to the transaction it is in.
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
        return if is_what_happens_anyway(&modes) {
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

/// Whether these modes are the ones that every transaction of the framework has.
fn is_what_happens_anyway(modes: &[String]) -> bool {
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
    fn a_block_that_is_what_happens_anyway_is_understood() {
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
    fn what_means_something_else_is_refused() {
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
    fn what_only_looks_like_it_is_let_through() {
        for text in ["UPDATE t SET begin = 1", "SELECT 'COMMIT'", "DO $$ BEGIN NULL; END $$", "COMMIT PREPARED 'x'"] {
            assert_eq!(found(text), Ok(None), "{text}");
        }
    }
}
