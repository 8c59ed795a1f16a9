//! The name of a schema, and the names of spare schemas, which no tenant's schema may have.

use std::fmt;
use std::str::FromStr;

use super::error::{Kind, NameError, Problem, identifier_problem};
use super::quote::Shown;

/// The name of a schema.
///
/// Any identifier that PostgreSQL keeps whole: 1 to 63 bytes without NUL. It is quoted wherever it is sent, so blanks and
/// quotes are allowed, and upper and lower case are different. Refused are names that PostgreSQL reserves (`pg_…` and
/// `information_schema`), and `$user`, because in a `search_path` it means the schema of the current role, even quoted.
///
/// A tenant's schema must also not be `public`, the registry's or the shared set's schema, and must not begin with
/// `__spare_`, as spare schemas do.
///
/// It displays with control characters escaped, for terminals and logs; [`as_str`](Self::as_str) is the name itself.
///
/// ```
/// use migrations_core::SchemaName;
///
/// let name: SchemaName = "Acme \"and\" sons".parse()?;
/// assert_eq!(name.as_str(), "Acme \"and\" sons");
/// assert!("pg_catalog".parse::<SchemaName>().is_err());
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaName(String);

/// The prefix of spare schemas' names, which no tenant's schema may have.
pub(crate) const SPARE: &str = "__spare_";

/// The prefix of the names that new tenants' schemas have while they are created in several transactions. In the names
/// of spares, hexadecimal digits follow the prefix.
const UNFINISHED: &str = "__spare_new_";

/// The SQL condition that a column holds the name of a spare schema, for an index on such names.
pub(crate) fn is_spare_sql(column: &str) -> String {
    // '`' is the character after `_`.
    format!("({column} >= '{SPARE}'::name AND {column} < '__spare`'::name AND NOT {})", is_unfinished_sql(column))
}

/// The SQL condition that a column holds the name of a new tenant's schema that is not finished.
pub(crate) fn is_unfinished_sql(column: &str) -> String {
    format!("({column} >= '{UNFINISHED}'::name AND {column} < '__spare_new`'::name)")
}

impl SchemaName {
    /// The name of a spare schema, until a tenant takes it.
    pub(super) fn for_spare(random: u64) -> Self {
        Self(format!("{SPARE}{random:016x}"))
    }

    /// The name of a new tenant's schema while it is created in several transactions.
    pub(super) fn for_unfinished(random: u64) -> Self {
        Self(format!("{UNFINISHED}{random:016x}"))
    }

    /// Whether this is the name of a new tenant's schema that is not finished.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.0.starts_with(UNFINISHED)
    }

    /// Whether this is the name of a spare schema or of an unfinished one.
    pub(crate) fn is_spare(&self) -> bool {
        self.0.starts_with(SPARE)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that this crate spells out itself.
    pub(crate) fn literal(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl FromStr for SchemaName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let problem = identifier_problem(name).or_else(|| match name {
            // PostgreSQL refuses to create any schema that starts with `pg_`.
            "information_schema" => Some(Problem::Reserved),
            _ if name.starts_with("pg_") => Some(Problem::Reserved),
            "$user" => Some(Problem::OfTheRole),
            _ => None,
        });
        match problem {
            None => Ok(Self(name.to_owned())),
            Some(problem) => Err(Kind::Schema.error(name, problem)),
        }
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_of_postgresql_is_taken() {
        for name in
            ["a", "_x", "Acme", "1a", "a b", "a\"b", "a'; --", "ä", "public", "\n", "$migrate$", &"é".repeat(31)]
        {
            assert_eq!(name.parse::<SchemaName>().map(|schema| schema.as_str().to_owned()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn names_that_mean_another_schema_are_refused_with_the_reason() {
        for (name, problem) in [
            ("", Problem::Empty),
            ("a\0b", Problem::Character('\0')),
            (&*"é".repeat(32), Problem::TooLong(64)),
            ("pg_temp", Problem::Reserved),
            ("information_schema", Problem::Reserved),
            ("$user", Problem::OfTheRole),
        ] {
            assert_eq!(name.parse::<SchemaName>().map_err(NameError::problem), Err(problem), "{name}");
        }
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        let name: Result<SchemaName, _> = "a\n\u{1b}[2Jb c".parse();
        assert_eq!(name.map(|name| name.to_string()), Ok("a\\n\\u{1b}[2Jb c".to_owned()));
    }
}
