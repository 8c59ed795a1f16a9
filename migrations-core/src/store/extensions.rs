//! Extensions, which belong to the database: created once for all tenants.

use std::time::Duration;

use super::layout::{BEGINNING, Layout};
use super::lock::{Lock, codes, guard_with};
use crate::names::{Ident, Literal};

/// One transaction that creates an extension under the fleet key, or raises if it exists. If the statement names no
/// schema, the extension is created where every tenant finds it. A tenant's schema is refused, because the extension
/// would be dropped with the tenant.
pub(crate) fn create_extension(
    layout: &Layout,
    lock_timeout: Duration,
    name: &str,
    schema: Option<&str>,
    statement: String,
) -> Vec<String> {
    let is_a_tenants = schema.map_or_else(String::new, |schema| {
        layout.sql(
            include_str!("sql/is_a_tenants_schema.sql"),
            &[("schema", &Literal(schema)), ("code", &codes::ISOLATION)],
        )
    });
    let exists = layout.sql(include_str!("sql/extension_exists.sql"), &[("name", &Literal(name))]);
    let mut statements = BEGINNING.map(str::to_owned).to_vec();
    statements.push(guard_with(layout, Lock::Fleet, &exists, "", &is_a_tenants));
    statements.push(format!("SET LOCAL lock_timeout = '{}ms'", lock_timeout.as_millis()));
    statements.push(format!("SET LOCAL search_path = public, {}", Ident(layout.shared.as_str())));
    statements.push(statement);
    statements
}
