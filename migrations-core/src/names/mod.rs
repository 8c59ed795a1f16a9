//! Validated names, and quoting in SQL.
//!
//! A name is checked once, where it is parsed; code that holds a [`TenantName`] or a [`SchemaName`] needs no check of its
//! own. Identifiers are quoted in SQL all the same.
//!
//! | file | what it is |
//! | --- | --- |
//! | `quote` | identifiers and literals in SQL |
//! | `template` | SQL from a file, with placeholders |

mod quote;
mod template;

use std::fmt;
use std::str::FromStr;

pub(crate) use quote::{Ident, Literal, OrNull};
pub(crate) use template::fill;

/// The longest identifier PostgreSQL keeps whole, in bytes (`NAMEDATALEN - 1`).
const LONGEST: usize = 63;

/// The name of a tenant, which is also the name of its schema.
///
/// 1 to 63 bytes of lower-case letters, digits and `_`, starting with a letter or `_`, and not a schema that PostgreSQL
/// or every database has: `public`, `information_schema`, or anything that starts with `pg_`.
///
/// ```
/// use migrations_core::TenantName;
///
/// let name: TenantName = "acme".parse()?;
/// assert_eq!(name.as_str(), "acme");
/// assert!("Acme; DROP SCHEMA public".parse::<TenantName>().is_err());
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(String);

/// The name of a schema that holds the shared tables or the registry.
///
/// The same characters as a [`TenantName`], but `public` is allowed.
///
/// ```
/// use migrations_core::SchemaName;
///
/// let name: SchemaName = "public".parse()?;
/// assert_eq!(name.as_str(), "public");
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaName(String);

/// The name of a role.
///
/// Any name that PostgreSQL keeps whole: 1 to 63 bytes of any characters, since it is quoted wherever it is sent.
/// `none` is refused, because `SET ROLE none` means no role.
///
/// ```
/// use migrations_core::RoleName;
///
/// let role: RoleName = "shop_tenants".parse()?;
/// assert_eq!(role.as_str(), "shop_tenants");
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let problem = match name {
            "" => Some(Problem::Empty),
            "none" | "public" => Some(Problem::Reserved),
            long if long.len() > LONGEST => Some(Problem::TooLong(long.len())),
            _ => name.chars().find(|c| *c == '\0').map(Problem::Character),
        };
        match problem {
            None => Ok(Self(name.to_owned())),
            Some(problem) => Err(NameError { what: "role", name: name.to_owned(), problem }),
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} name {name:?} {problem}; {}", rule(what))]
pub struct NameError {
    what: &'static str,
    name: String,
    problem: Problem,
}

fn rule(what: &str) -> &'static str {
    match what {
        "role" => "a name is 1 to 63 bytes",
        _ => "a name is 1 to 63 bytes of a-z, 0-9 and _, and starts with a letter or _",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    TooLong(usize),
    Start(char),
    Character(char),
    Reserved,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong(bytes) => write!(f, "is {bytes} bytes long"),
            Self::Start(c) => write!(f, "starts with {c:?}"),
            Self::Character(c) => write!(f, "contains {c:?}"),
            Self::Reserved => f.write_str("is reserved"),
        }
    }
}

fn check(name: &str) -> Result<(), Problem> {
    if name.len() > LONGEST {
        return Err(Problem::TooLong(name.len()));
    }
    match name.chars().next() {
        None => return Err(Problem::Empty),
        Some(c) if c.is_ascii_digit() => return Err(Problem::Start(c)),
        Some(_) => {}
    }
    if let Some(c) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_')) {
        return Err(Problem::Character(c));
    }
    // PostgreSQL refuses to create any schema that starts with `pg_`.
    if name.starts_with("pg_") || name == "information_schema" {
        return Err(Problem::Reserved);
    }
    Ok(())
}

/// The prefix of spare schemas' names, which no tenant's name may have.
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

impl TenantName {
    /// The name of a spare schema, until a tenant takes it.
    pub(crate) fn for_spare(random: u64) -> Self {
        Self(format!("{SPARE}{random:016x}"))
    }

    /// The name of a new tenant's schema while it is created in several transactions.
    pub(crate) fn for_unfinished(random: u64) -> Self {
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
}

impl SchemaName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that this crate spells out itself.
    pub(crate) fn literal(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl FromStr for TenantName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let reserved = if name == "public" { Err(Problem::Reserved) } else { Ok(()) };
        match check(name).and(reserved) {
            Ok(()) => Ok(Self(name.to_owned())),
            Err(problem) => Err(NameError { what: "tenant", name: name.to_owned(), problem }),
        }
    }
}

impl FromStr for SchemaName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        match check(name) {
            Ok(()) => Ok(Self(name.to_owned())),
            Err(problem) => Err(NameError { what: "schema", name: name.to_owned(), problem }),
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_taken() {
        for name in ["a", "acme", "_x", "a1_b2", &"x".repeat(63)] {
            assert_eq!(name.parse::<TenantName>().map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert!("public".parse::<SchemaName>().is_ok());
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        for (name, problem) in [
            ("", Problem::Empty),
            ("1a", Problem::Start('1')),
            ("Acme", Problem::Character('A')),
            ("a-b", Problem::Character('-')),
            ("a\"b", Problem::Character('"')),
            ("ä", Problem::Character('ä')),
            ("pg_temp", Problem::Reserved),
            ("public", Problem::Reserved),
            ("information_schema", Problem::Reserved),
        ] {
            assert_eq!(name.parse::<TenantName>().map_err(|e| e.problem), Err(problem), "{name}");
        }
        assert_eq!("x".repeat(64).parse::<SchemaName>().map_err(|e| e.problem), Err(Problem::TooLong(64)));
    }
}
