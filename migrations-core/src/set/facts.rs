//! What a migration's text tells of its costs: how many locks it is going to hold, and which tables it makes and refers to.
//!
//! Estimates for warnings. Nothing that has to be right depends on them.

use super::statement::{Statement, Word};

/// What is known of a migration without running it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Locks that it holds until the end of the transaction, about.
    pub(crate) locks: usize,
    /// Tables that it creates.
    pub(crate) creates: Vec<String>,
    /// Tables that it refers to with foreign keys.
    pub(crate) references: Vec<String>,
}

impl Facts {
    pub(super) fn of(text: &str, statements: &[Statement]) -> Self {
        let mut facts = Self::default();
        for statement in statements {
            facts.locks += locks(text, statement);
            facts.creates.extend(created_table(text, statement));
            facts.references.extend(referenced_tables(text, &statement.words));
        }
        facts
    }
}

/// A table comes with its TOAST table and the index of that, an index for its key, and often a sequence.
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
