//! Text that no migration can hold: text that servers read differently, `COPY` with a data stream, and psql's commands.

use super::problem::Problem;
use super::statement::{Statement, WordKind};

/// `COPY` from or to the client, for which a script has no data stream.
pub(super) fn copy_stream(text: &str, statement: &Statement) -> Option<(Problem, usize)> {
    let has_stream = statement.contains(text, "stdin") || statement.contains(text, "stdout");
    (statement.starts_with(text, &["copy"]) && has_stream).then_some((Problem::CopyStream, statement.range.start))
}

/// A line that is a command of psql.
pub(super) fn psql_command(text: &str, statement: &Statement) -> Option<(Problem, usize)> {
    let backslash = statement.words.iter().position(|word| word.is_symbol(text, "\\"))?;
    let at = statement.words[backslash].range.start;
    let begins_a_line = text[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
    let command = text[at..].split_whitespace().next().unwrap_or_default().to_owned();
    begins_a_line.then_some((Problem::PsqlCommand { command }, at))
}

/// Text that the versions of PostgreSQL, or the server and this crate, split into words differently: a string for one
/// of them could be a statement for another.
pub(super) fn ambiguous(text: &str, statement: &Statement) -> Option<(Problem, usize)> {
    statement.words.windows(2).find_map(|words| {
        let [(first, before), (second, next)] = [&words[0], &words[1]].map(|word| (&text[word.range.clone()], word));
        if before.kind != WordKind::Literal {
            return None;
        }
        let is_number = first.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if is_number && before.range.end == next.range.start && next.kind != WordKind::Symbol {
            let what = "a number is followed directly by something other than a digit";
            return Some((Problem::Ambiguous { what }, before.range.start));
        }
        // <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>
        let has_escapes = first.starts_with(['e', 'E']) && second.starts_with('\'');
        let what = "a string with escapes continues after white space";
        has_escapes.then_some((Problem::Ambiguous { what }, before.range.start))
    })
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    #[test]
    fn a_stream_is_found() {
        let copies = |text: &str| copy_stream(text, &split(text).unwrap_or_default()[0]).is_some();
        assert!(copies("COPY t FROM STDIN") && copies("copy (SELECT 1) to stdout"));
        assert!(!copies("COPY t FROM '/srv/rows.csv'"));
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
