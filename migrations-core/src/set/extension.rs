//! `CREATE EXTENSION`. An extension is the database's, so a tenant's migration cannot create one: where it is there, the
//! statement is done; where it is not, it is created once, before the tenants (`extensions`).

use std::ops::Range;

use super::statement::Statement;

/// An extension that a migration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    /// Where the statement stands in the migration's text.
    pub(crate) range: Range<usize>,
    /// The schema that the statement puts it into.
    pub(crate) schema: Option<String>,
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
        // A name with escapes is the server's to read.
        if !name.is_name() || text[name.range.clone()].to_ascii_lowercase().starts_with("u&") {
            return None;
        }
        let schema = words.iter().position(|word| word.is(text, "schema")).and_then(|at| words.get(at + 1));
        Some(Self {
            name: name.name(text),
            schema: schema.map(|schema| schema.name(text)),
            range: statement.range.clone(),
            name_at: name.range.start,
        })
    }

    /// The statement as it is sent: harmless where the extension is there.
    pub(crate) fn statement(&self, text: &str) -> String {
        format!("CREATE EXTENSION IF NOT EXISTS {}", &text[self.name_at..self.range.end])
    }
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
        let text = "ALTER EXTENSION hstore UPDATE";
        assert_eq!(Extension::read(text, &split(text).unwrap_or_default()[0]), None);
    }
}
