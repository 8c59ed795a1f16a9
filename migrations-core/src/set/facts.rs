//! What a migration's text tells about its costs: how many locks it will hold, which tables it creates, and to which it
//! refers.
//!
//! Most are estimates for warnings. What several tenants may share a transaction for is decided by them too, and there
//! they err on the side of caution.

use super::statement::{Statement, Word};

/// Estimates about a migration that has not run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Roughly how many locks it holds until the end of the transaction.
    pub(crate) locks: usize,
    /// Tables that it creates.
    pub(crate) creates: Vec<String>,
    /// Tables that it refers to with foreign keys.
    pub(crate) references: Vec<String>,
    /// Whether it may refer to a table of another schema by name: a foreign key is written with a schema, or in a text
    /// that is put together when it runs.
    pub(crate) may_refer_elsewhere: bool,
    /// Whether it may change how long its statements wait or run.
    pub(crate) may_set_timeouts: bool,
}

impl Facts {
    pub(super) fn of(text: &str, statements: &[Statement]) -> Self {
        let lower = text.to_ascii_lowercase();
        let references = || lower.match_indices("references").map(|(at, word)| &lower[at + word.len()..]);
        let is_qualified = |behind: &str| {
            let name =
                behind.trim_start().split(|c: char| c == '(' || c == ',' || c == ';' || c.is_whitespace()).next();
            name.is_some_and(|name| name.contains('.'))
        };
        let mut facts = Self {
            may_refer_elsewhere: references().any(is_qualified)
                || references().count() > 0 && lower.contains("execute"),
            may_set_timeouts: lower.contains("timeout") || lower.contains("set_config"),
            ..Self::default()
        };
        for statement in statements {
            facts.locks += locks(text, statement);
            facts.creates.extend(created_table(text, statement));
            facts.references.extend(referenced_tables(text, &statement.words));
        }
        facts
    }
}

/// A new table has a TOAST table with an index, an index for its key, and often a sequence.
fn locks(text: &str, statement: &Statement) -> usize {
    let creates = statement.starts_with(text, &["create"]);
    let of = |word| statement.words.iter().take(5).any(|w| w.is(text, word));
    if creates && of("table") {
        6
    } else if creates && of("index") || statement.starts_with(text, &["alter", "table"]) {
        3
    } else {
        1
    }
}

fn created_table(text: &str, statement: &Statement) -> Option<String> {
    if !statement.starts_with(text, &["create"]) {
        return None;
    }
    let table = statement.words.iter().take(5).position(|word| word.is(text, "table"))?;
    let mut names = statement.words[table + 1..]
        .iter()
        .skip_while(|word| ["if", "not", "exists"].iter().any(|keyword| word.is(text, keyword)));
    names.next().filter(|word| word.is_name()).map(|word| word.name(text))
}

fn referenced_tables<'a>(text: &'a str, words: &'a [Word]) -> impl Iterator<Item = String> + 'a {
    words.windows(2).filter(move |pair| pair[0].is(text, "references") && pair[1].is_name()).map(move |pair| {
        // The last part of a qualified name.
        let start = pair[1].range.start;
        let mut rest = words.iter().skip_while(move |word| word.range.start < start);
        let mut name = rest.next().map(|word| word.name(text)).unwrap_or_default();
        while rest.next().is_some_and(|word| word.is_symbol(text, ".")) {
            name = rest.next().map(|word| word.name(text)).unwrap_or_default();
        }
        name
    })
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    #[test]
    fn tables_and_foreign_keys_are_found() {
        let text = "CREATE TABLE IF NOT EXISTS a (b bigint REFERENCES public.\"Plans\" (id));\n\
                    CREATE UNLOGGED TABLE c (d int, FOREIGN KEY (d) REFERENCES a);\n\
                    CREATE INDEX ON c (d); SELECT 'REFERENCES x';";
        let facts = Facts::of(text, &split(text).unwrap_or_default());
        assert_eq!(facts.creates, ["a", "c"]);
        assert_eq!(facts.references, ["Plans", "a"]);
        assert_eq!(facts.locks, 6 + 6 + 3 + 1);
    }
}
