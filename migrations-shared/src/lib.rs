//! The reference application's shared set: the tables that exist once, beside the tenants' schemas. It belongs to a
//! wholesale-trade service and is a template: copy this crate, rename it, replace `migrations/` and the Rust migration
//! with your own, and keep the rest.
//!
//! What to change when copying:
//!
//! - the package's name, and `migrations/`, starting at any version you like. Files are named
//!   `V{version}__{snake_name}.sql` and lie directly in the folder; SQL that was applied anywhere never changes again.
//! - the `with_migration` lines in [`set`]: one for each migration written in Rust, none when all are SQL. A Rust
//!   migration and a file must not have the same version.
//! - nothing in `build.rs`: without it, cargo does not notice a file that is added.
//!
//! What the set's SQL relies on:
//!
//! - It runs with the shared schema (`public`, unless configured otherwise) as its search path, so names are
//!   unqualified. It runs inside a transaction that it neither begins nor ends.
//! - A tenant is identified by its schema's name, as text. Nothing here depends on a tenant's tables.
//!
//! The tenant set has the tenants' own tables; `migrations-core` applies both sets.

use include_dir::{Dir, include_dir};
use migrations_core::{MigrationSet, SetError};

mod v6_create_invitations;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The shared set, compiled into the binary: the SQL files and the Rust migrations, sorted by version.
///
/// # Errors
///
/// When a migration is misnamed or shares its version with another. The set is fixed at compile time, so one test that
/// calls this function, and `check` on what it returns, rules out these errors and every statement that is refused.
///
/// # Example
///
/// ```
/// let shared = migrations_shared::set()?;
/// assert_eq!(shared.name().as_str(), "shared");
/// # Ok::<(), migrations_core::Error>(())
/// ```
pub fn set() -> Result<MigrationSet, SetError> {
    MigrationSet::from_dir("shared", &MIGRATIONS)?.with_migration("V6__create_invitations", v6_create_invitations::sql)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_migration_of_the_set_is_well_formed() -> Result<(), migrations_core::SetError> {
        super::set()?.check()
    }
}
