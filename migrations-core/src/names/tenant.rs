//! The name of a tenant.

use std::fmt;
use std::str::FromStr;

use super::error::{Kind, NameError, Problem, identifier_problem};
use super::schema::{SPARE, SchemaName};

/// The name of a tenant: what the application calls it, as in `acme`, `acme-corp`, `42` or a UUID.
///
/// It is any text of 1 to 63 bytes, which is also the longest name of a schema, so a schema can have its tenant's
/// name. Names are compared byte by byte: upper and lower case are different. Refused are
///
/// - control characters, line separators and characters that change the direction of text, because names are shown in
///   terminals and written to logs;
/// - white space at the ends, because nobody sees it there.
///
/// The name of the tenant's schema is a [`SchemaName`]. By default, both are the same if the tenant's name is a plain
/// identifier; [`Migrator::schema_for`](crate::Migrator::schema_for) sets the rule for others.
///
/// ```
/// use migrations_core::TenantName;
///
/// let name: TenantName = "acme-corp".parse()?;
/// assert_eq!(name.as_str(), "acme-corp");
/// assert!("acme\n".parse::<TenantName>().is_err());
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(String);

impl TenantName {
    /// The name of a spare schema or of an unfinished one, in place of a tenant's.
    pub(super) fn of_spare(schema: &SchemaName) -> Self {
        Self(schema.as_str().to_owned())
    }

    /// Whether it begins like the names of spare schemas, which are in the registry too.
    pub(crate) fn is_spare(&self) -> bool {
        self.0.starts_with(SPARE)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let problem = identifier_problem(name)
            .or_else(|| (name.trim() != name).then_some(Problem::Ends))
            .or_else(|| name.chars().find(|c| is_invisible(*c)).map(Problem::Character));
        match problem {
            None => Ok(Self(name.to_owned())),
            Some(problem) => Err(Kind::Tenant.error(name, problem)),
        }
    }
}

/// Whether a terminal would obey the character and not show it: control characters, line separators, and the characters
/// that embed, override or isolate a direction.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_applications_call_their_tenants_is_taken() {
        let uuid = "5f3c9a52-7c1e-4d0b-9a57-3d1c1e6f0b11";
        for name in ["a", "acme-corp", "Initech", "42", uuid, "O'Neill, \"Sons\" & Co.", "%", "🦀", "public", "-x"] {
            assert_eq!(name.parse::<TenantName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        assert!("x".repeat(63).parse::<TenantName>().is_ok());
    }

    #[test]
    fn names_that_cannot_be_read_back_are_refused_with_the_reason() {
        for (name, problem) in [
            ("", Problem::Empty),
            ("a\0b", Problem::Character('\0')),
            ("a\nb", Problem::Character('\n')),
            ("a\u{1b}[2J", Problem::Character('\u{1b}')),
            ("a\u{202e}b", Problem::Character('\u{202e}')),
            (" a", Problem::Ends),
            ("a\u{a0}", Problem::Ends),
            ("a\n", Problem::Ends),
            (&*"x".repeat(64), Problem::TooLong(64)),
        ] {
            assert_eq!(name.parse::<TenantName>().map_err(NameError::problem), Err(problem), "{name}");
        }
    }
}
