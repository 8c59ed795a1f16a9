//! Statements that set something for the session. A setting holds until the end of its migration, after which the
//! epilogue (`epilogue`) undoes it. A tenant's migration must not change its path or its role: its names would mean
//! other schemas.

use super::problem::Problem;
use super::statement::{Statement, Word, WordKind};

/// Settings that decide which tables a name means, and whose rights a statement has.
const PATH_AND_ROLE: &[&str] = &["search_path", "role", "session_authorization"];

/// Settings of the transaction in which a statement stands, and of those after it.
const TRANSACTION_MODES: &[&str] = &[
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
];

/// Whether the statement sets or resets something until the end of the session, and does nothing else, so that it may
/// run again for every statement after it.
pub(super) fn is_setting(text: &str, statement: &Statement) -> bool {
    if statement.starts_with(text, &["reset"]) || sets(text, statement) {
        return true;
    }
    let call = if is_at(text, statement, 1, "pg_catalog") { 3 } else { 1 };
    let is_literal =
        |index: usize| statement.words.get(call + index).is_some_and(|word| word.kind == WordKind::Literal);
    let is_symbol =
        |index: usize, want| statement.words.get(call + index).is_some_and(|word| word.is_symbol(text, want));
    statement.starts_with(text, &["select"])
        && is_at(text, statement, call, "set_config")
        && statement.words.len() == call + 8
        && is_symbol(1, "(")
        && is_literal(2)
        && is_symbol(3, ",")
        && is_literal(4)
        && is_symbol(5, ",")
        && is_at(text, statement, call + 6, "false")
        && is_symbol(7, ")")
}

/// Whether the statement sets something for the session, but may do something else too.
pub(super) fn is_mixed_setting(text: &str, statement: &Statement) -> bool {
    !is_setting(text, statement) && calls(text, statement).any(|call| !call.is_local)
}

/// A statement that changes the path or the role for the rest of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathOrRoleChange {
    /// How a message names it.
    pub(super) statement: String,
    pub(super) offset: usize,
    /// Whether the names after it mean other schemas.
    pub(super) changes_path: bool,
}

/// The change, if the statement changes the path or the role for the rest of the session.
pub(super) fn path_or_role_change(text: &str, statement: &Statement) -> Option<PathOrRoleChange> {
    for call in calls(text, statement).filter(|call| !call.is_local) {
        // An expression can be the name of any setting.
        let name = call.name.as_deref().unwrap_or("…");
        if call.name.is_none() || PATH_AND_ROLE.contains(&name) {
            return Some(PathOrRoleChange {
                statement: format!("set_config('{name}', …, false)"),
                offset: call.offset,
                changes_path: name != "role" && name != "session_authorization",
            });
        }
    }
    let is_reset = statement.starts_with(text, &["reset"]);
    if !is_reset && !sets(text, statement) {
        return None;
    }
    let index = usize::from(is_at(text, statement, 1, "session")) + 1;
    let name = setting(text, statement, index);
    let is_authorization = index == 2 && name.as_deref() == Some("authorization");
    let is = |want: &str| name.as_deref() == Some(want);
    // A name with escapes is not read here, so it counts as `search_path`.
    let changes_path = is("search_path") || !is_reset && is("schema") || is_reset && is("all") || name.is_none();
    let is_change = changes_path || is_authorization || PATH_AND_ROLE.iter().any(|setting| is(setting));
    is_change.then(|| PathOrRoleChange {
        statement: statement.opening(text, index + 1),
        offset: statement.range.start,
        changes_path,
    })
}

/// A setting under which the server would read the migration differently from this crate, or run it in another
/// transaction mode.
pub(super) fn refused(text: &str, statement: &Statement) -> Option<(Problem, usize)> {
    let start = statement.range.start;
    let is_local = statement.starts_with(text, &["set", "local"]);
    if !is_local && !sets(text, statement) {
        return None;
    }
    let index = 1 + usize::from(is_local || is_at(text, statement, 1, "session"));
    let name = setting(text, statement, index).unwrap_or_default();
    let written = || text[statement.range.clone()].to_owned();
    let is_the_frameworks = written().to_ascii_lowercase().contains("read committed");
    if !is_the_frameworks && (name == "characteristics" && index == 2 || TRANSACTION_MODES.contains(&name.as_str())) {
        return Some((Problem::TransactionMode { statement: written() }, start));
    }
    let value = statement.words.last().map(|word| text[word.range.clone()].trim_matches('\'').to_ascii_lowercase());
    let is_on = value.is_some_and(|value| ["on", "true", "yes", "1", "default"].contains(&value.as_str()));
    (name == "standard_conforming_strings" && !is_on)
        .then(|| (Problem::ChangesStringSyntax { statement: written() }, start))
}

/// `SET` until the end of the session.
fn sets(text: &str, statement: &Statement) -> bool {
    statement.starts_with(text, &["set"])
        && !["local", "constraints", "transaction"].iter().any(|word| is_at(text, statement, 1, word))
}

/// The name of the setting at this word; `None` for one with escapes.
fn setting(text: &str, statement: &Statement, index: usize) -> Option<String> {
    let Some(word) = statement.words.get(index) else { return Some(String::new()) };
    let written = &text[word.range.clone()];
    let has_escapes = word.kind == WordKind::Quoted && !written.starts_with('"');
    (!has_escapes).then(|| word.name(text).to_ascii_lowercase())
}

/// A call of `set_config`.
struct Call {
    /// `None` if an expression gives the name.
    name: Option<String>,
    is_local: bool,
    offset: usize,
}

fn calls<'a>(text: &'a str, statement: &'a Statement) -> impl Iterator<Item = Call> + 'a {
    let words = &statement.words;
    let is_call = move |index: &usize| {
        let word = &words[*index];
        word.is_name()
            && word.name(text) == "set_config"
            && words.get(index + 1).is_some_and(|next| next.is_symbol(text, "("))
    };
    (0..words.len()).filter(is_call).map(move |index| {
        let arguments = arguments(text, &words[index + 2..]);
        let name = match arguments.first() {
            Some([word]) if word.kind == WordKind::Literal => Some(literal(&text[word.range.clone()])),
            _ => None,
        };
        let is_local = matches!(arguments.get(2), Some([word]) if word.is(text, "true"));
        Call { name, is_local, offset: words[index].range.start }
    })
}

/// The arguments up to the closing parenthesis.
fn arguments<'a>(text: &str, words: &'a [Word]) -> Vec<&'a [Word]> {
    let (mut arguments, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (index, word) in words.iter().enumerate() {
        if word.is_symbol(text, "(") {
            depth += 1;
        } else if word.is_symbol(text, ")") {
            if depth == 0 {
                arguments.push(&words[start..index]);
                break;
            }
            depth -= 1;
        } else if depth == 0 && word.is_symbol(text, ",") {
            arguments.push(&words[start..index]);
            start = index + 1;
        }
    }
    arguments
}

/// The text of a literal, which is not expected to have escapes.
fn literal(written: &str) -> String {
    let plain = written.strip_prefix(['e', 'E']).unwrap_or(written);
    let dollar = plain.strip_prefix("$$").and_then(|text| text.strip_suffix("$$"));
    dollar.unwrap_or(plain.trim_matches('\'')).to_ascii_lowercase()
}

fn is_at(text: &str, statement: &Statement, index: usize, expected: &str) -> bool {
    statement.words.get(index).is_some_and(|word| word.is(text, expected))
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn first(text: &str) -> Statement {
        split(text).unwrap_or_default().remove(0)
    }

    #[test]
    fn a_change_of_the_path_or_the_role_is_found() {
        for (text, name) in [
            ("SET search_path = x", "SET SEARCH_PATH"),
            ("SET search_path TO DEFAULT", "SET SEARCH_PATH"),
            ("set session \"search_path\" = x", "SET SESSION \"SEARCH_PATH\""),
            ("SET SCHEMA 'x'", "SET SCHEMA"),
            ("SET ROLE x", "SET ROLE"),
            ("SET SESSION ROLE x", "SET SESSION ROLE"),
            ("SET SESSION AUTHORIZATION x", "SET SESSION AUTHORIZATION"),
            ("RESET SESSION AUTHORIZATION", "RESET SESSION AUTHORIZATION"),
            ("RESET ROLE", "RESET ROLE"),
            ("RESET search_path", "RESET SEARCH_PATH"),
            ("RESET ALL", "RESET ALL"),
            ("SELECT pg_catalog.set_config('search_path', '', false)", "set_config('search_path', …, false)"),
            ("SET U&\"r\\006fle\" = x", "SET U&\"R\\006FLE\""),
        ] {
            let statement = first(text);
            assert_eq!(path_or_role_change(text, &statement).map(|found| found.statement).as_deref(), Some(name));
            assert!(is_setting(text, &statement), "{text}");
        }
        for text in [
            "SELECT set_config('role', 'x', false), 1",
            "SELECT set_config('a.b', 'x', false), set_config('search_path', 'x', false)",
            "SELECT set_config('search_path', 'x, ' || current_setting('search_path'), false)",
            "SELECT set_config(E'search_path', lower('X'), 'f')",
            "SELECT \"set_config\"('Search_Path', 'x', 1 > 2)",
            "SELECT set_config(s.name, s.value, false) FROM settings s",
        ] {
            let statement = first(text);
            assert!(path_or_role_change(text, &statement).is_some(), "{text}");
            assert!(!is_setting(text, &statement) && is_mixed_setting(text, &statement), "{text}");
        }
    }

    #[test]
    fn other_settings_are_let_through() {
        for text in [
            "SET timezone = 'UTC'",
            "SET SESSION lock_timeout = 1",
            "SET TIME ZONE 'UTC'",
            "RESET lock_timeout",
            "SELECT set_config('a.b', 'x', false)",
            "SET standard_conforming_strings = on",
            "SET standard_conforming_strings TO DEFAULT",
        ] {
            let statement = first(text);
            assert!(is_setting(text, &statement), "{text}");
            assert_eq!(path_or_role_change(text, &statement), None, "{text}");
            assert_eq!(refused(text, &statement), None, "{text}");
        }
        for text in [
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET default_transaction_isolation = 'serializable'",
            "SET LOCAL transaction_read_only = on",
            "SET standard_conforming_strings = off",
            "SET LOCAL standard_conforming_strings TO 'off'",
        ] {
            assert!(refused(text, &first(text)).is_some(), "{text}");
        }
        for text in [
            "SET LOCAL search_path = x",
            "SET CONSTRAINTS ALL DEFERRED",
            "SELECT set_config('search_path', lower('x'), true)",
            "SELECT set_config('a.b', lower('x'), false)",
            "UPDATE t SET role = 'x'",
        ] {
            let statement = first(text);
            assert!(!is_setting(text, &statement), "{text}");
            assert_eq!(path_or_role_change(text, &statement), None, "{text}");
        }
    }
}
