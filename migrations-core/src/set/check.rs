//! What a transactional migration must not do: end the transaction it is part of, change the session, or wait for a
//! data stream. Found in the text, before any database is asked.

use super::error::Problem;
use super::statement::{Statement, WordKind};

/// Key words that begin a statement which starts or ends a transaction.
const TRANSACTION_CONTROL: &[&[&str]] = &[
    &["begin"],
    &["start", "transaction"],
    &["commit"],
    &["end"],
    &["rollback"],
    &["abort"],
    &["savepoint"],
    &["release"],
    &["prepare", "transaction"],
    &["set", "transaction"],
];

/// Key words that begin a statement whose effect stays in the session.
const SESSION_STATE: &[&[&str]] =
    &[&["reset"], &["discard"], &["listen"], &["unlisten"], &["prepare"], &["deallocate"]];

/// The first thing wrong with a statement of a transactional migration, and where.
pub(super) fn transactional(text: &str, statement: &Statement) -> Option<(Problem, usize)> {
    let begins = |lists: &[&[&str]]| lists.iter().any(|words| statement.starts_with(text, words));
    let start = statement.range.start;
    if begins(TRANSACTION_CONTROL) {
        let statement = opening(text, statement, 1);
        return Some((Problem::TransactionControl { statement }, start));
    }
    if begins(SESSION_STATE) || sets_session(text, statement) {
        let statement = opening(text, statement, 2);
        return Some((Problem::SessionSetting { statement }, start));
    }
    if let Some(offset) = session_set_config(text, statement) {
        return Some((Problem::SessionSetting { statement: "set_config(…, false)".to_owned() }, offset));
    }
    if runs_concurrently(text, statement) {
        return Some((Problem::NeedsNoTransaction, start));
    }
    if statement.starts_with(text, &["copy"])
        && (statement.contains(text, "stdin") || statement.contains(text, "stdout"))
    {
        return Some((Problem::CopyStream, start));
    }
    None
}

/// Text that PostgreSQL's versions, or ours and theirs, split differently into words: what is a string to one could be a
/// statement to another.
pub(super) fn ambiguous(text: &str, statement: &Statement) -> Option<(&'static str, usize)> {
    statement.words.windows(2).find_map(|words| {
        let [(first, before), (second, next)] = [&words[0], &words[1]].map(|word| (&text[word.range.clone()], word));
        if before.kind != WordKind::Literal {
            return None;
        }
        let is_number = first.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if is_number && before.range.end == next.range.start && next.kind != WordKind::Symbol {
            return Some(("a number goes on with what is no digit", before.range.start));
        }
        // <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>
        let has_escapes = first.starts_with(['e', 'E']) && second.starts_with('\'');
        has_escapes.then_some(("a string with escapes goes on behind white space", before.range.start))
    })
}

/// `SET x …` and `SET SESSION x …`; `SET LOCAL` and `SET CONSTRAINTS` end with the transaction.
fn sets_session(text: &str, statement: &Statement) -> bool {
    statement.starts_with(text, &["set"])
        && !statement.starts_with(text, &["set", "local"])
        && !statement.starts_with(text, &["set", "constraints"])
}

/// `set_config('search_path', '', false)`, as `pg_dump` writes it on top of its scripts.
fn session_set_config(text: &str, statement: &Statement) -> Option<usize> {
    let words = &statement.words;
    let call = words.iter().position(|word| word.is(text, "set_config"))?;
    let is_session = words[call..]
        .windows(3)
        .take_while(|window| !window[0].is_symbol(text, ")"))
        .any(|window| window[0].is_symbol(text, ",") && window[1].is(text, "false") && window[2].is_symbol(text, ")"));
    is_session.then(|| words[call].range.start)
}

/// Statements with `CONCURRENTLY` that PostgreSQL refuses inside a transaction.
/// `REFRESH MATERIALIZED VIEW CONCURRENTLY` is not one of them.
fn runs_concurrently(text: &str, statement: &Statement) -> bool {
    let unique = statement.starts_with(text, &["create", "unique", "index"]);
    let index = ["create", "drop"].iter().any(|verb| statement.starts_with(text, &[verb, "index"]));
    let reindex = statement.starts_with(text, &["reindex"]);
    (unique || index || reindex) && statement.contains(text, "concurrently")
}

fn opening(text: &str, statement: &Statement, words: usize) -> String {
    let words: Vec<_> = statement.words.iter().take(words).map(|word| &text[word.range.clone()]).collect();
    words.join(" ").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn problem(text: &str) -> Option<Problem> {
        split(text).unwrap_or_default().iter().find_map(|s| transactional(text, s)).map(|(problem, _)| problem)
    }

    #[test]
    fn what_ends_the_transaction_or_outlives_it_is_found() {
        for text in ["BEGIN", "commit", "END", "ROLLBACK TO x", "savepoint a", "START TRANSACTION", "ABORT"] {
            assert!(matches!(problem(text), Some(Problem::TransactionControl { .. })), "{text}");
        }
        for text in [
            "SET search_path = x",
            "set session lock_timeout = 1",
            "SET ROLE x",
            "SET TIME ZONE 'UTC'",
            "RESET ALL",
            "DISCARD ALL",
            "SELECT pg_catalog.set_config('search_path', '', false)",
        ] {
            assert!(matches!(problem(text), Some(Problem::SessionSetting { .. })), "{text}");
        }
        assert_eq!(problem("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)"), Some(Problem::NeedsNoTransaction));
        assert_eq!(problem("COPY t FROM STDIN"), Some(Problem::CopyStream));
    }

    #[test]
    fn what_only_looks_like_it_is_let_through() {
        for text in [
            "SET LOCAL lock_timeout = '1s'",
            "SET CONSTRAINTS ALL DEFERRED",
            "SELECT set_config('a.b', 'x', true)",
            "UPDATE t SET begin = 1",
            "SELECT 'COMMIT'",
            "DO $$ BEGIN PERFORM 1; END $$",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "COPY t FROM '/srv/rows.csv'",
            "CREATE INDEX i ON t (concurrent)",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_split_otherwise_elsewhere_is_found_and_nothing_else() {
        let found = |text: &str| split(text).unwrap_or_default().iter().find_map(|s| ambiguous(text, s)).is_some();
        for text in ["SELECT 0x$$ $$", "SELECT E'a'\n'b'", "SELECT e'a'\n -- c\n 'b'"] {
            assert!(found(text), "{text}");
        }
        for text in [
            "SELECT 1 a, 'b' c, 1::int, a[1:2], 1+1, (1)",
            "SELECT 'a'\n'b'",
            "SELECT E'a', 'b'",
            "SELECT E'a' AS b",
            "SELECT 'a'$$b$$",
            "SELECT a1 'x'",
        ] {
            assert!(!found(text), "{text}");
        }
    }
}
