//! Statements that set something for the session. What they set holds until the end of their migration: the epilogue
//! behind it (`epilogue`) undoes them. A tenant's migration must not leave its path or its role: its names would mean
//! other schemas.

use super::statement::{Statement, Word};

/// Settings that decide whose tables a name means, and with whose rights.
const OF_THE_TENANT: &[&str] = &["search_path", "role", "session_authorization"];

/// Whether the statement sets or resets something until the end of the session, and does nothing else.
pub(super) fn is_setting(text: &str, statement: &Statement) -> bool {
    if statement.starts_with(text, &["reset"]) {
        return true;
    }
    if statement.starts_with(text, &["set"]) {
        return !["local", "constraints", "transaction"].iter().any(|word| is_at(text, statement, 1, word));
    }
    let calls = if is_at(text, statement, 1, "pg_catalog") { 3 } else { 1 };
    statement.starts_with(text, &["select"])
        && is_at(text, statement, calls, "set_config")
        && set_config(text, statement).is_some()
}

/// A statement that changes the path or the role for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// What to call it.
    pub(super) statement: String,
    pub(super) offset: usize,
    /// Whether names mean other schemas from there.
    pub(super) changes_path: bool,
}

/// Whether a statement changes the path or the role for the session.
pub(super) fn leaves_the_tenant(text: &str, statement: &Statement) -> Option<Leaving> {
    if let Some((setting, offset)) = set_config(text, statement) {
        return OF_THE_TENANT.contains(&setting.as_str()).then(|| Leaving {
            statement: format!("set_config('{setting}', …, false)"),
            offset,
            changes_path: setting == "search_path",
        });
    }
    let start = statement.range.start;
    let is_reset = statement.starts_with(text, &["reset"]);
    let sets = statement.starts_with(text, &["set"]) && is_setting(text, statement);
    if !is_reset && !sets {
        return None;
    }
    let name = if is_at(text, statement, 1, "session") { 2 } else { 1 };
    let named = |want: &str| {
        is_at(text, statement, name, want)
            || statement.words.get(name).is_some_and(|word| word.is_name() && word.name(text) == want)
    };
    let is_authorization = is_at(text, statement, 1, "session") && is_at(text, statement, 2, "authorization");
    let is_schema = !is_reset && named("schema");
    let changes_path = named("search_path") || is_schema || is_reset && named("all");
    let leaves = changes_path || is_authorization || OF_THE_TENANT.iter().any(|setting| named(setting));
    let words = if is_authorization { 3 } else { 1 + name };
    let statement = || statement.opening(text, words);
    leaves.then(|| Leaving { statement: statement(), offset: start, changes_path })
}

/// The setting that a call of `set_config` sets until the end of the session, and where. A name that is put together is
/// not known.
fn set_config(text: &str, statement: &Statement) -> Option<(String, usize)> {
    let words = &statement.words;
    let call = words.iter().position(|word| word.is(text, "set_config"))?;
    let is_session = words[call..]
        .windows(3)
        .take_while(|window| !window[0].is_symbol(text, ")"))
        .any(|window| window[0].is_symbol(text, ",") && window[1].is(text, "false") && window[2].is_symbol(text, ")"));
    let literal = |word: &Word| text[word.range.clone()].trim_matches('\'').to_ascii_lowercase();
    is_session.then(|| (words.get(call + 2).map(literal).unwrap_or_default(), words[call].range.start))
}

fn is_at(text: &str, statement: &Statement, index: usize, want: &str) -> bool {
    statement.words.get(index).is_some_and(|word| word.is(text, want))
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn first(text: &str) -> Statement {
        split(text).unwrap_or_default().remove(0)
    }

    #[test]
    fn what_leaves_the_tenant_is_found() {
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
            ("SELECT set_config('role', 'x', false), 1", "set_config('role', …, false)"),
        ] {
            let statement = first(text);
            assert_eq!(leaves_the_tenant(text, &statement).map(|found| found.statement).as_deref(), Some(name));
            assert!(is_setting(text, &statement), "{text}");
        }
    }

    #[test]
    fn other_settings_are_let_through() {
        for text in [
            "SET timezone = 'UTC'",
            "SET SESSION lock_timeout = 1",
            "SET TIME ZONE 'UTC'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "RESET lock_timeout",
            "SELECT set_config('a.b', 'x', false)",
        ] {
            let statement = first(text);
            assert!(is_setting(text, &statement), "{text}");
            assert_eq!(leaves_the_tenant(text, &statement), None, "{text}");
        }
        for text in [
            "SET LOCAL search_path = x",
            "SET CONSTRAINTS ALL DEFERRED",
            "SELECT set_config('search_path', 'x', true)",
            "UPDATE t SET role = 'x'",
        ] {
            let statement = first(text);
            assert!(!is_setting(text, &statement), "{text}");
            assert_eq!(leaves_the_tenant(text, &statement), None, "{text}");
        }
    }
}
