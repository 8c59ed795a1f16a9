//! The reference application's tenant set: the tables that every tenant has in a schema of its own. They belong to a
//! wholesale-trade service (suppliers, customers, carriers, products, purchase and sales orders, invoices). The crate
//! is a template: copy it, rename it, replace `migrations/` and the Rust migration with your own, and keep the rest.
//!
//! What to change when copying:
//!
//! - the package's name, and `migrations/`, starting at any version you like. Files are named
//!   `V{version}__{snake_name}.sql` and lie directly in the folder; SQL that was applied anywhere never changes again.
//! - the `with_migration` lines in [`set`]: one for each migration written in Rust, none when all are SQL. A Rust
//!   migration and a file must not have the same version.
//! - nothing in `build.rs`: without it, cargo does not notice a file that is added.
//!
//! Rules for the SQL, because the same text runs once per tenant:
//!
//! - Names are unqualified: the search path is the tenant's schema, then the shared one. Nothing depends on the name of
//!   the tenant's schema, and functions have no `SET search_path`, because a spare schema is renamed when a tenant
//!   signs up. A trigger that needs another of the tenant's tables finds it by `TG_TABLE_SCHEMA`
//!   (`V7__number_documents.sql`); a view needs nothing, since it refers to its tables and not to their names.
//! - At most one foreign key into a shared table (`V8__create_price_lists.sql` says why).
//! - A file runs inside a transaction that it neither begins nor ends. A statement that cannot run in one, such as
//!   `CREATE INDEX CONCURRENTLY`, stands in a file of its own that starts with `-- migrate: no-transaction`
//!   (`V10__index_lines_and_open_invoices.sql`).
//! - Every table and every index costs once per tenant: a foreign key relies on a unique constraint that starts with
//!   its column if there is one, and remarks are SQL comments, not `COMMENT ON` rows in every tenant's catalog.
//!
//! The shared set has the tables that exist once; `migrations-core` applies both sets.

use include_dir::{Dir, include_dir};
use migrations_core::{MigrationSet, SetError};

mod v9_create_price_list_items;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The tenant set, compiled into the binary: the SQL files and the Rust migrations, sorted by version.
///
/// # Errors
///
/// When a migration is misnamed or shares its version with another. The set is fixed at compile time, so one test that
/// calls this function, and `check` on what it returns, rules out these errors and every statement that is refused.
///
/// # Example
///
/// ```
/// let tenant = migrations_tenant::set()?;
/// assert_eq!(tenant.name().as_str(), "tenant");
/// # Ok::<(), migrations_core::Error>(())
/// ```
pub fn set() -> Result<MigrationSet, SetError> {
    MigrationSet::from_dir("tenant", &MIGRATIONS)?
        .with_migration("V9__create_price_list_items", v9_create_price_list_items::sql)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_migration_of_the_set_is_well_formed() -> Result<(), migrations_core::SetError> {
        super::set()?.check()
    }
}
