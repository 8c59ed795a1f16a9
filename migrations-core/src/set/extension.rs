//! `CREATE EXTENSION`. An extension is the database's, so a tenant's migration cannot create one: where it is there, the
//! statement is done; where it is not, it is created once, before the tenants (`extensions`).

use std::ops::Range;

use super::statement::{Statement, Word};

/// An extension that a migration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    /// Where the statement stands in the migration's text.
    pub(crate) range: Range<usize>,
    /// Where its name does: behind `CREATE EXTENSION` and perhaps `IF NOT EXISTS`.
    name_at: usize,
}

impl Extension {
    pub(super) fn read(text: &str, statement: &Statement) -> Option<Self> {
        if !statement.starts_with(text, &["create", "extension"]) {
            return None;
        }
        let words = &statement.words[2..];
        let is = |index: usize, want: &str| words.get(index).is_some_and(|word| word.is(text, want));
        let name = words.get(if is(0, "if") && is(1, "not") && is(2, "exists") { 3 } else { 0 })?;
        let is_literal = text[name.range.clone()].starts_with('\'');
        let spelt = if is_literal { text[name.range.clone()].trim_matches('\'').to_owned() } else { name.name(text) };
        Some(Self { name: spelt, range: statement.range.clone(), name_at: name.range.start })
    }

    /// The statement as it is sent: harmless where the extension is there.
    pub(crate) fn statement(&self, text: &str) -> String {
        format!("CREATE EXTENSION IF NOT EXISTS {}", &text[self.name_at..self.range.end])
    }
}

/// The extensions that a statement drops.
pub(super) fn dropped(text: &str, statement: &Statement) -> Vec<String> {
    if !statement.starts_with(text, &["drop", "extension"]) {
        return Vec::new();
    }
    let is_key_word = |word: &&Word| ["if", "exists", "cascade", "restrict"].iter().any(|want| word.is(text, want));
    let names = statement.words[2..].iter().filter(|word| word.is_name() && !is_key_word(word));
    names.map(|word| word.name(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    #[test]
    fn the_name_and_the_rest_are_read() {
        for (text, name, sent) in [
            ("create extension hstore", "hstore", "CREATE EXTENSION IF NOT EXISTS hstore"),
            (
                "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public CASCADE;",
                "uuid-ossp",
                "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public CASCADE",
            ),
            (
                "CREATE EXTENSION PgCrypto VERSION '1.3'",
                "pgcrypto",
                "CREATE EXTENSION IF NOT EXISTS PgCrypto VERSION '1.3'",
            ),
        ] {
            let found = Extension::read(text, &split(text).unwrap_or_default()[0]);
            let found = found.map(|found| (found.statement(text), found.name));
            assert_eq!(found, Some((sent.to_owned(), name.to_owned())));
        }
        let text = "DROP EXTENSION IF EXISTS hstore, \"uuid-ossp\" CASCADE";
        assert_eq!(dropped(text, &split(text).unwrap_or_default()[0]), ["hstore", "uuid-ossp"]);
        let text = "ALTER EXTENSION hstore UPDATE";
        assert_eq!(Extension::read(text, &split(text).unwrap_or_default()[0]), None);
    }
}
