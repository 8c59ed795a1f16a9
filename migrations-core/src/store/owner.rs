//! The owner of a schema, and its row in the registry.

use super::layout::Layout;
use crate::names::{Literal, Member};

/// The owner of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    Registry,
    Shared,
    Tenant(&'a Member),
}

impl<'a> Owner<'a> {
    /// The name of the schema.
    pub(crate) fn schema(self, layout: &'a Layout) -> &'a str {
        match self {
            Self::Registry => layout.registry.as_str(),
            Self::Shared => layout.shared.as_str(),
            Self::Tenant(member) => member.schema.as_str(),
        }
    }

    /// The owner, for people: the tenant, or the schema.
    pub(crate) fn shown(self, layout: &Layout) -> String {
        match self {
            Self::Registry => layout.registry.to_string(),
            Self::Shared => layout.shared.to_string(),
            Self::Tenant(member) => member.to_string(),
        }
    }

    /// The tenant, if it is a tenant's schema.
    pub(crate) fn tenant(self) -> Option<&'a Member> {
        match self {
            Self::Tenant(member) => Some(member),
            Self::Registry | Self::Shared => None,
        }
    }

    /// The table that has its row, and the condition for it.
    pub(super) fn row(self, layout: &Layout) -> (String, String) {
        match self {
            Self::Tenant(member) => {
                (layout.table("tenants"), format!("schema_name = {}", Literal(member.schema.as_str())))
            }
            Self::Registry | Self::Shared => (layout.table("sets"), format!("name = {}", self.set_name())),
        }
    }

    /// The key of the row of the registry's or the shared set, as a literal.
    pub(super) fn set_name(self) -> Literal<'static> {
        match self {
            Self::Registry => Literal("registry"),
            Self::Shared | Self::Tenant(_) => Literal("shared"),
        }
    }
}
