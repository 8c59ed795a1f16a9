//! A tenant's name with the name of its schema.

use std::fmt;

use super::schema::SchemaName;
use super::tenant::TenantName;

/// A tenant, as statements and texts name it: SQL uses the schema, texts use the name.
///
/// It displays as the name, with the schema beside it where the two differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Member {
    pub(crate) name: TenantName,
    pub(crate) schema: SchemaName,
}

impl Member {
    pub(crate) fn new(name: TenantName, schema: SchemaName) -> Self {
        Self { name, schema }
    }

    /// A spare schema, until a tenant takes it.
    pub(crate) fn spare() -> Self {
        Self::of(SchemaName::for_spare(fastrand::u64(..)))
    }

    /// A new tenant's schema while it is created in several transactions.
    pub(crate) fn unfinished() -> Self {
        Self::of(SchemaName::for_unfinished(fastrand::u64(..)))
    }

    /// A spare schema or an unfinished one, which has no other name.
    pub(crate) fn of(schema: SchemaName) -> Self {
        Self { name: TenantName::of_spare(&schema), schema }
    }

    /// Whether this is a spare schema or an unfinished one, and no tenant.
    pub(crate) fn is_spare(&self) -> bool {
        self.schema.is_spare()
    }

    /// Whether the tenant and its schema have the same name.
    pub(crate) fn is_one_name(&self) -> bool {
        self.name.as_str() == self.schema.as_str()
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, schema } = self;
        if self.is_one_name() { write!(f, "{name}") } else { write!(f, "{name} (schema {schema})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_shown_where_it_is_not_the_name() {
        let member =
            |name: &str, schema: &str| Ok::<_, super::super::NameError>(Member::new(name.parse()?, schema.parse()?));
        assert_eq!(member("acme", "acme").map(|member| member.to_string()), Ok("acme".to_owned()));
        assert_eq!(member("acme-corp", "t_42").map(|m| m.to_string()), Ok("acme-corp (schema t_42)".to_owned()));
    }
}
