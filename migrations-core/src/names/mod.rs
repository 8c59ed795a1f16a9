//! Validated names, and quoting in SQL.
//!
//! A name is checked once, where it is parsed; code that holds a [`TenantName`] or a [`SchemaName`] needs no check of its
//! own. Both can hold quotes, blanks and semicolons, so they are quoted wherever they become a part of SQL.
//!
//! | file | what it is |
//! | --- | --- |
//! | `quote` | identifiers and literals in SQL, and names for people |
//! | `template` | SQL from a file, with placeholders |
//! | `error` | why a text is not a valid name |
//! | `role` | the name of a role |
//! | `schema` | the name of a schema, and the names of spare schemas |
//! | `tenant` | the name of a tenant |
//! | `member` | a tenant's name with the name of its schema |
//! | `pattern` | a pattern that names are compared with |

mod error;
mod member;
mod pattern;
mod quote;
mod role;
mod schema;
mod template;
mod tenant;

pub use error::NameError;
pub(crate) use error::is_plain;
pub(crate) use member::Member;
pub use pattern::NamePattern;
pub(crate) use quote::{Ident, Literal, OrNull, Shown};
pub use role::RoleName;
pub use schema::SchemaName;
pub(crate) use schema::{SPARE, is_spare_sql, is_unfinished_sql};
pub(crate) use template::fill;
pub use tenant::TenantName;
