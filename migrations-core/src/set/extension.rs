//! `CREATE EXTENSION`. An extension belongs to the database, so a tenant's migration cannot create one. If the
//! extension exists, the statement has nothing to do; if not, the run creates it once, before the tenants
//! (`extensions`).

use std::ops::Range;

use super::statement::Statement;

/// An extension that a migration creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    /// The statement's range in the migration's text.
    pub(crate) range: Range<usize>,
    /// The schema that the statement names for it.
    pub(crate) schema: Option<String>,
    /// Where the name stands: after `CREATE EXTENSION` and perhaps `IF NOT EXISTS`.
    name_offset: usize,
}

impl Extension {
    pub(super) fn read(text: &str, statement: &Statement) -> Option<Self> {
        if !statement.starts_with(text, &["create", "extension"]) {
            return None;
        }
        let words = &statement.words[2..];
        let is = |index: usize, want: &str| words.get(index).is_some_and(|word| word.is(text, want));
        let name = words.get(if is(0, "if") && is(1, "not") && is(2, "exists") { 3 } else { 0 })?;
        // Only the server reads a name with escapes.
        if !name.is_name() || text[name.range.clone()].to_ascii_lowercase().starts_with("u&") {
            return None;
        }
        let schema = words.iter().position(|word| word.is(text, "schema")).and_then(|at| words.get(at + 1));
        Some(Self {
            name: name.name(text),
            schema: schema.map(|schema| schema.name(text)),
            range: statement.range.clone(),
            name_offset: name.range.start,
        })
    }

    /// The statement as it is sent, which does nothing if the extension exists.
    pub(crate) fn statement(&self, text: &str) -> String {
        format!("CREATE EXTENSION IF NOT EXISTS {}", &text[self.name_offset..self.range.end])
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
