//! The reference application's tenant set: the tables every tenant has in a schema of its own. They are those of a
//! wholesale-trade service (suppliers, customers, carriers, products, purchase and sales orders, invoices), and this is
//! a template: copy this crate, rename it, replace `migrations/` and the Rust migration with your own, and keep the
//! rest.
//!
//! What to change when copying:
//!
//! - the package's name, and `migrations/`, whose first version is yours. Files are named
//!   `V{version}__{snake_name}.sql` and lie flat in the folder; SQL that was applied anywhere never changes again.
//! - the `with_migration` lines in [`set`]: one for each migration written in Rust, none when all are SQL. A Rust
//!   migration's version must not be a file's as well.
//! - nothing in `build.rs`: without it, cargo does not notice a file that was added.
//!
//! What to keep to in the SQL, because the same text runs once a tenant:
//!
//! - Names are unqualified: the search path is the tenant's schema, then the shared one. Nothing depends on what the
//!   tenant's schema is called, and functions have no `SET search_path`, because a spare schema is renamed when a
//!   tenant signs up. A trigger that needs another of the tenant's tables finds it by `TG_TABLE_SCHEMA`
//!   (`V7__number_documents.sql`); a view needs nothing, since it holds on to its tables and not to their names.
//! - At most one foreign key into a shared table (`V8__create_price_lists.sql` says why).
//! - A file runs inside a transaction it neither begins nor ends. What cannot, such as `CREATE INDEX CONCURRENTLY`,
//!   stands in a file of its own that starts with `-- migrate: no-transaction`
//!   (`V10__index_lines_and_open_invoices.sql`).
//! - Every table and every index is paid for once a tenant: a foreign key is covered by a unique constraint that starts
//!   with its column where there is one, and remarks are SQL comments, not `COMMENT ON` rows in every tenant's catalog.
//!
//! The tables that exist once are the business of the shared set; when and how either is applied is
//! `migrations-core`'s.

use include_dir::{Dir, include_dir};
use migrations_core::{Error, MigrationSet};

mod v9_create_price_list_items;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The tenant set, compiled into the binary: the SQL files and the Rust migrations in the order of their versions.
///
/// # Errors
///
/// When a migration is misnamed, shares its version with another, has an unknown directive, or holds a statement that
/// would break out of its transaction. The set is fixed when it is compiled, so one test that calls this rules it out.
///
/// # Example
///
/// ```
/// let tenant = migrations_tenant::set()?;
/// assert_eq!(tenant.name().as_str(), "tenant");
/// # Ok::<(), migrations_core::Error>(())
/// ```
pub fn set() -> Result<MigrationSet, Error> {
    MigrationSet::from_dir("tenant", &MIGRATIONS)?
        .with_migration("V9__create_price_list_items", v9_create_price_list_items::sql)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_migration_of_the_set_is_well_formed() -> Result<(), migrations_core::Error> {
        super::set().map(drop)
    }
}
